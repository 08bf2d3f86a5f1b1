//! `genims routes`: what is routed where, what an event says, what it would become; exit code 1 when a route is not well.

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use genims::settings::Settings;
use genims_databases::{Environment, Registry};
use genims_platform::routes::{self, Question, RouteFinding};
use genims_routes::event::{FIELDS, Field, KINDS};
use genims_routes::{Route, RoutedEvent, Routes};
use genims_terminal::say;
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
            let findings = routes::ask(&routes, environment, only.as_ref(), Question::Understood).await;
            told(&findings, args.json)
        }
        Action::Test { event, database } => {
            let (only, event) = (one(&database)?, read(&event)?);
            let findings = routes::ask(&routes, environment, only.as_ref(), Question::Rows(&event)).await;
            told(&findings, args.json)
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
    say!("{all} routes into {} databases", routes.databases().len());
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
                (None, Some(rows)) => format!("{} row{}", rows.len(), if rows.len() == 1 { "" } else { "s" }),
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
