//! `genims seed sweep`: whether what is seeded holds on every day of a calendar. Progress on standard error; each fault with
//! day, table and row; exit code 1 when there is one.

use genims_databases::Registry;
use genims_seed::{Broken, Parameters, Scale, SweptDay};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::process::ExitCode;

/// The same seed and days of sensors as `genims seed` takes.
const SEED: u64 = 1;
const SENSOR_DAYS: u32 = 2;

#[derive(Debug, clap::Args)]
pub(super) struct SweepArgs {
    /// The first day, YYYY-MM-DD
    #[arg(long, value_parser = super::day)]
    from: chrono::NaiveDate,
    /// So many days
    #[arg(long)]
    days: u32,
    /// Only each so manieth of them
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    step: u32,
    /// Print what was found as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &SweepArgs) -> anyhow::Result<ExitCode> {
    let registry = Registry::load(None)?;
    let bar = ProgressBar::new(u64::from(args.days.div_ceil(args.step)));
    if args.json {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    if let Ok(style) = ProgressStyle::with_template("{elapsed:>4} {bar:30} {pos:>4}/{len} {wide_msg}") {
        bar.set_style(style);
    }
    let mut swept = Vec::new();
    let days = args.from.iter_days().take(args.days as usize).step_by(args.step as usize);
    for day in days {
        bar.set_message(day.to_string());
        let found = genims_seed::sweep(&registry, Parameters::new(SEED, Scale::Small, day, SENSOR_DAYS));
        let found = found.map_err(|cause| anyhow::anyhow!("{day}: {cause}"))?;
        if !args.json {
            found.broken.iter().for_each(|broken| bar.suspend(|| println!("{}", line(&found, broken))));
        }
        swept.push(found);
        bar.inc(1);
    }
    bar.finish_and_clear();
    let faulty = swept.iter().filter(|day| !day.broken.is_empty()).count();
    if args.json {
        println!("{}", serde_json::to_string_pretty(&swept)?);
    } else {
        let seconds: f64 = swept.iter().map(|day| day.seconds).sum();
        let each = seconds / swept.len().max(1) as f64;
        println!("{} days looked at, {faulty} with faults; {seconds:.1} s, {each:.2} s a day", swept.len());
    }
    Ok(if faulty > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn line(swept: &SweptDay, broken: &Broken) -> String {
    let row = broken.row.map_or_else(String::new, |row| format!(" row {row}"));
    format!("{} {}{row}: {}", swept.day, broken.table, broken.cause)
}
