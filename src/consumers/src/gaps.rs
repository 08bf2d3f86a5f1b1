//! Which records a database lacks for good: ranges of offsets enter, however often; each offset counts once.

use std::collections::BTreeMap;

/// Beyond this many ranges the two lowest become one: what lies between them would be counted no more.
const RANGES_MAX: usize = 4_096;

/// Ranges that are apart, each by where it begins: the offset behind its end.
#[derive(Debug, Default)]
pub(crate) struct Gaps(BTreeMap<u64, u64>);

impl Gaps {
    /// Enters the offsets from `from` to `below`; how many of them are new.
    pub(crate) fn add(&mut self, from: u64, below: u64) -> u64 {
        if from >= below {
            return 0;
        }
        let (mut first, mut end, mut known) = (from, below, 0);
        // Those that it touches, from the highest on: they become one with it.
        while let Some((&start, &stop)) = self.0.range(..=below).next_back()
            && stop >= from
        {
            self.0.remove(&start);
            known += stop.min(below).saturating_sub(start.max(from));
            (first, end) = (first.min(start), end.max(stop));
        }
        self.0.insert(first, end);
        if self.0.len() > RANGES_MAX
            && let Some((lowest, _)) = self.0.pop_first()
            && let Some((_, stop)) = self.0.pop_first()
        {
            self.0.insert(lowest, stop);
        }
        below - from - known
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_offset_counts_once() {
        // Every pair of ranges of eight offsets, and a third one over both.
        let ranges = || (0..8).flat_map(|from| (from..=8).map(move |below| (from, below)));
        for first in ranges() {
            for second in ranges() {
                for third in ranges() {
                    let (mut gaps, mut known) = (Gaps::default(), BTreeSet::new());
                    for (from, below) in [first, second, third] {
                        let new = (from..below).filter(|offset| known.insert(*offset)).count() as u64;
                        assert_eq!(gaps.add(from, below), new, "{from}..{below} of {first:?}, {second:?}, {third:?}");
                    }
                    let apart = gaps.0.iter().zip(gaps.0.iter().skip(1));
                    assert!(apart.into_iter().all(|((_, stop), (start, _))| stop < start), "{gaps:?}");
                }
            }
        }
    }

    #[test]
    fn however_many_there_are_memory_is_bounded() {
        let mut gaps = Gaps::default();
        let count = 3 * RANGES_MAX as u64;
        let counted: u64 = (0..count).map(|at| gaps.add(10 * at, 10 * at + 1)).sum();
        assert_eq!(counted, count);
        assert_eq!(gaps.0.len(), RANGES_MAX);
        assert_eq!(gaps.add(10 * count - 10, 10 * count), 9, "the highest ones stay exact");
    }
}
