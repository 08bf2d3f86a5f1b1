//! `loadtest replay`: real records from a CSV file against the server, then the verdict.
//!
//! - [`describe`]: proposes a mapping for a file that nobody has described; [`times`], [`marks`], [`columns`], [`long`] and
//!   [`header`] are what it goes by
//! - [`mapping`]: which column is what, `layout`: where; [`text`], [`cells`]: how files and cells are read
//! - [`records`]: the file becomes readings: shifted in time ([`fold`]: the hour that comes twice), what is left out counted
//! - [`known`]: waits until the server knows the sensors
//! - [`feed`]: sends them at real speed, a multiple, or as fast as acknowledgements come back

pub mod cells;
pub mod columns;
pub mod describe;
pub mod feed;
pub mod fold;
pub mod header;
pub mod known;
mod layout;
pub mod long;
pub mod mapping;
pub mod marks;
pub mod records;
pub mod text;
pub mod times;

use crate::clock::Clock;
use crate::engine::Engine;
use crate::load::connection::Limits;
use crate::load::payload::Texts;
use crate::load::session::{MqttSession, Session, TcpSession};
use crate::memory::Sampler;
use crate::run::{Judging, dead_letters, enter_dead_letters, finish};
use crate::say::say;
use crate::targets::Targets;
use crate::verdict::wait::Store;
use crate::verdict::{Holdings, Span, mongodb};
use crate::wire::mqtt::Version;
use anyhow::Context;
use clap::{Args, ValueEnum};
use feed::{RecordFeed, Speed};
use mapping::Mapping;
use records::Records;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

const LEAD_US: i64 = 300_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Via {
    Mqtt,
    Tcp,
}

#[derive(Args, Clone, Debug)]
pub struct ReplayArgs {
    /// Print the mapping proposed for this file, as TOML, and send nothing
    #[arg(long, value_name = "FILE")]
    pub describe: Option<PathBuf>,
    /// CSV, plain or .gz
    #[arg(long, default_value = "loadtest/data/la_haute_borne_2014_06.csv.gz")]
    pub file: PathBuf,
    /// Which column is what
    #[arg(long, default_value = "config/loadtest/replay_la_haute_borne.toml")]
    pub mapping: PathBuf,
    /// 1x, 100x, ... or max
    #[arg(long, default_value = "max")]
    pub speed: Speed,
    /// Keep the original times instead of moving the last record to now
    #[arg(long)]
    pub keep_time: bool,
    #[arg(long, value_enum, default_value = "mqtt")]
    pub via: Via,
    /// Connections; each takes some of the machines
    #[arg(long, default_value_t = 4)]
    pub connections: usize,
    /// Readings per message
    #[arg(long, default_value_t = 200)]
    pub batch: usize,
    /// Messages in flight per connection
    #[arg(long, default_value_t = 16)]
    pub window: u32,
    /// Stop sending after so many seconds
    #[arg(long)]
    pub seconds: Option<u64>,
    #[command(flatten)]
    pub judging: Judging,
    #[command(flatten)]
    pub targets: Targets,
}

pub async fn replay(args: ReplayArgs) -> anyhow::Result<bool> {
    if let Some(file) = &args.describe {
        say!("{}", describe::describe(file)?.trim_end());
        return Ok(true);
    }
    args.targets.check()?;
    anyhow::ensure!((1..=10_000).contains(&args.batch), "--batch must lie in 1..=10000");
    anyhow::ensure!((1..=16_384).contains(&args.window), "--window must lie in 1..=16384");
    let mapping = Mapping::load(&args.mapping)?;
    let read_at = Instant::now();
    let plant = Arc::new(args.targets.plant(0, &[]).await?);
    let mut records = Records::read(&args.file, &mapping, &plant)?;
    known::wait(&args.targets, plant.sensors.len(), read_at).await?;
    let clock = Clock::start();
    if !args.keep_time {
        records.shift_to(clock.now_us());
    }
    let Some((from_us, to_us)) = records.range_us() else {
        anyhow::bail!("{} holds no readings", args.file.display());
    };
    let stores = args.targets.stores().await?;
    let timetable = Timetable::of(&args, &records, clock);
    let mirror_from_us = mirror_from_us(stores.1.as_ref(), &timetable, &args.judging).await?;
    records.summary.older_than_mirror_keeps = records.older_than(mirror_from_us);
    let (span, kept) = (Span { from_us, to_us }, Span { from_us: from_us.max(mirror_from_us), to_us });
    let before =
        (held_before(stores.0.as_ref(), span, &records).await?, held_before(stores.1.as_ref(), kept, &records).await?);
    let dead_letters_before = dead_letters(stores.0.as_ref()).await?;
    let memory = args.targets.server_pid.map(Sampler::start);
    let summary = records.summary.clone();
    let texts: Vec<Texts> = records.sensors.iter().map(|&s| Texts::new(&plant, &plant.sensors[s])).collect();
    let mut engine = Engine::new("replay", clock);
    launch(&args, &mut engine, records, (texts.into(), timetable, mirror_from_us))?;
    let traffic = engine.drive(Vec::new()).await;
    let mut report = traffic.report("replay");
    let patience = args.judging.patience(clock);
    traffic.judge(&mut report, (stores.0.as_ref(), stores.1.as_ref()), before, patience, clock).await?;
    enter_dead_letters(&mut report, stores.0.as_ref(), &dead_letters_before).await?;
    report.server_rss_mb_max = memory.and_then(|memory| memory.max_mb());
    report.replay = Some(summary);
    report.server_stats = args.targets.server_stats().await;
    finish(&mut report, args.judging.json.as_deref())
}

/// When sending begins and ends.
#[derive(Clone, Copy)]
struct Timetable {
    start_us: i64,
    stop_us: i64,
    give_up_us: i64,
}

impl Timetable {
    fn of(args: &ReplayArgs, records: &Records, clock: Clock) -> Self {
        let start_us = clock.now_us() + LEAD_US;
        let stop_us = args.seconds.map_or(i64::MAX / 4, |seconds| start_us + seconds as i64 * 1_000_000);
        // Without an end of its own the replay ends with its last record; then acknowledgements get their time.
        let pacing_us = args.speed.duration_us(records.range_us().unwrap_or_default());
        let last_us = stop_us.min(start_us.saturating_add(pacing_us));
        let give_up_us = if args.speed == Speed::Max && args.seconds.is_none() {
            start_us + 24 * 3_600 * 1_000_000
        } else {
            last_us + args.judging.ack_seconds as i64 * 1_000_000
        };
        Self { start_us, stop_us, give_up_us }
    }
}

/// The mirror keeps readings from this time on, whenever until the last look it is asked; what is older it may hold or not.
async fn mirror_from_us(store: Option<&Store>, timetable: &Timetable, judging: &Judging) -> anyhow::Result<i64> {
    let Some(Store::Mongo(database)) = store else { return Ok(i64::MIN) };
    let kept_us = mongodb::readings_kept_us(database).await.context("how long the mirror keeps readings")?;
    let last_look_us = timetable.give_up_us + judging.drain_seconds as i64 * 1_000_000;
    Ok(kept_us.map_or(i64::MIN, |kept_us| last_look_us - kept_us))
}

/// What the span holds already, so that a second replay of the same records is judged by what it added.
async fn held_before(store: Option<&Store>, span: Span, records: &Records) -> anyhow::Result<Holdings> {
    match store {
        Some(store) => {
            store.holdings(span, &records.sensor_ids).await.context("the span of the records cannot be looked at")
        }
        None => Ok(Holdings::default()),
    }
}

fn launch(
    args: &ReplayArgs,
    engine: &mut Engine,
    records: Records,
    (texts, timetable, mirror_from_us): (Arc<[Texts]>, Timetable, i64),
) -> anyhow::Result<()> {
    let stats = engine.stream("replay");
    let access = &args.targets.access;
    let peer = access.peer(if args.via == Via::Mqtt { &args.targets.mqtt } else { &args.targets.tcp })?;
    let Timetable { start_us, stop_us, give_up_us } = timetable;
    let limits = Limits { start_us, give_up_us, storm_interval_us: 0 };
    let names: Arc<[String]> = texts.iter().map(|text| text.sensor_id.clone()).collect();
    let origin_us = records.range_us().map_or(0, |range| range.0);
    for (part, readings) in records.split(args.connections).into_iter().enumerate() {
        let identity = access.identity(format!("loadtest-{start_us:x}-replay-{part}"))?;
        let session = match args.via {
            Via::Mqtt => Session::Mqtt(MqttSession::new(Version::V311, 1, identity, args.window)),
            Via::Tcp => Session::Tcp(TcpSession::new(identity, args.window, names.clone())),
        };
        let feed = RecordFeed {
            readings,
            texts: texts.clone(),
            over_mqtt: args.via == Via::Mqtt,
            batch: args.batch,
            speed: args.speed,
            origin_us,
            start_us,
            stop_us,
            mirror_from_us,
            next: 0,
        };
        engine.connect(&peer, session, feed, &stats, limits);
    }
    Ok(())
}
