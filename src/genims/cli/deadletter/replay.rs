//! `genims deadletter replay`: arguments in, what became of them out; exit code 1 unless all of them are stored now.

use crate::cli::door::Door;
use anyhow::bail;
use clap::Args;
use genims::replay::{self, REPLAY_TOPIC, ReplayStep, ReplayWanted, ReplayWay, Replayed, WatchedServer};
use genims::settings::Settings;
use genims_databases::{Environment, PostgresClient as Client};
use genims_model::{counted, noun};
use genims_platform::dead_letters::again::Returned;
use genims_terminal::{Progress, say};
use serde_json::Value;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

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
    /// The server's HTTP side, which tells when all is stored: an address, or a URL with the name that its certificate has
    /// [default: that of the configuration]
    #[arg(long, value_name = "ADDRESS")]
    http: Option<String>,
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    client: &Client,
    args: ReplayArgs,
    settings: &Settings,
    environment: &Environment,
) -> anyhow::Result<ExitCode> {
    let wanted = match args.reason {
        Some(reason) => ReplayWanted::Reason { reason, max: u64::MAX },
        None if args.letter_ids.is_empty() => bail!("nothing to replay; name dead letters or a --reason"),
        None => ReplayWanted::DeadLetters(args.letter_ids),
    };
    let login = replay::login(environment)?;
    let scheme = if settings.http.tls.is_some() { "https" } else { "http" };
    let named = args.http.map(|at| if at.contains("://") { at } else { format!("{scheme}://{at}") });
    let door = Door::new(named.as_deref(), environment, || Ok(settings.http.clone()))?;
    let url = door.url.clone();
    let server = WatchedServer::Http { url, get: Arc::new(move |path: &str| door.get::<Value>(path)) };
    let bar = Progress::new("deadletter replay", "dead letters");
    let show = |step: ReplayStep| match step {
        ReplayStep::Replayed(count) => bar.set_done(count),
        ReplayStep::Waiting => bar.show("waiting until they are stored"),
    };
    let way = ReplayWay {
        client,
        topics: settings.topics.clone(),
        mqtt: args.mqtt.or_else(|| replay::mqtt_address(&settings.listeners)),
        server,
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
    for one in back {
        say!("{}", told(one));
    }
    if *returned > 0 {
        say!("{} set aside again; `genims deadletter list` has the reasons.", were(*returned, "record"));
    }
    if *counted_only > 0 {
        let dead_letters = were(*counted_only, "more dead letter");
        say!("{dead_letters} of the same causes and only counted: only the sender has what was in it.");
    }
    if *refused > 0 {
        say!("{} refused by the database again.", were(*refused, "row"));
    }
    if *refused_meanwhile > 0 {
        let rows = were(*refused_meanwhile, "row");
        say!("{rows} refused by the database meanwhile; see --reason refused_by_database.");
    }
    if *without_topic > 0 {
        let dead_letters = were(*without_topic, "dead letter");
        say!(
            "{dead_letters} sent to {REPLAY_TOPIC}, since frames and lines have no topic: the payload names the sensors."
        );
    }
    if *without_row > 0 {
        let dead_letters = were(*without_row, "dead letter");
        say!(
            "{dead_letters} left without a row that could be put back (an event, or a dead letter that was refused itself); \
             `genims deadletter show` has what is known, `purge` removes it."
        );
    }
    for letter_id in &done.cut_ids {
        say!(
            "dead letter {letter_id} was left: its payload was cut; `genims deadletter show {letter_id}` has how much was kept."
        );
    }
    if *cut > 0 {
        say!("{} left with a part of a long payload: only the sender has it whole.", were(*cut, "dead letter"));
    }
    Ok(())
}

/// `1 record was`, `2 records were`.
fn were(count: u64, one: &str) -> String {
    format!("{} {}", counted(count, one), if count == 1 { "was" } else { "were" })
}

/// What became of a dead letter that is not stored as a whole, and under which number what is left of it waits.
fn told(returned: &Returned) -> String {
    let Returned { letter_id, reason, detail, records, stored_records, waits_as, .. } = returned;
    let why = format!("{reason}: {}", super::shown(detail));
    if returned.is_whole() {
        return format!("dead letter {letter_id} came back and waits: {why}");
    }
    let numbers: Vec<String> = waits_as.iter().map(i64::to_string).collect();
    let place = format!("{} {}", noun(waits_as.len() as u64, "dead letter"), numbers.join(", "));
    match stored_records {
        0 => format!(
            "dead letter {letter_id} came back in part: {}, now {place}; what else it held is stored: {why}",
            counted(*records, "record")
        ),
        stored => {
            let (held, remain) =
                (counted(stored + records, "record"), if *records == 1 { "remains" } else { "remain" });
            let part = format!("{stored} of its {held}; {records} {remain}, now {place}");
            format!("dead letter {letter_id} is stored in part: {part}: {why}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::were;

    #[test]
    fn one_was_and_several_were() {
        assert_eq!([1, 2].map(|count| were(count, "record")), ["1 record was", "2 records were"]);
    }
}
