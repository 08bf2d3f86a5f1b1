//! `genims routes`: what is routed where, what an event says, what it would become; exit code 1 when a route is not well. What routed
//! databases lack, and get anew: [`resync`].

mod resync;

use anyhow::{Context, bail};
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use genims::server::resync::Place;
use genims::settings::Settings;
use genims_databases::{Environment, Registry};
use genims_model::counted;
use genims_platform::routes::{self, RouteFinding, RouteQuestion};
use genims_routes::event::{FIELDS, Field, KINDS};
use genims_routes::{Route, RoutedEvent, Routes};
use genims_terminal::say;
use resync::Closing;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct RoutesArgs {
    #[command(subcommand)]
    action: Action,
    /// Folder of route files [default: `directory` of the configuration's [routes], else the built-in ones]
    #[arg(long, global = true, value_name = "FOLDER")]
    routes: Option<PathBuf>,
    /// Print as JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Every route: which events become rows of which table
    List,
    /// The kinds of events, and the fields that a route may use
    Fields,
    /// Ask the databases whether they understand every route
    Check {
        /// Only this database (or module)
        #[arg(long)]
        database: Option<String>,
    },
    /// What rows an event would become; nothing is written
    Test {
        /// A file with the event as a JSON object of its fields; see `genims routes fields`
        event: PathBuf,
        /// Only this database (or module)
        #[arg(long)]
        database: Option<String>,
    },
    /// What routed databases lack because they were away for longer than the log of events held it
    Gaps {
        /// Only this database (or module)
        #[arg(long)]
        database: Option<String>,
    },
    /// Make anew, from the operations database, what a routed database lacks; the server may run
    Resync {
        /// The database (or module)
        database: String,
        /// Since when it lacks events, where that is not known: for a database that never followed the log before
        #[arg(long, value_name = "TIME")]
        from: Option<DateTime<Utc>>,
        /// Close its gaps as they are: what it lacks cannot be made anew, or is not wanted any more
        #[arg(long, conflicts_with = "from")]
        abandon: bool,
    },
}

pub(crate) async fn run(args: RoutesArgs, settings: &Settings, environment: &Environment) -> anyhow::Result<ExitCode> {
    let registry = Registry::load(None)?;
    let configured = settings.routes.as_ref().and_then(|options| options.directory.clone());
    let folder = args.routes.or(configured);
    let routes = Routes::load(&registry, folder.as_deref())?;
    let one = |database: &Option<String>| database.as_ref().map(|name| registry.get(name).cloned()).transpose();
    match args.action {
        Action::List => list(&routes, args.json),
        Action::Fields => fields(args.json),
        Action::Check { database } => {
            let only = one(&database)?;
            let findings = routes::ask(&routes, environment, only.as_ref(), RouteQuestion::Understood).await;
            told(&findings, args.json)
        }
        Action::Test { event, database } => {
            let (only, event) = (one(&database)?, read(&event)?);
            let findings = routes::ask(&routes, environment, only.as_ref(), RouteQuestion::Rows(&event)).await;
            told(&findings, args.json)
        }
        Action::Gaps { database } => {
            let places = match one(&database)? {
                Some(database) => vec![Place::of(settings, environment, &routes, &database)?],
                None => Place::all(settings, environment, &routes)?,
            };
            resync::gaps(&places, args.json).await
        }
        Action::Resync { database, from, abandon } => {
            let place = Place::of(settings, environment, &routes, registry.get(&database)?)?;
            let closing = if abandon { Closing::Abandon } else { Closing::Resync { from } };
            resync::resync(&place, closing, args.json).await
        }
    }
}

#[derive(Serialize)]
struct Listed<'a> {
    database: &'a str,
    #[serde(flatten)]
    route: &'a Route,
}

fn list(routes: &Routes, json: bool) -> anyhow::Result<ExitCode> {
    if json {
        let each = routes
            .databases()
            .iter()
            .flat_map(|routes| routes.routes.iter().map(|route| Listed { database: &routes.database.name, route }));
        say!("{}", serde_json::to_string_pretty(&each.collect::<Vec<_>>()).context("the routes as JSON")?);
        return Ok(ExitCode::SUCCESS);
    }
    for database in routes.databases() {
        say!("{}", database.database.name);
        for route in &database.routes {
            say!("  {:32} {:36} {}", route.name, route.events.join(", "), routes::summary(route));
            say!("      {}", route.about);
        }
    }
    let all: usize = routes.databases().iter().map(|database| database.routes.len()).sum();
    say!("{} into {}", counted(all, "route"), counted(routes.databases().len(), "database"));
    Ok(ExitCode::SUCCESS)
}

#[derive(Serialize)]
struct Vocabulary {
    kinds: &'static [&'static str],
    fields: &'static [Field],
}

fn fields(json: bool) -> anyhow::Result<ExitCode> {
    if json {
        let vocabulary = Vocabulary { kinds: KINDS, fields: FIELDS };
        say!("{}", serde_json::to_string_pretty(&vocabulary).context("the fields as JSON")?);
        return Ok(ExitCode::SUCCESS);
    }
    say!("kinds: {}\n", KINDS.join(", "));
    for field in FIELDS {
        let field_type = format!("{:?}", field.field_type).to_lowercase();
        say!("event.{:28} {:10} {}", field.name, field_type, field.meaning);
    }
    Ok(ExitCode::SUCCESS)
}

fn read(path: &Path) -> anyhow::Result<RoutedEvent> {
    let place = || format!("the event {} cannot be used", path.display());
    let text = std::fs::read_to_string(path).with_context(place)?;
    let event = RoutedEvent::parse(&text).map_err(anyhow::Error::msg).with_context(place)?;
    Ok(event)
}

fn told(findings: &[RouteFinding], json: bool) -> anyhow::Result<ExitCode> {
    if json {
        say!("{}", serde_json::to_string_pretty(findings).context("the findings as JSON")?);
    } else if findings.is_empty() {
        bail!("no route takes this event; `genims routes list` shows what each takes");
    } else {
        for finding in findings {
            let outcome = match (&finding.error, &finding.rows) {
                (Some(error), _) => format!("FAILED: {error}"),
                (None, Some(rows)) => counted(rows.len(), "row"),
                (None, None) => "well".to_owned(),
            };
            say!("{:26} {:32} {outcome}", finding.database, finding.route);
            for row in finding.rows.iter().flatten() {
                say!("{}", serde_json::to_string_pretty(row).context("a row as JSON")?);
            }
        }
    }
    let is_well = findings.iter().all(|finding| finding.error.is_none());
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
