//! The rows of the audit trail: an entry of `system_audit_log` for each write, one of `data_change_audit` for each changed row.
//!
//! Two hashes stand over an entry. `row_hash` is the contract's: over the columns that its comment names, with the hash of the entry
//! before. [`Write::digest`] and [`ChangedRow::digest`] are over every column; seals keep them.

use crate::canonical::{self, Image, digest, sha256};
use crate::change::{Change, is_about_people};
use chrono::NaiveDateTime;
use serde::{Deserialize, Serialize};

/// What position 1 of a chain has as the hash of the one before.
pub const ORIGIN: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Between the parts of what `row_hash` is of.
const SEPARATOR: &str = "\u{1f}";

/// The end of a chain: the position of its last entry and that entry's hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    pub position: i64,
    pub hash: String,
}

impl Default for End {
    fn default() -> Self {
        Self { position: 0, hash: ORIGIN.to_owned() }
    }
}

/// What both kinds of entries say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Common {
    pub event_uid: String,
    pub occurred_at: NaiveDateTime,
    pub recorded_at: NaiveDateTime,
    pub database: String,
    pub table: String,
    pub key: String,
    pub operation: String,
    pub actor_type: String,
    pub actor_id: String,
    pub position: i64,
    pub previous_hash: String,
    pub row_hash: String,
}

/// A row of `system_audit_log`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    pub common: Common,
    pub rows_affected: i64,
    pub service_name: Option<String>,
    pub session_id: Option<String>,
    pub client_address: Option<String>,
    pub transaction_id: Option<String>,
    pub correlation_id: Option<String>,
    pub reason: Option<String>,
}

/// A row of `data_change_audit`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedRow {
    pub common: Common,
    /// Position of the write that made the change.
    pub write_position: i64,
    pub record_version: i64,
    /// JSON, as [`canonical::json`] writes it; the images too.
    pub changed_columns: String,
    pub changed_column_count: i64,
    pub before: Option<String>,
    pub after: Option<String>,
    pub before_hash: Option<String>,
    pub after_hash: Option<String>,
    pub classification: String,
    pub personal: bool,
    pub reason: Option<String>,
    pub reference: Option<String>,
}

/// As the trail's comments write a time.
pub fn time_text(time: NaiveDateTime) -> String {
    time.format("%Y-%m-%d %H:%M:%S%.6f").to_string()
}

impl Common {
    fn texts(&self) -> [String; 3] {
        [self.position.to_string(), time_text(self.occurred_at), time_text(self.recorded_at)]
    }

    fn fields<'a>(&'a self, texts: &'a [String; 3]) -> [Option<&'a str>; 12] {
        [
            Some(&self.event_uid),
            Some(&texts[1]),
            Some(&texts[2]),
            Some(&self.database),
            Some(&self.table),
            Some(&self.key),
            Some(&self.operation),
            Some(&self.actor_type),
            Some(&self.actor_id),
            Some(&texts[0]),
            Some(&self.previous_hash),
            Some(&self.row_hash),
        ]
    }
}

impl Write {
    /// What `row_hash` must be, by the comment of the column.
    pub fn hash(&self) -> String {
        let common = &self.common;
        let [position, at, _] = common.texts();
        let rows = self.rows_affected.to_string();
        let parts = [
            &common.previous_hash,
            &common.database,
            &position,
            &common.event_uid,
            &at,
            &common.table,
            &common.key,
            &common.operation,
            &rows,
            &common.actor_type,
            &common.actor_id,
            self.transaction_id.as_deref().unwrap_or_default(),
        ];
        sha256(parts.join(SEPARATOR))
    }

    /// Over all columns but the server's own number of the row.
    pub fn digest(&self) -> [u8; 32] {
        let (texts, rows) = (self.common.texts(), self.rows_affected.to_string());
        let own = [
            Some(rows.as_str()),
            self.service_name.as_deref(),
            self.session_id.as_deref(),
            self.client_address.as_deref(),
            self.transaction_id.as_deref(),
            self.correlation_id.as_deref(),
            self.reason.as_deref(),
        ];
        digest(self.common.fields(&texts).into_iter().chain(own))
    }
}

impl ChangedRow {
    pub fn hash(&self) -> String {
        let common = &self.common;
        let [position, at, _] = common.texts();
        let version = self.record_version.to_string();
        let parts = [
            &common.previous_hash,
            &common.database,
            &position,
            &common.event_uid,
            &at,
            &common.table,
            &common.key,
            &common.operation,
            &common.actor_type,
            &common.actor_id,
            &version,
            self.before_hash.as_deref().unwrap_or_default(),
            self.after_hash.as_deref().unwrap_or_default(),
            self.reason.as_deref().unwrap_or_default(),
        ];
        sha256(parts.join(SEPARATOR))
    }

    pub fn digest(&self) -> [u8; 32] {
        let texts = self.common.texts();
        let numbers = [self.write_position, self.record_version, self.changed_column_count].map(|n| n.to_string());
        let own = [
            Some(numbers[0].as_str()),
            Some(&numbers[1]),
            Some(&numbers[2]),
            Some(&self.changed_columns),
            self.before.as_deref(),
            self.after.as_deref(),
            self.before_hash.as_deref(),
            self.after_hash.as_deref(),
            Some(&self.classification),
            Some(if self.personal { "1" } else { "0" }),
            self.reason.as_deref(),
            self.reference.as_deref(),
        ];
        digest(self.common.fields(&texts).into_iter().chain(own))
    }

    /// Whether the images are those that were hashed.
    pub fn images_are_true(&self) -> bool {
        let is = |image: &Option<String>, hash: &Option<String>| image.as_ref().map(sha256) == *hash;
        is(&self.before, &self.before_hash) && is(&self.after, &self.after_hash)
    }
}

/// Where the chains of a database end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ends {
    pub write: End,
    pub change: End,
    pub seal: End,
}

/// Makes entries of a change, and moves the ends behind them. Only changes of a single row have an entry in `data_change_audit`.
/// `version` is that of the row after the change.
pub fn entries(
    database: &str,
    mut change: Change,
    version: i64,
    recorded_at: NaiveDateTime,
    ends: &mut Ends,
) -> (Write, Option<ChangedRow>) {
    // Before values are masked: a masked value that changed has changed.
    let columns: Vec<String> = change.changed_columns().into_iter().map(str::to_owned).collect();
    let personal = change.prepare(is_about_people(database, &change.table));
    let actor = change.actor();
    let common = |end: &End| Common {
        event_uid: change.uid(database),
        occurred_at: change.at,
        recorded_at,
        database: database.to_owned(),
        table: change.table.clone(),
        key: change.record_key(),
        operation: change.operation.as_str().to_owned(),
        actor_type: actor.kind.to_owned(),
        actor_id: actor.id.clone(),
        position: end.position + 1,
        previous_hash: end.hash.clone(),
        row_hash: String::new(),
    };
    let mut write = Write {
        common: common(&ends.write),
        // The column is an INTEGER.
        rows_affected: change.rows.clamp(0, i64::from(i32::MAX)),
        service_name: change.service(),
        session_id: None,
        client_address: change.address(),
        transaction_id: Some(change.transaction.clone()),
        correlation_id: None,
        reason: change.reason(),
    };
    write.common.row_hash = write.hash();
    ends.write = End { position: write.common.position, hash: write.common.row_hash.clone() };
    if change.before.is_none() && change.after.is_none() {
        return (write, None);
    }
    let text = |image: &Option<Image>| image.as_ref().map(canonical::image);
    let (before, after) = (text(&change.before), text(&change.after));
    let mut row = ChangedRow {
        common: common(&ends.change),
        write_position: write.common.position,
        record_version: version,
        changed_column_count: columns.len() as i64,
        changed_columns: canonical::json(&columns.into()),
        before_hash: before.as_ref().map(sha256),
        after_hash: after.as_ref().map(sha256),
        before,
        after,
        classification: classification(database).to_owned(),
        personal,
        reason: change.reason(),
        reference: None,
    };
    row.common.row_hash = row.hash();
    ends.change = End { position: row.common.position, hash: row.common.row_hash.clone() };
    (write, Some(row))
}

fn classification(database: &str) -> &'static str {
    match database {
        "genims_hr_db" => "personal",
        "genims_financial_db" => "confidential",
        _ => "internal",
    }
}

/// A row of `genims_internal.audit_seals`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal {
    pub database: String,
    pub number: i64,
    pub sealed_at: NaiveDateTime,
    pub write: End,
    pub change: End,
    /// 32 bytes an entry.
    pub write_digests: Vec<u8>,
    pub change_digests: Vec<u8>,
    pub previous_hash: String,
    pub hash: String,
}

impl Seal {
    /// The seal behind `end`, over entries up to the two ends.
    pub fn new(database: &str, sealed_at: NaiveDateTime, ends: &Ends, digests: [Vec<u8>; 2]) -> Self {
        let [write_digests, change_digests] = digests;
        let mut seal = Self {
            database: database.to_owned(),
            number: ends.seal.position + 1,
            sealed_at,
            write: ends.write.clone(),
            change: ends.change.clone(),
            write_digests,
            change_digests,
            previous_hash: ends.seal.hash.clone(),
            hash: String::new(),
        };
        seal.hash = seal.expected();
        seal
    }

    /// What its hash must be.
    pub fn expected(&self) -> String {
        let numbers = [self.number, self.write.position, self.change.position].map(|number| number.to_string());
        let (at, writes, changes) =
            (time_text(self.sealed_at), sha256(&self.write_digests), sha256(&self.change_digests));
        let fields = [
            &self.previous_hash,
            &self.database,
            &numbers[0],
            &at,
            &numbers[1],
            &self.write.hash,
            &writes,
            &numbers[2],
            &self.change.hash,
            &changes,
        ];
        canonical::hex(&digest(fields.into_iter().map(|field| Some(field.as_str()))))
    }

    pub fn end(&self) -> End {
        End { position: self.number, hash: self.hash.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::ChangeOperation;
    use crate::change::tests::change;

    fn at(seconds: i64) -> NaiveDateTime {
        chrono::DateTime::from_timestamp(1_790_000_000 + seconds, 5_000).expect("a time").naive_utc()
    }

    #[test]
    fn entries_continue_their_chains_and_say_what_the_comments_demand() {
        let mut ends = Ends::default();
        let (write, row) = entries("genims_erp_db", change(1, ChangeOperation::Update), 3, at(0), &mut ends);
        let row = row.expect("an update");
        let said = format!(
            "{ORIGIN}\u{1f}genims_erp_db\u{1f}1\u{1f}{}\u{1f}{}\u{1f}sales_orders\u{1f}7\u{1f}update\u{1f}1\u{1f}employee\u{1f}EMP-7\u{1f}900",
            write.common.event_uid,
            time_text(write.common.occurred_at)
        );
        assert_eq!(write.common.row_hash, sha256(said));
        assert_eq!(row.before.as_deref(), Some(r#"{"id":"7","status":"draft"}"#));
        assert_eq!((row.changed_columns.as_str(), row.changed_column_count), (r#"["status"]"#, 1));
        assert!(row.images_are_true());
        let (next, none) = entries("genims_erp_db", change(2, ChangeOperation::Truncate), 0, at(0), &mut ends);
        assert!(none.is_none());
        assert_eq!((next.common.position, &next.common.previous_hash), (2, &write.common.row_hash));
        assert_eq!((ends.write.position, ends.change.position), (2, 1));
        assert_eq!(time_text(at(1)), "2026-09-21 14:13:21.000005");
    }

    #[test]
    fn every_column_is_under_the_digest() {
        let mut ends = Ends::default();
        let (write, row) = entries("genims_hr_db", change(1, ChangeOperation::Insert), 1, at(0), &mut ends);
        let row = row.expect("an insert");
        let altered = [
            Write { client_address: None, ..write.clone() },
            Write { service_name: Some("x".to_owned()), ..write.clone() },
            Write { common: Common { recorded_at: at(1), ..write.common.clone() }, ..write.clone() },
        ];
        assert!(altered.iter().all(|other| other.digest() != write.digest() && other.hash() == write.hash()));
        let altered = [
            ChangedRow { after: Some("{}".to_owned()), ..row.clone() },
            ChangedRow { changed_columns: "[]".to_owned(), ..row.clone() },
            ChangedRow { classification: "public".to_owned(), ..row.clone() },
            ChangedRow { write_position: 9, ..row.clone() },
        ];
        assert!(altered.iter().all(|other| other.digest() != row.digest()));
        assert!(!altered[0].images_are_true());
    }

    #[test]
    fn a_seal_is_over_its_digests_and_the_seal_before() {
        let ends = Ends { seal: End { position: 4, hash: "ab".to_owned() }, ..Ends::default() };
        let seal = Seal::new("genims_erp_db", at(0), &ends, [vec![1; 32], Vec::new()]);
        assert_eq!((seal.number, seal.previous_hash.as_str()), (5, "ab"));
        assert_eq!(seal.hash, seal.expected());
        assert_ne!(Seal { write_digests: vec![2; 32], ..seal.clone() }.expected(), seal.hash);
        assert_ne!(Seal { write: End { position: 1, ..seal.write.clone() }, ..seal.clone() }.expected(), seal.hash);
    }
}
