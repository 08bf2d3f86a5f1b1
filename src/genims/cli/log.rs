//! `genims log quarantine` sets damaged segments aside and says what is lost. `genims log adopt` goes on with a data folder that was restored from an older copy.
//!
//! In: the log, and the positions that the configured databases remember. Out: what they have of a history that this log does
//! not hold; with `--yes` the log under a new name, and a position under it in every database.
//!
//! - A database that remembers a lost history keeps what it has, and goes on where that history parted from this one.
//! - The positions are stored before the log takes the name, so that a crash in between changes nothing.

use crate::cli::say::say;
use anyhow::Context;
use clap::{Args, Subcommand};
use genims::settings::Settings;
use genims_databases::{Environment, MongoClient, MongoSettings, PostgresClient, PostgresSettings, Registry};
use genims_log::file::{self, Spool, SpoolOptions};
use genims_log::history::Resume;
use genims_model::Position;
use genims_platform::actions::{self, Action};
use genims_stores::mongo::MongoNames;
use genims_stores::mongo::bookkeeping::{self, Bookkeeping};
use genims_stores::postgres::session;
use std::path::Path;
use std::process::ExitCode;
use uuid::Uuid;

#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    #[command(subcommand)]
    command: LogCommand,
}

#[derive(Debug, Subcommand)]
enum LogCommand {
    /// Go on with a data folder that was restored from an older copy
    Adopt {
        /// Do it; without this only what it means is shown
        #[arg(long)]
        yes: bool,
    },
    /// Set damaged segments aside and say what is lost, so that the server can start again
    Quarantine,
}

/// One configured consumer's database.
enum Store {
    Postgres(PostgresClient),
    Mongodb(MongoClient),
}

/// What a database remembers, and where it goes on.
struct Place {
    store: Store,
    name: &'static str,
    remembered: Option<u64>,
    resume: Option<Resume>,
    /// Everything below is there.
    offset: u64,
    /// Records below may be there, under the log's present name.
    intent: u64,
}

pub(crate) async fn run(args: LogArgs, settings: &Settings, environment: &Environment) -> anyhow::Result<ExitCode> {
    let directory = settings.data_dir.join("spool");
    let yes = match args.command {
        LogCommand::Adopt { yes } => yes,
        LogCommand::Quarantine => return quarantine(&directory),
    };
    let (_appender, spool, _) = file::open(&SpoolOptions { directory, ..settings.spool.clone() })?;
    let places = places(settings, environment, &spool).await?;
    say!("The log holds offsets {} to {}.", spool.first_offset(), spool.next_offset());
    for place in &places {
        say!("{}: {}", place.name, meaning(place, &spool));
    }
    if !places.iter().any(|place| matches!(place.resume, Some(Resume::NotInHistory { .. }))) {
        say!("Every database is at a position of this log: there is nothing to adopt.");
    } else if yes {
        adopt(&spool, &places).await?;
        say!("Adopted: the log is now {}. Start the server.", spool.name());
    } else {
        say!("Nothing was changed. Restore the newer data folder if there is one; otherwise run this with --yes.");
    }
    spool.close()?;
    Ok(ExitCode::SUCCESS)
}

fn quarantine(directory: &Path) -> anyhow::Result<ExitCode> {
    let report = file::quarantine(directory)?;
    if report.segments.is_empty() {
        say!("No segment is damaged: nothing was changed.");
    }
    for replaced in &report.segments {
        match &replaced.moved_to {
            Some(path) => {
                say!("{}: {} bytes moved to {}", replaced.segment.display(), replaced.bytes, path.display())
            }
            None => say!("{}: was missing", replaced.segment.display()),
        }
        if replaced.lost.is_empty() {
            say!("  every record could be read and is kept");
        }
        for lost in &replaced.lost {
            let kinds = lost.kinds.map_or_else(
                || "of unknown kinds".to_owned(),
                |kinds| {
                    format!(
                        "readings {}, snapshots {}, events {}, dead letters {}",
                        kinds.readings, kinds.snapshots, kinds.events, kinds.dead_letters
                    )
                },
            );
            say!("  lost: {} records, offsets {} to {} ({kinds})", lost.below - lost.from, lost.from, lost.below - 1);
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn places(settings: &Settings, environment: &Environment, spool: &Spool) -> anyhow::Result<Vec<Place>> {
    let registry = Registry::load(None)?;
    let mut places = Vec::new();
    if settings.postgres.is_some() {
        let connection = PostgresSettings::from_environment(registry.get("genims_operations_db")?, environment)?;
        let client = connection.connect().await?;
        let remembered = session::remembered(&client, spool.name()).await?;
        places.push(Place::new(spool, session::SINK, remembered, 0, Store::Postgres(client)));
    }
    if settings.mongodb.is_some() {
        let connection = MongoSettings::from_environment(registry.get("genims_production")?, environment)?;
        let client = connection.client().await?;
        let found = bookkeeping(&client, spool.name()).remembered().await?;
        let intent = found.as_ref().map_or(0, |found| found.intent_offset);
        let remembered =
            found.map(|found| Position { log: spool.name(), lineage: found.lineage, offset: found.next_offset });
        places.push(Place::new(spool, bookkeeping::SINK, remembered, intent, Store::Mongodb(client)));
    }
    Ok(places)
}

fn bookkeeping(client: &MongoClient, log: Uuid) -> Bookkeeping {
    Bookkeeping::new(client, &MongoNames::default().internal, log)
}

impl Place {
    fn new(spool: &Spool, name: &'static str, remembered: Option<Position>, intent: u64, store: Store) -> Self {
        let resume = remembered.as_ref().map(|position| spool.resume(position));
        let remembered = remembered.map(|position| position.offset);
        let first = spool.first_offset();
        let offset = match resume {
            // Without a common epoch the log's own cursor is the best that is known.
            Some(Resume::NotInHistory { shared }) => shared.or_else(|| spool.cursor(name)).unwrap_or(first),
            _ => remembered.unwrap_or(first),
        };
        // What a lost history intended has nothing to do with the records here.
        let is_lost = matches!(resume, Some(Resume::NotInHistory { .. }));
        let intent = if is_lost { offset } else { intent.max(offset) };
        Self { store, name, remembered, resume, offset, intent }
    }
}

fn meaning(place: &Place, spool: &Spool) -> String {
    let end = spool.next_offset();
    match (place.remembered, place.resume) {
        (Some(position), Some(Resume::NotInHistory { shared })) => {
            let shared =
                if shared.is_some() { "" } else { " (no common history is known: this is the log's own cursor)" };
            format!(
                "has offsets {} to {position} of a history that this log does not hold; they stay where they are. It gets \
                 {} to {end} of this log{shared}.",
                place.offset, place.offset
            )
        }
        (Some(position), Some(Resume::Behind { first })) => {
            format!("is at {position}, and the log begins at {first}: what lies between is gone. It gets the rest.")
        }
        (Some(position), _) => format!("is at {position} of this history. It gets {position} to {end}."),
        (None, _) => format!("does not know this log. It gets {} to {end}.", place.offset),
    }
}

async fn adopt(spool: &Spool, places: &[Place]) -> anyhow::Result<()> {
    let (log, earlier) = (Uuid::new_v4(), spool.name());
    for place in places {
        let position = Position { log, ..spool.position(place.offset) };
        let stored = match &place.store {
            Store::Postgres(client) => session::remember(client, &position).await,
            Store::Mongodb(client) => {
                let position = bookkeeping::MirrorPosition {
                    next_offset: position.offset,
                    intent_offset: place.intent,
                    lineage: position.lineage,
                    earlier: Some(earlier),
                };
                bookkeeping(client, log).remember(&position).await
            }
        };
        stored.with_context(|| format!("{}: nothing was adopted", place.name))?;
    }
    spool.adopt(log)?;
    for place in places {
        let Store::Postgres(client) = &place.store else { continue };
        let description = format!("adopted the log {earlier} as {log} from offset {}", place.offset);
        let action = Action {
            service: "genims-log",
            activity: "override",
            module: "operations",
            database: "genims_operations_db",
            description: &description,
            rows: 0,
        };
        actions::record(client, &action).await.context("adopted, and not entered into the audit")?;
    }
    Ok(())
}
