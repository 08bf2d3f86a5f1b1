//! What is to be told when a client is lost. A will takes its room when the client comes, and gives it back when its event is on
//! the way to the log: whoever holds it until then, all wills of a listener stay within their bound.

use super::packet::connect;
use super::packet::{Fault, reason};
use genims_model::{Event, now_us};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What the wills of a listener take together.
const BYTES_MAX: usize = 32 << 20;

/// What a will takes beside its texts.
const EXTRA_BYTES: usize = 256;

/// The room that wills take.
#[derive(Debug)]
pub(super) struct WillRoom {
    all: Arc<Semaphore>,
    /// Of those that wait for their delay: they leave half to clients that come.
    waiting: Arc<Semaphore>,
}

impl Default for WillRoom {
    fn default() -> Self {
        let [all, waiting] = [BYTES_MAX, BYTES_MAX / 2].map(|bytes| Arc::new(Semaphore::new(bytes)));
        Self { all, waiting }
    }
}

impl WillRoom {
    pub(super) fn will(
        &self,
        client_id: &str,
        will: &connect::Will<'_>,
        delay_max: Duration,
    ) -> Result<KeptWill, Fault> {
        let bytes = EXTRA_BYTES + client_id.len() + will.topic.len() + will.payload.len();
        let full = Fault::new(reason::QUOTA_EXCEEDED, "the wills of all clients take 32 MiB; come again later");
        let taken = self.all.clone().try_acquire_many_owned(bytes as u32).map_err(|_| full)?;
        Ok(KeptWill {
            client_id: client_id.into(),
            topic: will.topic.into(),
            payload: will.payload.into(),
            delay: Duration::from_secs(will.delay.into()).min(delay_max),
            bytes: bytes as u32,
            taken: TakenRoom { _all: taken, waiting: None },
        })
    }

    /// Whether there is room for one more that waits for its delay; it has that from now on.
    pub(super) fn lets_wait(&self, will: &mut KeptWill) -> bool {
        will.taken.waiting = self.waiting.clone().try_acquire_many_owned(will.bytes).ok();
        will.taken.waiting.is_some()
    }
}

/// To be kept until the event of the will is on its way to the log.
#[derive(Debug)]
pub(super) struct TakenRoom {
    _all: OwnedSemaphorePermit,
    waiting: Option<OwnedSemaphorePermit>,
}

#[derive(Debug)]
pub(super) struct KeptWill {
    client_id: Box<str>,
    topic: Box<str>,
    payload: Box<[u8]>,
    pub(super) delay: Duration,
    bytes: u32,
    taken: TakenRoom,
}

impl KeptWill {
    pub(super) fn into_event(self) -> (Event, TakenRoom) {
        let event = Event::ClientLost {
            client_id: self.client_id.into(),
            timestamp_us: now_us(),
            will_topic: self.topic.into(),
            will_payload: self.payload.into(),
        };
        (event, self.taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wills_take_no_more_than_their_room_until_their_events_are_on_the_way() {
        let room = WillRoom::default();
        let payload = [b'x'; 60_000];
        let will = connect::Will { topic: "plant/lost", payload: &payload, qos: 0, retain: false, delay: 60 };
        let delay_max = Duration::from_secs(5);
        let mut wills = Vec::new();
        let fault = loop {
            match room.will("c", &will, delay_max) {
                Ok(will) => wills.push(will),
                Err(fault) => break fault,
            }
        };
        assert_eq!((fault.reason, wills.len()), (reason::QUOTA_EXCEEDED, BYTES_MAX / 60_267));
        assert!(wills.iter().all(|will| will.delay == delay_max));
        room.will("c", &connect::Will { payload: b"", ..will }, delay_max).expect("a small one still fits");

        let (event, taken) = wills.pop().unwrap().into_event();
        assert!(matches!(event, Event::ClientLost { will_payload, .. } if will_payload.len() == 60_000));
        assert!(room.will("c", &will, delay_max).is_err(), "its event is not on the way yet");
        drop(taken);
        wills.push(room.will("c", &will, delay_max).unwrap());

        // However many are connected, half of the room is for those that wait, and no more.
        let waiting = wills.iter_mut().map(|will| room.lets_wait(will)).filter(|waits| *waits).count();
        assert_eq!(waiting, BYTES_MAX / 2 / 60_267);
        drop(wills);
        assert_eq!([&room.all, &room.waiting].map(|room| room.available_permits()), [BYTES_MAX, BYTES_MAX / 2]);
    }
}
