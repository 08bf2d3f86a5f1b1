//! A tile and a table of the board: backups, and the routes by which events become rows.

use super::Tile;
use crate::format;
use crate::report::RouteReport;
use crate::snapshot::ServerSnapshot;

/// What one route has done.
pub(super) struct RouteRow<'a> {
    pub(super) route: &'a str,
    pub(super) database: &'a str,
    pub(super) level: &'static str,
    /// Events, rows, refused, time of its statements.
    pub(super) numbers: [String; 4],
}

pub(super) fn routes(snapshot: &ServerSnapshot) -> Vec<RouteRow<'_>> {
    snapshot.report.routes.iter().map(route).collect()
}

fn route(route: &RouteReport) -> RouteRow<'_> {
    RouteRow {
        route: &route.route,
        database: &route.database,
        level: if route.refused_total > 0 { "bad" } else { "plain" },
        numbers: [
            format::count(route.events_total),
            format::count(route.rows_total),
            format::count(route.refused_total),
            format::span(route.busy_seconds),
        ],
    }
}

pub(super) fn backups(snapshot: &ServerSnapshot) -> Tile<'_> {
    let report = &snapshot.report.backups;
    let (late, old) = (report.late(), report.old(snapshot.taken_ms));
    let note = match &report.folder {
        None => "not known: [backups] of the configuration names no folder".to_owned(),
        Some(_) if report.looked_ms.is_none() => "not known yet".to_owned(),
        Some(_) => format!("{late} of {} databases have none that is young enough", report.items.len()),
    };
    Tile {
        id: "backups",
        label: "Backups",
        value: report.oldest_seconds().map_or_else(|| format::UNKNOWN.to_owned(), |age| format::span(age as f64)),
        unit: "old at most, the newest of each",
        notes: vec![note],
        level: match () {
            () if late > 0 => "bad",
            () if old.is_some() => "warn",
            () => "plain",
        },
        old,
        ..Tile::plain()
    }
}
