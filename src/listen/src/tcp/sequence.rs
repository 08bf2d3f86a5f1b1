//! What the sequence of a DATA frame says: it is the next one, was sent again, or begins a new count; or the client is told
//! what is wrong. Enters a frame's sequence and its connection's client; leaves whether the frame is to be stored.
//!
//! Invariant: a client that does not go on where WELCOME says shows in the log and in a counter, whatever becomes of its
//! frames.

use super::Shared;
use super::handshake::Welcomed;
use super::progress::{BEGIN_MAX, Place, resend_max};
use super::refusal::Refusal;
use crate::count;
use crate::notices::Kind;
use genims_decode::frame::RefuseCode;
use tokio::time::Instant;

/// A frame that is not refused.
pub(super) enum TakenFrame {
    Next,
    /// Sent again. `durable`: it can be acknowledged again at once.
    Again {
        durable: bool,
    },
}

/// `first`: the connection's first DATA frame.
pub(super) fn take(shared: &Shared, who: &mut Welcomed, sequence: u64, first: bool) -> Result<TakenFrame, Refusal> {
    if sequence == 0 {
        return Err(Refusal::protocol("sequences start at 1; 0 is for frames inside MQTT"));
    }
    let resend_max = resend_max(shared.options.in_flight_frames_max);
    let place = who.session.place(&who.client, sequence, first, resend_max);
    if first && sequence <= who.last_sequence {
        tell_regression(shared, who, sequence, place);
    }
    let message = match place {
        Place::Next => return Ok(TakenFrame::Next),
        Place::Resend { durable } => return Ok(TakenFrame::Again { durable }),
        Place::Anew if !who.session.is_drained() => {
            return Err(Refusal::busy("frames of an older connection are still under way"));
        }
        Place::Anew => {
            who.session.begin_anew(&who.client);
            return Ok(TakenFrame::Next);
        }
        Place::Gap { expected } => format!("sequence {sequence} came, {expected} was expected"),
        Place::TooFar { expected } => format!(
            "sequence {sequence} came, {expected} was expected: number frames 1, 2, 3 ...; none begins beyond {BEGIN_MAX}"
        ),
    };
    Err(Refusal::new(RefuseCode::Protocol, sequence, message))
}

/// Tells of a client that heard WELCOME and begins at or below its sequence.
fn tell_regression(shared: &Shared, Welcomed { client_id, last_sequence, .. }: &Welcomed, sequence: u64, place: Place) {
    count(&shared.metrics.sequence_regressions_total, 1);
    let Some(not_told) = shared.notices.due(Kind::Sequence, client_id, Instant::now()) else { return };
    if matches!(place, Place::Resend { .. }) {
        tracing::warn!(
            client_id,
            last_sequence,
            sequence,
            not_told,
            "the client begins at or below the last_sequence of WELCOME: frames up to it are taken for sent again, \
             acknowledged and not stored; let it go on at last_sequence + 1, or give a replaced device a new client id"
        );
    } else {
        tracing::warn!(
            client_id,
            last_sequence,
            sequence,
            not_told,
            "the client begins far below the last_sequence of WELCOME, and counts anew; let it go on at last_sequence + 1"
        );
    }
}
