//! Memory: what no later database asks for goes as soon as its own database is written.

use super::World;
use crate::spec::Source;
use std::collections::HashSet;

impl World {
    /// Forgets what the databases still to come do not ask for by name; whatever is asked for all the same is made anew.
    pub(crate) fn release(&self, written: &[String]) {
        let mut names = HashSet::new();
        let open = self.entries.iter().filter(|entry| !written.contains(&entry.database) || entry.is_step());
        for entry in open {
            let Some(spec) = &entry.spec else { continue };
            spec.columns.values().for_each(|node| node.names(&mut names));
            if let Source::Each { per, .. } = &spec.source {
                per.names(&mut names);
            }
            // What is inherited is asked for under its own name.
            if let Some(model) = entry.model.as_ref().filter(|_| spec.inherit) {
                names.extend(model.columns.iter().map(|column| column.name.clone()));
            }
        }
        for entry in self.entries.iter().filter(|entry| written.contains(&entry.database)) {
            let made_here = entry.spec.is_some();
            let is_key = |name: &String| entry.model.as_ref().is_some_and(|model| model.key.contains(name));
            entry.columns.borrow_mut().retain(|name, _| !made_here || is_key(name) || names.contains(name));
            entry.groups.borrow_mut().clear();
            entry.indexes.borrow_mut().clear();
        }
    }
}
