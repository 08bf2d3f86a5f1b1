//! `genims seed`: fills databases with deterministic data.

use anyhow::Context;
use genims::databases::{Environment, PostgresSettings, Registry};
use genims::platform::seed::{self, PlantSize, Progress, Summary};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::process::ExitCode;

/// Fill databases with deterministic data; harmless to repeat
#[derive(Debug, clap::Args)]
pub(crate) struct SeedArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Factories, lines, machines, sensors, shifts, staff and products, and the wind farm La Haute Borne on top
    Plant(PlantArgs),
    /// Compute what config/seed says without touching a server; write it as tab separated files
    Render(RenderArgs),
}

#[derive(Debug, clap::Args)]
struct RenderArgs {
    /// Modules or databases; all if none is given
    #[arg(long = "module")]
    modules: Vec<String>,
    /// A folder like config/seed instead of the built-in one
    #[arg(long)]
    specs: Option<std::path::PathBuf>,
    #[arg(long, value_enum, default_value = "small")]
    scale: ScaleArg,
    /// Where to write <database>/<table>.tsv
    #[arg(long)]
    out: Option<std::path::PathBuf>,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The day on which the history ends, YYYY-MM-DD; today if not given
    #[arg(long)]
    as_of: Option<chrono::NaiveDate>,
    /// Take tables that nothing is said about for 20 rows
    #[arg(long)]
    draft: bool,
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum ScaleArg {
    Small,
    Medium,
    Full,
}

impl From<ScaleArg> for seed::Scale {
    fn from(scale: ScaleArg) -> Self {
        match scale {
            ScaleArg::Small => Self::Small,
            ScaleArg::Medium => Self::Medium,
            ScaleArg::Full => Self::Full,
        }
    }
}

fn render(args: &RenderArgs) -> anyhow::Result<ExitCode> {
    let registry = Registry::load(None)?;
    let today = args.as_of.unwrap_or_else(|| chrono::Utc::now().date_naive());
    let today = (today - chrono::NaiveDate::default()).num_days() as i32;
    let parameters = seed::Parameters { seed: args.seed, scale: args.scale.into(), today, history_days: 365 };
    let done =
        seed::render(&registry, &args.modules, args.specs.as_deref(), parameters, args.out.as_deref(), args.draft);
    let done = done.map_err(anyhow::Error::msg)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&done)?);
    } else {
        for table in &done {
            println!("{:60} {:>9} rows {:>11} bytes {:>7.3} s", table.table, table.rows, table.bytes, table.seconds);
            if !table.empty_columns.is_empty() {
                println!("    null in every row: {}", table.empty_columns.join(", "));
            }
            if let Some(error) = &table.error {
                println!("    ERROR {error}");
            }
        }
        let rows: usize = done.iter().map(|table| table.rows).sum();
        println!("{} tables, {rows} rows, {} failed", done.len(), done.iter().filter(|table| table.error.is_some()).count());
    }
    Ok(if done.iter().any(|table| table.error.is_some()) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

#[derive(Debug, clap::Args)]
struct PlantArgs {
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

pub(crate) async fn run(args: SeedArgs) -> anyhow::Result<ExitCode> {
    let args = match args.what {
        What::Plant(args) => args,
        What::Render(args) => return render(&args),
    };
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
        println!("{}", serde_json::to_string_pretty(&summary).context("the summary as JSON")?);
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
    println!("{:20} {:>10} {:>10} {:>10}", "table", "rows", "inserted", "updated");
    for table in &summary.tables {
        println!("{:20} {:>10} {:>10} {:>10}", table.table, table.rows, table.inserted, table.updated);
    }
    println!("{:.2} s", summary.seconds);
}
