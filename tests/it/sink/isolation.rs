//! What is wrong with one row, or too much for one transaction, stops nothing beside it.

use super::plant::{Plant, group, noon_us, reading, until};
use super::postgres::{DAY_US, assert_exact, count, follow};
use super::servers::{Postgres, Whose, postgres_trial};
use crate::harness::Harness;
use genims_model::event::{FaultClosed, FaultOpened};
use genims_model::{DeadLetter, Event, Group, MachineNo, Position, Reason};
use genims_stores::batch::Batch;
use genims_stores::postgres::PostgresTarget;
use genims_stores::target::Target;
use libtest_mimic::Trial;
use std::sync::Arc;

pub(super) fn tests(harness: &'static Harness) -> Vec<Trial> {
    use Whose::{Own, Shared};
    vec![
        postgres_trial(
            harness,
            "a_batch_too_slow_for_its_role_is_split_until_it_fits",
            Shared,
            a_batch_too_slow_for_its_role_is_split_until_it_fits,
        ),
        postgres_trial(
            harness,
            "a_batch_of_more_partitions_than_locks_is_split_until_it_fits",
            Own,
            a_batch_of_more_partitions_than_locks_is_split_until_it_fits,
        ),
        postgres_trial(
            harness,
            "no_statement_of_a_batch_stops_the_others",
            Shared,
            no_statement_of_a_batch_stops_the_others,
        ),
        postgres_trial(
            harness,
            "what_landed_is_recalled_as_it_was_committed",
            Shared,
            what_landed_is_recalled_as_it_was_committed,
        ),
    ]
}

async fn a_batch_too_slow_for_its_role_is_split_until_it_fits(postgres: Arc<Postgres>) {
    let plant = Plant::new();
    let client = postgres.connect().await;
    let slow = "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN PERFORM pg_sleep(0.002); RETURN new; END $$;
         CREATE TRIGGER slow BEFORE INSERT ON sensor_data FOR EACH ROW EXECUTE FUNCTION slow();
         DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET statement_timeout = 800', current_database()); END $$";
    client.batch_execute(slow).await.unwrap();
    // Groups that fit, and one that alone does not.
    for i in 0..20 {
        plant.append(group(noon_us() + i * 1_000_000, 50));
    }
    plant.append(group(noon_us() + 30_000_000, 1_000));
    let sink = follow(&plant, &postgres, 10_000);
    plant.caught_up().await;
    sink.stop().await;
    assert_exact(&plant, &client, 2_000).await;
}

async fn a_batch_of_more_partitions_than_locks_is_split_until_it_fits(postgres: Arc<Postgres>) {
    let plant = Plant::new();
    let client = postgres.connect().await;
    for setting in ["max_connections = 20", "max_locks_per_transaction = 10"] {
        client.batch_execute(&format!("ALTER SYSTEM SET {setting}")).await.unwrap();
    }
    postgres.kill();
    postgres.up();
    let today = noon_us();
    for day in 0..600 {
        plant.append(group(today - day * DAY_US, 1));
    }
    // And one group for as many days.
    let readings = (0..600).map(|day| reading(1, today - day * DAY_US, 1.0)).collect();
    plant.append(Group { readings, ..Group::default() });
    let sink = follow(&plant, &postgres, 10_000);
    plant.caught_up().await;
    sink.stop().await;
    // Counting all days at once takes more locks than were left.
    let client = postgres.connect().await;
    client.batch_execute("ALTER SYSTEM RESET ALL").await.unwrap();
    postgres.kill();
    postgres.up();
    let client = postgres.connect().await;
    let stored = count(&client, "SELECT count(*) FROM sensor_data").await;
    let dead_letters =
        count(&client, "SELECT count(*) FROM genims_internal.dead_letters WHERE detail LIKE '%more days than%'").await;
    assert_eq!(stored + dead_letters, 1_200);
    assert!(stored >= 600 && plant.accounts.total().in_flight == 0);
}

fn fault(start_us: i64) -> [Event; 2] {
    let fault_code = "F".to_owned();
    [
        Event::FaultOpened(FaultOpened {
            machine: MachineNo(1),
            sensor: None,
            fault_code: fault_code.clone(),
            category: "process".to_owned(),
            severity: "high".to_owned(),
            description: String::new(),
            start_us,
            detection_method: "threshold".to_owned(),
        }),
        Event::FaultClosed(FaultClosed {
            machine: MachineNo(1),
            fault_code,
            start_us,
            end_us: start_us + 90_000_000,
            downtime_minutes: None,
            production_loss_units: None,
        }),
    ]
}

/// A trigger of an operator's own, on each table that a batch touches, that refuses one row of ten.
async fn no_statement_of_a_batch_stops_the_others(postgres: Arc<Postgres>) {
    let plant = Plant::new();
    let client = postgres.connect().await;
    let refuse = |table: &str, when: &str, condition: &str| {
        format!(
            "CREATE TRIGGER refuse BEFORE {when} ON {table} FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION refuse();"
        )
    };
    let triggers = [
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not this one'; END $$;"
            .to_owned(),
        refuse("machine_faults", "UPDATE", "extract(second FROM old.fault_start_time)::int % 10 = 0"),
        refuse("genims_internal.dead_letters", "INSERT", "new.topic = 'poison'"),
        refuse("genims_internal.ingest_batches", "INSERT", "true"),
    ];
    client.batch_execute(&triggers.concat()).await.unwrap();
    let minute_us = noon_us() / 60_000_000 * 60_000_000;
    let dead_letter = |topic: &str| DeadLetter {
        source: 1,
        client: String::new(),
        received_us: noon_us(),
        topic: topic.to_owned(),
        reason: Reason::MalformedPayload,
        detail: String::new(),
        payload: vec![7],
        payload_bytes: 1,
        records: 1,
    };
    plant.append(Group {
        events: (0..10).flat_map(|second| fault(minute_us + second * 1_000_000)).collect(),
        dead_letters: vec![dead_letter("fine"), dead_letter("poison"), dead_letter("fine")],
        ..group(noon_us(), 100)
    });
    let sink = follow(&plant, &postgres, 10_000);
    plant.caught_up().await;
    until("all is settled", || plant.accounts.total().in_flight == 0).await;
    sink.stop().await;
    for (query, expected) in [
        ("SELECT count(*) FROM sensor_data", 100),
        ("SELECT count(*) FROM machine_faults WHERE status = 'resolved'", 9),
        ("SELECT count(*) FROM machine_faults WHERE status = 'open'", 1),
        ("SELECT sum(letters)::bigint FROM genims_internal.dead_letters WHERE topic = 'fine'", 2),
        ("SELECT count(*) FROM genims_internal.dead_letters WHERE detail LIKE '%not this one%'", 2),
    ] {
        assert_eq!(count(&client, query).await, expected, "{query}");
    }
}

/// A commit whose answer was lost is counted as one that was answered.
async fn what_landed_is_recalled_as_it_was_committed(postgres: Arc<Postgres>) {
    let plant = Plant::new();
    let client = postgres.connect().await;
    let trigger = |table: &str, when: &str, condition: &str| {
        format!(
            "CREATE TRIGGER refuse BEFORE {when} ON {table} FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION refuse();"
        )
    };
    let triggers = [
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not this one'; END $$;"
            .to_owned(),
        trigger("machine_faults", "UPDATE", "true"),
        trigger("genims_internal.dead_letters", "INSERT", "new.topic = 'poison'"),
    ];
    client.batch_execute(&triggers.concat()).await.unwrap();
    let dead_letter = |topic: &str| DeadLetter {
        source: 1,
        client: String::new(),
        received_us: noon_us(),
        topic: topic.to_owned(),
        reason: Reason::MalformedPayload,
        detail: String::new(),
        payload: vec![7],
        payload_bytes: 1,
        records: 3,
    };
    let mut refused = Group {
        events: fault(noon_us()).to_vec(),
        dead_letters: ["poison", "fine", "poison", "poison"].map(dead_letter).to_vec(),
        ..group(noon_us(), 100)
    };
    for at in [3, 77] {
        refused.readings[at].value = 1e13;
    }
    let mut batch = Batch::default();
    batch.push(Arc::new(refused));
    let sources = vec!["mqtt".to_owned(), "tcp".to_owned()];
    let mut target = PostgresTarget::new(postgres.connector(), plant.directory.clone(), sources);
    let start = Position::beginning(uuid::Uuid::new_v4());
    let reached = target.open(&start, 0).await.expect("a connection");
    let committed = target.commit(&batch, reached.next_offset()).await.expect("committed");
    let recalled = target.recall(&batch).await.expect("recalled");
    assert_eq!((committed.refused.as_slice(), committed.refused_uncounted), (&[(3, 1), (77, 1)][..], 1));
    assert_eq!((recalled.refused, recalled.refused_uncounted), (committed.refused, committed.refused_uncounted));
    // What the table itself refused is there without its content, with all that it stood for.
    let bare = "SELECT sum(letters)::bigint FROM genims_internal.dead_letters WHERE detail LIKE '%content is lost%'";
    assert_eq!(count(&client, bare).await, 3);
    let records = "SELECT sum(records)::bigint FROM genims_internal.dead_letters WHERE detail LIKE '%content is lost%'";
    assert_eq!(count(&client, records).await, 9);
}
