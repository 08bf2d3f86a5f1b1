//! PostgreSQL: copies of a whole cluster by `pg_basebackup`, and its write-ahead log since, as bytes from one position to another.
//!
//! In: a login that may replicate. Out: what was kept. Invariants: a replication slot of ours holds the log back on the server until it
//! is on our disk, and moves only then; each part of the log begins where the one before it ended, or a new copy is made; behind what a
//! part is said to hold stands the end of one more transaction, so that a restore never has to guess whether its moment was reached.

use super::archive::{Archive, BASE, LOG};
use super::keeping::{Keeping, Kept, make_receiving, remove_receiving, went_back};
use crate::child::Call;
use crate::errors::BackupError;
use crate::manifest::{Content, LogSpan};
use crate::postgres::major;
use crate::programs;
use crate::written::Written;
use chrono::{DateTime, Utc};
use genims_databases::{Database, Environment, PostgresClient, PostgresSettings};
use genims_platform::provision::postgres::connect_to_server;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// In the cluster's copy, and in each part of its log.
pub(crate) const BASE_FILE: &str = "base.tar.gz";
pub(crate) const LOG_FILE: &str = "wal";
const SLOT: &str = "genims_backup";
/// The most that is received at once: it lies on the disk twice in passing.
const RECEIVED_MAX: u64 = 1 << 30;
const PIECE: usize = 256 * 1024;

const MAY_REPLICATE: &str = "SELECT rolreplication OR rolsuper FROM pg_roles WHERE rolname = current_user";
const CLUSTER: &str = "SELECT (SELECT system_identifier::text FROM pg_control_system()), \
     (SELECT setting::bigint FROM pg_settings WHERE name = 'wal_segment_size'), \
     left(pg_walfile_name(pg_current_wal_lsn()), 8), current_setting('server_version')";
const NOW: &str = "SELECT clock_timestamp(), (pg_current_wal_insert_lsn() - '0/0')::bigint, \
     (pg_current_wal_flush_lsn() - '0/0')::bigint";
/// A transaction that changes nothing and stands in the log all the same; it is on the disk when this returns.
const MARK: &str = "SET synchronous_commit = local; SELECT pg_logical_emit_message(true, 'genims', 'a backup')";
const HELD_BACK: &str =
    "SELECT (restart_lsn - '0/0')::bigint FROM pg_replication_slots WHERE slot_name = 'genims_backup'";
const HOLD_BACK: &str = "SELECT (lsn - '0/0')::bigint FROM pg_create_physical_replication_slot('genims_backup', true)";

/// A cluster, by a login that may replicate it.
pub(crate) struct Cluster {
    client: PostgresClient,
    settings: PostgresSettings,
    /// The system's identifier, which its copies share.
    pub(crate) id: String,
    segment_bytes: u64,
    /// Its timeline, as the names of its files begin.
    history: String,
    server_version: String,
}

pub(crate) async fn connect(
    databases: &[&Database],
    environment: &Environment,
    place: &str,
) -> Result<Cluster, BackupError> {
    let mut refused = None;
    for database in databases {
        let settings = PostgresSettings::from_environment(database, environment)?;
        let (settings, client) = match connect_to_server(&settings).await {
            Ok(connected) => connected,
            // Another login of ours may be let in.
            Err(error) => {
                refused = refused.or(Some(error));
                continue;
            }
        };
        let may = client.query_one(MAY_REPLICATE, &[]).await.map_err(|error| settings.error(error))?;
        if !may.get::<_, bool>(0) {
            continue;
        }
        let row = client.query_one(CLUSTER, &[]).await.map_err(|error| settings.error(error))?;
        let segment_bytes = row.get::<_, i64>(1).unsigned_abs().max(1);
        let (id, history, server_version) = (row.get(0), row.get(2), row.get(3));
        return Ok(Cluster { client, settings, id, segment_bytes, history, server_version });
    }
    Err(refused.map_or_else(|| BackupError::NoReplication { place: place.to_owned() }, BackupError::from))
}

/// Where the server is now.
struct Moment {
    at: DateTime<Utc>,
    inserted: u64,
    flushed: u64,
}

impl Cluster {
    /// A copy if one is due, or what follows the newest is not to be had any more; then the log up to now.
    pub(crate) async fn keep(
        &self,
        keeping: &Keeping<'_>,
        archive: &Archive,
        is_due: bool,
    ) -> Result<Kept, BackupError> {
        let mut kept = Kept::default();
        let held_back = self.held_back().await?;
        let oldest = self.floor(held_back);
        let from = archive.end(&self.history).filter(|end| *end >= oldest).unwrap_or(oldest);
        if self.moment().await?.flushed < from {
            return Err(went_back(keeping));
        }
        let is_followed = archive.is_followed(&self.history, from);
        if is_due || !is_followed {
            let lost = "the log that followed the copy before is not to be had";
            kept.remark = (!is_followed && !archive.bases.is_empty()).then(|| lost.to_owned());
            kept.copied = Some(self.copy(keeping).await?);
        }
        // The log of a new copy begins with a whole file, of which parts may lack.
        let from = if is_followed { from } else { self.floor(from) };
        self.keep_log(keeping, from).await?;
        Ok(kept)
    }

    async fn moment(&self) -> Result<Moment, BackupError> {
        let row = self.client.query_one(NOW, &[]).await.map_err(|error| self.settings.error(error))?;
        let position = |column: usize| row.get::<_, i64>(column).unsigned_abs();
        Ok(Moment { at: row.get(0), inserted: position(1), flushed: position(2) })
    }

    /// From where on the server keeps its log for us.
    async fn held_back(&self) -> Result<u64, BackupError> {
        let failed = |error| self.settings.error(error);
        if let Some(row) = self.client.query_opt(HELD_BACK, &[]).await.map_err(failed)? {
            if let Some(position) = row.get::<_, Option<i64>>(0) {
                return Ok(position.unsigned_abs());
            }
            // The server has given up to keep it: there was too much.
            let drop = format!("SELECT pg_drop_replication_slot('{SLOT}')");
            self.client.batch_execute(&drop).await.map_err(failed)?;
        }
        let row = self.client.query_one(HOLD_BACK, &[]).await.map_err(failed)?;
        Ok(row.get::<_, i64>(0).unsigned_abs())
    }

    /// Once it is on our disk.
    async fn let_go(&self, up_to: u64) -> Result<(), BackupError> {
        if self.held_back().await? >= up_to {
            return Ok(());
        }
        let advance = format!("SELECT pg_replication_slot_advance('{SLOT}', '{}')", told(up_to));
        self.client.batch_execute(&advance).await.map_err(|error| self.settings.error(error).into())
    }

    fn floor(&self, position: u64) -> u64 {
        position - position % self.segment_bytes
    }

    async fn copy(&self, keeping: &Keeping<'_>) -> Result<PathBuf, BackupError> {
        keeping.step("copying the server");
        let begun_at = Utc::now();
        let partial = keeping.begin(BASE, begun_at)?;
        let before = self.moment().await?;
        let number = major(&self.client).await.map_err(|error| self.settings.error(error))?;
        let program = programs::postgres("pg_basebackup", number)?;
        // With the log that makes it one whole, so that it needs nothing else to be a server again.
        let arguments = [
            "--pgdata=-",
            "--format=tar",
            "--compress=1",
            "--wal-method=fetch",
            "--checkpoint=fast",
            "--label=genims",
            "--no-password",
        ];
        let call = Call {
            database: &keeping.place,
            program: &program,
            arguments: arguments.map(str::to_owned).to_vec(),
            environment: self.settings.libpq_environment(),
            scratch: None,
        };
        let mut file = keeping.create(&partial, BASE_FILE)?;
        call.read(|bytes| keeping.take(&mut file, bytes)).await?;
        let after = self.moment().await?;
        let (from, to, until) = (self.floor(before.flushed), after.inserted, Some(after.at));
        let content = self.content(program.version.clone(), file, from, to, until)?;
        keeping.complete(partial, begun_at, content)
    }

    fn content(
        &self,
        tool: String,
        file: Written,
        from: u64,
        to: u64,
        until: Option<DateTime<Utc>>,
    ) -> Result<Content, BackupError> {
        let (history, segment_bytes) = (self.history.clone(), self.segment_bytes);
        let span = Some(LogSpan { history, from, to, until, segment_bytes });
        let (server_version, files) = (self.server_version.clone(), vec![file.finish()?]);
        Ok(Content { server_version, tool, span, files, ..Content::default() })
    }

    async fn keep_log(&self, keeping: &Keeping<'_>, mut from: u64) -> Result<(), BackupError> {
        let failed = |error| self.settings.error(error);
        let until = self.moment().await?.at;
        // The transaction behind `until`; the second one makes the server send what is behind `to`.
        self.client.batch_execute(MARK).await.map_err(failed)?;
        let to = self.moment().await?.flushed;
        self.client.batch_execute(MARK).await.map_err(failed)?;
        while from < to {
            let end = to.min(self.floor(from) + RECEIVED_MAX);
            self.keep_part(keeping, from, end, (end == to).then_some(until)).await?;
            self.let_go(end).await?;
            from = end;
        }
        Ok(())
    }

    async fn keep_part(
        &self,
        keeping: &Keeping<'_>,
        from: u64,
        to: u64,
        until: Option<DateTime<Utc>>,
    ) -> Result<(), BackupError> {
        keeping.step("receiving the log");
        let begun_at = Utc::now();
        let partial = keeping.begin(LOG, begun_at)?;
        let receiving = make_receiving(&partial)?;
        // It goes on with what it takes for its own last file, and without one would begin with now.
        let first = receiving.join(format!("{}.partial", self.segment(from)));
        File::create_new(&first).map_err(BackupError::write(&first))?;
        let number = major(&self.client).await.map_err(|error| self.settings.error(error))?;
        let program = programs::postgres("pg_receivewal", number)?;
        let arguments = vec![
            format!("--directory={}", receiving.display()),
            format!("--endpos={}", told(to)),
            "--no-loop".to_owned(),
            "--no-sync".to_owned(),
            "--no-password".to_owned(),
        ];
        let environment = self.settings.libpq_environment();
        let call = Call { database: &keeping.place, program: &program, arguments, environment, scratch: None };
        call.read(|_| Ok(())).await?;
        let mut file = keeping.create(&partial, LOG_FILE)?;
        self.take_over(keeping, &receiving, &mut file, from, to)?;
        remove_receiving(&receiving)?;
        let content = self.content(program.version.clone(), file, from, to, until)?;
        keeping.complete(partial, begun_at, content).map(drop)
    }

    /// The bytes from one position to another, out of the files that were received.
    fn take_over(
        &self,
        keeping: &Keeping<'_>,
        receiving: &Path,
        into: &mut Written,
        mut from: u64,
        to: u64,
    ) -> Result<(), BackupError> {
        let mut piece = vec![0; PIECE];
        while from < to {
            let name = self.segment(from);
            let whole = receiving.join(&name);
            let path = if whole.exists() { whole } else { receiving.join(format!("{name}.partial")) };
            let mut file = File::open(&path).map_err(BackupError::read(&path))?;
            file.seek(SeekFrom::Start(from - self.floor(from))).map_err(BackupError::read(&path))?;
            let end = to.min(self.floor(from) + self.segment_bytes);
            while from < end {
                let wanted = piece.len().min(usize::try_from(end - from).unwrap_or(PIECE));
                file.read_exact(&mut piece[..wanted]).map_err(BackupError::read(&path))?;
                keeping.take(into, &piece[..wanted])?;
                from += wanted as u64;
            }
        }
        Ok(())
    }

    fn segment(&self, position: u64) -> String {
        segment(&self.history, self.segment_bytes, position)
    }
}

/// A position as PostgreSQL writes it.
fn told(position: u64) -> String {
    format!("{:X}/{:X}", position >> 32, position & 0xFFFF_FFFF)
}

/// The name of the file with a position.
pub(crate) fn segment(history: &str, segment_bytes: u64, position: u64) -> String {
    let (number, per_name) = (position / segment_bytes, 0x1_0000_0000 / segment_bytes);
    format!("{history}{:08X}{:08X}", number / per_name, number % per_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_and_files_are_called_as_the_server_calls_them() {
        const SEGMENT: u64 = 16 << 20;
        assert_eq!(told(0x1_0100_0028), "1/1000028");
        assert_eq!(segment("00000001", SEGMENT, 0x0100_0000), "000000010000000000000001");
        assert_eq!(segment("0000000A", SEGMENT, 0x2_FF00_0001), "0000000A00000002000000FF");
        assert_eq!(segment("00000001", 1 << 30, 0x1_4000_0000), "000000010000000100000001");
    }
}
