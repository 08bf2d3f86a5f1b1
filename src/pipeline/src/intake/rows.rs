//! Rows for tables at the door, and what of them is set aside later, when their database refuses them.
//!
//! All rows of a database go through one shard, so they keep their order: what others refer to is written first.

use super::{Intake, IntakeBuffer};
use genims_decode::Form;
use genims_model::dead_letter::PAYLOAD_KEPT_BYTES_MAX;
use genims_model::{Chunk, DeadLetter, Mark, Protocol, Reason, Receipt, Row, Topics, now_us};
use genims_rows::Gate;
use genims_rows::gate::{Rejection, Sender};
use std::hash::BuildHasher;
use std::sync::Arc;
use tokio::sync::Notify;

impl IntakeBuffer {
    /// For the messages that follow: whether their listener has asked [`Intake::is_full_for`] of each with rows, and can refuse
    /// it no more. A database that is full since then stops no such message.
    pub fn admit_rows(&mut self, admits: bool) {
        self.admits_rows = admits;
    }

    /// Has a message's rows judged, and stages them.
    pub(super) fn judge(&mut self, database: &str, table: &str, payload: &[u8]) {
        let topic = Row::topic(database, table);
        let Some(gate) = self.intake.rows.clone() else {
            let detail = "rows are not taken: the configuration has no [rows]".to_owned();
            let refused = Rejection { reason: Reason::NotAllowed, detail, payload: payload.to_vec(), is_row: false };
            return self.set_aside_row(&topic, refused);
        };
        let shard = shard_of(database, self.staged.len());
        let client = self.client.clone();
        let tables = self.scope.tables.clone();
        let sender = Sender {
            tables: tables.as_ref(),
            source: self.source,
            client: &client,
            received_us: self.received_us,
            is_admitted: self.admits_rows,
            database,
            table,
        };
        gate.judge(sender, payload, |judged| match judged {
            Ok(row) => {
                self.staged[shard].rows.push(row);
                self.records += 1;
            }
            Err(refused) => self.set_aside_row(&topic, refused),
        });
    }

    fn set_aside_row(&mut self, topic: &str, refused: Rejection) {
        let Rejection { reason, detail, mut payload, is_row } = refused;
        // Rows make one payload together; what is none stays by itself.
        let form = is_row.then_some(Form::Elements);
        let payload_bytes = payload.len() as u64;
        payload.truncate(PAYLOAD_KEPT_BYTES_MAX);
        let dead_letter = DeadLetter {
            source: self.source,
            client: self.client.as_ref().to_owned(),
            received_us: self.received_us,
            topic: topic.to_owned(),
            reason,
            detail,
            payload,
            payload_bytes,
            records: 1,
        };
        self.dead_letters.put(&mut self.staged[0].dead_letters, dead_letter, form);
        self.records += 1;
    }
}

impl Intake {
    /// Takes rows for tables, too, as far as the gate lets them.
    pub fn with_rows(self, gate: Option<Arc<Gate>>) -> Self {
        Self { rows: gate, ..self }
    }

    /// Whether no more rows are taken for the database for now. A listener that can refuse a single message asks before it
    /// takes one and [admits](IntakeBuffer::admit_rows) it; what is staged without is set aside.
    pub fn is_full_for(&self, database: &str) -> bool {
        self.rows.as_ref().is_some_and(|gate| gate.is_full(database))
    }

    /// Sets aside rows that their database refused: they were counted when they came, and end when their dead letters are
    /// stored. Returns when these are durable, together with the mark.
    pub async fn set_aside_rows(&self, dead_letters: Vec<DeadLetter>, mark: Mark) {
        let waiter = Arc::new(Notify::new());
        let receipt = Receipt::new(1, false, waiter.clone());
        let mut chunk = Chunk {
            protocol: Protocol::Mqtt,
            source: self.accounts.recovered(),
            client: "".into(),
            received_us: now_us(),
            topics: Topics::default(),
            readings: Vec::new(),
            snapshots: Vec::new(),
            events: Vec::new(),
            dead_letters,
            rows: Vec::new(),
            marks: vec![mark],
            receipt: receipt.clone(),
        };
        let queue = &self.shards[0];
        while let Err(returned) = queue.push(chunk) {
            let room = queue.room();
            match queue.push(*returned) {
                Ok(()) => break,
                Err(returned) => chunk = *returned,
            }
            room.wait().await;
        }
        while !receipt.is_settled() {
            waiter.notified().await;
        }
    }
}

fn shard_of(database: &str, shards: usize) -> usize {
    let hash = foldhash::fast::FixedState::default().hash_one(database);
    (hash % shards.max(1) as u64) as usize
}
