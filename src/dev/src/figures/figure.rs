//! One figure beside its bound: what was measured leaves as a line for people and as JSON.
//!
//! Invariant: what could not be measured holds nothing, neither does a value that is none.

use clap::ValueEnum;
use serde::Serialize;

/// What can be asked for by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(super) enum Measure {
    /// What ingest loses by all routes
    Routes,
    /// What the stream loses by a downstream server that is stopped
    Stalled,
    /// What ingest loses by a browser and the API
    Watched,
    /// From the receipt of what an event tells of to its rows
    EventToRow,
    /// What TLS costs at QoS 1
    Tls,
    /// Changes of business rows until they stand in the audit trail
    Changes,
    /// What `genims top` takes
    Top,
    /// The hourly jobs of a medium platform
    EtlHourly,
    /// Rows that jobs read and compute
    EtlBulk,
}

impl Measure {
    /// Those of the medium platform, whose seeding takes as long as half of the others.
    pub(super) fn is_medium(self) -> bool {
        matches!(self, Self::EtlHourly | Self::EtlBulk)
    }

    pub(super) fn is_ingest(self) -> bool {
        matches!(self, Self::Routes | Self::Stalled | Self::Watched)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

impl Bound {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::AtMost(bound) => value <= bound,
            Self::AtLeast(bound) => value >= bound,
        }
    }

    fn told(self) -> String {
        match self {
            Self::AtMost(bound) => format!("at most {}", number(bound)),
            Self::AtLeast(bound) => format!("at least {}", number(bound)),
        }
    }
}

/// What is promised.
#[derive(Clone, Copy, Debug)]
pub(super) struct Promise {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    pub(super) unit: &'static str,
    pub(super) bound: Bound,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Figure {
    pub(super) name: &'static str,
    what: &'static str,
    unit: &'static str,
    bound: Bound,
    /// The median of `each`.
    value: f64,
    each: Vec<f64>,
    pub(super) holds: bool,
    settings: String,
}

impl Figure {
    pub(super) fn new(promise: Promise, each: Vec<f64>, settings: String) -> Self {
        let Promise { name, what, unit, bound } = promise;
        let value = median(&each);
        Self { name, what, unit, bound, value, each, holds: bound.holds(value), settings }
    }

    pub(super) fn lines(&self) -> String {
        let Self { name, what, unit, value, each, settings, .. } = self;
        let verdict = if self.holds { "holds" } else { "MISSED" };
        let each = if each.len() > 1 { format!(" (each: {})", listed(each)) } else { String::new() };
        format!(
            "{name:<16} {verdict:<6} {} {unit}, bound: {} {unit}\n    {what}{each}\n    {settings}",
            number(*value),
            self.bound.told()
        )
    }
}

pub(super) fn listed(values: &[f64]) -> String {
    values.iter().map(|value| number(*value)).collect::<Vec<_>>().join(", ")
}

/// Rates without, everything else with two decimals.
pub(super) fn number(value: f64) -> String {
    if value.abs() < 1_000.0 { format!("{value:.2}") } else { format!("{value:.0}") }
}

/// What `with` has lost against `without`, in percent, round by round: what drifts in the course of a run is in both.
pub(super) fn costs_percent(without: &[f64], with: &[f64]) -> Vec<f64> {
    without.iter().zip(with).map(|(without, with)| 100.0 * (1.0 - with / without)).collect()
}

/// No number where there are none.
pub(super) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match (sorted.len(), sorted.len() / 2) {
        (0, _) => f64::NAN,
        (count, middle) if count % 2 == 0 => f64::midpoint(sorted[middle - 1], sorted[middle]),
        (_, middle) => sorted[middle],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COST: Promise = Promise { name: "cost", what: "a cost", unit: "%", bound: Bound::AtMost(3.0) };

    fn figure(promise: Promise, each: &[f64]) -> Figure {
        Figure::new(promise, each.to_vec(), "so".to_owned())
    }

    #[test]
    fn a_figure_is_the_median_of_its_rounds_beside_its_bound() {
        let found = figure(COST, &[9.0, 1.0, 2.5]);
        assert!(found.holds, "{found:?}");
        assert_eq!(
            found.lines(),
            "cost             holds  2.50 %, bound: at most 3.00 %\n    a cost (each: 9.00, 1.00, 2.50)\n    so"
        );
        assert!(figure(COST, &[1.0, 4.5]).holds && !figure(COST, &[2.0, 4.5]).holds);
        let rate = Promise { bound: Bound::AtLeast(5_000.0), ..COST };
        assert!(figure(rate, &[5_000.0]).holds && !figure(rate, &[4_999.0]).holds);
    }

    #[test]
    fn nothing_measured_holds_nothing() {
        for bound in [Bound::AtMost(3.0), Bound::AtLeast(3.0)] {
            assert!(!figure(Promise { bound, ..COST }, &[]).holds, "{bound:?}");
        }
    }

    #[test]
    fn a_cost_is_that_of_its_own_round() {
        assert_eq!(costs_percent(&[100.0, 200.0], &[75.0, 250.0]), [25.0, -25.0]);
    }
}
