//! `genims capacity`: what fills up, as a table or JSON, exit code 1 when something is short or could not be asked; `slow`: the
//! statements that took longest, and what runs now.

use super::conclude;
use super::door::Door;
use clap::{Args, Subcommand};
use genims::settings::Settings;
use genims_api::format;
use genims_databases::{Environment, Registry};
use genims_model::counted;
use genims_platform::capacity::slow::{self, SlowReport};
use genims_platform::capacity::{self, CapacityKind, CapacityLine, CapacityReport, CapacityState};
use genims_platform::doctor::size_text;
use genims_terminal::{Progress, say};
use serde_json::Value;
use std::io::IsTerminal;
use std::process::ExitCode;

/// What fills up, how fast, and how many days are left: databases, disks, logs, partitions, numbered columns, transaction ids;
/// exit code 1 when something has fewer than asked for, or cannot be asked
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct CapacityArgs {
    #[command(subcommand)]
    action: Option<Action>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    /// With fewer days left than this something is short
    #[arg(long, value_name = "DAYS", default_value_t = capacity::WARN_DAYS)]
    warn_days: u32,
    /// Where the server's HTTP side is, for example http://127.0.0.1:9400 [default: where the configuration says]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// How long each server may take for one answer: large tables are counted
    #[arg(long, value_name = "DURATION", default_value_t = capacity::TIMEOUT.into())]
    timeout: humantime::Duration,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// The statements of all databases that took longest, and what has run for more than a second
    Slow {
        /// Print the report as JSON
        #[arg(long)]
        json: bool,
        /// How long each server may take to answer
        #[arg(long, value_name = "DURATION", default_value_t = capacity::TIMEOUT.into())]
        timeout: humantime::Duration,
    },
}

pub(crate) async fn run(
    args: CapacityArgs,
    settings: &Settings,
    environment: &Environment,
) -> anyhow::Result<ExitCode> {
    let registry = Registry::load(None)?;
    if let Some(Action::Slow { json, timeout }) = args.action {
        let bar = Progress::new("capacity slow", "servers");
        let done = |_: &str| bar.advance();
        let report = slow::run(&registry, environment, *timeout, &done).await;
        drop(bar);
        return conclude(&report, json, print_slow, report.passed);
    }
    let door = Door::new(args.url.as_deref(), environment, || Ok(settings.http.clone()))?;
    let bar = Progress::new("capacity", "databases");
    bar.set_total(registry.all().len() as u64);
    let stats: Result<Value, String> = tokio::task::block_in_place(|| door.get("/api/v1/snapshot"));
    let stats = stats.as_ref().map_err(String::as_str);
    let options = genims::capacity::options(settings, stats, args.warn_days, *args.timeout);
    let done = |_: &str| bar.advance();
    let report = capacity::run(&registry, environment, &options, &done).await;
    drop(bar);
    conclude(&report, args.json, print, report.passed)
}

const COLUMNS: [&str; 6] = ["what", "now", "a day", "limit", "left", "remark"];

fn print(report: &CapacityReport) {
    let colours = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let rows: Vec<[String; 6]> =
        [COLUMNS.map(str::to_owned)].into_iter().chain(report.lines.iter().map(cells)).collect();
    let states = [None].into_iter().chain(report.lines.iter().map(|line| Some(line.state)));
    for (text, state) in aligned(&rows).into_iter().zip(states) {
        match state {
            Some(CapacityState::Short | CapacityState::Unreachable) if colours => say!("\u{1b}[31m{text}\u{1b}[0m"),
            _ => say!("{text}"),
        }
    }
    say!("\nshort is, by kind");
    judged(report).iter().for_each(|line| say!("  {line}"));
    say!("\n{}; {:.2} s", summary(report), report.seconds);
}

/// What each kind is judged by.
fn judged(report: &CapacityReport) -> Vec<String> {
    let rule = |kind: CapacityKind| [kind.name().to_owned(), capacity::short_from(kind, report.warn_days)];
    aligned(&report.kinds().map(rule).collect::<Vec<_>>())
}

fn cells(line: &CapacityLine) -> [String; 6] {
    let unknown = || format::UNKNOWN.to_owned();
    let number = |number: u64| if line.is_bytes() { size_text(number as f64) } else { format::count(number) };
    let growth = match line.growth_a_day {
        Some(a_day) if line.is_bytes() => format!("{}{}", sign(a_day), size_text(a_day.abs())),
        Some(a_day) => format!("{}{}", sign(a_day), format::count(a_day.abs().round() as u64)),
        // They are made, and do not come by themselves.
        None if line.kind == CapacityKind::Partitions => unknown(),
        None => "not measured".to_owned(),
    };
    let left = match (line.days_left, line.state) {
        (Some(days), CapacityState::Short) => format!("{} SHORT", days_text(days)),
        (Some(days), _) => days_text(days),
        (None, CapacityState::Short) => "SHORT".to_owned(),
        (None, CapacityState::Unreachable) => "NO ANSWER".to_owned(),
        (None, _) => unknown(),
    };
    let of = |known: Option<u64>| known.map_or_else(unknown, number);
    [line.what.clone(), of(line.now), growth, of(line.limit), left, line.remark.clone()]
}

fn sign(number: f64) -> &'static str {
    if number < 0.0 { "-" } else { "+" }
}

/// Of days that are few the hours matter.
fn days_text(days: f64) -> String {
    match days {
        days if days < 3.0 => format::span(days * 86_400.0),
        days if days < 36_500.0 => format!("{days:.0} d"),
        _ => "> 100 years".to_owned(),
    }
}

fn summary(report: &CapacityReport) -> String {
    let count = |state| report.in_state(state).count();
    let (short, away) = (count(CapacityState::Short), count(CapacityState::Unreachable));
    let mut text = match short {
        0 => "nothing that is measured is short".to_owned(),
        1 => "1 is short".to_owned(),
        _ => format!("{short} are short"),
    };
    if away > 0 {
        text.push_str(&format!("; {} could not be asked", counted(away, "database")));
    }
    text
}

/// Columns below each other; the last is as long as it is.
fn aligned<const COUNT: usize>(rows: &[[String; COUNT]]) -> Vec<String> {
    let characters = |text: &String| text.chars().count();
    let width = |column: usize| rows.iter().map(|row| characters(&row[column])).max().unwrap_or(0);
    let widths: [usize; COUNT] = std::array::from_fn(|column| if column + 1 < COUNT { width(column) } else { 0 });
    let line = |row: &[String; COUNT]| {
        let cells: Vec<String> = row.iter().zip(widths).map(|(text, width)| format!("{text:<width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

fn print_slow(report: &SlowReport) {
    if !report.slowest.is_empty() {
        say!("took longest, all calls together");
        let head = ["total", "calls", "mean", "longest", "database", "statement"].map(str::to_owned);
        let rows = report.slowest.iter().map(|one| {
            let spans = [one.mean_seconds(), one.longest_seconds].map(format::span);
            let [mean, longest] = spans;
            let (total, calls) = (format::span(one.total_seconds), format::count(one.calls));
            [total, calls, mean, longest, one.database.clone(), one.text.clone()]
        });
        let rows: Vec<[String; 6]> = [head].into_iter().chain(rows).collect();
        aligned(&rows).iter().for_each(|line| say!("  {line}"));
    }
    if report.running.is_empty() {
        say!("nothing that is seen has run for more than a second");
    } else {
        say!("runs now, for more than a second");
        let head = ["since", "database", "login", "state", "statement"].map(str::to_owned);
        let rows = report.running.iter().map(|one| {
            let since = format::span(one.seconds);
            [since, one.database.clone(), one.login.clone(), one.state.clone(), one.text.clone()]
        });
        let rows: Vec<[String; 5]> = [head].into_iter().chain(rows).collect();
        aligned(&rows).iter().for_each(|line| say!("  {line}"));
    }
    report.remarks.iter().for_each(|remark| say!("{remark}"));
    say!("\n{:.2} s", report.seconds);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(kind: CapacityKind, state: CapacityState) -> CapacityLine {
        CapacityLine {
            kind,
            what: "it".to_owned(),
            state,
            now: Some(1_500_000),
            growth_a_day: Some(-2_000.0),
            limit: Some(3_000_000),
            days_left: None,
            remark: String::new(),
        }
    }

    fn plain(line: &CapacityLine) -> [String; 6] {
        cells(line).map(|cell| cell.replace('\u{a0}', " "))
    }

    #[test]
    fn bytes_have_units_and_counts_have_none() {
        let disk = line(CapacityKind::Disk, CapacityState::Enough);
        assert_eq!(plain(&disk)[..5], ["it", "1.5 MB", "-2.0 kB", "3.0 MB", "–"].map(str::to_owned));
        let numbers = CapacityLine { growth_a_day: Some(12.4), ..line(CapacityKind::Numbers, CapacityState::Enough) };
        assert_eq!(plain(&numbers)[1..4], ["1 500 000", "+12", "3 000 000"].map(str::to_owned));
        let away = CapacityLine {
            now: None,
            growth_a_day: None,
            limit: None,
            ..line(CapacityKind::Database, CapacityState::Unreachable)
        };
        assert_eq!(plain(&away)[1..5], ["–", "not measured", "–", "NO ANSWER"].map(str::to_owned));
        let partitions = CapacityLine { growth_a_day: None, ..line(CapacityKind::Partitions, CapacityState::Enough) };
        assert_eq!(plain(&partitions)[2], "–");
    }

    #[test]
    fn days_are_told_as_far_as_they_matter() {
        assert_eq!([0.0, 0.5, 2.9].map(days_text), ["0 ms", "12 h 0 min", "2 d 21 h"].map(str::to_owned));
        assert_eq!([3.4, 36_499.0, 40_000.0].map(days_text), ["3 d", "36499 d", "> 100 years"].map(str::to_owned));
        let left = |days_left, state| plain(&CapacityLine { days_left, ..line(CapacityKind::Disk, state) })[4].clone();
        assert_eq!(left(Some(12.0), CapacityState::Short), "12 d SHORT");
        assert_eq!(
            (left(None, CapacityState::Short), left(Some(40.0), CapacityState::Enough)),
            ("SHORT".into(), "40 d".into())
        );
    }

    #[test]
    fn columns_stand_below_each_other_and_what_is_short_is_counted() {
        let rows = [["a", "bb", "remark"], ["–––", "c", ""]].map(|row| row.map(str::to_owned));
        assert_eq!(aligned(&rows), ["a    bb  remark", "–––  c"]);
        let report = |states: &[CapacityState]| CapacityReport {
            passed: false,
            warn_days: 30,
            lines: states.iter().map(|state| line(CapacityKind::Disk, *state)).collect(),
            seconds: 0.0,
        };
        assert_eq!(summary(&report(&[CapacityState::Enough])), "nothing that is measured is short");
        let told = summary(&report(&[CapacityState::Short, CapacityState::Unreachable]));
        assert_eq!(told, "1 is short; 1 database could not be asked");
    }

    #[test]
    fn each_kind_says_what_it_is_judged_by() {
        let lines = CapacityKind::ALL.into_iter().rev().map(|kind| line(kind, CapacityState::Enough));
        let report = |warn_days| {
            let lines = lines.clone().collect();
            CapacityReport { passed: true, warn_days, lines, seconds: 0.0 }
        };
        let told = judged(&report(30)).iter().map(|line| line.replace('\u{a0}', " ")).collect::<Vec<_>>();
        assert_eq!(
            told,
            [
                "databases        never by themselves: their disk is",
                "disks            fewer than 30 days left, or less than 5 % and less than 10.0 GB free",
                "logs             more than 50 % full, or from 10 % on full within the hour",
                "partitions       fewer than 7 days ahead, of the 14 for which they are made",
                "numbers          fewer than 30 days left, or 80 % given away",
                "transaction ids  50 % used, whatever is left",
            ]
        );
        assert!(judged(&report(1))[3].contains("fewer than 1 day ahead"));
        let disk = CapacityReport { lines: vec![line(CapacityKind::Disk, CapacityState::Enough)], ..report(30) };
        assert_eq!(judged(&disk).len(), 1, "of what has no line nothing is said");
    }
}
