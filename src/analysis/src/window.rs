//! The memory of one sensor: its recent readings in time order. It answers two questions exactly:
//! what were minimum, maximum, mean and standard deviation of the 60 s up to a reading, and was this reading taken before.
//!
//! Rules
//! - The window of a reading at `t` holds the sensor's readings in `(t - 60 s, t]`, itself included.
//! - A reading at or after the newest one is answered in amortised constant time: two monotonic queues for the extremes,
//!   running sums around a pivot for the moments. The sums are built anew every [`REBUILD_EVERY`] evictions, so rounding
//!   cannot pile up.
//! - An out-of-order reading is put in its place and answered by a scan of its own window. Readings already answered are
//!   not revised; those to come see it.
//! - Readings older than 60 s stay while fewer than `keep_min` are held: they are the resend memory of slow sensors.
//! - A full memory lets go of its oldest.
//! - At most `held_max` readings are held; a faster sensor's window covers its newest `held_max` readings.

use std::collections::VecDeque;

/// The contract's columns are called `*_1min`.
pub(crate) const WINDOW_US: i64 = 60_000_000;

/// How much one window may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Kept to recognise resends, even when older than the window.
    pub keep_min: usize,
    /// Never more than this, even inside the window.
    pub held_max: usize,
}

/// Evictions between two rebuilds of the running sums.
const REBUILD_EVERY: u32 = 4_096;

#[derive(Clone, Copy, Debug, PartialEq)]
struct Sample {
    timestamp_us: i64,
    value: f64,
}

/// What one window looked like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WindowStats {
    pub min: f64,
    pub max: f64,
    pub mean: f64,
    /// Population standard deviation; 0 for one reading.
    pub std_dev: f64,
    pub count: u32,
}

/// What the memory knows of readings at one timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// Nothing at this timestamp.
    No,
    /// Same timestamp and same value.
    Same,
    /// Same timestamp, other value.
    OtherValue,
}

#[derive(Debug, Default)]
pub struct Window {
    /// Ordered by timestamp; equal timestamps in order of arrival. The newest 60 s are `held[live..]`.
    held: VecDeque<Sample>,
    live: usize,
    minima: VecDeque<Sample>,
    maxima: VecDeque<Sample>,
    pivot: f64,
    sum: f64,
    sum_of_squares: f64,
    evictions: u32,
}

impl Window {
    pub(crate) fn newest_us(&self) -> Option<i64> {
        self.held.back().map(|sample| sample.timestamp_us)
    }

    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// Whether a reading was taken before.
    pub fn known(&self, timestamp_us: i64, value: f64) -> Known {
        if self.newest_us().is_none_or(|newest| newest < timestamp_us) {
            return Known::No;
        }
        let first = self.held.partition_point(|sample| sample.timestamp_us < timestamp_us);
        let mut known = Known::No;
        for sample in self.held.range(first..).take_while(|sample| sample.timestamp_us == timestamp_us) {
            if sample.value.to_bits() == value.to_bits() {
                return Known::Same;
            }
            known = Known::OtherValue;
        }
        known
    }

    /// Takes a reading and answers for its window.
    pub fn insert(&mut self, timestamp_us: i64, value: f64, bounds: Bounds) -> WindowStats {
        let sample = Sample { timestamp_us, value };
        match self.newest_us() {
            Some(newest) if timestamp_us < newest => self.insert_late(sample, newest, bounds),
            _ => self.insert_newest(sample, bounds),
        }
    }

    fn insert_newest(&mut self, sample: Sample, bounds: Bounds) -> WindowStats {
        self.expire(sample.timestamp_us - WINDOW_US);
        self.forget(bounds);
        if self.live == self.held.len() {
            self.restart(sample.value);
        }
        grow_gently(&mut self.held);
        self.held.push_back(sample);
        push_extreme(&mut self.minima, sample, |old, new| old >= new);
        push_extreme(&mut self.maxima, sample, |old, new| old <= new);
        self.add(sample.value);
        self.stats()
    }

    /// Puts an out-of-order sample in its place. It enters the live window only if it lies inside it.
    fn insert_late(&mut self, sample: Sample, newest_us: i64, bounds: Bounds) -> WindowStats {
        // A full memory gives up its oldest for anything newer: what is taken is recognised when it comes again.
        let newer = self.held.front().is_some_and(|oldest| oldest.timestamp_us <= sample.timestamp_us);
        if self.held.len() >= bounds.held_max.max(1) && newer {
            self.evict_oldest();
        }
        let place = self.held.partition_point(|held| held.timestamp_us <= sample.timestamp_us);
        if self.held.len() < bounds.held_max {
            self.held.insert(place, sample);
            if sample.timestamp_us > newest_us - WINDOW_US {
                insert_extreme(&mut self.minima, sample, |old, new| old >= new);
                insert_extreme(&mut self.maxima, sample, |old, new| old <= new);
                self.add(sample.value);
            } else {
                self.live += 1;
            }
        }
        self.scan(sample)
    }

    /// The window that ends with `sample`, the slow way.
    fn scan(&self, sample: Sample) -> WindowStats {
        let first = self.held.partition_point(|held| held.timestamp_us <= sample.timestamp_us - WINDOW_US);
        let end = self.held.partition_point(|held| held.timestamp_us <= sample.timestamp_us);
        let mut scanned = Self { pivot: sample.value, ..Self::default() };
        let (mut min, mut max) = (sample.value, sample.value);
        for held in self.held.range(first..end) {
            scanned.add(held.value);
            min = min.min(held.value);
            max = max.max(held.value);
        }
        scanned.moments(end - first, min, max)
    }

    fn stats(&self) -> WindowStats {
        let min = self.minima.front().map_or(0.0, |sample| sample.value);
        let max = self.maxima.front().map_or(0.0, |sample| sample.value);
        self.moments(self.held.len() - self.live, min, max)
    }

    fn moments(&self, count: usize, min: f64, max: f64) -> WindowStats {
        let n = count.max(1) as f64;
        let offset = self.sum / n;
        let variance = (self.sum_of_squares / n - offset * offset).max(0.0);
        // Rounding may push the mean a hair outside the extremes.
        let mean = (self.pivot + offset).clamp(min, max);
        let std_dev = if min == max { 0.0 } else { variance.sqrt() };
        WindowStats { min, max, mean, std_dev, count: count as u32 }
    }

    fn add(&mut self, value: f64) {
        let offset = value - self.pivot;
        self.sum += offset;
        self.sum_of_squares += offset * offset;
    }

    /// Moves samples at or before `until_us` out of the live window.
    fn expire(&mut self, until_us: i64) {
        while let Some(sample) = self.held.get(self.live).filter(|sample| sample.timestamp_us <= until_us) {
            let offset = sample.value - self.pivot;
            self.sum -= offset;
            self.sum_of_squares -= offset * offset;
            self.live += 1;
            self.evictions += 1;
        }
        while self.minima.front().is_some_and(|sample| sample.timestamp_us <= until_us) {
            self.minima.pop_front();
        }
        while self.maxima.front().is_some_and(|sample| sample.timestamp_us <= until_us) {
            self.maxima.pop_front();
        }
        if self.evictions >= REBUILD_EVERY {
            self.rebuild();
        }
    }

    /// Lets go of what neither the window nor the resend memory needs.
    fn forget(&mut self, bounds: Bounds) {
        while self.live > 0 && self.held.len() >= bounds.keep_min.max(1) {
            self.held.pop_front();
            self.live -= 1;
        }
        while self.held.len() >= bounds.held_max.max(1) {
            self.evict_oldest();
        }
    }

    fn evict_oldest(&mut self) {
        if let Some(oldest) = self.held.front().map(|sample| sample.timestamp_us).filter(|_| self.live == 0) {
            self.expire(oldest);
        }
        if self.live > 0 {
            self.held.pop_front();
            self.live -= 1;
        }
    }

    /// An empty window starts around its first value.
    fn restart(&mut self, pivot: f64) {
        self.pivot = pivot;
        self.sum = 0.0;
        self.sum_of_squares = 0.0;
        self.evictions = 0;
    }

    fn rebuild(&mut self) {
        let count = self.held.len() - self.live;
        let pivot = if count == 0 { self.pivot } else { self.pivot + self.sum / count as f64 };
        self.restart(pivot);
        let (mut sum, mut sum_of_squares) = (0.0, 0.0);
        for sample in self.held.range(self.live..) {
            let offset = sample.value - pivot;
            sum += offset;
            sum_of_squares += offset * offset;
        }
        self.sum = sum;
        self.sum_of_squares = sum_of_squares;
    }
}

/// Grows by a quarter instead of doubling: thousands of windows are the largest part of the server's memory.
fn grow_gently(held: &mut VecDeque<Sample>) {
    if held.len() == held.capacity() && held.len() >= 64 {
        held.reserve_exact(held.len() / 4);
    }
}

fn push_extreme(queue: &mut VecDeque<Sample>, sample: Sample, dominated: impl Fn(f64, f64) -> bool) {
    while queue.back().is_some_and(|back| dominated(back.value, sample.value)) {
        queue.pop_back();
    }
    queue.push_back(sample);
}

/// Like [`push_extreme`] for a sample that is not the newest: it counts only until a later one dominates it.
fn insert_extreme(queue: &mut VecDeque<Sample>, sample: Sample, dominated: impl Fn(f64, f64) -> bool) {
    let mut place = queue.partition_point(|held| held.timestamp_us <= sample.timestamp_us);
    if queue.get(place).is_some_and(|later| dominated(sample.value, later.value)) {
        return;
    }
    while place > 0 && dominated(queue[place - 1].value, sample.value) {
        queue.remove(place - 1);
        place -= 1;
    }
    queue.insert(place, sample);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bounds(keep_min: usize) -> Bounds {
        Bounds { keep_min, held_max: 1 << 20 }
    }

    #[test]
    fn a_sensor_too_fast_for_its_memory_is_answered_for_its_newest_readings() {
        let (mut window, bounds) = (Window::default(), Bounds { keep_min: 4, held_max: 100 });
        let mut taken = Vec::new();
        for i in 0..10_000_i64 {
            let value = ((i * 7_919) % 1_000) as f64;
            taken.push((i, value));
            let got = window.insert(i, value, bounds);
            assert!(window.held() <= 100);
            let newest = &taken[taken.len().saturating_sub(100)..];
            assert_close(got, by_definition(newest, i));
        }
    }

    /// The rule, word for word.
    fn by_definition(taken: &[(i64, f64)], at_us: i64) -> WindowStats {
        let window: Vec<f64> =
            taken.iter().filter(|(t, _)| *t > at_us - WINDOW_US && *t <= at_us).map(|(_, v)| *v).collect();
        let n = window.len() as f64;
        let mean = window.iter().sum::<f64>() / n;
        let variance = window.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
        WindowStats {
            min: window.iter().copied().fold(f64::INFINITY, f64::min),
            max: window.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            mean,
            std_dev: variance.sqrt(),
            count: window.len() as u32,
        }
    }

    fn assert_close(got: WindowStats, want: WindowStats) {
        let scale = want.max.abs().max(want.min.abs()).max(1.0);
        assert_eq!((got.min, got.max, got.count), (want.min, want.max, want.count));
        assert!((got.mean - want.mean).abs() < 1e-9 * scale, "{got:?} {want:?}");
        assert!((got.std_dev - want.std_dev).abs() < 1e-6 * scale, "{got:?} {want:?}");
    }

    proptest! {
        #[test]
        fn any_order_of_arrival_is_answered_by_definition(
            steps in prop::collection::vec((-90_000_000_i64..20_000_000, -500.0_f64..500.0), 1..300)
        ) {
            let mut window = Window::default();
            let mut taken = Vec::new();
            let mut clock = 0;
            for (step, value) in steps {
                let at = clock + step;
                clock = clock.max(at);
                taken.push((at, value));
                assert_close(window.insert(at, value, bounds(1_000)), by_definition(&taken, at));
            }
        }

        #[test]
        fn short_memory_never_changes_an_in_order_answer(
            steps in prop::collection::vec((0_i64..9_000_000, -1e6_f64..1e6), 1..400), keep_min in 0_usize..20
        ) {
            let mut window = Window::default();
            let mut taken = Vec::new();
            let mut clock = 0;
            for (step, value) in steps {
                clock += step;
                taken.push((clock, value));
                assert_close(window.insert(clock, value, bounds(keep_min)), by_definition(&taken, clock));
            }
        }
    }

    #[test]
    fn a_long_run_of_small_changes_on_a_large_level_keeps_its_precision() {
        let mut window = Window::default();
        let mut taken = Vec::new();
        for i in 0..30_000_i64 {
            let value = 9_000_000.0 + (i % 7) as f64 * 0.001 + i as f64;
            taken.push((i * 10_000, value));
            let got = window.insert(i * 10_000, value, bounds(10));
            if i % 997 == 0 {
                assert_close(got, by_definition(&taken, i * 10_000));
            }
        }
    }

    #[test]
    fn the_memory_knows_what_it_took_and_forgets_what_it_may() {
        let mut window = Window::default();
        for i in 0..100 {
            window.insert(i * WINDOW_US, i as f64, bounds(10));
        }
        assert!(window.held() <= 11);
        assert_eq!(window.known(99 * WINDOW_US, 99.0), Known::Same);
        assert_eq!(window.known(99 * WINDOW_US, 98.0), Known::OtherValue);
        assert_eq!(window.known(99 * WINDOW_US + 1, 99.0), Known::No);
        assert_eq!(window.known(95 * WINDOW_US, 95.0), Known::Same);
        assert_eq!(window.known(5 * WINDOW_US, 5.0), Known::No);
    }
}
