//! What the stream stores, and what it stores beside something else: routes, a downstream server that is stopped, somebody who
//! looks. The cases run in turn, so that each round compares neighbours.
//!
//! The rate is that of rows stored in both databases until the last one is there, never that of what was accepted.

use super::browser::Browser;
use super::figure::{Bound, Figure, Measure, Promise, costs_percent, listed};
use super::lab::{Lab, Load, Setup};
use crate::bench::announce;
use anyhow::{Context, bail};
use genims_dev::{Server, Stack};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const PLAN: &str = "routed_peak.toml";
/// The least of what storing takes beyond sending, where more is offered than can be stored.
const STORED_LATER: f64 = 1.15;
/// Those on the server that is stopped.
const ON_MARIADB: [&str; 3] = ["audit", "reporting", "analytics"];

const ROUTES: Promise =
    Promise { name: "routes", what: "ingest falls with all routes on by", unit: "%", bound: Bound::AtMost(15.0) };
const STALLED: Promise = Promise {
    name: "stalled",
    what: "a downstream server that is stopped costs the stream",
    unit: "%",
    bound: Bound::AtMost(3.0),
};
const WATCHED: Promise =
    Promise { name: "watched", what: "dashboard and API cost full ingest", unit: "%", bound: Bound::AtMost(3.0) };

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Case {
    WithoutRoutes,
    Routes,
    Stalled,
    Watched,
}

impl Case {
    fn name(self) -> &'static str {
        match self {
            Self::WithoutRoutes => "without_routes",
            Self::Routes => "routes",
            Self::Stalled => "stalled",
            Self::Watched => "watched",
        }
    }

    /// What is promised of a measure, and the two cases that it compares.
    fn compared(measure: Measure) -> Option<(Promise, Self, Self)> {
        match measure {
            Measure::Routes => Some((ROUTES, Self::WithoutRoutes, Self::Routes)),
            Measure::Stalled => Some((STALLED, Self::Routes, Self::Stalled)),
            Measure::Watched => Some((WATCHED, Self::Routes, Self::Watched)),
            _ => None,
        }
    }
}

pub(super) fn measure(lab: &mut Lab, wanted: &[Measure], rounds: u32) -> anyhow::Result<Vec<Figure>> {
    let compared: Vec<_> = wanted.iter().filter_map(|measure| Case::compared(*measure)).collect();
    let cases: BTreeSet<Case> = compared.iter().flat_map(|(_, without, with)| [*without, *with]).collect();
    let mut rates: BTreeMap<Case, Vec<f64>> = BTreeMap::new();
    for round in 1..=rounds {
        for case in &cases {
            announce(&format!("ingest, round {round} of {rounds}: {}", case.name()));
            rates.entry(*case).or_default().push(stored_per_s(lab, *case, round)?);
        }
    }
    let of = |case: Case| rates.get(&case).map_or(&[][..], Vec::as_slice);
    let figure = |(promise, without, with): (Promise, Case, Case)| {
        let settings = format!(
            "config/loadtest/{PLAN}, {rounds} rounds in turn; readings/s stored in PostgreSQL and MongoDB: {} {}; {} {}",
            without.name(),
            listed(of(without)),
            with.name(),
            listed(of(with))
        );
        Figure::new(promise, costs_percent(of(without), of(with)), settings)
    };
    Ok(compared.into_iter().map(figure).collect())
}

/// One run from a server's start to its end.
fn stored_per_s(lab: &mut Lab, case: Case, round: u32) -> anyhow::Result<f64> {
    lab.serve(if case == Case::WithoutRoutes { Setup::WithoutRoutes } else { Setup::Shipped })?;
    let name = format!("ingest-{}-{round}", case.name());
    let load = Load { name, plan: PLAN, arguments: &[], is_judged: true };
    let report = match case {
        Case::WithoutRoutes | Case::Routes => lab.load(&load)?,
        Case::Stalled => {
            let stall = Stall::begin(&lab.stack)?;
            let report = lab.load(&load)?;
            drop(stall);
            somebody_waits(&report)?;
            report
        }
        Case::Watched => {
            let browser = Browser::open(lab.bench.addresses.http);
            let report = lab.load(&load);
            let seen = browser.close()?;
            if seen.events == 0 || seen.pages == 0 {
                bail!("the browser saw {} events and {} pages", seen.events, seen.pages);
            }
            report?
        }
    };
    let stats = lab.quiet()?;
    lab.bench.stop_server();
    if case != Case::WithoutRoutes && routed_rows(&stats) == 0 {
        bail!("no event of {} became a row: its cost cannot be seen", load.name);
    }
    if case == Case::WithoutRoutes {
        is_beyond(&report)?;
    }
    report["readings_per_s"].as_f64().filter(|rate| *rate > 0.0).context("the report has no rate")
}

/// Where all that is offered is stored as it comes, the rate is that of the offer, and nothing can cost any of it.
fn is_beyond(report: &Value) -> anyhow::Result<()> {
    let seconds = |key: &str| report[key].as_f64().with_context(|| format!("the report has no {key}"));
    let (whole, sent) = (seconds("seconds")?, seconds("send_seconds")?);
    if whole < STORED_LATER * sent {
        bail!("all was stored {whole:.1} s after the begin, sent in {sent:.1} s: raise the rates of {PLAN}");
    }
    Ok(())
}

/// What a route has made of events since the server started.
fn routed_rows(stats: &Value) -> u64 {
    stats["routes"].as_array().into_iter().flatten().filter_map(|route| route["rows_total"].as_u64()).sum()
}

/// A server that is stopped while nobody wants anything of it costs nothing.
fn somebody_waits(report: &Value) -> anyhow::Result<()> {
    let sinks = report["server_stats"]["sinks"].as_array().into_iter().flatten();
    let mut on_it = sinks.filter(|sink| ON_MARIADB.iter().any(|name| sink["name"] == *name));
    if !on_it.any(|sink| sink["lag_records"].as_u64().is_some_and(|lag| lag > 0)) {
        bail!("nothing waited for the server that was stopped: its cost cannot be seen");
    }
    Ok(())
}

/// MariaDB, stopped in its tracks: connections stay open and nothing answers. It goes on when this is dropped.
struct Stall<'s>(&'s Stack);

impl<'s> Stall<'s> {
    fn begin(stack: &'s Stack) -> anyhow::Result<Self> {
        stack.pause_server(Server::Mariadb)?;
        Ok(Self(stack))
    }
}

impl Drop for Stall<'_> {
    fn drop(&mut self) {
        // Where it has ended there is nothing to go on; whoever waits for it says so.
        let _ = self.0.resume_server(Server::Mariadb);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_stopped_server_counts_only_when_something_waits_for_it() {
        let report =
            |name: &str, lag: u64| json!({ "server_stats": { "sinks": [{ "name": name, "lag_records": lag }] } });
        assert!(somebody_waits(&report("audit", 3)).is_ok());
        assert!(somebody_waits(&report("audit", 0)).is_err() && somebody_waits(&report("erp", 3)).is_err());
    }

    #[test]
    fn what_is_stored_as_it_comes_measures_nothing() {
        let report = |seconds: f64| json!({ "seconds": seconds, "send_seconds": 6.0 });
        assert!(is_beyond(&report(12.0)).is_ok());
        assert!(is_beyond(&report(6.5)).is_err() && is_beyond(&json!({})).is_err());
    }

    #[test]
    fn rows_of_all_routes_are_counted() {
        assert_eq!(routed_rows(&json!({ "routes": [{ "rows_total": 2 }, { "rows_total": 3 }] })), 5);
        assert_eq!(routed_rows(&json!({})), 0);
    }
}
