//! A change of one row as the outbox holds it, and what of it goes into the audit trail.
//!
//! Invariants: whatever a session says of its actor fits the trail's columns; an image is bounded, and what it leaves out is there
//! as a hash; the same change always has the same [`Change::uid`].

use crate::canonical::{Image, digest, hex, sha256};
use chrono::NaiveDateTime;

/// An image that is longer holds only the hashes of its long values.
const IMAGE_BYTES_MAX: usize = 2 << 20;
/// What is long in such an image.
const VALUE_BYTES_MAX: usize = 4 << 10;
/// What the trail's columns hold, in characters.
const KEY_CHARACTERS_MAX: usize = 100;
const ACTOR_CHARACTERS_MAX: usize = 50;
const SERVICE_CHARACTERS_MAX: usize = 100;
const REASON_CHARACTERS_MAX: usize = 500;
const ADDRESS_CHARACTERS_MAX: usize = 45;

/// What stands for a personal value.
const MASKED: &str = "***";
/// Parts of the names of columns that hold personal values, where a table is about people.
const PERSONAL: [&str; 14] = [
    "email",
    "phone",
    "mobile",
    "birth",
    "national_id",
    "passport",
    "social_security",
    "ssn",
    "iban",
    "bank_account",
    "address",
    "emergency_contact",
    "marital",
    "blood",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeOperation {
    Insert,
    Update,
    Delete,
    Truncate,
    /// Something that GenIMS itself did; `after` says what.
    Action,
}

impl ChangeOperation {
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Insert, Self::Update, Self::Delete, Self::Truncate, Self::Action]
            .into_iter()
            .find(|operation| operation.as_str() == text)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Truncate => "truncate",
            Self::Action => "action",
        }
    }
}

/// One row of the outbox.
#[derive(Clone, Debug)]
pub struct Change {
    pub id: i64,
    pub transaction: String,
    /// UTC.
    pub at: NaiveDateTime,
    pub table: String,
    pub operation: ChangeOperation,
    pub key: String,
    pub rows: i64,
    pub before: Option<Image>,
    pub after: Option<Image>,
    /// `genims.actor` of the session, else its login.
    pub actor: String,
    pub login: String,
    pub application: Option<String>,
    pub client: Option<String>,
    pub reason: Option<String>,
}

/// Who did it, in the trail's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    pub kind: &'static str,
    pub id: String,
}

const ACTOR_KINDS: [&str; 5] = ["employee", "supplier_user", "customer_user", "service", "database_user"];

impl Change {
    /// A UUID of version 8: the same for every delivery of the same change.
    pub fn uid(&self, database: &str) -> String {
        let (id, at) = (self.id.to_string(), self.at.and_utc().timestamp_micros().to_string());
        let hash = digest([Some(database), Some(&id), Some(&at), Some(&self.table), Some(&self.key)]);
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash[..16]);
        bytes[6] = bytes[6] & 0x0f | 0x80;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let text = hex(&bytes);
        format!("{}-{}-{}-{}-{}", &text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..])
    }

    /// `service:genims-etl` names a service; a name without a kind is an employee, a login is a database user.
    pub fn actor(&self) -> Actor {
        if self.actor == self.login {
            return Actor { kind: "database_user", id: short(&self.actor, ACTOR_CHARACTERS_MAX) };
        }
        let said = self.actor.split_once(':');
        let named = said.and_then(|(kind, id)| {
            let kind = ACTOR_KINDS.into_iter().find(|known| *known == kind)?;
            (!id.is_empty()).then(|| Actor { kind, id: short(id, ACTOR_CHARACTERS_MAX) })
        });
        named.unwrap_or_else(|| Actor { kind: "employee", id: short(&self.actor, ACTOR_CHARACTERS_MAX) })
    }

    /// Whether the session said who it acts for.
    pub fn names_its_actor(&self) -> bool {
        self.actor != self.login
    }

    pub fn record_key(&self) -> String {
        short(&self.key, KEY_CHARACTERS_MAX)
    }

    pub fn service(&self) -> Option<String> {
        self.application.as_deref().map(|name| short(name, SERVICE_CHARACTERS_MAX))
    }

    pub fn reason(&self) -> Option<String> {
        self.reason.as_deref().map(|reason| short(reason, REASON_CHARACTERS_MAX))
    }

    pub fn address(&self) -> Option<String> {
        self.client.as_deref().map(|address| short(address, ADDRESS_CHARACTERS_MAX))
    }

    /// Columns whose value differs; all of them when the row came or went.
    pub fn changed_columns(&self) -> Vec<&str> {
        let (before, after) = (self.before.as_ref(), self.after.as_ref());
        let mut names: Vec<&str> =
            before.into_iter().chain(after).flat_map(|image| image.keys()).map(String::as_str).collect();
        names.sort_unstable();
        names.dedup();
        names.retain(|name| match (before, after) {
            (Some(before), Some(after)) => before.get(*name) != after.get(*name),
            _ => true,
        });
        names
    }

    /// Bounds the images and masks personal values. Says whether there were any.
    pub fn prepare(&mut self, about_people: bool) -> bool {
        let mut masked = false;
        for image in [&mut self.before, &mut self.after].into_iter().flatten() {
            if about_people {
                masked |= mask(image);
            }
            bound(image);
        }
        masked
    }
}

/// Whether a table speaks about persons.
pub fn is_about_people(database: &str, table: &str) -> bool {
    database == "genims_hr_db" || table == "employees"
}

fn mask(image: &mut Image) -> bool {
    let mut masked = false;
    for (column, value) in image.iter_mut().filter(|(_, value)| value.is_some()) {
        if PERSONAL.iter().any(|part| column.contains(part)) {
            *value = Some(MASKED.to_owned());
            masked = true;
        }
    }
    masked
}

fn bound(image: &mut Image) {
    let bytes: usize = image.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, String::len)).sum();
    if bytes <= IMAGE_BYTES_MAX {
        return;
    }
    for text in image.values_mut().flatten().filter(|text| text.len() > VALUE_BYTES_MAX) {
        *text = format!("sha256:{} of {} bytes", sha256(text.as_bytes()), text.len());
    }
}

/// What is too long ends in a hash, so that two long texts stay two.
fn short(text: &str, characters_max: usize) -> String {
    if text.chars().count() <= characters_max {
        return text.to_owned();
    }
    let hash = sha256(text);
    let kept: String = text.chars().take(characters_max - 17).collect();
    format!("{kept}~{}", &hash[..16])
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn change(id: i64, operation: ChangeOperation) -> Change {
        let image = |status: &str| {
            Image::from([("id".to_owned(), Some("7".to_owned())), ("status".to_owned(), Some(status.to_owned()))])
        };
        let at = chrono::DateTime::from_timestamp_micros(1_790_000_000_123_456 + id).expect("a time").naive_utc();
        Change {
            id,
            transaction: "900".to_owned(),
            at,
            table: "sales_orders".to_owned(),
            operation,
            key: "7".to_owned(),
            rows: 1,
            before: matches!(operation, ChangeOperation::Update | ChangeOperation::Delete).then(|| image("draft")),
            after: matches!(operation, ChangeOperation::Insert | ChangeOperation::Update).then(|| image("open")),
            actor: "EMP-7".to_owned(),
            login: "erp".to_owned(),
            application: Some("psql".to_owned()),
            client: Some("10.0.0.1".to_owned()),
            reason: None,
        }
    }

    #[test]
    fn an_actor_is_named_with_or_without_its_kind_or_is_the_login() {
        let of = |actor: &str| {
            let actor = Change { actor: actor.to_owned(), ..change(1, ChangeOperation::Insert) }.actor();
            (actor.kind, actor.id)
        };
        assert_eq!(of("EMP-7"), ("employee", "EMP-7".to_owned()));
        assert_eq!(of("service:genims-etl"), ("service", "genims-etl".to_owned()));
        assert_eq!(of("portal:7"), ("employee", "portal:7".to_owned()));
        assert_eq!(of("service:"), ("employee", "service:".to_owned()));
        assert_eq!(of("erp"), ("database_user", "erp".to_owned()));
    }

    #[test]
    fn an_update_names_what_differs_and_an_insert_everything() {
        assert_eq!(change(1, ChangeOperation::Update).changed_columns(), ["status"]);
        assert_eq!(change(1, ChangeOperation::Insert).changed_columns(), ["id", "status"]);
        assert_eq!(change(1, ChangeOperation::Delete).changed_columns(), ["id", "status"]);
    }

    #[test]
    fn a_uid_is_a_uuid_that_depends_on_database_id_and_time() {
        let one = change(1, ChangeOperation::Insert);
        let uid = one.uid("genims_erp_db");
        assert_eq!(uid, one.uid("genims_erp_db"));
        assert_eq!((uid.len(), &uid[14..15]), (36, "8"), "{uid}");
        assert_ne!(uid, one.uid("genims_crm_db"));
        assert_ne!(uid, change(2, ChangeOperation::Insert).uid("genims_erp_db"));
    }

    #[test]
    fn personal_values_are_masked_and_large_images_bounded() {
        let mut one = change(1, ChangeOperation::Insert);
        let image = one.after.as_mut().expect("an insert");
        image.insert("email".to_owned(), Some("a@b".to_owned()));
        image.insert("mobile_phone".to_owned(), None);
        image.insert("drawing".to_owned(), Some("x".repeat(IMAGE_BYTES_MAX)));
        assert!(one.prepare(is_about_people("genims_master_db", "employees")));
        let image = one.after.as_ref().expect("an insert");
        assert_eq!((image["email"].as_deref(), image["mobile_phone"].as_deref()), (Some("***"), None));
        assert!(image["drawing"].as_deref().is_some_and(|text| text.starts_with("sha256:") && text.len() < 100));
        assert_eq!(image["status"].as_deref(), Some("open"));
        assert!(!change(1, ChangeOperation::Insert).prepare(true));
    }

    proptest! {
        #[test]
        fn whatever_a_session_says_fits_the_trail(text in "(?s).{1,600}", other in "(?s).{1,600}") {
            let one = Change { actor: text.clone(), key: text.clone(), reason: Some(text.clone()), ..change(1, ChangeOperation::Insert) };
            prop_assert!(one.actor().id.chars().count() <= 50 && !one.actor().id.is_empty());
            prop_assert!(one.record_key().chars().count() <= 100 && one.reason().is_some_and(|reason| reason.chars().count() <= 500));
            let two = Change { key: other.clone(), ..change(1, ChangeOperation::Insert) };
            prop_assert_eq!(one.record_key() == two.record_key(), text == other);
        }
    }
}
