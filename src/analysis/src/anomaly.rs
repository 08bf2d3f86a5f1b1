//! How unusual a value is for its own sensor: 0 (as usual) to 1 (never seen the like).
//!
//! Method: an exponentially weighted mean and variance (half-life about 350 readings) describe what is usual. With
//! `z = |value - mean| / max(std, floor)` the score is `z^2 / (z^2 + 16)`: 0.06 at one standard deviation, 0.36 at
//! three, 0.5 at four, 0.86 at ten. The floor (0.1 % of the measuring range, or of the mean's magnitude) keeps a constant
//! signal from calling its first flicker an anomaly. An unusual value pulls the memory by four standard deviations at
//! most, so one spike does not make the next one look usual. The first [`WARM_UP`] readings score 0.

/// Readings before the memory is trusted.
pub(crate) const WARM_UP: u32 = 30;

/// A score from here on sets `is_anomaly`: about five standard deviations.
pub const ANOMALY_FROM: f32 = 0.6;

/// Weight of the newest reading.
const ALPHA: f64 = 0.002;

/// `z` at which the score is one half.
const Z_HALF_SQUARED: f64 = 16.0;

/// How far, in standard deviations, one reading may pull the memory.
const PULL_MAX: f64 = 4.0;

#[derive(Clone, Copy, Debug, Default)]
pub struct Usual {
    mean: f64,
    variance: f64,
    seen: u32,
    floor: f64,
}

impl Usual {
    /// `range`: the width of the sensor's measuring range, if known.
    pub fn new(range: Option<f64>) -> Self {
        Self { floor: range.filter(|width| *width > 0.0).map_or(0.0, |width| width * 0.001), ..Self::default() }
    }

    pub(crate) fn std_dev(&self) -> f64 {
        self.variance.sqrt()
    }

    pub fn mean(&self) -> f64 {
        self.mean
    }

    pub(crate) fn is_warm(&self) -> bool {
        self.seen >= WARM_UP
    }

    /// Scores a value, then learns from it.
    pub fn score(&mut self, value: f64) -> f32 {
        let deviation = value - self.mean;
        let spread = self.std_dev().max(self.floor).max(self.mean.abs() * 1e-6).max(1e-9);
        let warm = self.is_warm();
        self.learn(if warm { deviation.clamp(-PULL_MAX * spread, PULL_MAX * spread) } else { deviation });
        if !warm {
            return 0.0;
        }
        let z_squared = (deviation / spread).powi(2);
        // A huge z overflows to infinity, and infinity by infinity is no number.
        if z_squared.is_finite() { (z_squared / (z_squared + Z_HALF_SQUARED)) as f32 } else { 1.0 }
    }

    fn learn(&mut self, deviation: f64) {
        self.seen = self.seen.saturating_add(1);
        // Plain averages first, so that the start is not over-weighted.
        let alpha = ALPHA.max(1.0 / f64::from(self.seen));
        let step = alpha * deviation;
        self.mean += step;
        self.variance = (1.0 - alpha) * (self.variance + deviation * step);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A signal around 50 with a standard deviation near 1.
    fn usual() -> Usual {
        let mut usual = Usual::new(Some(100.0));
        for i in 0..2_000 {
            usual.score(50.0 + 1.41 * f64::from(i).sin());
        }
        usual
    }

    #[test]
    fn the_usual_scores_low_and_the_unseen_high() {
        assert!(usual().score(50.5) < 0.1);
        assert!((0.4..0.6).contains(&usual().score(54.0)));
        assert!(usual().score(80.0) > 0.95);
    }

    #[test]
    fn one_spike_does_not_make_the_next_look_usual() {
        let mut usual = usual();
        let first = usual.score(80.0);
        assert!(usual.score(80.0) > first * 0.95);
    }

    #[test]
    fn a_constant_signal_may_flicker() {
        let mut usual = Usual::new(Some(100.0));
        (0..500).for_each(|_| {
            usual.score(20.0);
        });
        assert!(usual.score(20.05) < ANOMALY_FROM);
        assert!(usual.score(21.0) > ANOMALY_FROM);
    }

    proptest! {
        #[test]
        fn a_score_stays_between_0_and_1(values in prop::collection::vec(-1e11_f64..1e11, 0..200)) {
            let mut usual = Usual::new(None);
            for value in values {
                let score = usual.score(value);
                prop_assert!((0.0..=1.0).contains(&score));
            }
        }
    }
}
