//! `genims seed plant`: the stream's master data in any size, or the machines of a foreign file.

use anyhow::Context;
use chrono::Utc;
use genims_databases::{Environment, PostgresSettings, Registry};
use genims_model::counted;
use genims_platform::actions::{self, Action};
use genims_seed as seed;
use genims_seed::{ForeignPlant, PlantProgress, PlantSize, Summary};
use genims_terminal::say;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(super) struct PlantArgs {
    /// Make only the machines and sensors of this mapping, which `loadtest replay --describe` proposes
    #[arg(long, value_name = "MAPPING", conflicts_with_all = ["factories", "lines", "machines", "sensors", "seed"])]
    from: Option<PathBuf>,
    #[arg(long, default_value_t = PlantSize::default().factories)]
    factories: u32,
    #[arg(long, default_value_t = PlantSize::default().lines)]
    lines: u32,
    #[arg(long, default_value_t = PlantSize::default().machines)]
    machines: u32,
    /// Up to one million
    #[arg(long, default_value_t = PlantSize::default().sensors)]
    sensors: u32,
    /// The same seed gives the same bytes
    #[arg(long, default_value_t = PlantSize::default().seed)]
    seed: u64,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: PlantArgs, environment: &Environment) -> anyhow::Result<ExitCode> {
    let registry = Registry::load(None)?;
    let master = PostgresSettings::from_environment(registry.get("genims_master_db")?, environment)?;
    if let Some(path) = &args.from {
        return foreign(&master, path, args.json).await;
    }
    let size = PlantSize {
        factories: args.factories,
        lines: args.lines,
        machines: args.machines,
        sensors: args.sensors,
        seed: args.seed,
    };
    let bar = genims_terminal::Progress::new("seed plant", "rows");
    let summary = seed::plant(&master, size, &|progress: PlantProgress| {
        bar.set_total(progress.rows_total);
        bar.set_done(progress.rows);
        bar.show(progress.table);
    })
    .await;
    drop(bar);
    let summary = summary?;
    enter(&master, &summary, "the plant").await?;
    show(&summary, args.json)
}

/// The rows themselves are no entries of the audit trail; that they were seeded is one.
async fn enter(master: &PostgresSettings, summary: &Summary, what: &str) -> anyhow::Result<()> {
    let rows: u64 = summary.tables.iter().map(|table| table.inserted + table.updated).sum();
    if rows == 0 {
        return Ok(());
    }
    let (count, tables) = (counted(rows, "row"), counted(summary.tables.len(), "table"));
    let description = format!("seeded {what}: {count} of {tables}");
    let action = Action {
        service: "genims-seed",
        activity: "create",
        module: "master",
        database: "genims_master_db",
        description: &description,
        rows,
    };
    actions::record(&master.connect().await?, &action).await.context("seeded, and not entered into the audit")
}

async fn foreign(master: &PostgresSettings, path: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let place = path.display().to_string();
    let text = std::fs::read_to_string(path).with_context(|| format!("the mapping {place} cannot be read"))?;
    let plant = ForeignPlant::parse(&place, &text)?;
    let summary = seed::foreign_plant(master, &plant, &place, Utc::now()).await?;
    enter(master, &summary, &format!("the machines of {place}")).await?;
    show(&summary, json)
}

fn show(summary: &Summary, json: bool) -> anyhow::Result<ExitCode> {
    if json {
        say!("{}", serde_json::to_string_pretty(summary).context("the summary as JSON")?);
    } else {
        print(summary);
    }
    Ok(ExitCode::SUCCESS)
}

fn print(summary: &Summary) {
    say!("{:20} {:>10} {:>10} {:>10}", "table", "rows", "inserted", "updated");
    for table in &summary.tables {
        say!("{:20} {:>10} {:>10} {:>10}", table.table, table.rows, table.inserted, table.updated);
    }
    say!("{:.2} s", summary.seconds);
}
