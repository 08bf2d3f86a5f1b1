//! `loadtest run`: a plan's streams and probes against the server, then the verdict.

use crate::baseline::{self, BaselineOptions};
use crate::clock::Clock;
use crate::engine::{Engine, Traffic, conclude};
use crate::load::assign::{machines_by_stream, shares};
use crate::load::connection::Limits;
use crate::load::generator::{Generator, Schedule};
use crate::load::payload::Texts;
use crate::load::probe::{self, ProbeFeed, Visibility};
use crate::load::session::{MqttSession, Session, TcpSession};
use crate::load::socket::Peer;
use crate::memory::Sampler;
use crate::plan::{Form, Plan, PlanError, Protocol, Rate, Stream};
use crate::plant::Plant;
use crate::report::{InClear, Percentiles, Report, write_json};
use crate::targets::Targets;
use crate::verdict::postgres;
use crate::verdict::wait::{Patience, Store};
use crate::wire::Identity;
use anyhow::{Context, bail};
use clap::Args;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// Connections begin together, a moment after they are made.
const LEAD_US: i64 = 300_000;
/// A TCP handle has 16 bits.
const HANDLES_MAX: usize = 65_536;

#[derive(Args, Clone, Debug)]
pub struct Judging {
    /// How long to wait for acknowledgements after the last send, seconds
    #[arg(long, default_value_t = 60)]
    pub ack_seconds: u64,
    /// How long to wait for the databases after that, seconds
    #[arg(long, default_value_t = 600)]
    pub drain_seconds: u64,
    /// Give up on the databases when nothing has moved for so long, seconds
    #[arg(long, default_value_t = 20)]
    pub stall_seconds: u64,
    /// Write the report as JSON
    #[arg(long)]
    pub json: Option<PathBuf>,
}

impl Judging {
    pub fn patience(&self, clock: Clock) -> Patience {
        Patience {
            deadline_us: clock.now_us() + self.drain_seconds as i64 * 1_000_000,
            stall: Duration::from_secs(self.stall_seconds),
        }
    }
}

#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    /// The plan, for example config/loadtest/demo.toml
    #[arg(long)]
    pub plan: PathBuf,
    /// Instead of the plan's duration
    #[arg(long)]
    pub seconds: Option<u64>,
    /// Instead of the plan's rates: readings per second in total, or "max"
    #[arg(long)]
    pub rate: Option<Rate>,
    /// Measure the baselines before and after the run
    #[arg(long)]
    pub with_baseline: bool,
    /// Run the plan at this listener in clear as well, before and after, and print the ratio
    #[arg(long, value_name = "HOST:PORT")]
    pub clear: Option<String>,
    #[command(flatten)]
    pub baseline: BaselineOptions,
    #[command(flatten)]
    pub judging: Judging,
    #[command(flatten)]
    pub targets: Targets,
}

pub async fn run(args: RunArgs) -> anyhow::Result<bool> {
    args.targets.check()?;
    let mut plan = Plan::load(&args.plan)?;
    plan.seconds = args.seconds.unwrap_or(plan.seconds);
    if let Some(rate) = args.rate {
        plan.set_rate(rate)?;
    }
    plan.check()?;
    let in_clear = args.in_clear(&plan)?;
    let plant = Arc::new(args.targets.plant(plan.plant.machines_max, &plan.plant.exclude).await?);
    let mut baselines = Vec::new();
    if args.with_baseline {
        baselines.push(baseline::measure(&args.targets, &args.baseline).await?);
    }
    let mut beside = Vec::new();
    if let Some(in_clear) = &in_clear {
        beside.push(measured_in_clear(in_clear, &plan, plant.clone()).await?);
    }
    let (mut report, server_rss_mb_max) = measured(&args, &plan, plant.clone()).await?;
    report.server_rss_mb_max = server_rss_mb_max;
    if let Some(in_clear) = &in_clear {
        beside.push(measured_in_clear(in_clear, &plan, plant).await?);
    }
    report.compare_to_clear(beside);
    if args.with_baseline {
        baselines.push(baseline::measure(&args.targets, &args.baseline).await?);
    }
    report.compare(baselines);
    finish(&mut report, args.judging.json.as_deref())
}

impl RunArgs {
    /// The same run at the listener in clear, where one is named.
    fn in_clear(&self, plan: &Plan) -> anyhow::Result<Option<Self>> {
        let Some(clear) = &self.clear else { return Ok(None) };
        let kind = |stream: &Stream| (stream.protocol.is_mqtt(), stream.protocol == Protocol::Tcp);
        if plan.streams.iter().any(|stream| kind(stream) != kind(&plan.streams[0])) {
            bail!("--clear names one listener: all streams of the plan have to be of one protocol");
        }
        let mut other = self.clone();
        let targets = &mut other.targets;
        targets.access.tls = false;
        if targets.access.peer(clear)?.tls.is_some() {
            bail!("--clear names a listener without TLS");
        }
        for address in [&mut targets.mqtt, &mut targets.tcp, &mut targets.line] {
            address.clone_from(clear);
        }
        Ok(Some(other))
    }
}

async fn measured_in_clear(args: &RunArgs, plan: &Plan, plant: Arc<Plant>) -> anyhow::Result<InClear> {
    let (mut report, _) = measured(args, plan, plant).await?;
    conclude(&mut report);
    Ok(InClear { messages_per_s: report.messages_per_s, problems: report.problems })
}

/// The verdict, on paper and on the screen; true if the run passed.
pub fn finish(report: &mut Report, json: Option<&std::path::Path>) -> anyhow::Result<bool> {
    conclude(report);
    report.print();
    if let Some(path) = json {
        write_json(path, report).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(report.passed())
}

async fn measured(args: &RunArgs, plan: &Plan, plant: Arc<Plant>) -> anyhow::Result<(Report, Option<f64>)> {
    let stores = args.targets.stores().await?;
    let dead_letters_before = dead_letters(stores.0.as_ref()).await?;
    let memory = args.targets.server_pid.map(Sampler::start);
    let clock = Clock::start();
    let start_us = clock.now_us() + LEAD_US;
    let schedule = Schedule { start_us, stop_us: start_us + plan.seconds as i64 * 1_000_000 };
    let mut engine = Engine::new(&plan.name, clock);
    let mut launch = Launch { args, plan, plant, schedule, run_id: format!("{start_us:x}"), engine: &mut engine };
    let watch = launch.probes().await?;
    let fire_and_forget = launch.streams(watch.is_some())?;
    let traffic = engine.drive(fire_and_forget).await;
    let mut report = traffic.report(&plan.name);
    judge(&traffic, &mut report, &stores, &args.judging, clock, &dead_letters_before).await?;
    if let Some(watch) = watch {
        let visibility = watch.await.context("the watch on the probes failed")??;
        report.visible_latency_ms = Percentiles::of(&visibility.latency_us);
        report.probes_unseen = Some(visibility.unseen);
    }
    report.server_stats = args.targets.server_stats().await;
    Ok((report, memory.and_then(|memory| memory.max_mb())))
}

/// The databases' word on what was sent since they were empty of it.
async fn judge(
    traffic: &Traffic,
    report: &mut Report,
    stores: &(Option<Store>, Option<Store>),
    judging: &Judging,
    clock: Clock,
    dead_letters_before: &DeadLetters,
) -> anyhow::Result<()> {
    let patience = judging.patience(clock);
    let stores = (stores.0.as_ref(), stores.1.as_ref());
    traffic.judge(report, stores, Default::default(), patience, clock).await?;
    enter_dead_letters(report, stores.0, dead_letters_before).await
}

/// Dead letters by reason, where PostgreSQL can be asked.
pub type DeadLetters = Option<BTreeMap<String, u64>>;

pub async fn dead_letters(store: Option<&Store>) -> anyhow::Result<DeadLetters> {
    match store {
        Some(Store::Postgres(client)) => Ok(postgres::dead_letters(client).await?),
        _ => Ok(None),
    }
}

/// Enters the dead letters since `before`; waits a little for those that are expected.
pub async fn enter_dead_letters(
    report: &mut Report,
    store: Option<&Store>,
    before: &DeadLetters,
) -> anyhow::Result<()> {
    const LOOKS: u32 = 50;
    for look in 1..=LOOKS {
        let Some(mut dead_letters) = dead_letters(store).await? else { return Ok(()) };
        for (reason, count) in &mut dead_letters {
            *count -= before.as_ref().and_then(|before| before.get(reason)).copied().unwrap_or(0).min(*count);
        }
        dead_letters.retain(|_, count| *count > 0);
        let total = dead_letters.values().sum();
        if total >= report.dead_letters_expected || look == LOOKS {
            report.dead_lettered = Some(total);
            report.dead_letter_reasons = dead_letters;
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

/// A run on its way out of the harbour.
struct Launch<'a> {
    args: &'a RunArgs,
    plan: &'a Plan,
    plant: Arc<Plant>,
    schedule: Schedule,
    run_id: String,
    engine: &'a mut Engine,
}

type Watch = JoinHandle<Result<Visibility, tokio_postgres::Error>>;

impl Launch<'_> {
    fn limits(&self, storm_interval: Duration) -> Limits {
        Limits {
            start_us: self.schedule.start_us,
            give_up_us: self.schedule.stop_us + self.args.judging.ack_seconds as i64 * 1_000_000,
            storm_interval_us: storm_interval.as_micros() as i64,
        }
    }

    fn peer(&self, protocol: Protocol) -> anyhow::Result<Peer> {
        let targets = &self.args.targets;
        Ok(targets.access.peer(match protocol {
            Protocol::Mqtt | Protocol::Mqtt5 => &targets.mqtt,
            Protocol::Tcp => &targets.tcp,
            Protocol::Line => &targets.line,
        })?)
    }

    /// Sends markers with the first sensor of the plant and watches for them, where PostgreSQL can be asked.
    async fn probes(&mut self) -> anyhow::Result<Option<Watch>> {
        let per_second = self.plan.probes.per_second;
        let (Some(client), true) = (self.args.targets.operations().await?, per_second > 0.0) else {
            return Ok(None);
        };
        let over_mqtt = self.plan.streams.iter().any(|stream| stream.protocol.is_mqtt());
        if !over_mqtt && self.plan.streams.iter().all(|stream| stream.protocol != Protocol::Tcp) {
            return Ok(None);
        }
        let texts = Texts::new(&self.plant, &self.plant.sensors[0]);
        let sensor_id = texts.sensor_id.clone();
        let window = (self.schedule.start_us, self.schedule.stop_us);
        let (feed, watched) = ProbeFeed::new(texts, over_mqtt, window, per_second);
        let identity = self.args.targets.access.identity(format!("loadtest-{}-probe", self.run_id))?;
        let (session, protocol) = if over_mqtt {
            let version = crate::wire::mqtt::Version::V311;
            (Session::Mqtt(MqttSession::new(version, 1, identity, 1_000)), Protocol::Mqtt)
        } else {
            let names = vec![sensor_id.clone()].into();
            (Session::Tcp(TcpSession::new(identity, 1_000, names)), Protocol::Tcp)
        };
        let peer = self.peer(protocol)?;
        let stats = self.engine.stream("probes");
        self.engine.connect(&peer, session, feed, &stats, self.limits(Duration::ZERO));
        let poll_interval = self.plan.probes.poll_interval;
        Ok(Some(tokio::spawn(probe::watch(client, sensor_id, watched, poll_interval, self.engine.clock))))
    }

    /// Starts every stream; returns the names of those that nothing acknowledges.
    fn streams(&mut self, probes: bool) -> anyhow::Result<Vec<String>> {
        let mut fire_and_forget = Vec::new();
        let machines = machines_by_stream(&self.plant, &self.plan.streams);
        for (stream, machines) in self.plan.streams.iter().zip(machines) {
            if stream.protocol == Protocol::Line || (stream.protocol.is_mqtt() && stream.qos == 0) {
                fire_and_forget.push(stream.name.clone());
            }
            self.stream(stream, &machines, probes.then_some(0))?;
        }
        Ok(fire_and_forget)
    }

    fn stream(&mut self, stream: &Stream, machines: &[usize], reserved: Option<usize>) -> anyhow::Result<()> {
        if machines.is_empty() {
            let what = "the master database has too few machines for its weight".to_owned();
            return Err(PlanError::Stream { stream: stream.name.clone(), what }.into());
        }
        let stats = self.engine.stream(&stream.name);
        let peer = self.peer(stream.protocol)?;
        let shares = shares(&self.plant, machines, stream.connections as usize, reserved);
        stream.check_sensors(shares.iter().map(|share| share.sensors.len()).sum())?;
        let shared = Arc::new(stream.clone());
        for (part, share) in shares.into_iter().enumerate() {
            if stream.form == Form::Frame && share.sensors.len() > HANDLES_MAX {
                bail!(
                    "stream {}: more than {HANDLES_MAX} sensors on one connection: use more connections",
                    stream.name
                );
            }
            let client_id = format!("loadtest-{}-{}-{part}", self.run_id, stream.name);
            let identity = self.args.targets.access.identity(client_id)?;
            let names = share.sensors.iter().map(|&sensor| self.plant.sensors[sensor].sensor_id.clone()).collect();
            let session = session(stream, identity, names);
            let feed = Generator::new(
                self.plant.clone(),
                shared.clone(),
                &self.plan.plant,
                self.plan.seed,
                share,
                part as u32,
                self.schedule,
            );
            self.engine.connect(&peer, session, feed, &stats, self.limits(stream.reconnect_every));
        }
        Ok(())
    }
}

fn session(stream: &Stream, identity: Identity, names: Vec<String>) -> Session {
    use crate::wire::mqtt::Version;
    match stream.protocol {
        Protocol::Mqtt => Session::Mqtt(MqttSession::new(Version::V311, stream.qos, identity, stream.window)),
        Protocol::Mqtt5 => Session::Mqtt(MqttSession::new(Version::V5, stream.qos, identity, stream.window)),
        Protocol::Tcp => Session::Tcp(TcpSession::new(identity, stream.window, names.into())),
        Protocol::Line => Session::line(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        run: RunArgs,
    }

    fn other(clear: &str, protocols: &[&str]) -> anyhow::Result<Option<RunArgs>> {
        let mut text = "name = \"t\"\n".to_owned();
        for (number, protocol) in protocols.iter().enumerate() {
            text +=
                &format!("[[streams]]\nname = \"{number}\"\nprotocol = \"{protocol}\"\nform = \"frame\"\nrate = 1\n");
        }
        let line = Line::parse_from(["run", "--plan", "p", "--tls", "--mqtt", "localhost:1", "--clear", clear]);
        line.run.in_clear(&toml::from_str(&text).expect("a plan"))
    }

    #[test]
    fn the_run_beside_it_is_the_same_in_clear_and_of_one_protocol() {
        let found = other("127.0.0.1:7", &["mqtt", "mqtt5"]).expect("allowed").expect("asked for");
        assert_eq!(found.targets.mqtt, "127.0.0.1:7");
        assert!(found.targets.access.peer(&found.targets.mqtt).is_ok_and(|peer| peer.tls.is_none()));
        assert!(other("127.0.0.1:7", &["mqtt", "tcp"]).is_err(), "they are not at one listener");
        assert!(other("tls://127.0.0.1:7", &["tcp"]).is_err(), "that is not in clear");
    }
}
