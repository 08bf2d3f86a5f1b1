//! What is said of records that are taken all the same: another place than the catalogue's, a state that nobody else knows.

use super::IntakeBuffer;
use crate::remarks::{Home, RemarkKind};
use genims_model::snapshot::is_known_state;

impl IntakeBuffer {
    /// Says so when the place of a reading or snapshot is not the one in the catalogue.
    #[inline]
    pub(super) fn check_place(&self, of: &str, home: Home<'_>, named: Option<&str>) {
        if !self.place.fits(home, named) {
            self.intake.remarks.enter(RemarkKind::Place, &self.topic, || self.place.told(home, named, of));
        }
    }

    /// Says so when a controller has a word of its own for its state: it may be one, and it may be misspelt.
    #[inline]
    pub(super) fn check_state(&self, machine: &str, state: &str) {
        if !is_known_state(state) {
            let told = || format!("machine {machine}: {state} is no state that reports know");
            self.intake.remarks.enter(RemarkKind::State, &self.topic, told);
        }
    }
}
