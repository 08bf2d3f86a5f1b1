//! `genims seed plant`: the stream's master data in any size.

use crate::cli::say::say;
use anyhow::Context;
use genims_databases::{Environment, PostgresSettings, Registry};
use genims_seed as seed;
use genims_seed::{PlantSize, Progress, Summary};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(super) struct PlantArgs {
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

pub(super) async fn run(args: PlantArgs) -> anyhow::Result<ExitCode> {
    let registry = Registry::load(None)?;
    let master = PostgresSettings::from_environment(registry.get("genims_master_db")?, &Environment::load(None)?)?;
    let size = PlantSize {
        factories: args.factories,
        lines: args.lines,
        machines: args.machines,
        sensors: args.sensors,
        seed: args.seed,
    };
    let bar = bar(args.json);
    let summary = seed::plant(&master, size, &|progress: Progress| {
        bar.set_length(progress.rows_total);
        bar.set_position(progress.rows);
        bar.set_message(progress.table);
    })
    .await;
    bar.finish_and_clear();
    let summary = summary?;
    if args.json {
        say!("{}", serde_json::to_string_pretty(&summary).context("the summary as JSON")?);
    } else {
        print(&summary);
    }
    Ok(ExitCode::SUCCESS)
}

fn bar(quiet: bool) -> ProgressBar {
    let bar = ProgressBar::new(0);
    if quiet {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    if let Ok(style) = ProgressStyle::with_template("{msg:20} {wide_bar} {human_pos}/{human_len} {elapsed}") {
        bar.set_style(style);
    }
    bar
}

fn print(summary: &Summary) {
    say!("{:20} {:>10} {:>10} {:>10}", "table", "rows", "inserted", "updated");
    for table in &summary.tables {
        say!("{:20} {:>10} {:>10} {:>10}", table.table, table.rows, table.inserted, table.updated);
    }
    say!("{:.2} s", summary.seconds);
}
