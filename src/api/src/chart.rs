//! Line charts as inline SVG. Enters: series of numbers over time. Leaves: a filled template, which can stand in a page as it is.
//! Colours and fonts are classes of the style sheet, for light and dark.

use askama::Template;
use std::fmt::Write;

/// One line of a chart; `None` leaves a gap.
pub(crate) struct Series {
    /// `main`, `second` or `third` of the style sheet.
    pub(crate) class: &'static str,
    pub(crate) label: &'static str,
    pub(crate) values: Vec<Option<f64>>,
}

pub(crate) struct Chart {
    pub(crate) title: &'static str,
    pub(crate) series: Vec<Series>,
    /// How a value is written.
    pub(crate) unit: fn(f64) -> String,
    /// Points that a full chart has: a shorter history stands at its right.
    pub(crate) points_max: usize,
    /// What the left end is, when the chart is full.
    pub(crate) since: &'static str,
}

pub(crate) const WIDTH: f64 = 600.0;
pub(crate) const HEIGHT: f64 = 150.0;
/// Room for what stands at the left of the lines, and below them.
pub(crate) const LEFT: f64 = 70.0;
pub(crate) const BOTTOM: f64 = 20.0;
pub(crate) const TOP: f64 = 8.0;
/// What is left for the lines.
pub(crate) const TALL: f64 = HEIGHT - TOP - BOTTOM;
/// Where what stands at the left ends.
pub(crate) const LABELS: f64 = LEFT - 6.0;
/// Where the words below the lines stand.
const FOOT: f64 = HEIGHT - 4.0;

/// A line across all the width, and what stands at its left.
pub(crate) struct GridLine {
    pub(crate) y: i64,
    pub(crate) text_y: i64,
    pub(crate) text: String,
}

impl GridLine {
    pub(crate) fn new(y: f64, text: String) -> Self {
        let y = y.round() as i64;
        Self { y, text_y: y + 4, text }
    }
}

#[derive(Template)]
#[template(path = "chart.svg")]
struct ChartSvg {
    told: String,
    grid: [GridLine; 3],
    /// Class and path of each line; the last is drawn above the others.
    paths: Vec<(&'static str, String)>,
    since: &'static str,
}

impl Chart {
    pub(crate) fn svg(&self) -> String {
        let top = self.top();
        let grid = [0.0, 0.5, 1.0].map(|share| GridLine::new(height(share), (self.unit)(top * share)));
        let path = |series: &Series| (series.class, self.path(&series.values, top));
        let paths = self.series.iter().rev().map(path).collect();
        ChartSvg { told: self.told(), grid, paths, since: self.since }.to_string()
    }

    /// The value of the upper edge: one, two or five times a power of ten.
    fn top(&self) -> f64 {
        let values = self.series.iter().flat_map(|series| series.values.iter().flatten());
        let largest = values.copied().filter(|value| value.is_finite()).fold(0.0, f64::max);
        if largest <= 0.0 {
            return 1.0;
        }
        let power = 10_f64.powf(largest.log10().floor());
        let step = [1.0, 2.0, 5.0].into_iter().find(|step| step * power >= largest).unwrap_or(10.0);
        step * power
    }

    fn path(&self, values: &[Option<f64>], top: f64) -> String {
        let mut path = String::new();
        let mut drawing = false;
        let missing = self.points_max.saturating_sub(values.len());
        for (at, value) in values.iter().enumerate() {
            let Some(value) = value.filter(|value| value.is_finite()) else {
                drawing = false;
                continue;
            };
            let last = self.points_max.saturating_sub(1).max(1) as f64;
            let x = LEFT + (WIDTH - LEFT) * (missing + at) as f64 / last;
            let (command, y) = (if drawing { 'L' } else { 'M' }, height((value / top).clamp(0.0, 1.0)));
            // Writing to a String cannot fail.
            let _ = write!(path, "{command}{x:.0} {y:.0}");
            if !drawing {
                // A point with gaps at both sides is seen, too.
                path.push_str("h1");
            }
            drawing = true;
        }
        path
    }

    /// What the chart shows, in words.
    fn told(&self) -> String {
        let mut told = self.title.to_owned();
        for series in &self.series {
            let known = || series.values.iter().flatten().copied();
            let last = known().next_back().map_or_else(|| "nothing yet".to_owned(), self.unit);
            let _ = write!(told, "; {}: {last}, at most {}", series.label, (self.unit)(known().fold(0.0, f64::max)));
        }
        told
    }
}

fn height(share: f64) -> f64 {
    TOP + TALL * (1.0 - share)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format;

    fn chart(values: Vec<Option<f64>>) -> Chart {
        let series = vec![Series { class: "main", label: "stored", values }];
        Chart { title: "Rows", series, unit: format::rate, points_max: 5, since: "10 s ago" }
    }

    #[test]
    fn the_newest_is_at_the_right_and_gaps_stay_gaps() {
        let drawn = chart(vec![Some(0.0), None, Some(50.0)]);
        assert_eq!(drawn.path(&drawn.series[0].values, 50.0), "M335 130h1M600 8h1");
        let text = drawn.svg();
        assert!(text.contains("aria-label=\"Rows; stored: 50, at most 50\""), "{text}");
        assert!(text.starts_with("<svg ") && text.ends_with("</svg>") && !text.contains("style="), "{text}");
    }

    #[test]
    fn odd_values_make_no_odd_markup() {
        for values in [vec![], vec![None], vec![Some(f64::NAN), Some(f64::INFINITY)], vec![Some(-5.0), Some(1e300)]] {
            let text = chart(values).svg();
            assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
        }
        assert_eq!(
            [0.0, 0.7, 1.0, 1.1, 4.0, 900.0].map(|top| chart(vec![Some(top)]).top()),
            [1.0, 1.0, 1.0, 2.0, 5.0, 1000.0]
        );
    }
}
