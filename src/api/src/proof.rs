//! The queries by which the databases prove what is shown. Enters: a report. Leaves: text of SQL, the database it is for, and the
//! number it has to give once nothing is in flight.

use super::report::{ServerReport, SinkReport, Word};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A number, and the query that must give it. While records are in flight the two may differ by those.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Proof {
    /// What it proves: `stored`, `position`, `dead_letters`, `changes`; `routes/hr`, `quarantined/hr`.
    #[schema(value_type = String)]
    pub name: Word,
    #[schema(value_type = String)]
    pub database: Word,
    pub sql: String,
    /// What the query gives, where it is one number.
    pub expected: Option<u64>,
    #[schema(value_type = String)]
    pub note: Word,
}

pub(crate) const OPERATIONS: &str = "genims_operations_db";

/// Of the stream, of each way into a routed database, and of the changes. MongoDB, which takes no SQL, proves nothing here.
pub(crate) fn of(report: &ServerReport) -> Vec<Proof> {
    let mut proofs = of_stream(report);
    for database in report.databases.iter().filter(|database| database.engine != "MongoDB") {
        let own = |sink: &&SinkReport| sink.name == database.module && sink.database.as_ref() == Some(&database.name);
        if let Some(sink) = report.sinks.iter().find(own) {
            proofs.extend(of_routes(sink, &database.name, database.engine != "PostgreSQL"));
        }
    }
    proofs.extend(report.changes.first().map(|changes| {
        Proof {
            name: "changes".into(),
            database: changes.database.clone().into(),
            sql: "SELECT target,\n       (SELECT count(*) FROM genims_internal.changes\n         \
              WHERE NOT pg_visible_in_snapshot(xid, done)) AS waiting\n  FROM genims_internal.change_positions;"
                .to_owned(),
            expected: None,
            note: "Changes that wait for the audit trail and for the stream; the same in each PostgreSQL database."
                .into(),
        }
    }));
    proofs
}

/// Where a routed database stands, and what it refused. MySQL databases of one server share a table of what was refused.
fn of_routes(sink: &SinkReport, database: &str, is_shared: bool) -> impl Iterator<Item = Proof> {
    let proof = |what: &str, sql: String, expected, note: &'static str| Proof {
        name: format!("{what}/{}", sink.name).into(),
        database: database.to_owned().into(),
        sql,
        expected,
        note: note.into(),
    };
    let position = proof(
        "routes",
        format!(
            "SELECT next_offset FROM genims_internal.route_positions\n WHERE sink = {} ORDER BY updated_at DESC LIMIT 1;",
            literal(&sink.name)
        ),
        Some(sink.position),
        "The first event of the log that is not in the tables; it moves in the transaction of the batch.",
    );
    let whose = if is_shared { format!("\n WHERE sink = {}", literal(&sink.name)) } else { String::new() };
    let quarantined = (sink.refused_total > 0).then(|| {
        proof(
            "quarantined",
            format!(
                "SELECT route, code, count(*) AS events FROM genims_internal.refused_events{whose}\n \
                 GROUP BY route, code ORDER BY events DESC;"
            ),
            None,
            "What it refused for good, of all runs; the page counts those of this run.",
        )
    });
    [position].into_iter().chain(quarantined)
}

/// Nothing without the operations database: only it keeps the ledger.
fn of_stream(report: &ServerReport) -> Vec<Proof> {
    let Some(sink) = report.sinks.iter().find(|sink| sink.database.as_deref() == Some(OPERATIONS)) else {
        return Vec::new();
    };
    let (log, from) = (literal(&report.spool.id), report.spool.counted_from);
    let of_run = format!("FROM genims_internal.ingest_batches\n WHERE spool_id = {log} AND first_offset >= {from}");
    let proof = |name: &'static str, sql: String, expected, note: &'static str| Proof {
        name: name.into(),
        database: OPERATIONS.into(),
        sql,
        expected,
        note: note.into(),
    };
    vec![
        proof(
            "stored",
            format!("SELECT coalesce(sum(sensor_rows + superseded_rows + scada_rows), 0)::bigint\n  {of_run};"),
            Some(report.total.committed),
            "The ledger of all batches since this start, written in the transaction of each batch.",
        ),
        proof(
            "stored_per_second",
            "SELECT date_trunc('second', committed_at), sum(sensor_rows + scada_rows)\n  \
             FROM genims_internal.ingest_batches\n WHERE committed_at > now() - interval '30 seconds'\n \
             GROUP BY 1 ORDER BY 1;"
                .to_owned(),
            None,
            "Rows by the second in which their batch began to be written; the page shows the mean of five seconds.",
        ),
        proof(
            "position",
            format!(
                "SELECT next_offset FROM genims_internal.sink_positions\n WHERE spool_id = {log} AND sink = {};",
                literal(&sink.name)
            ),
            Some(sink.position),
            "The first record of the log that is not in the tables; it moves in the transaction of the batch.",
        ),
        proof(
            "dead_letters",
            "SELECT reason, sum(letters) AS letters, sum(records) AS records\n  FROM genims_internal.dead_letters\n \
             WHERE replayed_at IS NULL GROUP BY reason ORDER BY records DESC;"
                .to_owned(),
            None,
            "What waits to be looked at, of all runs; the page counts those of this run.",
        ),
    ]
}

/// As a literal of SQL.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
