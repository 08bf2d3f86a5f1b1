//! The names of a connection: which handle of the frame stands for which sensor.
//!
//! A name is resolved once, when it is defined. When the catalogue has changed, [`HandleTable::resolve_again`] asks for
//! every name anew. Bounds: 65,536 handles of at most 255 bytes each.

use crate::Visitor;

/// Definitions after which the visitor should forget its handles: a client that defines one handle over and over would
/// otherwise make the visitor's own table grow without end. Twice what a full table needs.
const DEFINITIONS_MAX: usize = 131_072;

#[derive(Debug, Default)]
pub struct HandleTable {
    /// By handle; dense, as the hot loop reads nothing else.
    resolved: Vec<Option<u32>>,
    names: Vec<Option<Box<str>>>,
    definitions: usize,
}

impl HandleTable {
    /// Sets or replaces a handle. The same name again costs no resolution.
    pub fn define<V: Visitor>(&mut self, handle: u16, name: &str, visitor: &mut V) {
        let place = usize::from(handle);
        if place >= self.names.len() {
            self.names.resize(place + 1, None);
            self.resolved.resize(place + 1, None);
        }
        if self.names[place].as_deref() == Some(name) {
            return;
        }
        self.names[place] = Some(name.into());
        self.resolved[place] = Some(visitor.define(name));
        self.definitions += 1;
    }

    /// Asks the visitor for every name again: after its catalogue has changed, or when [`HandleTable::wants_resolving`].
    pub fn resolve_again<V: Visitor>(&mut self, visitor: &mut V) {
        self.definitions = 0;
        for (name, resolved) in self.names.iter().zip(&mut self.resolved) {
            if let Some(name) = name {
                *resolved = Some(visitor.define(name));
                self.definitions += 1;
            }
        }
    }

    /// True when so many handles were redefined that the visitor should forget its own and resolve again.
    pub fn wants_resolving(&self) -> bool {
        self.definitions >= DEFINITIONS_MAX
    }

    #[inline]
    pub(super) fn resolved(&self) -> &[Option<u32>] {
        &self.resolved
    }

    pub fn name(&self, handle: u16) -> Option<&str> {
        self.names.get(usize::from(handle))?.as_deref()
    }

    /// Handles defined.
    pub fn len(&self) -> usize {
        self.resolved.iter().flatten().count()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::collected::Collected;
    use super::*;

    #[test]
    fn a_name_is_resolved_once_and_again_on_demand() {
        let (mut table, mut visitor) = (HandleTable::default(), Collected::default());
        table.define(7, "A", &mut visitor);
        table.define(7, "A", &mut visitor);
        table.define(65_535, "B", &mut visitor);
        assert_eq!(visitor.names, ["A", "B"]);
        assert_eq!((table.len(), table.name(7), table.name(8)), (2, Some("A"), None));
        let mut other = Collected { names: vec!["taken".to_owned()], ..Collected::default() };
        table.resolve_again(&mut other);
        assert_eq!(table.resolved()[7], Some(1));
        assert_eq!(table.resolved()[65_535], Some(2));
    }

    #[test]
    fn endless_redefinition_is_noticed() {
        let (mut table, mut visitor) = (HandleTable::default(), Collected::default());
        let mut rounds = 0;
        while !table.wants_resolving() {
            table.define(1, if rounds % 2 == 0 { "A" } else { "B" }, &mut visitor);
            rounds += 1;
        }
        assert_eq!(rounds, 131_072);
        table.resolve_again(&mut visitor);
        assert!(!table.wants_resolving());
    }
}
