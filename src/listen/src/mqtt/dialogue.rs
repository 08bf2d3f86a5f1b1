//! What each packet means: the state of one connection without its socket. Complete packets enter; messages are staged in
//! the intake, answers are appended to `output`, and the round is submitted by the caller's turn.
//!
//! The hot loop is [`Dialogue::take`]: for a PUBLISH it neither allocates nor locks, and topic and payload stay where
//! the socket's read has put them.

mod pace;
mod parting;
mod permission;

use super::Shared;
use super::acks::{Acks, Answer};
use super::aliases::Aliases;
use super::end::End;
use super::input::Input;
use super::packet::inbound::{Packet, Publish, Subscribe};
use super::packet::{Fault, Version, kind, outbound, reason, wire};
use super::session::{Seen, Session};
use super::subscriptions::{STATISTICS_INTERVAL, Subscribed};
use super::telling::{self, Caller};
use super::will;
use crate::count;
use crate::locks::Pass;
use crate::resends::Resends;
use futures_util::FutureExt;
use genims_model::Receipt;
use genims_model::now_us;
use genims_pipeline::intake::IntakeBuffer;
pub(super) use pace::Limit;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Bytes processed before they are submitted: bounds what a chunk holds and how long a client keeps a thread.
const ROUND_BYTES_MAX: usize = 64 * 1024;

/// Rounds submitted whose receipts are open.
const ROUNDS_MAX: usize = 1_024;

/// Answers that wait for a client to read them; with more the client is not served.
const OUTPUT_BYTES_MAX: usize = 64 * 1024;

/// Acknowledgements owed: as many as there are packet identifiers.
const OWED_MAX: usize = 65_535;

/// Why processing stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// No complete packet is left.
    Starved,
    /// A round is full: submit, then go on.
    RoundFull,
    /// A bound is reached: go on when receipts settle or the client reads.
    Held,
    /// The client has sent as much as it may: go on when time has passed.
    Limited,
}

/// What one pass over the input has taken.
struct Taken {
    bytes: usize,
    messages: u64,
    result: Result<Progress, End>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Round {
    Empty,
    Staging,
    /// The submit waits for room.
    Submitting,
}

pub(super) struct Dialogue {
    shared: Arc<Shared>,
    pub(super) caller: Caller,
    /// `None` for connections without a door, in the simulation.
    pub(super) pass: Option<Pass>,
    version: Version,
    /// What the client takes.
    packet_bytes_max: u32,
    pub(super) session_expiry: Duration,
    pub(super) session: Session,
    pub(super) acks: Acks,
    pub(super) output: Vec<u8>,
    /// Made at the first message, given up after a quiet time.
    intake: Option<Box<IntakeBuffer>>,
    round: Round,
    /// Nothing was published since [`Dialogue::trim`] looked last.
    quiet: bool,
    receipt: Option<Receipt>,
    /// Until they are submitted.
    wills_staged: Vec<will::TakenRoom>,
    aliases: Aliases,
    /// QoS 1 and 2 messages that the client may have under way.
    pub(super) receive_maximum: u16,
    /// Exchanges that count against it.
    in_flight: usize,
    /// Until then the client's messages wait: it has sent as much as it may.
    pub(super) resumes_at: Option<Instant>,
    /// PINGREQs answered that still stand in the input.
    pings_answered: u32,
    pub(super) statistics_due: Option<Instant>,
}

impl Dialogue {
    pub(super) fn new(
        shared: Arc<Shared>,
        version: Version,
        packet_bytes_max: u32,
        session_expiry: Duration,
        session: Session,
    ) -> Self {
        let statistics_due = (!session.subscriptions.is_empty()).then(Instant::now);
        Self {
            receive_maximum: shared.options.receive_maximum,
            shared,
            caller: Caller::default(),
            pass: None,
            version,
            packet_bytes_max,
            session_expiry,
            session,
            acks: Acks::default(),
            output: Vec::new(),
            intake: None,
            round: Round::Empty,
            quiet: false,
            receipt: None,
            wills_staged: Vec::new(),
            aliases: Aliases::default(),
            in_flight: 0,
            resumes_at: None,
            pings_answered: 0,
            statistics_due,
        }
    }

    /// Everything that can be done with the input without waiting. True when complete packets have to wait.
    pub(super) fn turn(&mut self, input: &mut Input, limit: Limit) -> Result<bool, End> {
        let held = loop {
            let mut progress = Progress::Held;
            if !self.is_submitting() {
                let (taken, result) = self.process(input.bytes(), limit);
                input.consume(taken);
                progress = result?;
            }
            self.try_submit();
            let settled = self.settle()?;
            let submitting = self.is_submitting();
            match progress {
                Progress::Starved => break submitting,
                Progress::Limited => break true,
                Progress::RoundFull if submitting => break true,
                Progress::Held if submitting || !settled => break true,
                Progress::RoundFull | Progress::Held => {}
            }
        };
        if held {
            let pings = input.pings_ahead(self.version);
            self.answer_ahead(pings);
        }
        Ok(held)
    }

    /// Takes complete packets off the front of `bytes`. Returns how many bytes were taken, also where it ends.
    fn process(&mut self, bytes: &[u8], limit: Limit) -> (usize, Result<Progress, End>) {
        self.heed();
        // All that limits cost those who have none: one branch for everything that a read brought, always the same way. The loop is
        // compiled twice, and theirs knows of no limit.
        let taken =
            if self.is_limited() { self.take_limited(bytes, limit) } else { self.take::<false>(bytes, u64::MAX) };
        self.count(&taken);
        (taken.bytes, taken.result)
    }

    /// At most `records_max` records and the message that goes beyond them, where the client is limited.
    fn take<const LIMITED: bool>(&mut self, bytes: &[u8], records_max: u64) -> Taken {
        let mut taken = 0;
        let mut messages = 0;
        let packet_bytes_max = self.shared.options.packet_bytes_max as usize;
        let result = loop {
            if taken >= ROUND_BYTES_MAX {
                break Ok(Progress::RoundFull);
            }
            if self.output.len() > OUTPUT_BYTES_MAX || self.acks.rounds() >= ROUNDS_MAX || self.acks.owed() >= OWED_MAX
            {
                break Ok(Progress::Held);
            }
            let frame = match wire::frame(&bytes[taken..], packet_bytes_max, Some(self.version)) {
                Ok(Some(frame)) => frame,
                Ok(None) => break Ok(Progress::Starved),
                Err(fault) => break Err(fault.into()),
            };
            let done = if frame.kind() == kind::PUBLISH {
                if LIMITED && self.spent(messages) >= records_max {
                    break Ok(Progress::Limited);
                }
                messages += 1;
                Publish::parse(&frame, self.version).and_then(|publish| self.publish(&publish)).map_err(End::from)
            } else {
                Packet::parse(&frame, self.version).map_err(End::from).and_then(|packet| self.packet(&packet))
            };
            match done {
                Ok(true) => taken += frame.bytes,
                Ok(false) => {
                    messages -= 1;
                    break Ok(Progress::Held);
                }
                Err(end) => break Err(end),
            }
        };
        Taken { bytes: taken, messages, result }
    }

    /// False: not now; the same packet will come again.
    #[inline]
    fn publish(&mut self, publish: &Publish<'_>) -> Result<bool, Fault> {
        self.aliases.enter(publish, self.shared.options.topic_alias_maximum)?;
        if !self.may_publish(publish) {
            return self.deny(publish);
        }
        let answer = match publish.qos {
            0 => None,
            1 if publish.duplicate && self.is_repeat(publish) => {
                self.begin();
                self.acks.owe(publish.packet_id, Answer::AckAgain);
                return Ok(true);
            }
            1 if !self.may_take()? => return Ok(false),
            1 => match self.resent(publish) {
                Seen::Unsure => return Ok(false),
                Seen::Stored => {
                    self.begin();
                    self.owe(publish.packet_id, Answer::Ack);
                    return Ok(true);
                }
                Seen::New | Seen::UnderWay if self.is_full_for(publish) => return self.refuse_rows(publish),
                Seen::New | Seen::UnderWay => Some(Answer::Ack),
            },
            _ => match self.session.seen(publish.packet_id) {
                Seen::New if !self.may_take()? => return Ok(false),
                Seen::New if self.is_full_for(publish) => return self.refuse_rows(publish),
                Seen::New => {
                    self.session.open(publish.packet_id);
                    Some(Answer::Rec)
                }
                Seen::Unsure => return Ok(false),
                Seen::UnderWay | Seen::Stored => {
                    self.begin();
                    self.acks.owe(publish.packet_id, Answer::RecAgain);
                    return Ok(true);
                }
            },
        };
        self.begin();
        if let Some(intake) = &mut self.intake {
            let topic = self.aliases.topic(publish);
            if !crate::is_broker_state(topic.as_bytes()) {
                intake.set_topic(topic);
                intake.forget_handles();
                // With QoS 0 nobody could be told: what is too much is set aside.
                intake.admit_rows(answer.is_some());
                self.shared.decode.message(topic, publish.payload, intake);
            }
        }
        if let Some(answer) = answer {
            self.owe(publish.packet_id, answer);
        }
        Ok(true)
    }

    #[inline]
    fn owe(&mut self, packet_id: u16, answer: Answer) {
        self.acks.owe(packet_id, answer);
        self.in_flight += 1;
    }

    /// Whether this connection has taken the same message under the same identifier. It is known before it is acknowledged,
    /// too: what answers it comes behind what answers the first.
    #[cold]
    fn is_repeat(&self, publish: &Publish<'_>) -> bool {
        let digest = Resends::digest(self.aliases.topic(publish).as_bytes(), publish.payload);
        self.session.resends.repeated(publish.packet_id, digest).is_some()
    }

    /// What a QoS 1 message is to the session; one that is to be answered is remembered.
    #[inline]
    fn resent(&mut self, publish: &Publish<'_>) -> Seen {
        let digest = Resends::digest(self.aliases.topic(publish).as_bytes(), publish.payload);
        let seen = self.session.resent(publish.packet_id, digest, publish.duplicate);
        if seen != Seen::Unsure {
            self.session.resends.take(publish.packet_id, digest, None);
        }
        seen
    }

    /// Opens the round, if it is not open.
    #[inline]
    fn begin(&mut self) {
        if self.round == Round::Empty {
            self.round = Round::Staging;
            self.quiet = false;
            let (shared, caller, pass) = (&self.shared, &self.caller, &self.pass);
            self.intake.get_or_insert_with(|| Box::new(shared.intake_buffer(caller, pass.as_ref()))).begin(now_us());
        }
    }

    /// Every packet but PUBLISH. Always true: none of them waits.
    fn packet(&mut self, packet: &Packet<'_>) -> Result<bool, End> {
        match packet {
            Packet::Publish(publish) => return self.publish(publish).map_err(End::from),
            Packet::Acknowledge { kind: kind::PUBREC, packet_id, reason: code }
                if *code < reason::UNSPECIFIED_ERROR =>
            {
                // We publish with QoS 0 only.
                self.put_ack(kind::PUBREL, *packet_id, reason::PACKET_IDENTIFIER_NOT_FOUND);
            }
            Packet::Acknowledge { .. } => {}
            Packet::Release { packet_id } => self.release(*packet_id)?,
            Packet::Subscribe(subscribe) => self.subscribe(subscribe),
            Packet::Unsubscribe { packet_id, filters } => {
                let codes = self.session.subscriptions.unsubscribe(filters);
                outbound::put_unsuback(&mut self.output, self.version, *packet_id, &codes);
                if self.session.subscriptions.is_empty() {
                    self.statistics_due = None;
                }
            }
            Packet::Ping if self.pings_answered > 0 => self.pings_answered -= 1,
            Packet::Ping => outbound::put_pong(&mut self.output),
            Packet::Disconnect(disconnect) => return Err(self.disconnect(disconnect)),
        }
        Ok(true)
    }

    fn put_ack(&mut self, kind: u8, packet_id: u16, code: u8) {
        outbound::put_acknowledgement(&mut self.output, self.version, kind, packet_id, code);
    }

    fn release(&mut self, packet_id: u16) -> Result<(), Fault> {
        let code = match self.session.release(packet_id) {
            Seen::Stored => {
                self.in_flight = self.in_flight.saturating_sub(1);
                reason::SUCCESS
            }
            Seen::New => reason::PACKET_IDENTIFIER_NOT_FOUND,
            Seen::UnderWay | Seen::Unsure => return Err(Fault::protocol("PUBREL before PUBREC")),
        };
        self.put_ack(kind::PUBCOMP, packet_id, code);
        Ok(())
    }

    fn subscribe(&mut self, subscribe: &Subscribe<'_>) {
        let Subscribed { codes, due, refused } = self.session.subscriptions.subscribe(subscribe, self.version);
        if let Some(filter) = refused {
            telling::refused_subscription(&self.shared, &self.caller, filter);
        }
        outbound::put_suback(&mut self.output, self.version, subscribe.packet_id, &codes);
        if self.session.subscriptions.is_empty() {
            return;
        }
        if due {
            self.publish_statistics(true);
        }
        self.statistics_due.get_or_insert_with(|| Instant::now() + STATISTICS_INTERVAL);
    }

    /// Tells subscribers; `retained` as in [`super::subscriptions::Subscriptions::publish`]. A client that does not read
    /// is spared.
    pub(super) fn publish_statistics(&mut self, retained: bool) {
        if self.output.len() <= OUTPUT_BYTES_MAX {
            let picture = self.shared.picture();
            let Self { session, version, packet_bytes_max, output, .. } = self;
            session.subscriptions.publish(&picture, *version, retained, *packet_bytes_max, output);
        }
        if !retained {
            self.statistics_due = Some(Instant::now() + STATISTICS_INTERVAL);
        }
    }

    /// Answers PINGREQs that stand behind packets which have to wait.
    fn answer_ahead(&mut self, pings: u32) {
        for _ in 0..pings {
            outbound::put_pong(&mut self.output);
        }
        self.pings_answered += pings;
    }

    pub(super) fn is_submitting(&self) -> bool {
        self.round == Round::Submitting
    }

    /// Nothing is staged, submitted or owed.
    pub(super) fn is_settled(&self) -> bool {
        self.round == Round::Empty && self.acks.is_empty()
    }

    /// Submits what is staged, without waiting.
    pub(super) fn try_submit(&mut self) {
        if self.round != Round::Empty && self.submit().now_or_never().is_none() {
            self.round = Round::Submitting;
        }
    }

    /// Submits what is staged. Cancel-safe.
    pub(super) async fn submit(&mut self) {
        if self.round != Round::Empty
            && let Some(intake) = &mut self.intake
        {
            let receipt = intake.submit(&self.session.waiter, &mut self.receipt).await;
            self.receipt = None;
            self.wills_staged = Vec::new();
            self.round = Round::Empty;
            self.acks.submitted(receipt);
        }
    }

    /// Writes the acknowledgements that are due. Returns whether any round has settled.
    pub(super) fn settle(&mut self) -> Result<bool, End> {
        let settled = self.acks.settle(self.version, &mut self.session, &mut self.output);
        self.in_flight = self.in_flight.saturating_sub(settled.ended);
        if settled.acks > 0 {
            count(&self.shared.metrics.acks_total, settled.acks as u64);
        }
        if settled.must_close {
            let fault = Fault::new(reason::QUOTA_EXCEEDED, "the spool is full and drops by policy; send again later");
            return Err(fault.into());
        }
        Ok(settled.rounds > 0)
    }

    /// Looks whether anything was published since the last look. If not, gives up what can be made again: the catalogue
    /// that the intake holds on to, in particular.
    pub(super) fn trim(&mut self) {
        if self.quiet && self.is_settled() && self.output.is_empty() {
            self.intake = None;
            self.output = Vec::new();
            self.acks = Acks::default();
        }
        self.quiet = true;
    }
}
