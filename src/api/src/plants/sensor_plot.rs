//! A sensor's plot with all that is said beside it.

use super::plot::{self, FaultCode, Plot};
use super::report::{ChartSpan, FaultReport, ReadingBucket, ReadingsView, SensorView, Thresholds};
use super::words::clock;
use crate::format;
use std::fmt::Write;

pub(super) struct SensorPlot<'a> {
    pub(super) name: &'a str,
    pub(super) id: &'a str,
    pub(super) kind: &'a str,
    pub(super) unit: &'a str,
    pub(super) last: String,
    pub(super) last_at: String,
    /// Of the last reading, unless it is as it should be.
    pub(super) doubt: String,
    pub(super) level: &'static str,
    pub(super) svg: String,
    pub(super) codes: Vec<FaultCode>,
    pub(super) from: String,
    pub(super) until: String,
    /// What the plot shows, in words.
    pub(super) told: String,
    pub(super) warning: String,
    pub(super) critical: String,
    pub(super) extremes: [String; 3],
    pub(super) rows: String,
    pub(super) not_good: String,
}

pub(super) fn sensor_plot<'a>(sensor: &'a SensorView, view: &'a ReadingsView, now_ms: i64) -> SensorPlot<'a> {
    let master = &sensor.master;
    let faults: Vec<&FaultReport> = view.faults.iter().filter(|fault| fault.concerns(&master.sensor_id)).collect();
    let last = sensor.last.as_ref();
    let limits = |low: Option<f64>, high: Option<f64>| {
        let below = low.map(|limit| format!("below {}", plot::number(limit)));
        let above = high.map(|limit| format!("above {}", plot::number(limit)));
        let both: Vec<String> = below.into_iter().chain(above).collect();
        if both.is_empty() { format::UNKNOWN.to_owned() } else { both.join(", ") }
    };
    let Thresholds { warning_min, warning_max, critical_min, critical_max } = master.thresholds;
    let doubts = last.map(|last| {
        let quality = (last.quality != "good").then(|| format!("quality {}", last.quality));
        let status = (last.status != "normal").then(|| last.status.clone());
        let anomaly = last.is_anomaly.then(|| "unusual".to_owned());
        quality.into_iter().chain(status).chain(anomaly).collect::<Vec<_>>().join(", ")
    });
    let rows: i64 = sensor.buckets.iter().map(|bucket| bucket.rows).sum();
    let not_good: i64 = sensor.buckets.iter().map(|bucket| bucket.not_good).sum();
    let plot = Plot {
        buckets: &sensor.buckets,
        bucket_ms: view.bucket_seconds * 1_000,
        bounds_ms: (view.from_ms, view.until_ms),
        thresholds: master.thresholds,
        faults: faults.clone(),
    };
    let mut plotted = SensorPlot {
        name: master.sensor_code.as_deref().unwrap_or(&master.sensor_id),
        id: &master.sensor_id,
        kind: master.sensor_type.as_deref().unwrap_or_default(),
        unit: last.map_or(master.unit.as_str(), |last| &last.unit),
        last: last.map_or_else(|| format::UNKNOWN.to_owned(), |last| plot::number(last.value)),
        last_at: last.map_or_else(|| "none for 24 h".to_owned(), |last| clock(last.at_ms, now_ms)),
        doubt: doubts.unwrap_or_default(),
        level: match last.map(|last| last.status.as_str()) {
            Some("critical") => "bad",
            Some("warning") => "warn",
            _ => "plain",
        },
        svg: plot.svg(),
        codes: plot.codes(),
        from: clock(view.from_ms, now_ms),
        until: clock(view.until_ms, now_ms),
        told: String::new(),
        warning: limits(warning_min, warning_max),
        critical: limits(critical_min, critical_max),
        extremes: extremes(&sensor.buckets),
        rows: format::count(rows.unsigned_abs()),
        not_good: format::count(not_good.unsigned_abs()),
    };
    plotted.told = told(&plotted, &faults, view.span, now_ms);
    plotted
}

/// Least, mean and greatest.
fn extremes(buckets: &[ReadingBucket]) -> [String; 3] {
    let known = || buckets.iter().filter(|bucket| bucket.mean.is_finite() && bucket.rows > 0);
    if known().next().is_none() {
        return [(); 3].map(|()| format::UNKNOWN.to_owned());
    }
    let rows: f64 = known().map(|bucket| bucket.rows as f64).sum();
    let sum: f64 = known().map(|bucket| bucket.mean * bucket.rows as f64).sum();
    let least = known().map(|bucket| bucket.min).fold(f64::INFINITY, f64::min);
    let greatest = known().map(|bucket| bucket.max).fold(f64::NEG_INFINITY, f64::max);
    [least, sum / rows, greatest].map(plot::number)
}

/// What the plot shows, in words.
fn told(plot: &SensorPlot<'_>, faults: &[&FaultReport], span: ChartSpan, now_ms: i64) -> String {
    let [least, mean, greatest] = &plot.extremes;
    let mut told = format!(
        "{} in {} over {}: last {}, from {least} to {greatest}, mean {mean}; warning {}; critical {}",
        plot.name,
        plot.unit,
        span.as_str(),
        plot.last,
        plot.warning,
        plot.critical
    );
    for fault in faults {
        // Writing to a String cannot fail.
        let _ = write!(told, "; fault {} at {}", fault.fault_code, clock(fault.start_ms, now_ms));
    }
    if plot.not_good != "0" {
        let _ = write!(told, "; {} of {} readings of doubtful quality", plot.not_good, plot.rows);
    }
    told
}
