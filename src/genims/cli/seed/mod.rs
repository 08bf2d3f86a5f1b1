//! `genims seed`: fills databases with deterministic data.

mod jobs;
mod plant;
mod render;
mod sweep;

use super::conclude;
use chrono::{NaiveDate, Utc};
use genims_databases::{Environment, Registry};
use genims_model::{counted, noun};
use genims_seed::load::{self, SeedOptions, SeedProgress, SeedReport};
use genims_seed::{Parameters, Scale};
use genims_terminal::say;
use jobs::Filled;
use std::path::PathBuf;
use std::process::ExitCode;

/// Fill databases with deterministic data; harmless to repeat
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct SeedArgs {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Factories, lines, machines, sensors, shifts, staff and products, and the wind farm La Haute Borne on top
    Plant(plant::PlantArgs),
    /// Compute what config/seed says without touching a server; write it as tab separated files
    Render(render::RenderArgs),
    /// Compute and check what would be seeded on each of many days, without touching a server
    Sweep(sweep::SweepArgs),
}

#[derive(Debug, clap::Args)]
struct Common {
    /// Only this module or database; may be repeated
    #[arg(long = "module", value_name = "MODULE")]
    modules: Vec<String>,
    /// small: every table has rows; medium: about 2.3 million rows beside the history; full: about 18 GB
    #[arg(long, value_enum, default_value = "small")]
    scale: ScaleArg,
    /// Days of sensor and SCADA history; by scale if not given
    #[arg(long)]
    days: Option<u32>,
    /// The same seed and day give the same bytes
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The day on which the history ends, YYYY-MM-DD; today, or that of the first seeding, if not given
    #[arg(long, value_parser = past_day)]
    as_of: Option<NaiveDate>,
    /// A folder like config/seed instead of the built-in one
    #[arg(long, value_name = "DIR")]
    specs: Option<PathBuf>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum ScaleArg {
    Small,
    Medium,
    Full,
}

/// A history that ends tomorrow would hold what has not happened yet, and `genims verify` would say so.
fn past_day(text: &str) -> Result<NaiveDate, String> {
    not_after(Utc::now().date_naive(), text)
}

fn not_after(today: NaiveDate, text: &str) -> Result<NaiveDate, String> {
    match day(text)? {
        day if day > today => Err(format!("it lies ahead: give {today} or an earlier day")),
        day => Ok(day),
    }
}

fn day(text: &str) -> Result<NaiveDate, String> {
    let day: NaiveDate = text.parse().map_err(|error| format!("{error}; write it as YYYY-MM-DD"))?;
    let first = Parameters::FIRST_DAY;
    if day < first { Err(format!("the company is not that old: give {first} or a later day")) } else { Ok(day) }
}

impl Common {
    fn parameters(&self) -> Parameters {
        let (scale, days) = match self.scale {
            ScaleArg::Small => (Scale::Small, 2),
            ScaleArg::Medium => (Scale::Medium, 3),
            ScaleArg::Full => (Scale::Full, 60),
        };
        let today = self.as_of.unwrap_or_else(|| Utc::now().date_naive());
        Parameters::new(self.seed, scale, today, self.days.unwrap_or(days))
    }
}

pub(crate) async fn run(args: SeedArgs, environment: &Environment) -> anyhow::Result<ExitCode> {
    match args.what {
        Some(What::Plant(args)) => plant::run(args, environment).await,
        Some(What::Render(args)) => render::run(&args),
        Some(What::Sweep(args)) => sweep::run(&args),
        None => everything(args.common, environment).await,
    }
}

async fn everything(args: Common, environment: &Environment) -> anyhow::Result<ExitCode> {
    let registry = Registry::load(None)?;
    let filled = Filled::load(&registry)?;
    let parameters = args.parameters();
    let options = SeedOptions { only: args.modules, specs: args.specs, parameters, day_given: args.as_of.is_some() };
    let bar = genims_terminal::Progress::new("seed", "tables");
    let report = load::run(&registry, environment, &options, &|progress| match progress {
        SeedProgress::Table { database, table, rows } => {
            bar.advance();
            bar.show(format!("{database}.{table}: {}", counted(rows, "row")));
        }
        SeedProgress::History { database, hours, of } => {
            bar.show(format!("history of sensors into {database}: {hours} of {of} hours"));
        }
        SeedProgress::Finished(report) if filled.databases.contains(&report.database) => {}
        SeedProgress::Finished(report) => bar.keep(&line(report)),
    })
    .await;
    let mut report = report?;
    filled.fill(&registry, environment, &mut report, &|what: &str| bar.show(what)).await;
    let later = report.databases.iter().filter(|database| filled.databases.contains(&database.database));
    later.for_each(|database| bar.keep(&line(database)));
    drop(bar);
    conclude(&report, args.json, print, report.ok())
}

fn line(report: &load::SeededDatabase) -> String {
    let rate = report.bytes as f64 / 1e6 / report.seconds.max(0.001);
    let mut line = format!(
        "{:24} {:>4} {:<6} filled, {:>4} there before {:>10} {:<4} {:>8.1} MB {:>7.2} s {rate:>6.1} MB/s",
        report.database,
        report.loaded,
        noun(report.loaded, "table"),
        report.there_before,
        report.rows,
        noun(report.rows, "row"),
        report.bytes as f64 / 1e6,
        report.seconds
    );
    if let Some(error) = &report.error {
        line.push_str(&format!("\n    FAILED {error}"));
    }
    line
}

fn print(report: &SeedReport) {
    for database in &report.databases {
        say!("{}", line(database));
    }
    let rows: u64 = report.databases.iter().map(|database| database.rows).sum();
    let bytes: u64 = report.databases.iter().map(|database| database.bytes).sum();
    say!(
        "{}, {:.1} MB in {:.2} s: {:.1} MB/s",
        counted(rows, "row"),
        bytes as f64 / 1e6,
        report.seconds,
        bytes as f64 / 1e6 / report.seconds.max(0.001)
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_ends_today_at_the_latest() {
        let today = NaiveDate::from_ymd_opt(2028, 2, 29).expect("a day");
        assert_eq!(not_after(today, "2028-02-29"), Ok(today));
        assert_eq!(not_after(today, "2028-02-28"), today.pred_opt().ok_or(String::new()));
        assert!(not_after(today, "2028-03-01").is_err_and(|error| error.contains("lies ahead: give 2028-02-29")));
        assert!(not_after(today, "29.02.2028").is_err_and(|error| error.contains("YYYY-MM-DD")));
    }
}
