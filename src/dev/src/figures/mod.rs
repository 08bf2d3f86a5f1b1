//! `genims-dev figures`: what is promised in figures, measured on this machine, each beside its bound.
//!
//! What is a ratio is measured as one: with and without, in turn, on one machine, the median of the rounds. Everything is private
//! and on loopback. What one measure needs and breaks does not stop the others; the exit code says whether all bounds hold.

mod browser;
mod changes;
mod etl;
mod figure;
mod ingest;
mod lab;
mod latency;
mod tls;
mod top;

use crate::bench::announce;
use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use figure::{Figure, Measure};
use genims_terminal::{say, told};
use lab::Lab;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

#[derive(Debug, Args)]
pub(crate) struct FiguresArgs {
    /// Only these
    #[arg(value_name = "NAME")]
    names: Vec<Measure>,
    /// All but this one; etl-hourly and etl-bulk want a medium platform, whose seeding takes longest
    #[arg(long, value_name = "NAME")]
    skip: Vec<Measure>,
    /// How often what is compared runs in turn
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=9))]
    rounds: u32,
    /// Write the figures to this file as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Folder of the servers and their data
    #[arg(long, default_value = ".genims/figures", value_name = "FOLDER")]
    dir: PathBuf,
}

impl FiguresArgs {
    fn chosen(&self) -> Vec<Measure> {
        let named = |measure: &Measure| self.names.is_empty() || self.names.contains(measure);
        let all = Measure::value_variants().iter().copied();
        all.filter(named).filter(|measure| !self.skip.contains(measure)).collect()
    }
}

pub(crate) fn run(args: &FiguresArgs) -> anyhow::Result<ExitCode> {
    let began = Instant::now();
    let (medium, small): (Vec<Measure>, Vec<Measure>) = args.chosen().into_iter().partition(|one| one.is_medium());
    if medium.is_empty() && small.is_empty() {
        bail!("nothing is left to measure");
    }
    if cfg!(debug_assertions) {
        say!("This is a debug build, whose figures say nothing: `make figures` builds a release.");
    }
    announce("installing what is missing");
    genims_dev::install(false, &mut |step| say!("    {step}"))?;
    let mut results = Results::default();
    for (scale, measures) in [("small", small), ("medium", medium)] {
        if !measures.is_empty() {
            on_platform(&args.dir.join(scale), scale, &measures, args.rounds, &mut results);
        }
    }
    results.seconds = began.elapsed().as_secs_f64();
    results.holds = results.failed.is_empty() && results.figures.iter().all(|figure| figure.holds);
    results.print();
    if let Some(path) = &args.json {
        results.write(path)?;
    }
    Ok(if results.holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// All measures of one scale, on one platform, which stays for a look where one of them failed.
fn on_platform(folder: &Path, scale: &str, measures: &[Measure], rounds: u32, results: &mut Results) {
    let failed_before = results.failed.len();
    let mut lab = match Lab::open(folder, scale) {
        Ok(lab) => lab,
        Err(error) => {
            results.enter(measures, Err(error));
            return;
        }
    };
    let (ingest, others): (Vec<Measure>, Vec<Measure>) =
        measures.iter().copied().partition(|measure| measure.is_ingest());
    if !ingest.is_empty() {
        results.enter(&ingest, ingest::measure(&mut lab, &ingest, rounds));
    }
    for measure in others {
        // What a failed one has left.
        lab.bench.stop_server();
        let found = match measure {
            Measure::Routes | Measure::Stalled | Measure::Watched => continue,
            Measure::EventToRow => latency::measure(&mut lab),
            Measure::Tls => tls::measure(&mut lab, rounds),
            Measure::Changes => changes::measure(&mut lab, rounds),
            Measure::Top => top::measure(&mut lab),
            Measure::EtlHourly => etl::hourly(&mut lab),
            Measure::EtlBulk => etl::bulk(&lab),
        };
        results.enter(&[measure], found);
    }
    let ended = if results.failed.len() == failed_before {
        lab.close()
    } else {
        say!("    kept for a look: {}", folder.display());
        lab.leave()
    };
    if let Err(error) = ended {
        results.enter(&[], Err(error.context(format!("what was started in {} does not end", folder.display()))));
    }
}

/// What could not be measured.
#[derive(Debug, Serialize)]
struct Failed {
    names: Vec<String>,
    error: String,
}

#[derive(Debug, Default, Serialize)]
struct Results {
    holds: bool,
    seconds: f64,
    figures: Vec<Figure>,
    failed: Vec<Failed>,
}

impl Results {
    fn enter(&mut self, measures: &[Measure], found: anyhow::Result<Vec<Figure>>) {
        match found {
            Ok(figures) => {
                figures.iter().for_each(|figure| say!("{}", figure.lines()));
                self.figures.extend(figures);
            }
            Err(error) => {
                let failed = Failed { names: measures.iter().map(|one| name(*one)).collect(), error: told(&error) };
                match failed.names[..] {
                    [] => say!("NOT ENDED: {}", failed.error),
                    _ => say!("{}: NOT MEASURED: {}", failed.names.join(", "), failed.error),
                }
                self.failed.push(failed);
            }
        }
    }

    /// All of it once more, and last what is not as it was promised.
    fn print(&self) {
        say!("\nFigures, after {:.0} s", self.seconds);
        self.figures.iter().for_each(|figure| say!("{}", figure.lines()));
        say!("{}", self.verdict());
    }

    fn verdict(&self) -> String {
        let missed: Vec<&str> = self.figures.iter().filter(|figure| !figure.holds).map(|figure| figure.name).collect();
        let failed: Vec<&str> = self.failed.iter().flat_map(|failed| &failed.names).map(String::as_str).collect();
        let told = |what: &str, names: &[&str]| match names {
            [] => None,
            names => Some(format!("{what}: {}", names.join(", "))),
        };
        let told: Vec<String> =
            [told("MISSED", &missed), told("NOT MEASURED", &failed)].into_iter().flatten().collect();
        match told[..] {
            [] if self.failed.is_empty() => "All bounds hold.".to_owned(),
            [] => "All bounds hold, but not all has ended: see above.".to_owned(),
            _ => told.join("; "),
        }
    }

    fn write(&self, path: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        std::fs::write(path, text + "\n").with_context(|| format!("{} cannot be written", path.display()))
    }
}

/// As it is named on the command line.
fn name(measure: Measure) -> String {
    measure.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use figure::{Bound, Promise};

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        figures: FiguresArgs,
    }

    fn chosen(arguments: &[&str]) -> Vec<String> {
        let line = Line::parse_from([&["figures"][..], arguments].concat());
        line.figures.chosen().into_iter().map(name).collect()
    }

    #[test]
    fn all_are_chosen_or_those_that_are_named_less_those_that_are_skipped() {
        assert_eq!(chosen(&[]).len(), Measure::value_variants().len());
        assert_eq!(chosen(&["tls", "event-to-row"]), ["event-to-row", "tls"]);
        assert_eq!(chosen(&["tls", "top", "--skip", "top"]), ["tls"]);
        assert!(!chosen(&["--skip", "etl-bulk"]).contains(&"etl-bulk".to_owned()));
    }

    #[test]
    fn the_verdict_names_what_is_missed_and_what_was_not_measured() {
        let mut results = Results::default();
        assert_eq!(results.verdict(), "All bounds hold.");
        let promise = Promise { name: "cost", what: "", unit: "%", bound: Bound::AtMost(3.0) };
        results.enter(&[Measure::Tls], Ok(vec![Figure::new(promise, vec![4.0], String::new())]));
        results.enter(&[Measure::Routes, Measure::Stalled], Err(anyhow::anyhow!("no rate")));
        assert_eq!(results.verdict(), "MISSED: cost; NOT MEASURED: routes, stalled");
    }
}
