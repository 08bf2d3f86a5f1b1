//! Changes arrive: once, in the order of each row, with what was before and after, late commits and outages included.

use super::audited::{Audited, PATIENCE};
use crate::harness::Harness;
use crate::running::eventually;
use genims_databases::PostgresClient;
use genims_dev::Server;
use serde_json::json;
use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

/// From a statement to all targets; the machine may be busy with other tests.
const PROMPT: Duration = Duration::from_secs(20);
const KILLS: usize = 5;

pub(super) fn once_in_order(harness: &'static Harness) {
    let audited = Audited::new(harness);
    let server = audited.serve();
    seeding_is_not_audited(&audited);
    what_was_done_is_told(&audited, harness);
    odd_keys_and_truncation(&audited, harness);
    late_commits(&audited, harness);
    a_target_that_is_away(&audited, harness);
    idle_sessions_are_replaced(&audited);
    personal_values_are_masked(&audited, harness);
    own_actions(&audited);
    figures(&audited, harness);
    eventually("the outbox is empty", PROMPT, || audited.outbox() == 0);
    let (untouched, report) = audited.verified();
    assert!(untouched, "{report:#}");
    drop(server);
}

fn execute(harness: &'static Harness, audited: &Audited, statements: &str) {
    harness.block_on(async {
        let client = audited.crm().await;
        client.batch_execute(statements).await.unwrap_or_else(|error| panic!("{statements}: {error:?}"));
    });
}

/// `seed plant` has filled master data, and test rows were written with triggers asleep.
fn seeding_is_not_audited(audited: &Audited) {
    let of: Vec<i64> = audited.asked("SELECT COUNT(*) FROM system_audit_log WHERE database_name = 'genims_master_db'");
    assert_eq!(of, [0]);
}

fn what_was_done_is_told(audited: &Audited, harness: &'static Harness) {
    let began = Instant::now();
    execute(
        harness,
        audited,
        "SET genims.actor = 'EMP-7'; SET genims.reason = 'price round';
         INSERT INTO widgets VALUES (1, 'one', 1.50, '2026-01-31 08:15'), (2, 'two', NULL, NULL);
         UPDATE widgets SET price = price * 2, name = 'uno' WHERE widget_id = 1;
         UPDATE widgets SET price = price;
         UPDATE widgets SET widget_id = 3 WHERE widget_id = 2;
         SET genims.actor = 'service:portal'; DELETE FROM widgets WHERE widget_id = 3;
         RESET genims.actor; INSERT INTO widgets VALUES (3, 'three', 3, NULL)",
    );
    audited.arrived("widgets", 7);
    assert!(began.elapsed() < PROMPT, "{:?}", began.elapsed());
    let entries = audited.entries("widgets");
    let told: Vec<(&str, &str, &str, i64)> =
        entries.iter().map(|(o, k, a, v, ..)| (o.as_str(), k.as_str(), a.as_str(), *v)).collect();
    let employee = "employee EMP-7";
    let expected = [
        ("insert", "1", employee, 1),
        ("insert", "2", employee, 1),
        ("update", "1", employee, 2),
        ("delete", "2", employee, 2),
        ("insert", "3", employee, 1),
        ("delete", "3", "service portal", 2),
        ("insert", "3", "database_user postgres", 3),
    ];
    assert_eq!(told, expected);
    let (.., before, after) = &entries[2];
    let one = json!({"widget_id": "1", "name": "one", "price": "1.50", "made_at": "2026-01-31T08:15:00"});
    assert_eq!(before.as_ref(), Some(&one));
    assert_eq!(after.as_ref().unwrap()["price"], "3.00");
    assert_eq!(entries[1].5.as_ref().unwrap()["price"], json!(null));
    let writes: Vec<(String, i64, String)> = audited.asked(
        "SELECT operation, rows_affected, reason FROM system_audit_log WHERE database_name = 'genims_crm_db' \
         AND table_name = 'widgets' AND reason IS NOT NULL ORDER BY chain_position",
    );
    assert_eq!((writes.len(), &writes[2]), (7, &("update".to_owned(), 1, "price round".to_owned())));
    let documents = audited.documents("widgets");
    let operations: Vec<&str> = documents.iter().map(|document| document.get_str("operation").unwrap()).collect();
    assert_eq!(operations, expected.map(|(operation, ..)| operation));
    assert_eq!(documents[2].get_document("after").unwrap().get_str("price").unwrap(), "3.00");
    assert_eq!(documents[2].get_str("changed_by").unwrap(), "EMP-7");
    assert_eq!(documents[2].get_array("changed_fields").unwrap().len(), 2);
    let transactions: BTreeSet<&str> =
        documents.iter().map(|document| document.get_str("transaction_id").unwrap()).collect();
    assert_eq!(transactions.len(), 1, "one message of statements is one transaction");
}

fn odd_keys_and_truncation(audited: &Audited, harness: &'static Harness) {
    execute(
        harness,
        audited,
        "INSERT INTO pairs VALUES ('x', 1, 'a'), ('x', 2, 'b'); UPDATE pairs SET note = 'c' WHERE b = 2; TRUNCATE pairs;
         INSERT INTO loose VALUES (1), (1); UPDATE loose SET x = 2",
    );
    audited.arrived("loose", 6);
    let entries = audited.entries("pairs");
    let told: Vec<(&str, &str, i64)> = entries.iter().map(|(o, k, _, v, ..)| (o.as_str(), k.as_str(), *v)).collect();
    assert_eq!(told, [("insert", "x|1", 1), ("insert", "x|2", 1), ("update", "x|2", 2)]);
    let truncated: Vec<(String, i64)> = audited.asked(
        "SELECT record_key, rows_affected FROM system_audit_log WHERE table_name = 'pairs' AND operation = 'truncate'",
    );
    assert_eq!(truncated, [("*".to_owned(), 2)]);
    let documents = audited.documents("pairs");
    assert_eq!(documents.last().unwrap().get_str("operation").unwrap(), "truncate");
    // Another key: the triggers are made anew, and then there is nothing to do.
    audited.platform.execute("genims_crm_db", "ALTER TABLE pairs DROP CONSTRAINT pairs_pkey, ADD PRIMARY KEY (b)");
    let changes =
        |json: &[u8]| serde_json::from_slice::<serde_json::Value>(json).unwrap()["databases"][0]["changes"].clone();
    let again = audited.platform.cli(&["provision", "--only", "crm", "--json"], &[]);
    assert_eq!(changes(&again.stdout), json!(["changes of 1 table are audited"]));
    let again = audited.platform.cli(&["provision", "--only", "crm", "--json"], &[]);
    assert_eq!(changes(&again.stdout), json!([]));
    audited.platform.execute("genims_crm_db", "ALTER TABLE widgets DISABLE TRIGGER genims_changes_delete");
    let checked = audited.platform.cli(&["provision", "--only", "crm", "--check"], &[]);
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(!checked.status.success() && said.contains("genims_changes_delete"), "{said}");
    assert!(audited.platform.cli(&["provision", "--only", "crm"], &[]).status.success());
}

/// Who commits late is not missed, and a row's changes keep their order even when the transaction of the later one began first and
/// a third one, older than both changes, stays open.
fn late_commits(audited: &Audited, harness: &'static Harness) {
    let before = audited.entries("widgets").len();
    let late = harness.block_on(async {
        let (late, early, open) = (audited.crm().await, audited.crm().await, audited.crm().await);
        run(&late, "BEGIN; INSERT INTO widgets VALUES (10, 'late', 1, NULL)").await;
        run(&open, "BEGIN; INSERT INTO widgets VALUES (11, 'open', 1, NULL)").await;
        run(
            &early,
            "INSERT INTO widgets VALUES (12, 'early', 1, NULL); UPDATE widgets SET name = 'first' WHERE widget_id = 1",
        )
        .await;
        (late, open)
    });
    audited.arrived("widgets", before + 2);
    let (late, open) = late;
    harness.block_on(run(&late, "UPDATE widgets SET name = 'second' WHERE widget_id = 1; COMMIT"));
    audited.arrived("widgets", before + 4);
    let versions: Vec<String> = names_of(audited, "1");
    assert_eq!(versions[versions.len() - 2..], ["first", "second"]);
    // The same within one window: nobody looks while both commit.
    harness.block_on(async {
        let other = audited.crm().await;
        run(&late, "BEGIN; UPDATE widgets SET name = 'mine' WHERE widget_id = 12").await;
        run(&other, "UPDATE widgets SET name = 'third' WHERE widget_id = 1").await;
        run(&late, "UPDATE widgets SET name = 'fourth' WHERE widget_id = 1; COMMIT").await;
        run(&open, "ROLLBACK").await;
    });
    audited.arrived("widgets", before + 7);
    let versions = names_of(audited, "1");
    assert_eq!(versions[versions.len() - 2..], ["third", "fourth"]);
    let entries = audited.entries("widgets");
    assert!(entries.iter().all(|entry| entry.1 != "11"), "what was rolled back never happened");
}

async fn run(client: &PostgresClient, statements: &str) {
    client.batch_execute(statements).await.unwrap_or_else(|error| panic!("{statements}: {error:?}"));
}

fn names_of(audited: &Audited, key: &str) -> Vec<String> {
    let entries = audited.entries("widgets").into_iter().filter(|entry| entry.1 == key);
    entries.filter_map(|entry| Some(entry.5?["name"].as_str()?.to_owned())).collect()
}

/// MySQL is away: the stream goes on, the trail's part waits and is shown, and comes when MySQL is back.
fn a_target_that_is_away(audited: &Audited, harness: &'static Harness) {
    let before = audited.entries("widgets").len();
    audited.platform.stack.kill_server(Server::Mariadb).unwrap();
    execute(harness, audited, "INSERT INTO widgets SELECT n, 'w' || n, n, NULL FROM generate_series(100, 2599) AS n");
    eventually("MongoDB has what MySQL lacks", PATIENCE, || audited.documents("widgets").len() == before + 2500);
    eventually("what waits is shown", PATIENCE, || {
        let trail = audited.stats("audit");
        trail["state"] == "retrying" && trail["waiting"] == 2500 && trail["age_seconds"].as_f64().unwrap() > 0.0
    });
    assert_eq!((audited.stats("stream")["waiting"].clone(), audited.outbox()), (json!(0), 2500));
    audited.platform.stack.start_server(Server::Mariadb).unwrap();
    audited.arrived("widgets", before + 2500);
    eventually("nothing waits", PATIENCE, || audited.stats("audit")["waiting"] == 0 && audited.outbox() == 0);
}

/// A server ends sessions that say nothing for long. The next change need not find that out.
fn idle_sessions_are_replaced(audited: &Audited) {
    let query = "SELECT id FROM information_schema.processlist WHERE user = 'genims_audit_writer' ORDER BY id";
    let ended: Vec<u64> = audited.asked(query);
    assert!(!ended.is_empty());
    let kills: Vec<String> = ended.iter().map(|id| format!("KILL {id}")).collect();
    audited.tamper(&kills.iter().map(String::as_str).collect::<Vec<_>>());
    // One a database that is followed; other parts of the server connect when they have something to write.
    let followed = audited.followed("audit");
    assert!(followed > 0);
    eventually("other sessions are there, though nothing was written", PATIENCE, || {
        let there: Vec<u64> = audited.asked(query);
        there.len() >= followed && there.iter().all(|id| !ended.contains(id))
    });
    assert_eq!(audited.stats("audit")["state"], "following");
}

fn personal_values_are_masked(audited: &Audited, harness: &'static Harness) {
    harness.block_on(async {
        let url = audited.platform.stack.postgres_url("genims_hr_db");
        let client = crate::harness::connect_postgres(&url).await;
        run(
            &client,
            "INSERT INTO employees (employee_id, employee_number, first_name, last_name, hire_date, mobile_phone) \
                      VALUES ('E-1', '1', 'A', 'B', '2026-01-01', '123')",
        )
        .await;
    });
    let query =
        "SELECT after_image, contains_personal_data FROM data_change_audit WHERE database_name = 'genims_hr_db'";
    eventually("the employee arrives", PATIENCE, || !audited.asked::<(String, bool)>(query).is_empty());
    let (image, personal) = audited.asked::<(String, bool)>(query).remove(0);
    assert!(personal && image.contains("\"mobile_phone\":\"***\"") && !image.contains("123"), "{image}");
}

/// How long a change takes to both targets, and how many come there in a second. Printed, for README's figures: machines differ.
fn figures(audited: &Audited, harness: &'static Harness) {
    const MANY: i32 = 10_000;
    let delivered = |statement: &str| {
        let began = Instant::now();
        execute(harness, audited, statement);
        let changed = began.elapsed();
        eventually("all is delivered", PATIENCE, || audited.outbox() == 0);
        (changed, began.elapsed())
    };
    eventually("nothing waits", PATIENCE, || audited.outbox() == 0);
    let single =
        (0..5).map(|_| delivered("UPDATE widgets SET price = coalesce(price, 0) + 1 WHERE widget_id = 1").1).min();
    let many = format!(
        "INSERT INTO widgets SELECT n, 'm' || n, n, NULL FROM generate_series(100000, 100000 + {MANY} - 1) AS n"
    );
    let (changed, all) = delivered(&many);
    let rate = f64::from(MANY) / all.as_secs_f64();
    println!(
        "changes: one is everywhere after {single:?} at best, {MANY} rows after {all:?} ({changed:?} of it the statement): {rate:.0}/s"
    );
}

/// Provisioning says what it did.
fn own_actions(audited: &Audited) {
    let query = "SELECT database_name, actor_id, activity_description FROM user_activity_log WHERE actor_id = 'genims-provision'";
    eventually("the actions arrive", PATIENCE, || {
        let told: Vec<(String, String, String)> = audited.asked(query);
        let of = |database: &str| told.iter().any(|(name, _, said)| name == database && said.contains("migration"));
        of("genims_crm_db") && of("genims_audit_db")
    });
}

/// `kill -9` under a stream of changes: none twice, none missing, each row's in order.
pub(super) fn kills(harness: &'static Harness) {
    let audited = Audited::new(harness);
    let mut server = audited.serve();
    let writer = harness.block_on(async {
        let client = audited.crm().await;
        run(&client, "INSERT INTO widgets SELECT n, '0', 0, NULL FROM generate_series(1, 20) AS n").await;
        client
    });
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let writing = std::thread::spawn(move || {
        harness.block_on(async {
            let mut rounds = 0_usize;
            while !*stopped.borrow() {
                let name = rounds + 1;
                run(&writer, &format!("UPDATE widgets SET name = '{name}' WHERE widget_id <= {}", 1 + rounds % 20))
                    .await;
                rounds += 1;
                tokio::time::sleep(Duration::from_millis(4)).await;
            }
            rounds
        })
    });
    for kill in 0..KILLS {
        // From the moment on when something arrives, a little later each time.
        let seen = audited.documents("widgets").len();
        eventually("changes arrive", PATIENCE, || audited.documents("widgets").len() > seen);
        std::thread::sleep(Duration::from_millis(37 * kill as u64));
        server.kill();
        server = audited.serve();
    }
    stop.send(true).unwrap();
    let rounds = writing.join().unwrap();
    let changes: usize = 20 + (0..rounds).map(|round| 1 + round % 20).sum::<usize>();
    audited.arrived("widgets", changes);
    let mut versions: HashMap<String, (i64, i64)> = HashMap::new();
    for (_, key, _, version, _, after) in audited.entries("widgets") {
        let name: i64 = after.unwrap()["name"].as_str().unwrap().parse().unwrap();
        let (last, name_before) = versions.insert(key.clone(), (version, name)).unwrap_or((0, -1));
        assert!(version == last + 1 && name > name_before, "{key}: {name} after {name_before}, version {version}");
    }
    let documents = audited.documents("widgets");
    let ids: BTreeSet<&str> = documents.iter().map(|document| document.get_str("_id").unwrap()).collect();
    assert_eq!(ids.len(), changes);
    eventually("the outbox is empty", PATIENCE, || audited.outbox() == 0);
    server.terminate();
    assert!(server.wait(PATIENCE).is_some_and(|status| status.success()), "{}", server.log_text());
    let (untouched, report) = audited.verified();
    assert!(untouched, "{report:#}");
}
