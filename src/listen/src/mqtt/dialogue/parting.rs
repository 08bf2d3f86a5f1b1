//! How a dialogue ends: what is said last, what is left to the session, what a will leaves.

use super::Dialogue;
use crate::mqtt::end::End;
use crate::mqtt::packet::inbound::Disconnect;
use crate::mqtt::packet::{Fault, outbound, reason};
use crate::mqtt::session::Session;
use crate::mqtt::will::KeptWill;
use std::time::Duration;

impl Dialogue {
    /// Where the connection was asked to end because its client may no longer be in.
    pub(in crate::mqtt) fn eviction(&self) -> Option<End> {
        let why = self.pass.as_ref()?.eviction()?;
        Some(Fault::new(reason::ADMINISTRATIVE_ACTION, why.text()).into())
    }

    pub(super) fn disconnect(&mut self, disconnect: &Disconnect) -> End {
        if let Some(seconds) = disconnect.session_expiry {
            // [MQTT-3.14.2-2]
            if seconds > 0 && self.session_expiry.is_zero() {
                return Fault::protocol("DISCONNECT gives an expiry to a session that had none").into();
            }
            let seconds = Duration::from_secs(seconds.into());
            self.session_expiry = seconds.min(self.shared.options.session_expiry_max);
        }
        End { fault: None, fires_will: disconnect.reason != reason::SUCCESS, drains: false }
    }

    /// The last word to a v5 client.
    pub(in crate::mqtt) fn put_disconnect(&mut self, fault: &Fault) {
        for text in [fault.text, ""] {
            let start = self.output.len();
            outbound::put_disconnect(&mut self.output, self.version, fault.reason, text);
            if self.output.len() - start <= self.packet_bytes_max as usize {
                return;
            }
            self.output.truncate(start);
        }
    }

    /// Gives the session away. What is staged must have been submitted or be submitting.
    pub(in crate::mqtt) fn bequeath(&mut self) -> Session {
        self.acks.bequeath(self.receipt.as_ref(), &mut self.session);
        std::mem::take(&mut self.session)
    }

    /// Stages a will. Not while a submit waits.
    pub(in crate::mqtt) fn fire(&mut self, will: KeptWill) {
        self.begin();
        if let Some(intake) = &mut self.intake {
            let (event, taken) = will.into_event();
            intake.event(event);
            self.wills_staged.push(taken);
        }
    }
}
