//! `genims log quarantine` sets damaged segments of both logs aside and says what is lost. `genims log adopt` goes on with a data folder that was restored from an older copy.
//!
//! In: the log, and the positions that the configured databases remember. Out: what they have of a history that this log does
//! not hold; with `--yes` the log under a new name, and a position under it in every database.
//!
//! - A database that remembers a lost history keeps what it has, and goes on where that history parted from this one.
//! - The positions are stored before the log takes the name, so that a crash in between changes nothing.
//! - The log of events remembers a position in the log, too: that of the router.

use anyhow::Context;
use clap::{Args, Subcommand};
use genims::server::routes::EVENTS;
use genims::settings::Settings;
use genims_consumers::router::{self, ROUTER};
use genims_databases::configured::if_configured;
use genims_databases::{
    Engine, Environment, MongoClient, MongoSettings, MysqlConnection, MysqlSettings, PostgresClient, PostgresSettings,
    Registry,
};
use genims_log::file::{self, Appender, Spool, SpoolOptions};
use genims_log::history::Resume;
use genims_model::{Position, counted};
use genims_platform::actions::{self, Action};
use genims_routes::Routes;
use genims_stores::SinkError;
use genims_stores::mongo::MongoNames;
use genims_stores::mongo::bookkeeping::{self, Bookkeeping};
use genims_stores::postgres::positions::Positions;
use genims_stores::postgres::session;
use genims_stores::routed::{POSITIONS_TABLE, mysql};
use genims_terminal::{Progress, say};
use serde_json::{Value, json};
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
        /// Print what it means, or what was done, as JSON
        #[arg(long)]
        json: bool,
    },
    /// Set damaged segments aside and say what is lost, so that the server can start again
    Quarantine {
        /// Print what was done as JSON
        #[arg(long)]
        json: bool,
    },
}

/// One configured consumer's database.
enum Store {
    Postgres(PostgresClient, Positions),
    Mysql(Box<MysqlConnection>),
    Mongodb(MongoClient),
    /// The log of events, which the router fills.
    Events,
}

/// What a database remembers, and where it goes on.
struct RememberedPosition {
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
    let (directory, events) = (settings.data_dir.join("spool"), settings.data_dir.join(EVENTS));
    let (yes, json) = match args.command {
        LogCommand::Adopt { yes, json } => (yes, json),
        LogCommand::Quarantine { json } => return quarantine(&directory, &events, json),
    };
    let bar = Progress::new("log adopt", "");
    let options = |directory| SpoolOptions { directory, ..settings.spool.clone() };
    let (_appender, spool, _) = file::open(&options(directory))?;
    let mut places = places(settings, environment, &spool).await?;
    let mut routed = match events.exists() {
        true => Some(file::open(&options(events))?),
        false => None,
    };
    if let Some((_, _, recovered)) = &routed {
        places.push(RememberedPosition::of_router(&spool, router::remembered(&recovered.marks, spool.name())));
    }
    drop(bar);
    let appender = routed.as_mut().map(|(appender, ..)| appender);
    let mut shown = consider("The log", &spool, places, appender, yes, json).await?;
    match &routed {
        Some((_, spool, _)) if settings.routes.is_some() => {
            let places = routed_places(settings, environment, spool).await?;
            shown["events"] = consider("The log of events", spool, places, None, yes, json).await?;
        }
        Some((_, spool, _)) => spool.close()?,
        None => {}
    }
    if json {
        say!("{shown:#}");
    }
    Ok(ExitCode::SUCCESS)
}

/// Shows what the databases have of a history that the log does not hold; with `yes` the log goes on under a new name.
/// `events` is the log of events, where one of the places is its router's.
async fn consider(
    what: &str,
    spool: &Spool,
    mut places: Vec<RememberedPosition>,
    events: Option<&mut Appender>,
    yes: bool,
    json: bool,
) -> anyhow::Result<Value> {
    let has_parted = places.iter().any(|place| matches!(place.resume, Some(Resume::NotInHistory { .. })));
    if json {
        let adopted = has_parted && yes;
        if adopted {
            adopt(spool, &mut places, events).await?;
        }
        let shown = as_json(spool, &places, adopted);
        spool.close()?;
        return Ok(shown);
    }
    say!("{what} holds offsets {} to {}.", spool.first_offset(), spool.next_offset());
    for place in &places {
        say!("{}: {}", place.name, meaning(place, spool));
    }
    if !has_parted {
        say!("Every remembered position is one of this log: there is nothing to adopt.");
    } else if yes {
        adopt(spool, &mut places, events).await?;
        say!("Adopted: {} is now {}. Start the server.", what.to_lowercase(), spool.name());
    } else {
        say!("Nothing was changed. Restore the newer data folder if there is one; otherwise run this with --yes.");
    }
    spool.close()?;
    Ok(Value::Null)
}

fn as_json(spool: &Spool, places: &[RememberedPosition], adopted: bool) -> Value {
    let of = |place: &RememberedPosition| {
        json!({
            "database": place.name, "remembered": place.remembered, "goes_on_at": place.offset,
            "parted": matches!(place.resume, Some(Resume::NotInHistory { .. })), "meaning": meaning(place, spool),
        })
    };
    json!({
        "log": spool.name().to_string(), "first_offset": spool.first_offset(), "next_offset": spool.next_offset(),
        "databases": places.iter().map(of).collect::<Vec<_>>(), "adopted": adopted,
    })
}

/// Both logs: that of events is there where events were ever routed.
fn quarantine(directory: &Path, events: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let bar = Progress::new("log quarantine", "");
    let mut segments = file::quarantine(directory)?.segments;
    if events.exists() {
        segments.extend(file::quarantine(events)?.segments);
    }
    drop(bar);
    if json {
        say!("{:#}", json!({ "segments": segments.iter().map(replaced_as_json).collect::<Vec<_>>() }));
        return Ok(ExitCode::SUCCESS);
    }
    if segments.is_empty() {
        say!("No segment is damaged: nothing was changed.");
    }
    for replaced in &segments {
        match &replaced.moved_to {
            Some(path) => {
                let bytes = counted(replaced.bytes, "byte");
                say!("{}: {bytes} moved to {}", replaced.segment.display(), path.display());
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
                        "readings {}, snapshots {}, events {}, dead letters {}, rows {}",
                        kinds.readings, kinds.snapshots, kinds.events, kinds.dead_letters, kinds.rows
                    )
                },
            );
            let records = counted(lost.below - lost.from, "record");
            say!("  lost: {records}, offsets {} to {} ({kinds})", lost.from, lost.below - 1);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn replaced_as_json(replaced: &file::Quarantined) -> Value {
    let lost = |lost: &file::Lost| {
        let kinds = lost.kinds.map(|kinds| {
            json!({
                "readings": kinds.readings, "snapshots": kinds.snapshots, "events": kinds.events,
                "dead_letters": kinds.dead_letters, "rows": kinds.rows,
            })
        });
        json!({ "from": lost.from, "below": lost.below, "kinds": kinds })
    };
    json!({
        "segment": replaced.segment, "bytes": replaced.bytes, "moved_to": replaced.moved_to,
        "lost": replaced.lost.iter().map(lost).collect::<Vec<_>>(),
    })
}

async fn places(
    settings: &Settings,
    environment: &Environment,
    spool: &Spool,
) -> anyhow::Result<Vec<RememberedPosition>> {
    let registry = Registry::load(None)?;
    let mut places = Vec::new();
    if settings.postgres.is_some() {
        let connection = PostgresSettings::from_environment(registry.get("genims_operations_db")?, environment)?;
        let client = connection.connect().await?;
        let remembered = session::OPERATIONS.remembered(&client, spool.name()).await?;
        places.push(RememberedPosition::new(
            spool,
            session::SINK,
            remembered,
            0,
            Store::Postgres(client, session::OPERATIONS),
        ));
    }
    if settings.mongodb.is_some() {
        let connection = MongoSettings::from_environment(registry.get("genims_production")?, environment)?;
        let client = connection.client().await?;
        let found = bookkeeping(&client, spool.name()).remembered().await?;
        let intent = found.as_ref().map_or(0, |found| found.intent_offset);
        let remembered = found.map(|found| found.reached);
        places.push(RememberedPosition::new(spool, bookkeeping::SINK, remembered, intent, Store::Mongodb(client)));
    }
    Ok(places)
}

/// The databases that events are routed to, as far as they are configured.
async fn routed_places(
    settings: &Settings,
    environment: &Environment,
    spool: &Spool,
) -> anyhow::Result<Vec<RememberedPosition>> {
    let registry = Registry::load(None)?;
    let folder = settings.routes.as_ref().and_then(|options| options.directory.as_deref());
    let routes = Routes::load(&registry, folder)?;
    let log = spool.name();
    let mut places = Vec::new();
    for database in routes.databases().iter().map(|routes| &routes.database) {
        // One text for each database of the registry.
        let name: &'static str = Box::leak(database.module.clone().into_boxed_str());
        let place = match database.engine {
            Engine::Postgresql => {
                let settings = if_configured(PostgresSettings::from_environment(database, environment))?;
                let Some(settings) = settings else { continue };
                let client = settings.connect().await?;
                let positions = Positions { table: POSITIONS_TABLE, sink: name };
                let remembered = positions.remembered(&client, log).await?;
                RememberedPosition::new(spool, name, remembered, 0, Store::Postgres(client, positions))
            }
            Engine::Mysql => {
                let settings = if_configured(MysqlSettings::from_environment(database, environment))?;
                let Some(settings) = settings else { continue };
                let mut connection = settings.connect().await?;
                let remembered = mysql::remembered(&mut connection, name, log).await?;
                RememberedPosition::new(spool, name, remembered, 0, Store::Mysql(Box::new(connection)))
            }
            Engine::Mongodb => {
                let settings = if_configured(MongoSettings::from_environment(database, environment))?;
                let Some(settings) = settings else { continue };
                let client = settings.client().await?;
                let found = bookkeeping(&client, log).remembered().await?;
                let intent = found.as_ref().map_or(0, |found| found.intent_offset);
                let remembered = found.map(|found| found.reached);
                RememberedPosition::new(spool, name, remembered, intent, Store::Mongodb(client))
            }
        };
        places.push(place);
    }
    Ok(places)
}

fn bookkeeping(client: &MongoClient, log: Uuid) -> Bookkeeping {
    Bookkeeping::new(client, &MongoNames::default().internal, log)
}

impl RememberedPosition {
    fn new(spool: &Spool, name: &'static str, remembered: Option<Position>, intent: u64, store: Store) -> Self {
        let resume = remembered.as_ref().map(|position| spool.resume(position));
        let remembered = remembered.map(|position| position.next_offset());
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

    /// Before its first event the router knows no more than its cursor.
    fn of_router(spool: &Spool, mark: Option<u64>) -> Self {
        let offset = mark.max(spool.cursor(ROUTER));
        let remembered = offset.map(|offset| spool.position(offset));
        Self::new(spool, ROUTER, remembered, 0, Store::Events)
    }
}

fn meaning(place: &RememberedPosition, spool: &Spool) -> String {
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

async fn adopt(
    spool: &Spool,
    places: &mut [RememberedPosition],
    mut events: Option<&mut Appender>,
) -> anyhow::Result<()> {
    let (log, earlier) = (Uuid::new_v4(), spool.name());
    for place in places.iter_mut() {
        let position = spool.position(place.offset).renamed(log);
        let stored = match &mut place.store {
            Store::Postgres(client, positions) => positions.remember(client, &position).await,
            Store::Mysql(connection) => mysql::remember(connection, place.name, &position).await,
            Store::Mongodb(client) => {
                let position = bookkeeping::MirrorPosition {
                    reached: position,
                    intent_offset: place.intent,
                    earlier: Some(earlier),
                };
                bookkeeping(client, log).remember(&position).await
            }
            Store::Events => match &mut events {
                Some(appender) => {
                    router::remember(appender, &position).map_err(|error| SinkError::Log(Box::new(error)))
                }
                None => Ok(()),
            },
        };
        stored.with_context(|| format!("{}: nothing was adopted", place.name))?;
    }
    spool.adopt(log)?;
    for place in places {
        let Store::Postgres(client, positions) = &place.store else { continue };
        if positions.sink != session::SINK {
            continue;
        }
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
