//! A trail that somebody with all rights has altered: each way is found, at its entry, and an export says so.

use super::audited::{Audited, PATIENCE};
use crate::harness::Harness;
use crate::running::eventually;
use serde_json::Value;

const TABLES: [&str; 3] = ["system_audit_log", "data_change_audit", "genims_internal.audit_seals"];

/// What is done, and the chain and position where it must be found first.
const TAMPERINGS: [(&str, &[&str], &str, i64); 9] = [
    (
        "an actor edited",
        &[
            "UPDATE system_audit_log SET actor_id = 'EMP-8' WHERE database_name = 'genims_crm_db' AND chain_position = 5",
        ],
        "writes",
        5,
    ),
    // No column of the contract's hash: only the seal knows.
    (
        "an address edited",
        &[
            "UPDATE system_audit_log SET client_address = '10.0.0.9' WHERE database_name = 'genims_crm_db' AND chain_position = 5",
        ],
        "writes",
        5,
    ),
    (
        "an image edited",
        &[
            "UPDATE data_change_audit SET after_image = REPLACE(after_image, '\"w5\"', '\"w6\"') WHERE database_name = 'genims_crm_db' AND chain_position = 5",
        ],
        "changes",
        5,
    ),
    (
        "an image edited with its hash",
        &[
            "UPDATE data_change_audit SET after_image = '{}', after_hash = SHA2('{}', 256) WHERE database_name = 'genims_crm_db' AND chain_position = 5",
        ],
        "changes",
        5,
    ),
    (
        "a change deleted",
        &["DELETE FROM data_change_audit WHERE database_name = 'genims_crm_db' AND chain_position = 5"],
        "changes",
        5,
    ),
    (
        "the end cut off",
        &[
            "DELETE FROM data_change_audit WHERE database_name = 'genims_crm_db' AND chain_position > 7",
            "DELETE FROM system_audit_log WHERE database_name = 'genims_crm_db' AND chain_position > 7",
        ],
        "writes",
        8,
    ),
    (
        "the end cut off with its seals",
        &[
            "DELETE FROM data_change_audit WHERE database_name = 'genims_crm_db' AND chain_position > 7",
            "DELETE FROM system_audit_log WHERE database_name = 'genims_crm_db' AND chain_position > 7",
            "DELETE FROM genims_internal.audit_seals WHERE database_name = 'genims_crm_db' AND write_position > 7",
        ],
        "writes",
        8,
    ),
    (
        "an entry added with a true hash",
        &[
            "INSERT INTO system_audit_log (event_uid, occurred_at, database_name, table_name, record_key, operation, actor_type, actor_id, chain_position, previous_hash, row_hash) \
           SELECT 'forged', occurred_at, database_name, table_name, record_key, operation, actor_type, actor_id, chain_position + 1, row_hash, \
           CAST(SHA2(CONCAT_WS(CHAR(31 USING utf8mb4), row_hash, database_name, chain_position + 1, 'forged', DATE_FORMAT(occurred_at, '%Y-%m-%d %H:%i:%s.%f'), table_name, record_key, operation, 1, actor_type, actor_id, ''), 256) AS CHAR CHARACTER SET ascii) \
           FROM system_audit_log WHERE database_name = 'genims_crm_db' ORDER BY chain_position DESC LIMIT 1",
        ],
        "writes",
        11,
    ),
    (
        "a seal deleted",
        &["DELETE FROM genims_internal.audit_seals WHERE database_name = 'genims_crm_db' AND seal = 1"],
        "seals",
        1,
    ),
];

pub(super) fn every_tampering_is_found(harness: &'static Harness) {
    let audited = Audited::new(harness);
    let server = audited.serve();
    for n in 1..=10 {
        harness.block_on(async {
            let insert = format!("INSERT INTO widgets VALUES ({n}, 'w{n}', {n}, NULL)");
            audited.crm().await.batch_execute(&insert).await.unwrap();
        });
        if n == 7 {
            // A seal ends here.
            audited.arrived("widgets", 7);
        }
    }
    audited.arrived("widgets", 10);
    server.terminate();
    assert!(server.wait(PATIENCE).is_some_and(|status| status.success()), "{}", server.log_text());
    let (untouched, report) = audited.verified();
    assert!(untouched, "{report:#}");
    assert_eq!(of_crm(&report)["heads"], serde_json::json!(["the data folder", "MongoDB"]));
    for (number, table) in TABLES.iter().enumerate() {
        audited.tamper(&[&format!("CREATE TABLE genims_internal.kept_{number} AS SELECT * FROM {table}")]);
    }
    for (what, statements, chain, position) in TAMPERINGS {
        audited.tamper(statements);
        let (untouched, report) = audited.verified();
        let findings = of_crm(&report)["findings"].as_array().unwrap().clone();
        let first = findings.iter().find(|finding| finding["chain"] == chain);
        assert!(!untouched, "{what}: nothing was found");
        assert_eq!(first.map(|finding| &finding["position"]), Some(&Value::from(position)), "{what}: {findings:#?}");
        restore(&audited);
    }
    assert!(audited.verified().0, "restored, and still not as it was");
    an_export_says_what_is_true(&audited);
    retention_leaves_a_checkpoint(&audited);
    a_break_stays_known(&audited);
}

fn of_crm(report: &Value) -> Value {
    let all = report["databases"].as_array().unwrap();
    all.iter().find(|database| database["database"] == "genims_crm_db").unwrap().clone()
}

fn restore(audited: &Audited) {
    audited.tamper(&[
        "DELETE FROM data_change_audit",
        "DELETE FROM system_audit_log",
        "DELETE FROM genims_internal.audit_seals",
    ]);
    for (number, table) in TABLES.iter().enumerate() {
        audited.tamper(&[&format!("INSERT INTO {table} SELECT * FROM genims_internal.kept_{number}")]);
    }
}

fn an_export_says_what_is_true(audited: &Audited) {
    let export = |format: &str| {
        let arguments =
            ["audit", "export", "--from", "2020-01-01", "--to", "2100-01-01", "--database", "crm", "--format", format];
        let output = audited.cli(&arguments);
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    };
    let (all_true, csv) = export("csv");
    assert!(
        all_true
            && csv.lines().count() == 11
            && csv.lines().all(|line| line.ends_with(",true") || line.ends_with(",verdict")),
        "{csv}"
    );
    audited.tamper(&[
        "UPDATE system_audit_log SET actor_id = 'EMP-8' WHERE database_name = 'genims_crm_db' AND chain_position = 5",
    ]);
    let (all_true, lines) = export("json");
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let altered: Vec<&Value> = lines.iter().filter(|line| line["verdict"] == "altered").collect();
    assert!(!all_true && altered.len() == 1 && altered[0]["position"] == 5, "{lines:#?}");
    restore(audited);
}

/// Entries of long ago go, and what is left is sound; that they are said to be gone is believed only from where it was done.
fn retention_leaves_a_checkpoint(audited: &Audited) {
    // By this connection's clock the first four are old: seals and hashes follow.
    let prune = |before: &str, more: &[&str]| audited.cli(&[&["audit", "prune", "--before", before], more].concat());
    let young = prune("2099-01-01", &["--yes"]);
    assert!(
        !young.status.success()
            && String::from_utf8_lossy(&young.stderr).contains("keeps the audit trail for that long")
    );
    let none = prune("2010-01-01", &["--yes", "--json"]);
    assert_eq!(String::from_utf8_lossy(&none.stdout).trim(), "[]");
    audited.tamper(&[
        "INSERT INTO genims_internal.audit_checkpoints SELECT w.database_name, NOW(6), w.chain_position, w.row_hash, c.chain_position, c.row_hash \
         FROM system_audit_log w JOIN data_change_audit c ON c.audit_id = w.audit_id WHERE w.database_name = 'genims_crm_db' AND w.chain_position = 4",
        "DELETE FROM data_change_audit WHERE database_name = 'genims_crm_db' AND chain_position <= 4",
        "DELETE FROM system_audit_log WHERE database_name = 'genims_crm_db' AND chain_position <= 4",
    ]);
    let (untouched, report) = audited.verified();
    assert!(!untouched && of_crm(&report)["findings"].to_string().contains("only MySQL says so"), "{report:#}");
    audited.tamper(&["DELETE FROM genims_internal.audit_checkpoints"]);
    restore(audited);
}

/// A server that finds a cut trail goes on with it, and the cut stays on record although the chain is sound again.
fn a_break_stays_known(audited: &Audited) {
    audited.tamper(TAMPERINGS[6].1);
    let server = audited.serve();
    eventually("the break is noticed", PATIENCE, || server.log_text().contains("is not the one that was written"));
    server.terminate();
    assert!(server.wait(PATIENCE).is_some_and(|status| status.success()), "{}", server.log_text());
    let (untouched, report) = audited.verified();
    let findings = of_crm(&report)["findings"].to_string();
    assert!(!untouched && findings.contains("the trail ended at 7"), "{report:#}");
}
