//! The half that submits and acknowledges.

use super::Shared;
use super::link::{Ack, Delivery, Line};
use crate::Decode;
use crate::notices::Kind;
use crate::resends::Resends;
use crate::talkers::{Batch, Talker};
use genims_decode::Visitor;
use genims_model::now_us;
use genims_model::{Protocol, Reason, Receipt, SourceNo};
use genims_pipeline::intake::{Intake, IntakeBuffer};
use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

/// What one round takes at most; the rest is the next round's.
const ROUND_MESSAGES_MAX: usize = 1_024;
const ROUND_BYTES_MAX: usize = 1024 * 1024;

/// Messages under one receipt.
struct Round {
    receipt: Receipt,
    /// Of messages sent again: what they were taken under the first time.
    earlier: Vec<Receipt>,
    /// Identifiers and hashes of the QoS 1 messages.
    taken: Vec<(u16, u64)>,
    acks: Vec<Ack>,
    messages: usize,
    bytes: usize,
}

impl Round {
    fn is_settled(&self) -> bool {
        self.receipt.is_settled() && self.earlier.iter().all(Receipt::is_settled)
    }

    fn is_refused(&self) -> bool {
        self.receipt.is_refused() || self.earlier.iter().any(Receipt::is_refused)
    }
}

pub(super) struct Worker {
    shared: Arc<Shared>,
    intake: IntakeBuffer,
    decode: Arc<dyn Decode>,
    arrivals: mpsc::UnboundedReceiver<Delivery>,
    pending: Pending,
    talker: Talker,
    resends: Resends,
    /// The connection of the last message.
    line: Option<Arc<Line>>,
}

/// Rounds under way, oldest first: MQTT wants acknowledgements in the order of the messages.
struct Pending {
    shared: Arc<Shared>,
    rounds: VecDeque<Round>,
    waiter: Arc<Notify>,
}

impl Worker {
    pub(super) fn new(
        shared: Arc<Shared>,
        intake: &Arc<Intake>,
        source: SourceNo,
        decode: Arc<dyn Decode>,
        arrivals: mpsc::UnboundedReceiver<Delivery>,
    ) -> Self {
        let mut intake = intake.buffer(source, Protocol::Bridge, shared.options.acknowledge.waits_for_commit());
        intake.set_client(&shared.client_id);
        let pending = Pending { shared: shared.clone(), rounds: VecDeque::new(), waiter: Arc::new(Notify::new()) };
        let talker = shared.metrics.talkers.enter(&shared.client_id, Instant::now());
        let resends = Resends::new(usize::from(shared.options.in_flight_messages_max));
        Self { shared, intake, decode, arrivals, pending, talker, resends, line: None }
    }

    pub(super) async fn run(mut self, shutdown: CancellationToken) {
        loop {
            let first = tokio::select! {
                first = self.arrivals.recv() => first,
                () = self.pending.wait() => {
                    self.pending.acknowledge();
                    continue;
                }
                () = shutdown.cancelled() => None,
            };
            let Some(first) = first else { break };
            let round = self.gather(first);
            if !self.submit(round, &shutdown).await {
                break;
            }
            self.pending.acknowledge();
        }
        self.arrivals.close();
        let deadline = Instant::now() + self.shared.options.drain_timeout;
        while !self.pending.rounds.is_empty() && timeout_at(deadline, self.pending.wait()).await.is_ok() {
            self.pending.acknowledge();
        }
        self.shared.worked.store(true, Ordering::Release);
        self.shared.eased.notify_one();
    }

    /// Stages the message and everything that has come behind it, as far as a round takes it.
    fn gather(&mut self, first: Delivery) -> Round {
        // Replaced by the true one when the round is submitted.
        let mut round = Round {
            receipt: Receipt::unwatched(),
            earlier: Vec::new(),
            taken: Vec::new(),
            acks: Vec::new(),
            messages: 0,
            bytes: 0,
        };
        self.intake.begin(now_us());
        let mut next = Some(first);
        while let Some(delivery) = next {
            round.messages += 1;
            round.bytes += delivery.bytes();
            if !self.is_taken(&delivery, &mut round) {
                self.stage(&delivery);
            }
            round.acks.extend(delivery.ack);
            let full = round.messages >= ROUND_MESSAGES_MAX || round.bytes >= ROUND_BYTES_MAX;
            next = if full { None } else { self.arrivals.try_recv().ok() };
        }
        let (records, dead_letters) = (self.intake.staged_records(), self.intake.staged_dead_letters());
        self.talker.count(Batch { records, bytes: round.bytes as u64, dead_letters });
        round
    }

    /// Whether the message was taken on an earlier connection, and its acknowledgement got lost. If not, it will be
    /// remembered.
    fn is_taken(&mut self, delivery: &Delivery, round: &mut Round) -> bool {
        let Some(ack) = &delivery.ack else { return false };
        if !self.line.as_ref().is_some_and(|line| ack.is_beside(line)) {
            self.resends.end(std::iter::empty());
            self.line = Some(ack.line().clone());
        }
        let Some(packet_id) = ack.at_least_once() else { return false };
        let digest = Resends::digest(&delivery.topic, &delivery.payload);
        if delivery.is_resend {
            // Of this connection: what is acknowledged with the first is the repeat, too.
            if round.taken.iter().rev().find(|(id, _)| *id == packet_id).is_some_and(|(_, known)| *known == digest) {
                return true;
            }
            if let Some(Some(receipt)) = self.resends.repeated(packet_id, digest)
                && !(receipt.is_settled() && receipt.is_refused())
            {
                round.earlier.push(receipt);
                return true;
            }
        }
        match self.resends.find(packet_id, digest, delivery.is_resend) {
            Some(Some(receipt)) if !(receipt.is_settled() && receipt.is_refused()) => {
                self.resends.take(packet_id, digest, Some(receipt.clone()));
                round.earlier.push(receipt);
                true
            }
            _ => {
                round.taken.push((packet_id, digest));
                false
            }
        }
    }

    fn stage(&mut self, Delivery { topic, payload, .. }: &Delivery) {
        let bytes_max = self.shared.options.packet_bytes_max;
        let Ok(topic) = std::str::from_utf8(topic) else {
            self.intake.set_topic("");
            return self.intake.reject(Reason::UnknownTopic, format_args!("the topic is not UTF-8"), payload);
        };
        if crate::is_broker_state(topic.as_bytes()) {
            return;
        }
        self.intake.set_topic(topic);
        self.intake.forget_handles();
        if payload.len() <= bytes_max as usize {
            return self.decode.message(topic, payload, &mut self.intake);
        }
        let bytes = payload.len();
        let detail = format_args!("{bytes} bytes, more than packet_bytes_max = {bytes_max} of the listener allows");
        self.intake.reject(Reason::TooLarge, detail, payload);
        if let Some(not_told) = self.shared.notices.due(Kind::Oversize, topic, Instant::now()) {
            let listener = &self.shared.listener;
            let to_do = "raise packet_bytes_max of this listener, or narrow its topics";
            tracing::warn!(
                listener,
                topic,
                bytes,
                bytes_max,
                to_do,
                not_told,
                "message too large for the bridge: set aside"
            );
        }
    }

    /// Hands the round over, waiting for room as long as it takes; earlier rounds are acknowledged meanwhile. False when
    /// a shutdown cut the wait short: nothing of the round is acknowledged, the broker keeps it.
    async fn submit(&mut self, mut round: Round, shutdown: &CancellationToken) -> bool {
        let Self { intake, pending, shared, .. } = self;
        let waiter = pending.waiter.clone();
        let mut slot = None;
        let mut submitted = pin!(intake.submit(&waiter, &mut slot));
        let receipt = loop {
            tokio::select! {
                biased;
                receipt = &mut submitted => break receipt,
                () = pending.wait() => pending.acknowledge(),
                () = shutdown.cancelled() => {
                    let deadline = Instant::now() + shared.options.drain_timeout;
                    match timeout_at(deadline, submitted).await {
                        Ok(receipt) => break receipt,
                        Err(_) => return false,
                    }
                }
            }
        };
        for (packet_id, digest) in round.taken.drain(..) {
            self.resends.take(packet_id, digest, Some(receipt.clone()));
        }
        round.receipt = receipt;
        self.pending.rounds.push_back(round);
        true
    }
}

impl Pending {
    /// Resolves when [`Pending::acknowledge`] may get further. Cancel-safe.
    async fn wait(&self) {
        self.waiter.notified().await;
    }

    /// Acknowledges settled rounds, oldest first; a refused one is left to the broker, which is asked to send it again.
    fn acknowledge(&mut self) {
        let metrics = &self.shared.metrics;
        while self.rounds.front().is_some_and(Round::is_settled) {
            let Some(round) = self.rounds.pop_front() else { return };
            if round.is_refused() {
                metrics.refused_total.fetch_add(round.messages as u64, Ordering::Relaxed);
                round.acks.iter().for_each(Ack::condemn);
            } else {
                let acks = round.acks.iter().filter(|ack| ack.hand_over()).count();
                metrics.acks_total.fetch_add(acks as u64, Ordering::Relaxed);
            }
            self.shared.close(round.messages, round.bytes);
        }
    }
}
