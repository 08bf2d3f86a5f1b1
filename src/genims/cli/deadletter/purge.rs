//! `genims deadletter purge`: deletes what is named, and nothing without a name.

use anyhow::bail;
use chrono::Utc;
use clap::Args;
use genims_databases::PostgresClient as Client;
use genims_model::counted;
use genims_platform::dead_letters::purge::{self, Purged, Which};
use genims_terminal::{Progress, say};
use std::process::ExitCode;
use std::time::Duration;

#[derive(Debug, Args)]
pub(super) struct PurgeArgs {
    /// Only these dead letters
    letter_ids: Vec<i64>,
    /// Only those of this reason
    #[arg(long, value_parser = super::reasons())]
    reason: Option<String>,
    /// Only those that came last so long ago, for example 30d
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    older_than: Option<Duration>,
    /// Only so many that the others hold at most this together: replayed ones first, then the oldest of the noisiest causes
    #[arg(long, value_name = "BYTES", conflicts_with_all = ["letter_ids", "reason", "older_than"])]
    max_bytes: Option<u64>,
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(client: &Client, args: PurgeArgs) -> anyhow::Result<ExitCode> {
    let bar = Progress::new("deadletter purge", "");
    let purged = if let Some(bytes_max) = args.max_bytes {
        purge::purge_to_size(client, bytes_max).await?
    } else {
        purge::purge(client, &which(client, &args).await?).await?
    };
    drop(bar);
    if args.json {
        say!("{}", serde_json::to_string(&purged)?);
        return Ok(ExitCode::SUCCESS);
    }
    let Purged { rows, dead_letters, records } = purged;
    let (deleted, records) = (counted(rows, "dead letter"), counted(records, "record"));
    say!("{deleted} deleted; they stood for {dead_letters} that came, with {records}.");
    Ok(ExitCode::SUCCESS)
}

async fn which(client: &Client, args: &PurgeArgs) -> anyhow::Result<Which> {
    if args.letter_ids.is_empty() && args.reason.is_none() && args.older_than.is_none() {
        bail!("nothing to purge; name dead letters, a --reason, --older-than or --max-bytes");
    }
    genims::replay::known(client, &args.letter_ids).await?;
    let before = match args.older_than {
        Some(age) => match chrono::Duration::from_std(age).ok().and_then(|age| Utc::now().checked_sub_signed(age)) {
            Some(before) => Some(before),
            None => bail!("nothing is as old as --older-than says; 365d is a year"),
        },
        None => None,
    };
    let letter_ids = (!args.letter_ids.is_empty()).then(|| args.letter_ids.clone());
    Ok(Which { letter_ids, reason: args.reason.clone(), before })
}
