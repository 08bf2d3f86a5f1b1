//! One sensor's readings as the inside of an SVG: extremes and mean over time, thresholds, faults, readings of doubtful quality.
//! Our own words and numbers alone; what others wrote stands beside it, in the template of the page.

use super::report::{FaultReport, ReadingBucket, Thresholds};
use crate::chart::{BOTTOM, GridLine, HEIGHT, LABELS, LEFT, TALL, TOP, WIDTH};
use askama::Template;
use std::fmt::Write;

/// A bucket that begins later than so many after the last one is not joined to it.
const GAP_BUCKETS: i64 = 3;
/// Marks of faults: more would hide the lines.
const FAULTS_MAX: usize = 10;
/// Of a fault's code so much stands beside its mark; all of it is told in the table of faults.
const CODE_CHARS_MAX: usize = 16;
const CODE_WIDTH: f64 = 110.0;

pub(super) struct Plot<'a> {
    pub(super) buckets: &'a [ReadingBucket],
    pub(super) bucket_ms: i64,
    pub(super) bounds_ms: (i64, i64),
    pub(super) thresholds: Thresholds,
    pub(super) faults: Vec<&'a FaultReport>,
}

/// The code of a fault, beside its mark.
#[derive(Debug, PartialEq)]
pub(super) struct FaultCode {
    pub(super) x: i64,
    pub(super) y: usize,
    /// It ends at `x`.
    pub(super) is_end: bool,
    pub(super) code: String,
}

#[derive(Template)]
#[template(path = "plot.svg")]
struct PlotSvg {
    grid: [GridLine; 3],
    /// Where each mark begins, and its width.
    faults: Vec<(i64, i64)>,
    /// Class and height.
    limits: Vec<(&'static str, i64)>,
    /// Band and line of buckets that follow each other.
    runs: Vec<(String, String)>,
    doubtful: String,
}

impl Plot<'_> {
    pub(super) fn svg(&self) -> String {
        let scale = self.scale();
        let line = |share: f64| {
            let value = scale.0 + (scale.1 - scale.0) * share;
            GridLine::new(height(scale, value), number(value))
        };
        let mark = |fault: &FaultReport| {
            let (from, until) = (self.across(fault.start_ms), self.across(fault.end_ms.unwrap_or(self.bounds_ms.1)));
            (from.round() as i64, (until - from).max(2.0).round() as i64)
        };
        let limit = |(class, limit)| (class, height(scale, limit).round() as i64);
        let run = |run: &[ReadingBucket]| (self.band(run, scale), self.line(run, scale));
        let svg = PlotSvg {
            grid: [0.0, 0.5, 1.0].map(line),
            faults: self.marked().map(mark).collect(),
            limits: self.limits().map(limit).collect(),
            runs: self.runs().into_iter().map(run).collect(),
            doubtful: self.doubtful(),
        };
        svg.to_string()
    }

    fn marked(&self) -> impl Iterator<Item = &FaultReport> {
        self.faults.iter().take(FAULTS_MAX).copied()
    }

    /// What others wrote is for the template to escape. One below the other, so that codes of neighbours can be read.
    pub(super) fn codes(&self) -> Vec<FaultCode> {
        let code = |(no, fault): (usize, &FaultReport)| {
            let x = self.across(fault.start_ms);
            let is_end = x > WIDTH - CODE_WIDTH;
            let code = fault.fault_code.chars().take(CODE_CHARS_MAX).collect();
            FaultCode { x: if is_end { x - 3.0 } else { x + 3.0 }.round() as i64, y: 20 + 13 * (no % 4), is_end, code }
        };
        self.marked().enumerate().map(code).collect()
    }

    /// A line below the values where some are of doubtful quality.
    fn doubtful(&self) -> String {
        let alike = |one: &ReadingBucket, next: &ReadingBucket| (one.not_good > 0) == (next.not_good > 0);
        let runs = self.buckets.chunk_by(alike).filter(|run| run.iter().any(|bucket| bucket.not_good > 0));
        let ends = runs.filter_map(|run| Some((run.first()?.at_ms, run.last()?.at_ms + self.bucket_ms)));
        ends.fold(String::new(), |mut line, (from_ms, until_ms)| {
            let (from, until) = (self.across(from_ms), self.across(until_ms));
            // Writing to a String cannot fail.
            let _ = write!(line, "M{from:.0} {:.0}h{:.0}", HEIGHT - BOTTOM - 1.0, (until - from).max(2.0));
            line
        })
    }

    fn known(&self) -> impl Iterator<Item = &ReadingBucket> {
        self.buckets.iter().filter(|bucket| [bucket.min, bucket.mean, bucket.max].iter().all(|value| value.is_finite()))
    }

    fn limits(&self) -> impl Iterator<Item = (&'static str, f64)> + use<> {
        let Thresholds { warning_min, warning_max, critical_min, critical_max } = self.thresholds;
        let all = [
            ("warning", warning_min),
            ("warning", warning_max),
            ("critical", critical_min),
            ("critical", critical_max),
        ];
        all.into_iter().filter_map(|(class, limit)| Some((class, limit.filter(|limit| limit.is_finite())?)))
    }

    /// Lower and upper edge: all that is drawn, and a little room.
    fn scale(&self) -> (f64, f64) {
        let values =
            self.known().flat_map(|bucket| [bucket.min, bucket.max]).chain(self.limits().map(|(_, limit)| limit));
        let (low, high) =
            values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        if low > high {
            return (0.0, 1.0);
        }
        let room = ((high - low) * 0.05).max(high.abs() * 1e-3).max(1e-3);
        (low - room, high + room)
    }

    /// Buckets that follow each other without a gap.
    fn runs(&self) -> Vec<&[ReadingBucket]> {
        let far = |one: &ReadingBucket, next: &ReadingBucket| next.at_ms - one.at_ms <= GAP_BUCKETS * self.bucket_ms;
        let finite =
            |bucket: &ReadingBucket| [bucket.min, bucket.mean, bucket.max].iter().all(|value| value.is_finite());
        let joined = |one: &ReadingBucket, next: &ReadingBucket| far(one, next) && finite(one) && finite(next);
        self.buckets.chunk_by(joined).filter(|run| run.iter().all(finite)).collect()
    }

    fn across(&self, at_ms: i64) -> f64 {
        let (from_ms, until_ms) = self.bounds_ms;
        let share = (at_ms - from_ms) as f64 / (until_ms - from_ms).max(1) as f64;
        LEFT + (WIDTH - LEFT) * share.clamp(0.0, 1.0)
    }

    fn line(&self, run: &[ReadingBucket], scale: (f64, f64)) -> String {
        let mut path = String::new();
        let mut pen = Pen::default();
        run.iter().for_each(|bucket| pen.to(&mut path, self.across(bucket.at_ms), height(scale, bucket.mean)));
        // A point with gaps at both sides is seen, too.
        if run.len() == 1 {
            path.push_str("h2");
        }
        path
    }

    /// There along the maxima, and back along the minima.
    fn band(&self, run: &[ReadingBucket], scale: (f64, f64)) -> String {
        let mut path = String::new();
        let mut pen = Pen::default();
        run.iter().for_each(|bucket| pen.to(&mut path, self.across(bucket.at_ms), height(scale, bucket.max)));
        run.iter().rev().for_each(|bucket| pen.to(&mut path, self.across(bucket.at_ms), height(scale, bucket.min)));
        path.push('z');
        path
    }
}

/// Whole numbers relative to the last place: half the bytes.
#[derive(Default)]
struct Pen(Option<(i64, i64)>);

impl Pen {
    fn to(&mut self, path: &mut String, x: f64, y: f64) {
        let place = (x.round() as i64, y.round() as i64);
        let _ = match self.0 {
            None => write!(path, "M{} {}", place.0, place.1),
            Some(last) => write!(path, "l{} {}", place.0 - last.0, place.1 - last.1),
        };
        self.0 = Some(place);
    }
}

fn height((low, high): (f64, f64), value: f64) -> f64 {
    let share = ((value - low) / (high - low)).clamp(0.0, 1.0);
    TOP + TALL * (1.0 - share)
}

/// A value as people read it: four digits, of small ones more places.
pub(super) fn number(value: f64) -> String {
    if !value.is_finite() {
        return crate::format::UNKNOWN.to_owned();
    }
    if value.abs() >= 1e12 {
        return format!("{value:.3e}");
    }
    let places = match value.abs() {
        1_000.0.. => 0,
        100.0.. => 1,
        1.0.. => 2,
        _ => 4,
    };
    let text = format!("{value:.places$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(at_ms: i64, min: f64, mean: f64, max: f64) -> ReadingBucket {
        ReadingBucket { at_ms, min, mean, max, rows: 3, not_good: 0 }
    }

    fn plot(buckets: &[ReadingBucket]) -> Plot<'_> {
        let thresholds = Thresholds::default();
        Plot { buckets, bucket_ms: 10, bounds_ms: (0, 100), thresholds, faults: Vec::new() }
    }

    #[test]
    fn extremes_and_mean_follow_time_and_gaps_stay_gaps() {
        let buckets = [bucket(0, 0.0, 5.0, 10.0), bucket(10, 0.0, 5.0, 10.0), bucket(60, 10.0, 10.0, 10.0)];
        let plot = plot(&buckets);
        let runs = plot.runs();
        assert_eq!(runs.iter().map(|run| run.len()).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(plot.line(runs[0], (0.0, 10.0)), "M70 69l53 0");
        assert_eq!(plot.line(runs[1], (0.0, 10.0)), "M388 8h2");
        assert_eq!(plot.band(runs[0], (0.0, 10.0)), "M70 8l53 0l0 122l-53 0z");
    }

    #[test]
    fn thresholds_are_in_the_picture_and_faults_and_doubt_are_marked() {
        let mut buckets = [bucket(0, 1.0, 1.0, 1.0), bucket(50, 2.0, 2.0, 2.0)];
        buckets[1].not_good = 1;
        let thresholds = Thresholds { warning_max: Some(80.0), critical_min: Some(-20.0), ..Thresholds::default() };
        let fault = FaultReport { start_ms: 50, ..FaultReport::default() };
        let drawn = Plot { thresholds, faults: vec![&fault], ..plot(&buckets) }.svg();
        assert_eq!(Plot { thresholds, ..plot(&buckets) }.scale(), (-25.0, 85.0));
        assert_eq!([drawn.matches("limit warning").count(), drawn.matches("limit critical").count()], [1, 1]);
        let late = FaultReport { fault_code: "E".repeat(50), start_ms: 95, ..FaultReport::default() };
        let codes = Plot { faults: vec![&fault, &late], ..plot(&buckets) }.codes();
        let code = |x, y, is_end, code| FaultCode { x, y, is_end, code };
        assert_eq!(codes, [code(338, 20, false, String::new()), code(571, 33, true, "E".repeat(16))]);
        assert!(drawn.contains("<rect class=\"fault\" x=\"335\" y=\"8\" width=\"265\" height=\"122\"/>"), "{drawn}");
        assert!(drawn.contains("<path class=\"doubt\" d=\"M335 129h53\"/>"), "{drawn}");
    }

    #[test]
    fn odd_values_make_no_odd_markup() {
        let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, -1e300];
        for value in odd {
            let buckets = [bucket(0, 1.0, 2.0, 3.0), bucket(10, value, value, value), bucket(-1_000, 0.0, 0.0, 0.0)];
            let thresholds = Thresholds { warning_max: Some(value), ..Thresholds::default() };
            let text = Plot { thresholds, ..plot(&buckets) }.svg();
            assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
        }
        assert!(plot(&[]).svg().contains("grid"));
    }

    #[test]
    fn values_are_told_with_as_many_places_as_they_have() {
        let told = [0.0, -0.00001, 0.0125, 1.5, 99.999, 123.456, 12_345.6, f64::NAN].map(number);
        assert_eq!(told, ["0", "0", "0.0125", "1.5", "100", "123.5", "12346", "–"]);
    }
}
