//! `genims seed sweep`: whether what is seeded holds on every day of a calendar. Progress on standard error; each fault with
//! day, table and row; exit code 1 when there is one.

use chrono::NaiveDate;
use genims_databases::Registry;
use genims_model::counted;
use genims_seed::{Broken, Sweep, SweptDay, is_turn_of_month};
use genims_terminal::{Progress, say};
use std::num::NonZero;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

/// A day takes up to a gigabyte.
const THREADS_MAX: usize = 4;

#[derive(Debug, clap::Args)]
pub(super) struct SweepArgs {
    /// The first day, YYYY-MM-DD
    #[arg(long, value_parser = super::day)]
    from: NaiveDate,
    /// So many days
    #[arg(long)]
    days: u32,
    /// Only every n-th of them, and the first and last days of months
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    step: u32,
    /// A folder like config/seed instead of the built-in one
    #[arg(long, value_name = "DIR")]
    specs: Option<PathBuf>,
    /// Print what was found as JSON
    #[arg(long)]
    json: bool,
}

impl SweepArgs {
    fn chosen(&self) -> Vec<NaiveDate> {
        let days = self.from.iter_days().take(self.days as usize).zip(0_u32..);
        days.filter(|(day, at)| at.is_multiple_of(self.step) || is_turn_of_month(*day)).map(|(day, _)| day).collect()
    }
}

pub(super) fn run(args: &SweepArgs) -> anyhow::Result<ExitCode> {
    let sweep = Sweep::new(&Registry::load(None)?, args.specs.clone()).map_err(anyhow::Error::msg)?;
    let days = args.chosen();
    let bar = Progress::new("seed sweep", "days");
    bar.set_total(days.len() as u64);
    let mut swept = Vec::new();
    look(&sweep, &days, &mut |day, found| {
        let found = found.map_err(|cause| anyhow::anyhow!("{day}: {cause}"))?;
        bar.show(day.to_string());
        if !args.json {
            found.broken.iter().for_each(|broken| bar.suspend(|| say!("{}", line(&found, broken))));
        }
        swept.push(found);
        bar.advance();
        Ok(())
    })?;
    swept.sort_by_key(|found| found.day);
    drop(bar);
    let faulty = swept.iter().filter(|day| !day.broken.is_empty()).count();
    if args.json {
        say!("{}", serde_json::to_string_pretty(&swept)?);
    } else {
        let seconds: f64 = swept.iter().map(|day| day.seconds).sum();
        let each = seconds / swept.len().max(1) as f64;
        let days = counted(swept.len(), "day");
        say!("{days} looked at, {faulty} with faults; {seconds:.1} s, {each:.2} s a day");
    }
    Ok(if faulty > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

type Take<'a> = &'a mut dyn FnMut(NaiveDate, Result<SweptDay, String>) -> anyhow::Result<()>;

/// Each day on whatever thread is free; `take` hears of them as they are done, and ends it all with an error.
fn look(sweep: &Sweep, days: &[NaiveDate], take: Take<'_>) -> anyhow::Result<()> {
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get).min(THREADS_MAX);
    let (next, (sender, done)) = (AtomicUsize::new(0), mpsc::sync_channel(0));
    std::thread::scope(|scope| {
        for sender in std::iter::repeat_n(sender, threads) {
            let next = &next;
            scope.spawn(move || {
                while let Some(day) = days.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if sender.send((*day, sweep.day(*day))).is_err() {
                        return;
                    }
                }
            });
        }
        done.into_iter().try_for_each(|(day, found)| take(day, found))
    })
}

fn line(swept: &SweptDay, broken: &Broken) -> String {
    let row = broken.row.map_or_else(String::new, |row| format!(" row {row}"));
    format!("{} {}{row}: {}", swept.day, broken.table, broken.cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_turn_of_a_month_is_passed_over() {
        let from = NaiveDate::from_ymd_opt(2028, 2, 27).expect("a day");
        let args = SweepArgs { from, days: 5, step: 4, specs: None, json: false };
        let chosen: Vec<String> = args.chosen().iter().map(ToString::to_string).collect();
        assert_eq!(chosen, ["2028-02-27", "2028-02-29", "2028-03-01", "2028-03-02"]);
    }
}
