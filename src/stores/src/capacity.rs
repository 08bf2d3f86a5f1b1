//! How much a database takes at once. What was too much is halved, and what fitted lets the bound grow again, so that no
//! batch is repeated unchanged for ever and no bad hour makes batches small for good.

/// Records, or documents, that one attempt may hold.
#[derive(Debug)]
pub struct Capacity {
    max: u64,
}

impl Default for Capacity {
    fn default() -> Self {
        Self { max: u64::MAX }
    }
}

impl Capacity {
    pub fn max(&self) -> u64 {
        self.max
    }

    /// An attempt with `count` was too much.
    pub(crate) fn too_much(&mut self, count: u64) {
        self.max = (count / 2).clamp(1, self.max);
    }

    /// An attempt with `count` went well. A bound far above what is asked for is none.
    pub(crate) fn fitted(&mut self, count: u64) {
        if count.saturating_mul(2) >= self.max {
            self.max = self.max.saturating_add(self.max / 8 + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_shrinks_to_what_fits_and_grows_again_by_and_by() {
        let mut capacity = Capacity::default();
        for count in [50_000, 25_000, 12_500] {
            capacity.too_much(count);
        }
        assert_eq!(capacity.max(), 6_250);
        capacity.fitted(10);
        assert_eq!(capacity.max(), 6_250, "a small batch says nothing about large ones");
        for _ in 0..40 {
            capacity.fitted(capacity.max());
        }
        assert!(capacity.max() > 50_000);
        (0..80).for_each(|_| capacity.too_much(capacity.max()));
        assert_eq!(capacity.max(), 1);
    }
}
