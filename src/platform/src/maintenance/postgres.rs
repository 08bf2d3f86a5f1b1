//! One PostgreSQL database: tables whose rows changed are vacuumed and analyzed, indexes that are mostly empty built anew beside
//! themselves.
//!
//! Invariants: nothing here keeps anybody from reading or writing a row; partitions, into which the stream writes, are vacuumed and
//! nothing else, and never cut short, which would need them alone for a moment; a lock is waited for a bounded time; the server itself
//! ends what is not done in time; an index whose rebuild was broken off does not stay.

use super::report::{Upkeep, UpkeepKind, UpkeepOutcome, UpkeepState};
use super::round::{MOSTLY, Round, megabytes};
use crate::errors::PlatformError;
use crate::provision::postgres::connect_existing;
use genims_databases::{
    Database, Engine, Environment, PostgresClient, PostgresError, PostgresRow, PostgresSettings, quoted,
};
use std::time::Duration;
use tokio_postgres::error::SqlState;

/// As autovacuum: the stream comes first.
const SESSION: &str = "SET vacuum_cost_delay = '2ms'";
/// For a lock that keeps no reader and no writer waiting. More than `deadlock_timeout`: after that, autovacuum makes way.
const LOCK_WAIT: Duration = Duration::from_secs(3);
/// A rebuild waits for older transactions to end, and keeps nobody waiting meanwhile.
const OTHERS_WAIT: Duration = Duration::from_secs(60);
/// Autovacuum looks at a table when a fifth of its rows changed: once a week there is time for a hundredth.
const CHANGED_PART: i64 = 100;
/// An index is small beside its table: of which less is free is left alone.
const INDEX_WORTH_BYTES: u64 = 1 << 20;

/// Who waited longest comes first, so that a short window reaches each in turn.
const TABLES: &str = "SELECT n.nspname::text, c.relname::text, c.relispartition, pg_has_role(c.relowner, 'USAGE'), \
    s.n_live_tup, s.n_dead_tup, s.n_ins_since_vacuum, s.n_mod_since_analyze \
    FROM pg_stat_all_tables s JOIN pg_class c ON c.oid = s.relid JOIN pg_namespace n ON n.oid = c.relnamespace \
    WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' \
    AND greatest(s.n_dead_tup + s.n_ins_since_vacuum, s.n_mod_since_analyze) > 0 \
    ORDER BY greatest(s.last_vacuum, s.last_autovacuum) NULLS FIRST, n.nspname, c.relname";

/// B-trees with their size and the one that they would have with their rows as `ANALYZE` knows them: a tuple has 8 bytes of header and
/// its columns, aligned to 8, and 4 bytes that point to it; a page keeps 40 for itself. Equal keys are stored once since PostgreSQL 13,
/// so the true one is rather smaller. Columns that are computed have no known width, and their indexes are left out.
const INDEXES: &str = "SELECT n.nspname::text, x.relname::text, b.bytes, b.needed FROM ( \
    SELECT i.indexrelid, x.relpages::int8 * 8192 AS bytes, \
    ceil(x.reltuples * (4 + 8 * ceil((8 + sum(coalesce(s.avg_width, CASE WHEN a.attlen > 0 THEN a.attlen ELSE 32 END))) / 8.0)) \
      / ((8192 - 40) * coalesce(substring(array_to_string(x.reloptions, ' ') FROM 'fillfactor=([0-9]+)')::int, 90) / 100.0))::int8 \
      * 8192 AS needed \
    FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid AND x.reltuples >= 0 \
    JOIN pg_am m ON m.oid = x.relam AND m.amname = 'btree' \
    JOIN pg_class t ON t.oid = i.indrelid AND t.relkind = 'r' AND NOT t.relispartition AND pg_has_role(t.relowner, 'USAGE') \
    JOIN pg_namespace n ON n.oid = t.relnamespace AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' \
    CROSS JOIN LATERAL unnest(i.indkey::int2[]) AS k (attnum) \
    JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.attnum \
    LEFT JOIN pg_stats s ON s.schemaname = n.nspname AND s.tablename = t.relname AND s.attname = a.attname AND NOT s.inherited \
    WHERE i.indisvalid AND NOT 0 = ANY (i.indkey::int2[]) \
    GROUP BY i.indexrelid, x.relpages, x.reltuples, x.reloptions) b \
    JOIN pg_class x ON x.oid = b.indexrelid JOIN pg_namespace n ON n.oid = x.relnamespace ORDER BY b.needed - b.bytes, 1, 2";

/// One that somebody is building at this moment is among them; its lock keeps it.
const LEFTOVERS: &str = "SELECT n.nspname::text, x.relname::text FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid \
    JOIN pg_namespace n ON n.oid = x.relnamespace \
    WHERE NOT i.indisvalid AND x.relname ~ '_cc(new|old)[0-9]*$' AND pg_has_role(x.relowner, 'USAGE') ORDER BY 1, 2";

pub(super) struct Session {
    client: PostgresClient,
    settings: PostgresSettings,
}

impl Session {
    pub(super) async fn connect(database: &Database, environment: &Environment) -> Result<Self, PlatformError> {
        let settings = PostgresSettings::from_environment(database, environment)?;
        let missing = || PlatformError::NotProvisioned { database: database.name.clone() };
        let client = connect_existing(&settings).await?.ok_or_else(missing)?;
        client.batch_execute(SESSION).await.map_err(|error| settings.error(error))?;
        Ok(Self { client, settings })
    }

    pub(super) async fn look(&self, round: Round) -> Result<Vec<Upkeep>, PlatformError> {
        let found = match round {
            Round::First => self.rows(TABLES).await?.iter().filter_map(vacuum).collect(),
            // After a vacuum, which counts what is there.
            Round::Second => {
                let leftovers = self.rows(LEFTOVERS).await?;
                let indexes = self.rows(INDEXES).await?;
                leftovers.iter().map(leftover).chain(indexes.iter().filter_map(reindex)).collect()
            }
        };
        Ok(found)
    }

    async fn rows(&self, sql: &str) -> Result<Vec<PostgresRow>, PlatformError> {
        Ok(self.client.query_typed(sql, &[]).await.map_err(|error| self.settings.error(error))?)
    }

    pub(super) async fn perform(&self, upkeep: &Upkeep, left: Duration) -> Result<UpkeepOutcome, PlatformError> {
        let lock_wait = if upkeep.kind == UpkeepKind::Reindex { OTHERS_WAIT } else { LOCK_WAIT };
        let outcome = self.within(&upkeep.statement, left, lock_wait).await?;
        if upkeep.kind == UpkeepKind::Reindex && !matches!(outcome, UpkeepOutcome::Done) {
            // Every writer would keep it up to date for nothing. One that cannot go now is found by the next look.
            for left_behind in self.rows(LEFTOVERS).await?.iter().map(leftover) {
                self.within(&left_behind.statement, OTHERS_WAIT, LOCK_WAIT).await?;
            }
        }
        Ok(outcome)
    }

    async fn within(&self, sql: &str, time: Duration, lock_wait: Duration) -> Result<UpkeepOutcome, PlatformError> {
        // What the server takes; less than a millisecond would be for ever.
        let [time, lock_wait] = [time, lock_wait].map(|span| span.as_millis().clamp(1, i32::MAX as u128));
        let bounds = format!("SET statement_timeout = {time}; SET lock_timeout = {lock_wait}");
        let done = async {
            self.client.batch_execute(&bounds).await?;
            let done = self.client.batch_execute(sql).await;
            self.client.batch_execute("RESET statement_timeout; RESET lock_timeout").await?;
            done
        };
        match done.await {
            Ok(()) => Ok(UpkeepOutcome::Done),
            Err(error) => self.outcome(error),
        }
    }

    fn outcome(&self, error: PostgresError) -> Result<UpkeepOutcome, PlatformError> {
        let Some(code) = error.code() else { return Err(self.settings.error(error).into()) };
        Ok(if *code == SqlState::QUERY_CANCELED {
            UpkeepOutcome::OutOfTime
        } else if [SqlState::LOCK_NOT_AVAILABLE, SqlState::T_R_DEADLOCK_DETECTED].contains(code) {
            UpkeepOutcome::InUse
        } else {
            UpkeepOutcome::Failed(self.settings.error(error).to_string())
        })
    }
}

fn names(row: &PostgresRow) -> (String, String) {
    let [schema, name] = [0, 1].map(|index| row.get::<_, String>(index));
    let place = [&schema, &name].map(|name| quoted(Engine::Postgresql, name)).join(".");
    (format!("{schema}.{name}"), place)
}

fn vacuum(row: &PostgresRow) -> Option<Upkeep> {
    let (name, place) = names(row);
    let [live, dead, inserted, modified] = [4, 5, 6, 7].map(|index| row.get::<_, i64>(index));
    if !is_worth_it(live, dead.saturating_add(inserted).max(modified)) {
        return None;
    }
    let why =
        format!("{dead} dead rows, {inserted} new since the last vacuum, {modified} changed since the last analyze");
    let cut = if row.get::<_, bool>(2) { ", TRUNCATE false" } else { "" };
    let mut upkeep = Upkeep::new(UpkeepKind::Vacuum, name, why, format!("VACUUM (ANALYZE{cut}) {place}"));
    if !row.get::<_, bool>(3) {
        // The server would warn, do nothing, and say that it is done.
        upkeep.state = UpkeepState::Failed;
        upkeep.error = Some("another role owns it: run this with the owner's login, as `genims provision`".to_owned());
    }
    Some(upkeep)
}

fn is_worth_it(live: i64, changed: i64) -> bool {
    changed > 0 && changed.saturating_mul(CHANGED_PART) >= live
}

fn reindex(row: &PostgresRow) -> Option<Upkeep> {
    let [bytes, needed] = [2, 3].map(|index| row.get::<_, i64>(index).unsigned_abs());
    let free = bytes.saturating_sub(needed);
    if free < INDEX_WORTH_BYTES || free < bytes / MOSTLY {
        return None;
    }
    let (name, place) = names(row);
    let why = format!("{} of which its rows need {}", megabytes(bytes), megabytes(needed));
    Some(Upkeep::new(UpkeepKind::Reindex, name, why, format!("REINDEX INDEX CONCURRENTLY {place}")))
}

fn leftover(row: &PostgresRow) -> Upkeep {
    let (name, place) = names(row);
    let why = "left by a rebuild that was broken off".to_owned();
    Upkeep::new(UpkeepKind::Drop, name, why, format!("DROP INDEX CONCURRENTLY IF EXISTS {place}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_worth_it_from_a_hundredth_of_its_rows_on() {
        assert!(is_worth_it(0, 1) && is_worth_it(1_000, 10) && is_worth_it(1, i64::MAX));
        assert!(!is_worth_it(0, 0) && !is_worth_it(1_000, 9));
    }
}
