//! Telemetry goes by the day: a partition that is older than kept is detached and dropped.
//!
//! Enters: the partitions of a table, what legal holds name. Invariants: each partition is a short transaction of its own, in which
//! `genims_internal.purged_rows` gets the number of its rows by day, so that the ledger still adds up; readers are blocked half a
//! second at most, and waited for a bounded number of times; what lies in the default partition goes in bounded batches.
//!
//! Of a table with an archive a day goes only while `genims_internal.archived_days` says that its very rows stand there, which is
//! compared in the transaction that drops it; then the default partition goes by whole days, too.

use super::archive::{self, Archive, Archiver, MASTER_AWAY, Stop};
use super::holds::{Held, Law};
use super::minutes::{self, Condensed};
use super::parts::{self, Dropped, Part, PartOutcome, not_archived};
use super::report::{How, TableReport};
use super::rules::{By, RetentionRule};
use super::sql::{column, key_text};
use chrono::{NaiveDate, NaiveDateTime};
use genims_databases::{Database, Engine, Environment, PostgresClient, quoted};
use tokio_postgres::Error;
use tokio_postgres::types::{ToSql, Type};

/// How often a part is archived again because rows came into it before it was dropped.
const CHANGES_MAX: u32 = 3;

pub(super) struct Days {
    database: String,
    pub(super) rule: RetentionRule,
    pub(super) before: NaiveDate,
    pub(super) report: TableReport,
    /// What the law held when this was looked at.
    held: Held,
    /// What goes, oldest first; what needs no lock against readers before the partitions.
    parts: Vec<Part>,
    archive: Option<Archive>,
}

impl Days {
    pub(super) fn new(database: &str, rule: RetentionRule, as_of: NaiveDate, held: Held) -> Self {
        let before = rule.before(as_of);
        let mut report = TableReport::new(&rule.table.name, How::Partitions, rule.decides(), Some(before));
        report.archive.clone_from(&rule.archive);
        let (database, parts) = (database.to_owned(), Vec::new());
        Self { database, rule, before, report, held, parts, archive: None }
    }

    pub(super) fn time(&self) -> String {
        match &self.rule.by {
            By::Time(name) | By::Month(name) | By::Parent { column: name, .. } => quoted(Engine::Postgresql, name),
        }
    }

    /// The column that numbers the rows: the key's last.
    pub(super) fn id(&self) -> String {
        quoted(Engine::Postgresql, self.rule.table.key.last().map(String::as_str).unwrap_or_default())
    }

    pub(super) fn default_partition(&self) -> String {
        format!("genims_partitions.{}", quoted(Engine::Postgresql, &format!("{}_default", self.rule.table.name)))
    }

    /// That the row `t` is held: its key is named, or the first part of it, the sensor or the machine.
    pub(super) fn is_held(&self) -> String {
        let whole = key_text(Engine::Postgresql, &self.rule.table, "t");
        let first = self.rule.table.key.first().map(String::as_str).unwrap_or_default();
        let first = column(Engine::Postgresql, "t", first);
        format!("({first}::text = ANY($1) OR {whole} = ANY($1))")
    }

    /// What the law holds by now; an error says why nobody knows.
    pub(super) async fn held_by_now(&self, law: &Law<'_>) -> Result<Held, String> {
        law.of(&self.database, &self.rule.table.name, &self.held).await
    }

    /// Looks what is old enough.
    pub(super) async fn look(&mut self, client: &PostgresClient) -> Result<(), Error> {
        match self.rule.archive {
            Some(_) => self.look_at_days(client).await?,
            None => self.look_at_rows(client).await?,
        }
        let attached =
            "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
            JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE i.inhparent = format('public.%I', $1::text)::regclass
              AND substring(pg_get_expr(c.relpartbound, c.oid) FROM 'TO \\(''([^'']+)''\\)')::timestamp <= $2::date
            ORDER BY c.relname";
        let values: [(&(dyn ToSql + Sync), Type); 2] =
            [(&self.rule.table.name, Type::TEXT), (&self.before, Type::DATE)];
        let attached = client.query_typed(attached, &values).await?;
        for relation in attached.iter().map(|row| row.get::<_, String>(0)) {
            let rows = count(client, &format!("{relation} t"), &[]).await?;
            self.report.goes += rows;
            let part = Part { relation, day: None, rows };
            if self.is_part_held(client, &self.held, &part).await? {
                self.report.hold(self.held.name(), rows);
            } else {
                self.report.partitions += 1;
                self.parts.push(part);
            }
        }
        Ok(())
    }

    /// The default partition, row by row.
    async fn look_at_rows(&mut self, client: &PostgresClient) -> Result<(), Error> {
        let old = format!("{} t WHERE t.{} < '{}'", self.default_partition(), self.time(), self.before);
        let rows = count(client, &old, &[]).await?;
        self.report.goes += rows;
        let held = match (&self.held.all, self.held.keys.is_empty()) {
            (Some(_), _) => rows,
            (None, true) => 0,
            (None, false) => {
                let keys = self.held.key_list();
                count(client, &format!("{old} AND {}", self.is_held()), &[(&keys, Type::TEXT_ARRAY)]).await?
            }
        };
        self.report.hold(self.held.name(), held);
        Ok(())
    }

    /// The default partition by whole days, for a minute is condensed once. A row before all days has none, and stays.
    async fn look_at_days(&mut self, client: &PostgresClient) -> Result<(), Error> {
        let (relation, time, before) = (self.default_partition(), self.time(), self.before);
        let query = format!(
            "SELECT t.{time}::date::text, count(*), bool_or({}) FROM {relation} t \
             WHERE t.{time} < '{before}' AND t.{time} > '-infinity' GROUP BY 1 ORDER BY min(t.{time})",
            self.is_held()
        );
        let days = client.query_typed(&query, &[(&self.held.key_list(), Type::TEXT_ARRAY)]).await?;
        for day in &days {
            let rows = day.get::<_, i64>(1).unsigned_abs();
            self.report.goes += rows;
            if self.held.all.is_some() || day.get(2) {
                self.report.hold(self.held.name(), rows);
            } else {
                self.parts.push(Part { relation: relation.clone(), day: Some(day.get(0)), rows });
            }
        }
        Ok(())
    }

    /// Where it is archived first. All of it stays while that is not to be reached, or nobody knows the sensors.
    pub(super) async fn look_at_archive(
        &mut self,
        client: &PostgresClient,
        production: &Database,
        environment: &Environment,
        master: Option<&PostgresClient>,
    ) -> Result<(), Error> {
        let Some(collection) = &self.rule.archive else { return Ok(()) };
        if !archive::has_marks(client).await? {
            self.block_all(&format!(
                "{} has no table genims_internal.archived_days; run `genims provision`",
                self.database
            ));
            return Ok(());
        }
        match (Archive::open(production, environment, collection).await, master) {
            (Err(why), _) => self.block_all(&why),
            (Ok(_), None) => self.block_all(MASTER_AWAY),
            (Ok(archive), Some(master)) => {
                self.look_at_minutes(client, &Archiver { archive: &archive, master }).await?;
                self.archive = Some(archive);
            }
        }
        Ok(())
    }

    /// A plan promises no day of which the archive has other minutes.
    async fn look_at_minutes(&mut self, client: &PostgresClient, archiver: &Archiver<'_>) -> Result<(), Error> {
        let mut parts = std::mem::take(&mut self.parts).into_iter();
        while let Some(part) = parts.next() {
            match self.differing(client, &part, archiver).await {
                Ok(None) => self.parts.push(part),
                Ok(Some(why)) => {
                    self.report.partitions -= u64::from(part.day.is_none());
                    self.report.block(why, part.rows);
                }
                Err(Stop::Away(why)) => {
                    self.parts.push(part);
                    self.parts.extend(parts);
                    self.block_all(&why);
                    return Ok(());
                }
                Err(Stop::Failed(error)) => return Err(error),
            }
        }
        Ok(())
    }

    /// Why a part cannot be archived beside what the archive has of its minutes. Of most days it has nothing yet, and nothing is
    /// condensed for the answer.
    async fn differing(
        &self,
        client: &PostgresClient,
        part: &Part,
        archiver: &Archiver<'_>,
    ) -> Result<Option<String>, Stop> {
        let time = self.time();
        let (relation, condition) = (&part.relation, part.condition(&time));
        let span = format!("SELECT min(t.{time}), max(t.{time}) FROM {relation} t WHERE {condition}");
        let span = client.query_typed_one(&span, &[]).await?;
        let [first, last]: [Option<NaiveDateTime>; 2] = [span.get(0), span.get(1)];
        let (Some(first), Some(last)) = (first, last) else { return Ok(None) };
        if !archiver.archive.has_any(first, last).await.map_err(Stop::Away)? {
            return Ok(None);
        }
        let mut condensed = Condensed::default();
        archiver.compare(client, &self.minutes(part), &mut condensed).await?;
        if condensed.differing == 0 {
            return Ok(None);
        }
        Ok(Some(self.differs(client, part, &condensed).await?))
    }

    async fn differs(&self, client: &PostgresClient, part: &Part, condensed: &Condensed) -> Result<String, Error> {
        let table = &self.rule.table.name;
        let has_all = condensed.fuller == 0 && !archive::has_some_gone(client, table, condensed).await?;
        Ok(not_archived(&parts::differs(&part.name(), table, condensed.differing, has_all)))
    }

    /// The query of a part's minutes.
    fn minutes(&self, part: &Part) -> String {
        minutes::select(&part.relation, &self.time(), &self.id(), &part.condition(&self.time()))
    }

    fn block_all(&mut self, why: &str) {
        let rows: u64 = self.parts.drain(..).map(|part| part.rows).sum();
        self.report.block(not_archived(why), rows);
        self.report.partitions = 0;
    }

    /// Whether the law holds some of a part.
    pub(super) async fn is_part_held(&self, client: &PostgresClient, held: &Held, part: &Part) -> Result<bool, Error> {
        if held.all.is_some() || held.is_empty() {
            return Ok(held.all.is_some());
        }
        let (relation, condition) = (&part.relation, part.condition(&self.time()));
        let query = format!("SELECT EXISTS (SELECT FROM {relation} t WHERE {condition} AND {})", self.is_held());
        Ok(client.query_typed_one(&query, &[(&held.key_list(), Type::TEXT_ARRAY)]).await?.get(0))
    }

    /// Lets it go; with an archive it takes `master`, who knows the sensors.
    pub(super) async fn run(
        &mut self,
        client: &mut PostgresClient,
        law: &Law<'_>,
        master: Option<&PostgresClient>,
        progress: &dyn Fn(&str),
    ) -> Result<(), Error> {
        let archive = self.archive.take();
        let archiver = archive.as_ref().zip(master).map(|(archive, master)| Archiver { archive, master });
        if self.rule.archive.is_some() && archiver.is_none() {
            self.block_all(MASTER_AWAY);
            return Ok(());
        }
        let parts = std::mem::take(&mut self.parts);
        for (index, part) in parts.iter().enumerate() {
            let step = format!("{}, {} of {}", part.name(), index + 1, parts.len());
            progress(&step);
            let told = |readings: i64| progress(&format!("{step}: {readings} rows archived"));
            let rest = || parts[index..].iter().map(|part| part.rows).sum::<u64>();
            match self.let_go(client, law, part, archiver.as_ref(), &told).await? {
                PartOutcome::Gone(rows) => self.report.gone += rows,
                PartOutcome::Held(why) => self.report.hold(why, part.rows),
                PartOutcome::Blocked(why) => self.report.block(why, part.rows),
                PartOutcome::AllHeld(why) => {
                    self.report.hold(why, rest());
                    break;
                }
                PartOutcome::AllBlocked(why) => {
                    self.report.block(why, rest());
                    break;
                }
            }
        }
        if self.held.all.is_some() || archiver.is_some() {
            return Ok(());
        }
        progress(&self.default_partition());
        self.delete_rows(client, law).await
    }

    /// Archived, marked, dropped; from the beginning when rows came into it meanwhile.
    async fn let_go(
        &mut self,
        client: &mut PostgresClient,
        law: &Law<'_>,
        part: &Part,
        archiver: Option<&Archiver<'_>>,
        told: &dyn Fn(i64),
    ) -> Result<PartOutcome, Error> {
        for _ in 0..CHANGES_MAX {
            if let Some(archiver) = archiver {
                let mut condensed = Condensed::default();
                let ended = archiver.condense(client, &self.minutes(part), &mut condensed, told).await;
                self.report.archived += condensed.inserted;
                match ended {
                    Ok(()) if condensed.differing > 0 => {
                        return Ok(PartOutcome::Blocked(self.differs(client, part, &condensed).await?));
                    }
                    Ok(()) => archive::mark(client, &self.rule.table.name, &condensed).await?,
                    Err(Stop::Away(why)) => return Ok(PartOutcome::AllBlocked(not_archived(&why))),
                    Err(Stop::Failed(error)) => return Err(error),
                }
            }
            match self.drop_patiently(client, law, part).await? {
                Dropped::Gone(rows) => return Ok(PartOutcome::Gone(rows)),
                Dropped::Held(why) => return Ok(PartOutcome::Held(why)),
                Dropped::HoldsUnknown(why) => return Ok(PartOutcome::AllBlocked(why)),
                // Who reads the table is in the way of every partition, and of no day of the default one.
                Dropped::InUse(why) if part.day.is_some() => return Ok(PartOutcome::Held(why)),
                Dropped::InUse(why) => return Ok(PartOutcome::AllHeld(why)),
                Dropped::Changed => {}
            }
        }
        let name = part.name();
        Ok(PartOutcome::Held(format!("rows still come into {name}: run this again when whoever writes them is done")))
    }
}

async fn count(client: &PostgresClient, from: &str, values: &[(&(dyn ToSql + Sync), Type)]) -> Result<u64, Error> {
    let row = client.query_typed_one(&format!("SELECT count(*) FROM {from}"), values).await?;
    Ok(row.get::<_, i64>(0).unsigned_abs())
}
