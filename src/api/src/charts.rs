//! The charts of the page. Enters: the points of the last ten minutes. Leaves: drawn charts with their legends.

use super::chart::{Chart, Series};
use super::format;
use super::past::{POINTS_MAX, Point};

pub(crate) struct Drawn {
    pub(crate) title: &'static str,
    pub(crate) svg: String,
    /// Class and label of each line.
    pub(crate) labels: Vec<(&'static str, &'static str)>,
}

pub(crate) fn of(points: &[Point]) -> Vec<Drawn> {
    let line = |class, label, value: fn(&Point) -> Option<f64>| Series {
        class,
        label,
        values: points.iter().map(value).collect(),
    };
    let rates = vec![
        line("main", "stored", |point| Some(point.stored_per_second)),
        line("second", "received", |point| Some(point.received_per_second)),
    ];
    let lag = vec![line("main", "lag", |point| Some(point.lag_seconds))];
    vec![
        drawn("Rows per second", format::rate, rates),
        drawn("Read to durable", format::latency, percentiles(points, |point| point.durable_ms)),
        drawn("Read to committed", format::latency, percentiles(points, |point| point.committed_ms)),
        drawn("Lag of the latest sink", format::span, lag),
    ]
}

fn percentiles(points: &[Point], of: fn(&Point) -> Option<[f64; 3]>) -> Vec<Series> {
    let lines = [("main", "median"), ("second", "99th percentile"), ("third", "99.9th percentile")];
    let line = |(at, (class, label))| Series {
        class,
        label,
        values: points.iter().map(|point| of(point).map(|ms| ms[at])).collect(),
    };
    lines.into_iter().enumerate().map(line).collect()
}

fn drawn(title: &'static str, unit: fn(f64) -> String, series: Vec<Series>) -> Drawn {
    let labels = series.iter().map(|series| (series.class, series.label)).collect();
    Drawn { title, labels, svg: Chart { title, series, unit, points_max: POINTS_MAX, since: "10 min ago" }.svg() }
}
