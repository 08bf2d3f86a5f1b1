//! MariaDB: copies of a whole server by its dump tool, and the files of its binary log since, as they are.
//!
//! In: a login that may read the log. Out: what was kept. Invariants: only files that the server has closed are taken, each of the
//! length that it says; each part of the log begins with the file behind the one before, or a new copy is made; a server that was made
//! anew is told from the one before it, whatever its files are called. Accounts are no part of a copy: provisioning makes them.

use super::archive::{Archive, BASE, LOG};
use super::keeping::{Keeping, Kept, make_receiving, remove_receiving, went_back};
use crate::child::Call;
use crate::dump::Counter;
use crate::errors::BackupError;
use crate::folder::Partial;
use crate::manifest::{Content, FileEntry, LogSpan};
use crate::mysql::{arguments, environment, version};
use crate::programs::{self, Program, is_mariadb};
use chrono::{DateTime, Utc};
use genims_databases::mysql::disconnect;
use genims_databases::{Database, Environment, MysqlConnection, MysqlSettings};
use mysql_async::Error;
use mysql_async::prelude::Queryable;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

pub(crate) const BASE_FILE: &str = "dump.sql";
const PIECE: usize = 256 * 1024;
/// Those of the server itself.
const DATABASES: &str = "SELECT schema_name FROM information_schema.schemata WHERE schema_name NOT IN \
     ('mysql', 'sys', 'information_schema', 'performance_schema') ORDER BY 1";
/// Of the beginning of a file.
const BEFORE: &str = "SELECT BINLOG_GTID_POS(?, 4)";
const NOW_US: &str = "SELECT CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED)";

/// A server, by a login that may read its log.
pub(crate) struct BinlogServer {
    settings: MysqlSettings,
    server_version: String,
    /// The path of its log's files, without their numbers.
    basename: String,
}

pub(crate) async fn connect(
    databases: &[&Database],
    environment: &Environment,
    place: &str,
) -> Result<BinlogServer, BackupError> {
    let mut refused = None;
    for database in databases {
        let settings = MysqlSettings::from_environment(database, environment)?;
        let mut connection = match settings.connect_to_server().await {
            Ok(connection) => connection,
            // Another login of ours may be let in.
            Err(error) => {
                refused = refused.or(Some(error));
                continue;
            }
        };
        let server_version = version(&mut connection).await.map_err(|error| settings.error(error))?;
        let basename = basename(&mut connection).await.map_err(|error| settings.error(error))?;
        let lacks = |lacks, remedy| BackupError::NoServerLog { place: place.to_owned(), lacks, remedy };
        if !is_mariadb(&server_version) {
            return Err(lacks("this is MySQL, and only MariaDB is copied whole", "keep its log by its own tools"));
        }
        let Some((basename, format)) = basename else {
            let remedy = "set log_bin, binlog_format = ROW and log_bin_trust_function_creators = 1, and restart it";
            return Err(lacks("it keeps no binary log", remedy));
        };
        if format == "STATEMENT" {
            let remedy = "set binlog_format = ROW, and restart what is connected";
            return Err(lacks("its binary log has statements, which need not do the same again", remedy));
        }
        let listed = files(&mut connection).await;
        disconnect(connection).await;
        match listed {
            Ok(_) => return Ok(BinlogServer { settings, server_version, basename }),
            Err(error) => refused = refused.or(Some(settings.error(error))),
        }
    }
    let none = || BackupError::NoReplication { place: place.to_owned() };
    Err(refused.map_or_else(none, BackupError::from))
}

/// And what is written into it; none where it keeps no log.
async fn basename(connection: &mut MysqlConnection) -> Result<Option<(String, String)>, Error> {
    let query = "SELECT @@log_bin, @@log_bin_basename, @@global.binlog_format";
    let found: Option<(i64, Option<String>, String)> = connection.query_first(query).await?;
    Ok(found.and_then(|(is_on, path, format)| Some((path.filter(|_| is_on == 1)?, format))))
}

/// Name and length, the one that is written to last.
async fn files(connection: &mut MysqlConnection) -> Result<Vec<(String, u64)>, Error> {
    let rows: Vec<mysql_async::Row> = connection.query("SHOW BINARY LOGS").await?;
    Ok(rows.iter().filter_map(|row| Some((row.get(0)?, row.get(1)?))).collect())
}

impl BinlogServer {
    /// A copy if one is due, or what follows the newest is not to be had any more; then the log up to now.
    pub(crate) async fn keep(
        &self,
        keeping: &Keeping<'_>,
        archive: &Archive,
        is_due: bool,
    ) -> Result<Kept, BackupError> {
        let mut connection = self.settings.connect_to_server().await?;
        let listed = self.listed(&mut connection).await?;
        let number = |file: Option<&(u64, String, u64)>| file.map_or(1, |(number, ..)| *number);
        let (first, last) = (number(listed.first()), number(listed.last()));
        let next = archive.end(self.history());
        if next.is_some_and(|next| next > last) {
            return Err(went_back(keeping));
        }
        let next = next.filter(|next| *next >= first);
        let follows = listed.iter().find(|(number, ..)| Some(*number) == next);
        if let (Some((_, name, _)), Some(mark)) = (follows, archive.mark(self.history()))
            && self.before(&mut connection, name).await?.is_none_or(|before| before != mark)
        {
            return Err(went_back(keeping));
        }
        let is_followed = next.is_some_and(|next| archive.is_followed(self.history(), next));
        let mut kept = Kept::default();
        let mut from = next;
        if is_due || !is_followed {
            let lost = "the log that followed the copy before is not to be had";
            kept.remark = (!is_followed && !archive.bases.is_empty()).then(|| lost.to_owned());
            let (path, number) = self.copy(keeping, &mut connection).await?;
            kept.copied = Some(path);
            // What was not followed needs no more of the log than its successor does.
            from = next.filter(|_| is_followed).or(Some(number));
        }
        self.keep_log(keeping, &mut connection, from.unwrap_or(last)).await?;
        disconnect(connection).await;
        Ok(kept)
    }

    fn history(&self) -> &str {
        self.basename.rsplit('/').next().unwrap_or_default()
    }

    /// Number, name and length.
    async fn listed(&self, connection: &mut MysqlConnection) -> Result<Vec<(u64, String, u64)>, BackupError> {
        let files = files(connection).await.map_err(|error| self.settings.error(error))?;
        Ok(files.into_iter().filter_map(|(name, length)| Some((number(&name)?, name, length))).collect())
    }

    /// What was committed before a file of the log, by its GTIDs; none of a file that is not there.
    async fn before(&self, connection: &mut MysqlConnection, name: &str) -> Result<Option<String>, BackupError> {
        let before: Result<Option<Option<String>>, Error> = connection.exec_first(BEFORE, (name,)).await;
        Ok(before.map_err(|error| self.settings.error(error))?.flatten())
    }

    async fn now(&self, connection: &mut MysqlConnection) -> Result<Option<DateTime<Utc>>, BackupError> {
        let now: Option<i64> = connection.query_first(NOW_US).await.map_err(|error| self.settings.error(error))?;
        Ok(now.and_then(DateTime::from_timestamp_micros))
    }

    fn content(&self, tool: String, from: u64, to: u64, until: Option<DateTime<Utc>>) -> Content {
        let span = Some(LogSpan { history: self.history().to_owned(), from, to, until, segment_bytes: 0 });
        Content { server_version: self.server_version.clone(), tool, span, ..Content::default() }
    }

    /// And the number of the file in which its moment lies.
    async fn copy(
        &self,
        keeping: &Keeping<'_>,
        connection: &mut MysqlConnection,
    ) -> Result<(PathBuf, u64), BackupError> {
        keeping.step("copying the server");
        let begun_at = Utc::now();
        let partial = keeping.begin(BASE, begun_at)?;
        let failed = |error| self.settings.error(error);
        let program = programs::mysql(["mariadb-dump", "mysqldump"], &self.server_version)?;
        let mut arguments = arguments(connection, &self.settings).await.map_err(failed)?;
        arguments.push("--databases".to_owned());
        arguments.extend(connection.query::<String, _>(DATABASES).await.map_err(failed)?);
        let call = self.call(&keeping.place, &program, arguments);
        let (mut file, mut counter) = (keeping.create(&partial, BASE_FILE)?, Counter::default());
        call.read(|bytes| {
            counter.take(bytes);
            keeping.take(&mut file, bytes)
        })
        .await?;
        let position = counter.binlog.as_deref().filter(|_| counter.completed).and_then(coordinates);
        let Some((name, _)) = position else {
            let cause = "its dump has no end, or does not say where the binary log stood".to_owned();
            return Err(BackupError::Program {
                database: keeping.place.clone(),
                program: program.path.display().to_string(),
                cause,
            });
        };
        let number = number(&name).unwrap_or_default();
        let until = self.now(connection).await?;
        let content = self.content(program.version.clone(), number, number, until);
        let content = Content { binlog: counter.binlog, files: vec![file.finish()?], ..content };
        Ok((keeping.complete(partial, begun_at, content)?, number))
    }

    async fn keep_log(
        &self,
        keeping: &Keeping<'_>,
        connection: &mut MysqlConnection,
        from: u64,
    ) -> Result<(), BackupError> {
        keeping.step("receiving the log");
        let begun_at = Utc::now();
        let partial = keeping.begin(LOG, begun_at)?;
        let until = self.now(connection).await?;
        // What was committed by then lies in files that nobody writes to any more.
        connection.query_drop("FLUSH BINARY LOGS").await.map_err(|error| self.settings.error(error))?;
        let mut closed = self.listed(connection).await?;
        let (open, opened) = closed.pop().map_or((from, String::new()), |(number, name, _)| (number, name));
        closed.retain(|(number, ..)| *number >= from);
        if closed.len() as u64 != open.saturating_sub(from) {
            let remedy = "let it keep them for longer (binlog_expire_logs_seconds), and run this again";
            let place = keeping.place.clone();
            return Err(BackupError::NoServerLog { place, lacks: "files of its binary log are gone", remedy });
        }
        // The version that it tells is its own, and no server's.
        let program = programs::located("mariadb-binlog", "mariadb-client")?;
        let receiving = make_receiving(&partial)?;
        let mut received = Vec::new();
        for (_, name, length) in &closed {
            received.push(self.receive(keeping, &program, &partial, &receiving, (name, *length)).await?);
        }
        remove_receiving(&receiving)?;
        let binlog = self.before(connection, &opened).await?;
        let content = self.content(program.path.display().to_string(), from, open, until);
        keeping.complete(partial, begun_at, Content { files: received, binlog, ..content }).map(drop)
    }

    async fn receive(
        &self,
        keeping: &Keeping<'_>,
        program: &Program,
        partial: &Partial,
        receiving: &Path,
        (name, length): (&str, u64),
    ) -> Result<FileEntry, BackupError> {
        let mut arguments = vec!["--no-defaults".to_owned()];
        arguments.extend(self.settings.client_arguments(true));
        arguments.extend(["--read-from-remote-server", "--raw"].map(str::to_owned));
        arguments.extend([format!("--result-file={}/", receiving.display()), name.to_owned()]);
        self.call(&keeping.place, program, arguments).read(|_| Ok(())).await?;
        let path = receiving.join(name);
        let failed = |source| BackupError::Read { path: path.display().to_string(), source };
        let mut from = File::open(&path).map_err(failed)?;
        let found = from.metadata().map_err(failed)?.len();
        if found != length {
            let cause = format!("{found} bytes came, and the server says {length}");
            return Err(failed(std::io::Error::new(ErrorKind::UnexpectedEof, cause)));
        }
        let (mut into, mut piece) = (keeping.create(partial, name)?, vec![0; PIECE]);
        loop {
            let count = from.read(&mut piece).map_err(failed)?;
            if count == 0 {
                break;
            }
            keeping.take(&mut into, &piece[..count])?;
        }
        std::fs::remove_file(&path).map_err(failed)?;
        into.finish()
    }

    fn call<'a>(&'a self, place: &'a str, program: &'a Program, arguments: Vec<String>) -> Call<'a> {
        Call { database: place, program, arguments, environment: environment(&self.settings), scratch: None }
    }
}

/// Of a file of the log.
fn number(name: &str) -> Option<u64> {
    name.rsplit_once('.')?.1.parse().ok()
}

/// File and position out of what a dump says of the binary log.
pub(crate) fn coordinates(text: &str) -> Option<(String, u64)> {
    let value = |key: &str| text.split(key).nth(1)?.split([',', ';', ' ']).next().map(str::trim);
    let name = value("_LOG_FILE=")?.trim_matches('\'').to_owned();
    Some((name, value("_LOG_POS=")?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_says_where_the_log_stood() {
        let said = "CHANGE MASTER TO MASTER_LOG_FILE='binlog.000012', MASTER_LOG_POS=328";
        assert_eq!(coordinates(said), Some(("binlog.000012".to_owned(), 328)));
        assert_eq!(coordinates("CHANGE MASTER TO MASTER_USE_GTID=slave_pos"), None);
        assert_eq!((number("binlog.000012"), number("binlog.index"), number("x")), (Some(12), None, None));
    }
}
