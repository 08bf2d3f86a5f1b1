//! The document store on a real mongod: every schema file is taken, validators refuse, and what was changed behind our back
//! is mended or reported.

use crate::harness::{Harness, write_env};
use genims_databases::{Environment, Registry, schema};
use genims_platform::provision::{self, Mode, ProvisionOptions, ProvisionStatus, ProvisionedDatabase};
use libtest_mimic::Trial;
use mongodb::bson::{Binary, Bson, DateTime, Document, doc, oid::ObjectId, spec::BinarySubtype};
use mongodb::error::{Error, ErrorKind, WriteFailure};
use serde_json::Value;

const DOCUMENT_VALIDATION_FAILURE: i32 = 121;
const DUPLICATE_KEY: i32 = 11_000;
const DATABASE: &str = "genims_production";

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![
        harness.trial("provision_mongo::documents_are_taken_and_refused_as_described", documents_are_taken_and_refused),
        harness.trial("provision_mongo::a_changed_validator_is_mended", a_changed_validator_is_mended),
        harness.trial("provision_mongo::a_changed_expiry_is_mended", a_changed_expiry_is_mended),
        harness.trial("provision_mongo::an_index_that_differs_is_rebuilt", an_index_that_differs_is_rebuilt),
        harness.trial("provision_mongo::an_index_that_cannot_be_built_is_reported", an_index_that_cannot_be_built),
        harness.trial("provision_mongo::the_wrong_kind_of_collection_is_reported", the_wrong_kind_is_reported),
        harness.trial("provision_mongo::a_killed_rebuild_is_simply_run_again", a_killed_rebuild_is_simply_run_again),
        harness.trial("provision_mongo::rebuilds_at_the_same_time_all_succeed", rebuilds_at_the_same_time_all_succeed),
    ]
}

/// A document store of one test's own.
struct Store {
    environment: Environment,
    database: mongodb::Database,
}

impl Store {
    fn new(harness: &'static Harness) -> Self {
        let stack = harness.stack();
        let database = harness.mongodb_database(stack);
        let url = stack.mongodb_url().replacen("/?", &format!("/{}?", database.name()), 1);
        Self { environment: Environment::from_pairs([("GENIMS_MONGODB_URL", url.as_str())]), database }
    }

    async fn provision(&self, mode: Mode) -> ProvisionedDatabase {
        let registry = Registry::load(None).unwrap();
        let options = ProvisionOptions { only: vec![DATABASE.to_owned()], mode };
        let mut report = provision::run(&registry, &self.environment, &options, &|_| {}).await.unwrap();
        report.databases.pop().unwrap()
    }

    /// Applied without a complaint.
    async fn apply(&self) -> Vec<String> {
        let report = self.provision(Mode::Apply).await;
        assert_eq!(report.status, ProvisionStatus::Ok, "{report:?}");
        report.changes
    }

    async fn drift(&self) -> Vec<String> {
        let check = self.provision(Mode::Check).await;
        assert_eq!(check.error, None);
        check.drift
    }

    async fn run(&self, command: Document) {
        self.database.run_command(command).await.unwrap();
    }

    /// Each under the other's name.
    async fn swap_two_indexes(&self) {
        self.run(doc! { "dropIndexes": "messages", "index": ["inbox", "outbox"] }).await;
        let swapped = [
            doc! { "name": "inbox", "key": { "sender_id": 1, "sent_at": -1 } },
            doc! { "name": "outbox", "key": { "recipient_ids": 1, "sent_at": -1 } },
        ];
        self.run(doc! { "createIndexes": "messages", "indexes": swapped.to_vec() }).await;
    }

    async fn insert(&self, collection: &str, document: Document) -> Result<(), i32> {
        let inserted = self.database.collection::<Document>(collection).insert_one(document).await;
        inserted.map(drop).map_err(|error| write_code(&error))
    }

    async fn index(&self, collection: &str, name: &str) -> Document {
        let answer = self.database.run_command(doc! { "listIndexes": collection }).await.unwrap();
        let indexes = answer.get_document("cursor").unwrap().get_array("firstBatch").unwrap();
        let mut indexes = indexes.iter().filter_map(Bson::as_document);
        indexes.find(|index| index.get_str("name").ok() == Some(name)).cloned().unwrap_or_default()
    }
}

fn write_code(error: &Error) -> i32 {
    match error.kind.as_ref() {
        ErrorKind::Write(WriteFailure::WriteError(error)) => error.code,
        other => panic!("not a refusal: {other:?}"),
    }
}

/// Every schema file, as JSON, with the description of its fields.
fn described() -> Vec<(String, Value, Value)> {
    let registry = Registry::load(None).unwrap();
    let files = schema::files(registry.get(DATABASE).unwrap()).into_iter();
    let parse = |file: schema::SchemaFile| {
        let json: Value = serde_json::from_str(file.text).unwrap();
        let fields = if json["timeseries"].is_null() {
            json["validator"]["$jsonSchema"].clone()
        } else {
            json["fields"].clone()
        };
        (file.name.trim_end_matches(".json").to_owned(), json, fields)
    };
    files.map(parse).collect()
}

/// Just what is required, as its description wants it.
fn smallest(schema: &Value) -> Document {
    let required = schema["required"].as_array().into_iter().flatten().map(|field| field.as_str().unwrap());
    required.map(|field| (field.to_owned(), value_of(field, &schema["properties"][field]))).collect()
}

fn value_of(field: &str, schema: &Value) -> Bson {
    if let Some(first) = schema["enum"].get(0) {
        return Bson::String(first.as_str().unwrap().to_owned());
    }
    let kind = schema["bsonType"].as_str().or_else(|| schema["bsonType"][0].as_str()).unwrap();
    match kind {
        "string" => match schema["pattern"].as_str() {
            None => Bson::String("X".to_owned()),
            Some(pattern) if pattern.contains("64") => Bson::String("0".repeat(64)),
            Some(pattern) if pattern.contains("-[0-9a-f]{4}") => Bson::String(uuid::Uuid::nil().to_string()),
            Some(pattern) if pattern.contains('/') => Bson::String("text/plain".to_owned()),
            Some(pattern) if pattern.contains("A-Z") => Bson::String("EUR".to_owned()),
            Some(pattern) => panic!("{field}: no sample for {pattern}"),
        },
        "int" => Bson::Int64(schema["minimum"].as_i64().unwrap_or(1)),
        "number" => Bson::Double(schema["minimum"].as_f64().unwrap_or(1.0)),
        "bool" => Bson::Boolean(false),
        "date" => Bson::DateTime(DateTime::now()),
        "objectId" => Bson::ObjectId(ObjectId::new()),
        "binData" => Bson::Binary(Binary { subtype: BinarySubtype::Generic, bytes: vec![1] }),
        "array" => Bson::Array(vec![Bson::String("X".to_owned())]),
        "object" => Bson::Document(smallest(schema)),
        other => panic!("{field}: no sample for {other}"),
    }
}

fn documents_are_taken_and_refused(harness: &'static Harness) {
    let store = Store::new(harness);
    harness.block_on(async {
        assert!(store.apply().await.len() >= 32);
        let mut refusals = 0;
        for (name, file, fields) in described() {
            let smallest = smallest(&fields);
            assert_eq!(store.insert(&name, smallest.clone()).await, Ok(()), "{name}: {smallest}");
            if !file["timeseries"].is_null() {
                continue;
            }
            let indexes = file["indexes"].as_array().unwrap();
            if indexes.iter().any(|index| index["unique"] == true && index["partialFilterExpression"].is_null()) {
                assert_eq!(store.insert(&name, smallest.clone()).await, Err(DUPLICATE_KEY), "{name}");
            }
            for field in smallest.keys() {
                let (mut without, mut wrong) = (smallest.clone(), smallest.clone());
                without.remove(field);
                wrong.insert(field.clone(), Bson::MinKey);
                for document in [without, wrong] {
                    let refused = store.insert(&name, document).await;
                    assert_eq!(refused, Err(DOCUMENT_VALIDATION_FAILURE), "{name}.{field}");
                    refusals += 1;
                }
            }
            for (field, schema) in fields["properties"].as_object().unwrap() {
                if schema["enum"].is_array() {
                    let mut word = smallest.clone();
                    word.insert(field.clone(), "a word of no vocabulary");
                    assert_eq!(store.insert(&name, word).await, Err(DOCUMENT_VALIDATION_FAILURE), "{name}.{field}");
                    refusals += 1;
                }
            }
        }
        assert!(refusals > 300, "{refusals}");
    });
}

fn a_changed_validator_is_mended(harness: &'static Harness) {
    let store = Store::new(harness);
    harness.block_on(async {
        store.apply().await;
        let loose = doc! { "$jsonSchema": { "bsonType": "object", "required": ["title"] } };
        store.run(doc! { "collMod": "notifications", "validator": loose }).await;
        store.run(doc! { "collMod": "messages", "validator": {} }).await;
        store.run(doc! { "collMod": "documents", "validationAction": "warn" }).await;
        store.run(doc! { "collMod": "search_index", "validationLevel": "off" }).await;
        let old = doc! { "title": "written while the validator was loose" };
        assert_eq!(store.insert("notifications", old.clone()).await, Ok(()));

        let drift = store.drift().await;
        assert_eq!(drift.len(), 4, "{drift:#?}");
        assert!(drift[0].contains("documents") && drift[0].contains("its action was not error"), "{drift:?}");
        assert!(drift[1].contains("messages: validator: there was none"), "{drift:?}");
        assert!(drift[2].contains("notifications") && drift[2].contains("field user_id"), "{drift:?}");
        assert!(drift[3].contains("its level was not strict"), "{drift:?}");
        let planned = store.provision(Mode::Plan).await;
        assert_eq!(store.apply().await, planned.changes);

        assert_eq!(store.drift().await, Vec::<String>::new());
        for name in ["notifications", "messages", "documents", "search_index"] {
            assert_eq!(store.insert(name, old.clone()).await, Err(DOCUMENT_VALIDATION_FAILURE), "{name}");
        }
        let kept = store.database.collection::<Document>("notifications").count_documents(old).await.unwrap();
        assert_eq!(kept, 1, "what stood stays");
    });
}

fn a_changed_expiry_is_mended(harness: &'static Harness) {
    let store = Store::new(harness);
    harness.block_on(async {
        store.apply().await;
        let shorter = doc! { "name": "logged_at_ttl", "expireAfterSeconds": 5_000_000 };
        store.run(doc! { "collMod": "system_logs", "index": shorter }).await;
        // Expires no more, and may be given an expiry in place.
        store.run(doc! { "dropIndexes": "messages", "index": "sent_at_ttl" }).await;
        let plain = doc! { "name": "sent_at_ttl", "key": { "sent_at": 1 } };
        store.run(doc! { "createIndexes": "messages", "indexes": [plain] }).await;
        // Expires though it should not, which cannot be taken back in place.
        let expiring = doc! { "name": "indexed_at", "expireAfterSeconds": 5_000_000 };
        store.run(doc! { "collMod": "search_index", "index": expiring }).await;
        store.run(doc! { "collMod": "energy_readings", "expireAfterSeconds": "off" }).await;
        store.run(doc! { "collMod": "notifications", "index": { "name": "inbox", "hidden": true } }).await;

        assert_eq!(store.drift().await.len(), 5);
        let changes = store.apply().await;
        assert!(changes.contains(&"energy_readings: expiry 63072000 s".to_owned()), "{changes:?}");
        assert!(changes.contains(&"index system_logs.logged_at_ttl: expiry 2592000 s".to_owned()), "{changes:?}");
        assert!(
            changes.iter().any(|change| change.starts_with("rebuilt index search_index.indexed_at")),
            "{changes:?}"
        );
        assert_eq!(store.drift().await, Vec::<String>::new());
        assert!(store.apply().await.is_empty());
        let index = store.index("messages", "sent_at_ttl").await;
        assert_eq!(index.get("expireAfterSeconds").map(Bson::to_string).as_deref(), Some("63072000"));
        assert!(!store.index("search_index", "indexed_at").await.contains_key("expireAfterSeconds"));
    });
}

fn an_index_that_differs_is_rebuilt(harness: &'static Harness) {
    let store = Store::new(harness);
    harness.block_on(async {
        store.apply().await;
        // Two that changed their names, one with another key, one not unique, one renamed, one gone.
        store.run(doc! { "dropIndexes": "messages", "index": ["inbox", "outbox", "conversation", "message_id"] }).await;
        let indexes = [
            doc! { "name": "inbox", "key": { "sender_id": 1, "sent_at": -1 } },
            doc! { "name": "outbox", "key": { "recipient_ids": 1, "sent_at": -1 } },
            doc! { "name": "conversation", "key": { "conversation_id": 1 } },
            doc! { "name": "message_id", "key": { "message_id": 1 } },
            doc! { "name": "own", "key": { "subject": 1 } },
        ];
        store.run(doc! { "createIndexes": "messages", "indexes": indexes.to_vec() }).await;
        store.run(doc! { "dropIndexes": "documents", "index": ["text", "tags"] }).await;
        let text = doc! { "name": "words", "key": { "summary": "text" } };
        store.run(doc! { "createIndexes": "documents", "indexes": [text] }).await;
        // On a time series: reported.
        store.run(doc! { "dropIndexes": "oee_metrics", "index": "machine_time" }).await;
        let other = doc! { "name": "machine_time", "key": { "timestamp": 1 } };
        store.run(doc! { "createIndexes": "oee_metrics", "indexes": [other] }).await;

        let before = store.drift().await;
        let report = store.provision(Mode::Apply).await;
        assert_eq!(report.changes.len(), 6, "{report:#?}");
        assert_eq!(report.drift.len(), 1, "{report:#?}");
        assert!(report.drift[0].contains(r#"db.oee_metrics.dropIndex("machine_time")"#), "{report:?}");
        // Of the own indexes, the one in the way of ours is gone, and the other one left alone.
        assert_eq!(before.len(), 6 + 1 + 2, "{before:#?}");
        let drift = store.drift().await;
        assert_eq!(drift.len(), 2, "{drift:#?}");
        assert!(drift.contains(&"index messages.own is in no schema file".to_owned()), "{drift:?}");

        store.run(doc! { "dropIndexes": "oee_metrics", "index": "machine_time" }).await;
        assert_eq!(store.apply().await, ["new index oee_metrics.machine_time"]);
        let index = store.index("messages", "message_id").await;
        assert_eq!(index.get_bool("unique").ok(), Some(true));
    });
}

fn an_index_that_cannot_be_built(harness: &'static Harness) {
    let store = Store::new(harness);
    harness.block_on(async {
        store.apply().await;
        let (_, _, fields) = described().into_iter().find(|(name, ..)| name == "machine_live_state").unwrap();
        store.run(doc! { "dropIndexes": "machine_live_state", "index": "machine_id" }).await;
        let plain = doc! { "name": "machine_id", "key": { "machine_id": 1 } };
        store.run(doc! { "createIndexes": "machine_live_state", "indexes": [plain] }).await;
        for _ in 0..2 {
            assert_eq!(store.insert("machine_live_state", smallest(&fields)).await, Ok(()));
        }
        let report = store.provision(Mode::Apply).await;
        assert_eq!((report.status, report.drift.len()), (ProvisionStatus::Drifted, 1), "{report:?}");
        assert!(report.drift[0].contains("the old one stands again"), "{report:?}");
        assert!(!store.index("machine_live_state", "machine_id").await.is_empty());

        let states = store.database.collection::<Document>("machine_live_state");
        states.delete_one(doc! {}).await.unwrap();
        assert_eq!(store.apply().await.len(), 1);
        assert_eq!(store.insert("machine_live_state", smallest(&fields)).await, Err(DUPLICATE_KEY));
    });
}

fn the_wrong_kind_is_reported(harness: &'static Harness) {
    let store = Store::new(harness);
    harness.block_on(async {
        store.run(doc! { "create": "energy_readings" }).await;
        let series = doc! { "timeField": "timestamp", "metaField": "meta" };
        store.run(doc! { "create": "documents", "timeseries": series }).await;
        store.run(doc! { "create": "system_logs", "capped": true, "size": 4096 }).await;
        store.run(doc! { "create": "attachments", "viewOn": "documents", "pipeline": [] }).await;
        let report = store.provision(Mode::Apply).await;
        let expected = [
            "attachments is a view: rename it, provision and copy",
            "documents is a time series: rename it, provision and copy",
            "energy_readings is no time series: rename it, provision and copy",
            "system_logs is capped: rename it, provision and copy",
        ];
        assert_eq!(report.drift, expected, "{report:?}");
        assert_eq!(report.changes.iter().filter(|change| change.starts_with("new collection")).count(), 28);
        assert_eq!(store.drift().await, expected);
    });
}

fn a_killed_rebuild_is_simply_run_again(harness: &'static Harness) {
    let store = Store::new(harness);
    let folder = harness.folder("killed_rebuild");
    let url = harness.stack().mongodb_url().replacen("/?", &format!("/{}?", store.database.name()), 1);
    write_env(&folder.join(".env"), format!("GENIMS_MONGODB_URL='{url}'"));
    harness.block_on(async {
        store.apply().await;
        for step in 0..10 {
            store.swap_two_indexes().await;
            let run = harness.spawn(&["provision", "--only", DATABASE], &folder);
            tokio::time::sleep(std::time::Duration::from_millis(5 * step)).await;
            run.kill();
            store.apply().await;
            assert_eq!(store.drift().await, Vec::<String>::new());
        }
    });
}

fn rebuilds_at_the_same_time_all_succeed(harness: &'static Harness) {
    let store = &Store::new(harness);
    harness.block_on(async {
        store.apply().await;
        let (_, _, fields) = described().into_iter().find(|(name, ..)| name == "messages").unwrap();
        // Enough that a build takes a while.
        let messages = (0..20_000).map(|number| {
            let mut message = smallest(&fields);
            message.insert("message_id", number.to_string());
            message
        });
        store.database.collection::<Document>("messages").insert_many(messages).await.unwrap();
        for round in 0..12 {
            store.swap_two_indexes().await;
            let begun_one_after_the_other = (0..4).map(|run| async move {
                tokio::time::sleep(std::time::Duration::from_millis(round * run * 4)).await;
                store.apply().await
            });
            futures_util::future::join_all(begun_one_after_the_other).await;
            assert_eq!(store.drift().await, Vec::<String>::new());
        }
    });
}
