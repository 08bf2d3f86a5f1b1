//! Connections at once, counted by whose they are: by client id within one account, by address where there is none. A key enters;
//! leaves a permit that counts until it is dropped.
//!
//! Invariant: what is kept is bounded by the connections that are open.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct Places<K>(Mutex<HashMap<K, usize>>);

impl<K> Default for Places<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Clone + Eq + Hash> Places<K> {
    /// A place for one more connection of a key, of which there may be `each_max`; keys there may be `keys_max`. `None`: all are
    /// taken.
    pub(super) fn take(self: &Arc<Self>, key: K, keys_max: usize, each_max: usize) -> Option<PlacePermit<K>> {
        let mut taken = self.0.lock();
        let own = taken.get(&key).copied().unwrap_or(0);
        if own >= each_max || own == 0 && taken.len() >= keys_max {
            return None;
        }
        taken.insert(key.clone(), own + 1);
        Some(PlacePermit { of: self.clone(), key })
    }
}

/// One connection's place.
#[derive(Debug)]
pub(super) struct PlacePermit<K: Eq + Hash> {
    of: Arc<Places<K>>,
    key: K,
}

impl<K: Eq + Hash> Drop for PlacePermit<K> {
    fn drop(&mut self) {
        let mut taken = self.of.0.lock();
        if let Some(own) = taken.get_mut(&self.key) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_each_are_bounded_and_a_place_that_is_left_is_free() {
        let places = Arc::new(Places::default());
        let take = |key, keys_max, each_max| places.take(key, keys_max, each_max);
        let first = take("a", 2, usize::MAX).expect("free");
        // A newer connection of the same client id takes the older one's place.
        let newer = take("a", 2, usize::MAX).expect("the place of the first");
        let other = take("b", 2, usize::MAX).expect("free");
        assert!(take("c", 2, usize::MAX).is_none());
        drop(first);
        assert!(take("c", 2, usize::MAX).is_none(), "the newer one is still there");
        drop(newer);
        let third = take("c", 2, usize::MAX).expect("left");
        assert!(take("b", usize::MAX, 1).is_none());
        drop((other, third));
        assert!(places.0.lock().is_empty(), "nothing is kept of those who left");
    }
}
