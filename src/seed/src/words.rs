//! Named lists of words (`config/seed/words.toml`): first names, cities, causes of failure ...

use genims_databases::complaint::{self, Complaint, Fault, Faults, Step};
use std::collections::HashMap;
use std::collections::hash_map::Entry;

#[derive(Debug, Default)]
pub(crate) struct Words(HashMap<String, Vec<String>>);

impl Words {
    pub(crate) fn parse(place: &str, text: &str) -> Result<Self, Vec<Complaint>> {
        let lists: HashMap<String, Vec<String>> = complaint::parse(place, text)?;
        let mut faults = Faults::default();
        for (name, _) in lists.iter().filter(|(_, list)| list.is_empty()) {
            faults.add(Fault::new([Step::from(name.as_str())], "the list is empty"));
        }
        faults.or(Self(lists), place, text)
    }

    /// Lists of one file more; a name may be used once.
    pub(crate) fn extend(&mut self, other: Self, place: &str, text: &str) -> Result<(), Vec<Complaint>> {
        let mut faults = Faults::default();
        for (name, list) in other.0 {
            match self.0.entry(name) {
                Entry::Vacant(free) => _ = free.insert(list),
                Entry::Occupied(taken) => {
                    let place = [Step::from(taken.key().as_str())];
                    faults.add(Fault::new(place, "another file has a list of this name, too"));
                }
            }
        }
        faults.or((), place, text)
    }

    pub(crate) fn list(&self, name: &str) -> Result<&[String], String> {
        self.0.get(name).map(Vec::as_slice).ok_or_else(|| format!("there is no list of words {name:?}"))
    }
}
