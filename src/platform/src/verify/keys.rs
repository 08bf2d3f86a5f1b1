//! The keys of a table that others refer to, in memory: one set for all references that point there.

use compact_str::CompactString;
use hashbrown::{DefaultHashBuilder, HashMap, HashSet};

/// Keys up to 24 bytes, as almost all of ours, take no allocation of their own.
#[derive(Debug, Default)]
pub(super) struct KeySet(HashSet<CompactString, DefaultHashBuilder>);

impl KeySet {
    pub(super) fn insert(&mut self, key: &str) {
        if !self.0.contains(key) {
            self.0.insert(CompactString::new(key));
        }
    }

    pub(super) fn contains(&self, key: &str) -> bool {
        self.0.contains(key)
    }
}

/// Keys and their values: the right side of a rule across databases.
#[derive(Debug, Default)]
pub(super) struct KeyValues {
    values: HashMap<CompactString, Option<CompactString>, DefaultHashBuilder>,
    /// A key that came with two values.
    ambiguous: Option<CompactString>,
}

impl KeyValues {
    pub(super) fn insert(&mut self, key: &str, value: Option<&str>) {
        match self.values.get(key) {
            None => {
                self.values.insert(CompactString::new(key), value.map(CompactString::new));
            }
            Some(known) if known.as_deref() != value => {
                self.ambiguous.get_or_insert_with(|| CompactString::new(key));
            }
            Some(_) => {}
        }
    }

    /// `None` when the key is not there.
    pub(super) fn get(&self, key: &str) -> Option<Option<&str>> {
        self.values.get(key).map(Option::as_deref)
    }

    pub(super) fn ambiguous(&self) -> Option<&str> {
        self.ambiguous.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    proptest! {
        #[test]
        fn a_set_holds_what_was_put_in_and_nothing_else(
            keys in prop::collection::vec("[A-C]{0,3}|\\PC{20,30}", 0..40), others in prop::collection::vec("[A-D]{0,3}", 0..40),
        ) {
            let mut set = KeySet::default();
            keys.iter().for_each(|key| set.insert(key));
            let model: BTreeSet<&String> = keys.iter().collect();
            for key in keys.iter().chain(&others) {
                prop_assert_eq!(set.contains(key), model.contains(key));
            }
        }

        #[test]
        fn a_key_with_two_values_is_noticed(pairs in prop::collection::vec(("[A-C]", prop::option::of("[0-1]")), 0..6)) {
            let mut values = KeyValues::default();
            let mut model: BTreeMap<&String, BTreeSet<&Option<String>>> = BTreeMap::new();
            for (key, value) in &pairs {
                values.insert(key, value.as_deref());
                model.entry(key).or_default().insert(value);
            }
            prop_assert_eq!(values.ambiguous().is_some(), model.values().any(|values| values.len() > 1));
        }
    }

    #[test]
    fn null_is_a_value_and_not_the_absence_of_a_key() {
        let mut values = KeyValues::default();
        values.insert("a", None);
        assert_eq!((values.get("a"), values.get("b")), (Some(None), None));
    }
}
