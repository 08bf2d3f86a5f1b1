//! Every statement of a batch's transaction, table by table: a row that is refused stops nothing beside it, and what is not the row's
//! fault is said, and goes on when it is mended.

use super::plant::{Plant, Sink, group, reading, until};
use super::postgres::{count, follow};
use super::servers::{Postgres, Whose, postgres_trial};
use crate::harness::Harness;
use genims_model::event::{FaultClosed, FaultOpened, SensorHealth};
use genims_model::reading::flag;
use genims_model::snapshot::SnapshotFields;
use genims_model::{DeadLetter, Event, Group, MachineNo, Reading, Reason, SensorNo, Snapshot};
use genims_stores::postgres::PostgresTarget;
use libtest_mimic::Trial;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio_postgres::Client;

/// Noon of 1 September 2026.
const START_US: i64 = 1_788_264_000_000_000;

pub(super) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![
        postgres_trial(
            harness,
            "one_row_refused_by_any_statement_is_set_aside_alone",
            Whose::Shared,
            one_row_refused_by_any_statement_is_set_aside_alone,
        ),
        postgres_trial(
            harness,
            "a_right_that_any_statement_lacks_is_said_and_waited_for",
            Whose::Own,
            a_right_that_any_statement_lacks_is_said_and_waited_for,
        ),
    ]
}

/// A statement of the transaction, and the one row of [`second`] that it shall not take.
struct Statement {
    table: &'static str,
    what: &'static str,
    /// Of the row; `{}` stands in front of each column.
    poison: &'static str,
    /// What [`COUNTS`] find then.
    left: &'static [(&'static str, i64)],
    /// Records that the account calls dead letters for it.
    dead_lettered: u64,
}

const STATEMENTS: [Statement; 9] = [
    Statement {
        table: "sensor_data",
        what: "INSERT",
        poison: "{}measurement_value = 7777",
        left: &[("readings", 110), ("set aside", 1)],
        dead_lettered: 1,
    },
    // What was to be replaced stays, and what would replace it is set aside.
    Statement {
        table: "sensor_data",
        what: "DELETE",
        poison: "{}sensor_id = 'SEN-000001'",
        left: &[("replaced", 1), ("set aside", 1)],
        dead_lettered: 1,
    },
    Statement {
        table: "scada_machine_data",
        what: "INSERT",
        poison: "{}machine_state = 'POISON'",
        left: &[("snapshots", 2), ("set aside", 1)],
        dead_lettered: 1,
    },
    Statement {
        table: "machine_faults",
        what: "INSERT",
        poison: "{}fault_code = 'OPEN-1'",
        left: &[("opened", 2), ("set aside", 1)],
        dead_lettered: 0,
    },
    Statement {
        table: "machine_faults",
        what: "UPDATE",
        poison: "{}fault_code = 'CLOSE-1' AND {}status = 'resolved'",
        left: &[("closed", 2), ("set aside", 1)],
        dead_lettered: 0,
    },
    Statement {
        table: "sensor_health",
        what: "INSERT",
        poison: "{}overall_status = 'poison'",
        left: &[("health", 2), ("set aside", 1)],
        dead_lettered: 0,
    },
    // It is there without its content.
    Statement {
        table: "genims_internal.dead_letters",
        what: "INSERT",
        poison: "{}topic = 'poison'",
        left: &[("dead letters", 3), ("set aside", 1)],
        dead_lettered: 0,
    },
    // Kept once more where it cannot be counted.
    Statement {
        table: "genims_internal.dead_letters",
        what: "UPDATE",
        poison: "{}topic = 'again' AND {}letters > 1",
        left: &[("rows of the equal ones", 2)],
        dead_lettered: 0,
    },
    Statement {
        table: "genims_internal.ingest_batches",
        what: "INSERT",
        poison: "{}first_offset > 0",
        left: &[("batches", 1)],
        dead_lettered: 0,
    },
];

/// What is there of both groups when nothing is refused.
const COUNTS: [(&str, &str, i64); 10] = [
    ("readings", "SELECT count(*) FROM sensor_data", 111),
    ("replaced", "SELECT count(*) FROM sensor_data WHERE measurement_value IN (5000, 6000)", 2),
    ("snapshots", "SELECT count(*) FROM scada_machine_data", 3),
    ("opened", "SELECT count(*) FROM machine_faults WHERE fault_code LIKE 'OPEN-%'", 3),
    ("closed", "SELECT count(*) FROM machine_faults WHERE status = 'resolved'", 3),
    ("health", "SELECT count(*) FROM sensor_health", 3),
    (
        "dead letters",
        "SELECT sum(letters)::bigint FROM genims_internal.dead_letters WHERE reason = 'malformed_payload'",
        4,
    ),
    ("rows of the equal ones", "SELECT count(*) FROM genims_internal.dead_letters WHERE topic = 'again'", 1),
    ("batches", "SELECT count(*) FROM genims_internal.ingest_batches", 2),
    ("set aside", "SELECT count(*) FROM genims_internal.dead_letters WHERE reason = 'refused_by_database'", 0),
];
const DEAD_LETTERS: u64 = 4;

/// How a row is refused.
#[derive(Clone, Copy, Debug)]
enum Refusal {
    Check,
    /// A trigger that runs this.
    Trigger(&'static str),
    /// A constraint that is checked when the transaction ends.
    AtTheEnd,
}

const REFUSALS: [Refusal; 5] = [
    Refusal::AtTheEnd,
    Refusal::Check,
    Refusal::Trigger("RAISE 'not this one'"),
    Refusal::Trigger("RAISE 'not this one' USING ERRCODE = 'UG001'"),
    Refusal::Trigger("ASSERT false, 'not this one'"),
];

impl Statement {
    /// How the row is refused, and how that ends; `None` where it cannot be.
    fn refuse(&self, how: Refusal) -> Option<(String, String)> {
        let Self { table, what, poison, .. } = self;
        match how {
            Refusal::Check if *what == "DELETE" => None,
            Refusal::Check => {
                let check =
                    format!("ALTER TABLE {table} ADD CONSTRAINT refuse CHECK (NOT ({}))", poison.replace("{}", ""));
                Some((check, format!("ALTER TABLE {table} DROP CONSTRAINT refuse")))
            }
            Refusal::Trigger(body) => Some(self.trigger(body, "TRIGGER refuse BEFORE", "")),
            Refusal::AtTheEnd => {
                let deferred = "DEFERRABLE INITIALLY DEFERRED";
                Some(self.trigger("RAISE 'not this one'", "CONSTRAINT TRIGGER refuse AFTER", deferred))
            }
        }
    }

    fn trigger(&self, body: &str, kind: &str, when: &str) -> (String, String) {
        let Self { table, what, poison, .. } = self;
        let (row, answer) = if *what == "DELETE" { ("old.", "old") } else { ("new.", "new") };
        let condition = poison.replace("{}", row);
        let trigger = format!(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body}; RETURN {answer}; END $$;
             CREATE {kind} {what} ON {table} {when} FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION refuse()"
        );
        (trigger, format!("DROP TRIGGER refuse ON {table}; DROP FUNCTION refuse()"))
    }
}

/// Finds the differences to what should be there.
async fn differences(client: &Client, left: &[(&'static str, i64)]) -> Vec<String> {
    let left: BTreeMap<_, _> = left.iter().copied().collect();
    let mut differences = Vec::new();
    for (name, query, usual) in COUNTS {
        let (found, expected) = (count(client, query).await, *left.get(name).unwrap_or(&usual));
        if found != expected {
            differences.push(format!("{name}: {found} instead of {expected}"));
        }
    }
    differences
}

async fn one_row_refused_by_any_statement_is_set_aside_alone(postgres: Arc<Postgres>) {
    let client = postgres.connect().await;
    let mut faults = Vec::new();
    for statement in &STATEMENTS {
        for how in REFUSALS {
            let Some((obstacle, removal)) = statement.refuse(how) else { continue };
            let plant = Plant::new();
            let sink = follow(&plant, &postgres, 10_000);
            plant.append(first());
            plant.caught_up().await;
            client.batch_execute(&obstacle).await.unwrap_or_else(|error| panic!("{obstacle}: {error:?}"));
            plant.append(second());
            plant.caught_up().await;
            until("all is settled", || plant.accounts.total().in_flight == 0).await;
            sink.stop().await;
            let mut wrong = differences(&client, statement.left).await;
            let said = "SELECT count(*) FROM genims_internal.dead_letters WHERE reason = 'refused_by_database'
                 AND sqlstate IS NOT NULL AND (detail LIKE '%not this one%' OR detail LIKE '%constraint \"refuse\"%')";
            let aside = statement.left.iter().filter(|(name, _)| *name == "set aside").count() as i64;
            if count(&client, said).await != aside {
                wrong.push("the reason is not said".to_owned());
            }
            let unexplained = "SELECT count(*) FROM genims_internal.ingest_batches WHERE next_offset - first_offset
                 <> sensor_rows + superseded_rows + scada_rows + events + dead_letters + refused_rows";
            let total = plant.accounts.total();
            let is_counted = total.holds() && total.dead_lettered == DEAD_LETTERS + statement.dead_lettered;
            if count(&client, unexplained).await != 0 || !is_counted {
                wrong.push(format!("it is not accounted for: {total:?}"));
            }
            if plant.metrics.retries_total.load(Ordering::Relaxed) != 0 {
                wrong.push(format!("it was tried again: {:?}", plant.metrics.last_error()));
            }
            faults.extend(wrong.iter().map(|wrong| format!("{} {} {how:?}: {wrong}", statement.what, statement.table)));
            client.batch_execute(&removal).await.unwrap_or_else(|error| panic!("{removal}: {error:?}"));
            empty(&client).await;
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

async fn empty(client: &Client) {
    let truncate =
        "TRUNCATE sensor_data, scada_machine_data, machine_faults, sensor_health, genims_internal.dead_letters,
         genims_internal.ingest_batches, genims_internal.sink_positions";
    client.batch_execute(truncate).await.unwrap();
}

/// Rights that the transaction needs; a sensor's row goes straight into the partition of its day.
const RIGHTS: [(&str, &str); 11] = [
    ("INSERT", "ALL TABLES IN SCHEMA genims_partitions"),
    ("DELETE", "sensor_data"),
    ("INSERT", "scada_machine_data"),
    ("INSERT", "machine_faults"),
    ("UPDATE", "machine_faults"),
    ("INSERT", "sensor_health"),
    ("INSERT", "genims_internal.dead_letters"),
    ("UPDATE", "genims_internal.dead_letters"),
    ("SELECT", "genims_internal.dead_letters"),
    ("INSERT", "genims_internal.ingest_batches"),
    ("UPDATE", "genims_internal.sink_positions"),
];

async fn a_right_that_any_statement_lacks_is_said_and_waited_for(postgres: Arc<Postgres>) {
    let client = postgres.connect().await;
    let all = "CREATE ROLE stream_writer;
         GRANT USAGE ON SCHEMA public, genims_internal, genims_partitions TO stream_writer;
         GRANT ALL ON ALL TABLES IN SCHEMA public, genims_internal, genims_partitions TO stream_writer;
         GRANT ALL ON ALL SEQUENCES IN SCHEMA public, genims_internal, genims_partitions TO stream_writer;
         ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO stream_writer;
         CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not now'; END $$";
    client.batch_execute(all).await.unwrap();
    let right = |(right, table): (&str, &str)| {
        let (lacks, has) = (format!("REVOKE {right} ON {table} FROM"), format!("GRANT {right} ON {table} TO"));
        (format!("{lacks} stream_writer"), format!("{has} stream_writer"), "permission denied for table")
    };
    // The position is no row that could be set aside.
    let position = (
        "CREATE TRIGGER refuse BEFORE UPDATE ON genims_internal.sink_positions FOR EACH ROW EXECUTE FUNCTION refuse()"
            .to_owned(),
        "DROP TRIGGER refuse ON genims_internal.sink_positions".to_owned(),
        "not now",
    );
    for (obstacle, mend, said) in RIGHTS.into_iter().map(right).chain([position]) {
        let plant = Plant::new();
        let sink = follow_as(&plant, &postgres, "stream_writer");
        plant.append(first());
        plant.caught_up().await;
        client.batch_execute(&obstacle).await.unwrap();
        plant.append(second());
        let is_said = || plant.metrics.last_error().is_some_and(|error| error.contains(said));
        until(&obstacle, is_said).await;
        assert_eq!(count(&client, COUNTS[0].1).await, 10, "{obstacle}: half a batch is there");
        client.batch_execute(&mend).await.unwrap();
        plant.caught_up().await;
        until("all is settled", || plant.accounts.total().in_flight == 0).await;
        sink.stop().await;
        assert_eq!(differences(&client, &[]).await, [""; 0], "{obstacle}");
        let total = plant.accounts.total();
        assert!(total.holds() && total.dead_lettered == DEAD_LETTERS, "{obstacle}: {total:?}");
        assert_eq!(plant.metrics.last_error(), None, "{obstacle}");
        empty(&client).await;
    }
    a_row_outside_a_policy_is_set_aside(&client, &postgres).await;
}

/// It has the code of a missing right. COPY knows no policies, but what a trigger writes does.
async fn a_row_outside_a_policy_is_set_aside(client: &Client, postgres: &Postgres) {
    let policy = "CREATE TABLE guarded (code text);
         GRANT INSERT ON guarded TO stream_writer;
         ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
         CREATE POLICY allowed ON guarded FOR INSERT WITH CHECK (code <> 'OPEN-1');
         CREATE FUNCTION guard() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN INSERT INTO guarded VALUES (new.fault_code); RETURN new; END $$;
         CREATE TRIGGER guard BEFORE INSERT ON machine_faults FOR EACH ROW EXECUTE FUNCTION guard()";
    client.batch_execute(policy).await.unwrap();
    let plant = Plant::new();
    let sink = follow_as(&plant, postgres, "stream_writer");
    plant.append(first());
    plant.caught_up().await;
    plant.append(second());
    plant.caught_up().await;
    until("all is settled", || plant.accounts.total().in_flight == 0).await;
    sink.stop().await;
    assert_eq!(differences(client, &[("opened", 2), ("set aside", 1)]).await, [""; 0]);
    let said = "SELECT count(*) FROM genims_internal.dead_letters WHERE sqlstate = '42501' AND detail LIKE '%policy%'";
    assert_eq!(count(client, said).await, 1);
    assert_eq!(plant.metrics.retries_total.load(Ordering::Relaxed), 0, "{:?}", plant.metrics.last_error());
}

fn follow_as(plant: &Plant, postgres: &Postgres, role: &'static str) -> Sink {
    let sources = plant.accounts.by_source().into_iter().map(|(name, _)| name.to_owned()).collect();
    plant.follow(PostgresTarget::new(postgres.connector_as(role), plant.directory.clone(), sources), true, 10_000)
}

fn opened(code: String) -> Event {
    Event::FaultOpened(FaultOpened {
        machine: MachineNo(1),
        sensor: None,
        fault_code: code,
        category: "process".to_owned(),
        severity: "high".to_owned(),
        description: String::new(),
        start_us: START_US,
        detection_method: "threshold".to_owned(),
    })
}

fn closed(code: String) -> Event {
    Event::FaultClosed(FaultClosed {
        machine: MachineNo(1),
        fault_code: code,
        start_us: START_US,
        end_us: START_US + 90_000_000,
        downtime_minutes: None,
        production_loss_units: None,
    })
}

fn health(sensor: u32, overall_status: &str) -> Event {
    Event::SensorHealth(SensorHealth {
        sensor: SensorNo(sensor),
        timestamp_us: START_US,
        health_score: 87.5,
        drift_percentage: None,
        noise_level: None,
        last_communication_us: None,
        communication_failures_24h: 0,
        stuck: false,
        erratic: false,
        out_of_range_24h: 0,
        average_latency_ms: None,
        overall_status: overall_status.to_owned(),
    })
}

fn snapshot(state: &str) -> Snapshot {
    let fields = SnapshotFields { machine_state: state.to_owned(), ..SnapshotFields::default() };
    Snapshot { machine: MachineNo(0), source: 0, received_us: START_US, timestamp_us: START_US, fields }
}

fn dead_letter(topic: &str) -> DeadLetter {
    DeadLetter {
        source: 1,
        client: String::new(),
        received_us: START_US,
        topic: topic.to_owned(),
        reason: Reason::MalformedPayload,
        detail: String::new(),
        payload: vec![7],
        payload_bytes: 1,
        records: 1,
    }
}

/// What the second group builds on.
fn first() -> Group {
    Group {
        events: (0..3).map(|number| opened(format!("CLOSE-{number}"))).collect(),
        dead_letters: vec![dead_letter("again")],
        ..group(START_US, 10)
    }
}

/// Something for every statement.
fn second() -> Group {
    let mut later = group(START_US + 60_000_000, 101);
    later.readings[50].value = 7777.0;
    let replaces = |sensor: u32, value| Reading {
        flags: flag::REPLACES,
        ..reading(sensor, START_US + i64::from(sensor) * 1_000, value)
    };
    later.readings.extend([replaces(0, 5000.0), replaces(1, 6000.0)]);
    let opened = (0..3).map(|number| opened(format!("OPEN-{number}")));
    let closed = (0..3).map(|number| closed(format!("CLOSE-{number}")));
    let health = [(3, "healthy"), (4, "poison"), (5, "healthy")].map(|(sensor, status)| health(sensor, status));
    Group {
        snapshots: ["IDLE", "POISON", "RUNNING"].map(snapshot).to_vec(),
        events: opened.chain(closed).chain(health).collect(),
        dead_letters: ["again", "poison", "fine"].map(dead_letter).to_vec(),
        ..later
    }
}
