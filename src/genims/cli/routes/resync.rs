//! `genims routes gaps` and `genims routes resync`: what routed databases lack because the log of events no longer held it, and the same made
//! anew from the operations database. Exit code 1 when a database could not be asked, or refused what was made.

use anyhow::Context;
use chrono::{DateTime, Utc};
use genims::server::resync::Place;
use genims_model::counted;
use genims_resync::making::NEVER_MADE;
use genims_resync::request::Made;
use genims_resync::span;
use genims_stores::routed::gaps::Gap;
use genims_terminal::{Progress, say};
use serde::Serialize;
use std::process::ExitCode;

/// A gap of a database, as it is told.
#[derive(Serialize)]
struct Told<'a> {
    database: &'a str,
    /// `events`, or `stream` where the router was cut off from the first log: then these are records of all kinds.
    log: &'static str,
    from_offset: u64,
    to_offset: u64,
    records: u64,
    /// When what lies before it was received; unknown for a database that never followed the log before.
    received_from: Option<String>,
    received_to: Option<String>,
    noticed_at: Option<String>,
    closed_at: Option<String>,
    /// Events made anew, in all runs.
    made_anew: Option<u64>,
    /// What the gap held beyond that.
    not_made: Option<u64>,
}

/// How gaps are closed.
pub(super) enum Closing {
    Resync { from: Option<DateTime<Utc>> },
    Abandon,
}

/// Gaps that were closed together, and what was made for them.
#[derive(Serialize)]
struct Closed<'a> {
    gaps: Vec<Told<'a>>,
    #[serde(flatten)]
    now: &'a Made,
}

impl<'a> Told<'a> {
    /// `now`: what is entered for it as made anew, where it was closed a moment ago.
    fn of(database: &'a str, gap: &Gap, now: Option<u64>) -> Self {
        let offsets = &gap.lost.offsets;
        let made_anew = now.or_else(|| gap.closed.map(|closed| closed.made));
        let not_made = gap.events_lost().zip(made_anew).map(|(lost, made)| lost.saturating_sub(made));
        Self {
            database,
            log: if gap.events_lost().is_some() { "events" } else { "stream" },
            from_offset: offsets.start,
            to_offset: offsets.end,
            records: offsets.end - offsets.start,
            received_from: gap.received_from_us.and_then(time),
            received_to: time(gap.received_to_us),
            noticed_at: time(gap.noticed_us),
            closed_at: gap
                .closed
                .and_then(|closed| time(closed.at_us))
                .or_else(|| now.map(|_| Utc::now().to_rfc3339())),
            made_anew,
            not_made,
        }
    }

    fn print(&self) {
        let unknown = || "an unknown time".to_owned();
        let from = self.received_from.clone().unwrap_or_else(unknown);
        let to = self.received_to.clone().unwrap_or_else(unknown);
        let of = if self.log == "events" { "of the log of events" } else { "of the stream" };
        let records = counted(self.records, "record");
        say!("{:26} lacks {records} {of}, received from {from} to {to}", self.database);
        match (self.made_anew, self.not_made) {
            (Some(made), Some(rest)) => say!("    closed: {made} made anew, {rest} not"),
            (Some(made), None) => say!("    closed: {made} made anew"),
            (None, _) => say!(
                "    open: `genims routes resync {0}` makes them anew, with --abandon it closes the gap as it is",
                self.database
            ),
        }
    }
}

impl<'a> Closed<'a> {
    fn of(database: &'a str, gaps: &[Gap], now: &'a Made) -> Self {
        let shares = span::shares(gaps, now);
        Self { gaps: gaps.iter().zip(shares).map(|(gap, share)| Told::of(database, gap, Some(share))).collect(), now }
    }

    fn print(&self) {
        self.gaps.iter().for_each(Told::print);
        let Made { made, made_before, by_stream, not_taken, refused, told_again, unknown, by_kind } = self.now;
        let kinds: Vec<String> = by_kind.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        say!("  now: {made}{}{}", if kinds.is_empty() { "" } else { ": " }, kinds.join(", "));
        say!("  there already: {made_before} by an earlier run, {by_stream} by the stream at its edges");
        say!("  left out: {not_taken} of kinds that no route takes, {unknown} of machines or sensors that are gone");
        say!("  told once more behind what they end: {told_again}");
        say!("  never made anew, because no table tells of them: {}", NEVER_MADE.join(", "));
        if *refused > 0 {
            say!("  REFUSED by the database: {refused}; they are in its genims_internal.refused_events");
        }
    }
}

fn time(us: i64) -> Option<String> {
    DateTime::from_timestamp_micros(us).map(|time| time.to_rfc3339())
}

/// What every routed database lacks, or lacked.
pub(super) async fn gaps(places: &[Place<'_>], json: bool) -> anyhow::Result<ExitCode> {
    let (mut found, mut is_well) = (Vec::new(), true);
    for place in places {
        if !place.is_configured()? {
            eprintln!(
                "genims: no variable names {}; it is left out, as the server leaves it out",
                place.database().name
            );
            continue;
        }
        match place.gaps().await {
            Ok(gaps) => found.extend(gaps.into_iter().map(|gap| (place.database().name.clone(), gap))),
            Err(error) => {
                is_well = false;
                eprintln!("genims: {}", genims_terminal::told(&error.into()));
            }
        }
    }
    let told: Vec<Told<'_>> = found.iter().map(|(database, gap)| Told::of(database, gap, None)).collect();
    if json {
        say!("{}", serde_json::to_string_pretty(&told).context("the gaps as JSON")?);
    } else if told.is_empty() && is_well {
        say!("no routed database lacks anything");
    } else {
        told.iter().for_each(Told::print);
    }
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

pub(super) async fn resync(place: &Place<'_>, closing: Closing, json: bool) -> anyhow::Result<ExitCode> {
    let bar = Progress::new("routes resync", "events");
    let show = |gap: usize, of: usize, made: &Made| {
        bar.show(format!(
            "gap {gap} of {of}: {} made anew, {} there already",
            made.made,
            made.made_before + made.by_stream
        ));
    };
    let outcome = match closing {
        Closing::Resync { from } => place.close(from.map(|from| from.timestamp_micros()), &show).await?,
        Closing::Abandon => place.abandon().await?,
    };
    drop(bar);
    let name = &place.database().name;
    let closed: Vec<Closed<'_>> = outcome.closed.iter().map(|(gaps, made)| Closed::of(name, gaps, made)).collect();
    if json {
        let report = serde_json::json!({ "database": name, "closed": closed, "never_made": NEVER_MADE });
        say!("{}", serde_json::to_string_pretty(&report).context("the report as JSON")?);
    } else if closed.is_empty() {
        say!("{name} lacks nothing that the log of events no longer held");
    } else {
        closed.iter().for_each(Closed::print);
    }
    let is_well = outcome.closed.iter().all(|(_, made)| made.refused == 0);
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
