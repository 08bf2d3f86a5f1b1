//! `genims deadletter replay`: arguments in, what became of them out; exit code 1 unless all of them are stored now.

use anyhow::bail;
use clap::Args;
use genims::replay::{self, Login, REPLAY_TOPIC, ReplayStep, ReplayWanted, ReplayWay, Replayed, WatchedServer};
use genims::settings::{Settings, reachable};
use genims_databases::PostgresClient as Client;
use genims_platform::dead_letters::again::Returned;
use genims_terminal::{Progress, say};
use std::net::SocketAddr;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    /// Only these dead letters
    letter_ids: Vec<i64>,
    /// All waiting dead letters of this reason
    #[arg(long, conflicts_with = "letter_ids", value_parser = super::reasons())]
    reason: Option<String>,
    /// The server's MQTT listener [default: the first one of the configuration]
    #[arg(long, value_name = "ADDRESS")]
    mqtt: Option<SocketAddr>,
    /// The server's HTTP side, which tells when all is stored [default: that of the configuration]
    #[arg(long, value_name = "ADDRESS")]
    http: Option<SocketAddr>,
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    client: &Client,
    args: ReplayArgs,
    settings: &Settings,
    login: Option<Login>,
) -> anyhow::Result<ExitCode> {
    let wanted = match args.reason {
        Some(reason) => ReplayWanted::Reason { reason, max: u64::MAX },
        None if args.letter_ids.is_empty() => bail!("nothing to replay; name dead letters or a --reason"),
        None => ReplayWanted::Letters(args.letter_ids),
    };
    let bar = Progress::new("deadletter replay", "dead letters");
    let show = |step: ReplayStep| match step {
        ReplayStep::Replayed(count) => bar.set_done(count),
        ReplayStep::Waiting => bar.show("waiting until they are stored"),
    };
    let way = ReplayWay {
        client,
        topics: settings.topics.clone(),
        mqtt: args.mqtt.or_else(|| replay::mqtt_address(&settings.listeners)),
        server: WatchedServer::Http(args.http.unwrap_or_else(|| reachable(settings.http.listen))),
        login,
        show: &show,
    };
    let replayed = replay::run(way, &wanted).await;
    drop(bar);
    let (done, refusal) = replayed?;
    report(&done, args.json)?;
    if let Some(error) = refusal {
        return Err(error);
    }
    let all_stored = done.stored == done.asked && done.refused_meanwhile == 0;
    Ok(if all_stored { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn report(done: &Replayed, json: bool) -> anyhow::Result<()> {
    if json {
        say!("{}", serde_json::to_string(done)?);
        return Ok(());
    }
    let Replayed { asked, stored, returned, refused, refused_meanwhile, cut, counted_only, back, .. } = done;
    let Replayed { without_row, without_topic, .. } = done;
    say!("{stored} of {asked} stored.");
    for Returned { letter_id, reason, detail, .. } in back {
        say!("letter {letter_id} came back and waits: {reason}: {}", super::shown(detail));
    }
    if *returned > 0 {
        say!("{returned} records were set aside again; `genims deadletter list` has the reasons.");
    }
    if *counted_only > 0 {
        say!("{counted_only} more of the same causes were only counted: only their sender has them.");
    }
    if *refused > 0 {
        say!("{refused} rows are still refused by the database.");
    }
    if *refused_meanwhile > 0 {
        say!("{refused_meanwhile} rows were refused by the database meanwhile; see --reason refused_by_database.");
    }
    if *without_topic > 0 {
        say!(
            "{without_topic} came without a topic (frames, lines) and were sent to {REPLAY_TOPIC}: their payloads name the sensors."
        );
    }
    if *without_row > 0 {
        say!(
            "{without_row} hold no row that could be put back (an event, or a dead letter that was refused itself) and were \
             left; `genims deadletter show` has what is known, `purge` removes them."
        );
    }
    for letter_id in &done.cut_ids {
        say!(
            "letter {letter_id} was left: its payload was cut; `genims deadletter show {letter_id}` has how much was kept."
        );
    }
    if *cut > 0 {
        say!("{cut} hold only a part of a long payload and were left: only their sender has it whole.");
    }
    Ok(())
}
