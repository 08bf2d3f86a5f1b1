//! A PostgreSQL cluster as it was at a moment: its copy, unpacked, and its log up to there, in a private server that takes it from there.
//!
//! Invariants: the server listens on a socket in a folder that nobody else can enter, has no settings of the one that was copied, and
//! archives nothing; it answers only when it has found a transaction behind the moment, so it never stops short of it.

use super::private::Private;
use crate::child::Call;
use crate::errors::BackupError;
use crate::programs::{self, Program};
use crate::saved::{Saved, SavedFile};
use crate::scratch::Scratch;
use crate::servers::archive::{Chain, Part};
use crate::servers::wal::{BASE_FILE, LOG_FILE, segment};
use crate::task::RestoreRequest;
use chrono::{DateTime, Utc};
use genims_databases::{Environment, PostgresSettings};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rustix::process::Signal;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;

pub(crate) const USER: &str = "postgres";
/// Of the socket's name; nobody listens there on a network.
const PORT: &str = "5432";
const PIECE: usize = 256 * 1024;

/// What it is configured with. Nothing of it has to survive; what was prepared, and more locks than usual, must find a place.
const SETTINGS: [(&str, &str); 22] = [
    ("listen_addresses", ""),
    ("port", PORT),
    ("ssl", "off"),
    ("archive_mode", "off"),
    ("hot_standby", "off"),
    ("restore_command", "false"),
    ("recovery_target_action", "promote"),
    ("recovery_target_timeline", "current"),
    ("fsync", "off"),
    ("full_page_writes", "off"),
    ("autovacuum", "off"),
    ("jit", "off"),
    ("max_wal_senders", "0"),
    ("max_connections", "20"),
    ("max_prepared_transactions", "100"),
    ("max_locks_per_transaction", "1024"),
    ("shared_buffers", "128MB"),
    ("dynamic_shared_memory_type", "mmap"),
    ("log_checkpoints", "on"),
    ("logging_collector", "off"),
    ("timezone", "UTC"),
    ("log_timezone", "UTC"),
];

/// The server, and where it is.
pub(crate) async fn recover(
    wanted: &RestoreRequest<'_>,
    scratch: &Scratch,
    chain: &Chain<'_>,
    point: DateTime<Utc>,
) -> Result<(Private, Environment), BackupError> {
    let database = &wanted.database.name;
    let major = chain.base.manifest.content.server_version.split('.').next().and_then(|text| text.parse().ok());
    let program = programs::postgres_server(major.unwrap_or_default())?;
    let data = scratch.make_dir("data")?;
    wanted.step("unpacking the copy of the server");
    unpack(wanted, scratch, chain.base, &data).await?;
    wanted.step("laying out the log");
    for part in &chain.log {
        let saved = Saved::new(&part.path, &part.manifest, wanted.identities)?;
        lay_out(scratch, &data.join("pg_wal"), part, saved.open(LOG_FILE)?)?;
    }
    let arguments = configure(scratch, &data, point)?;
    wanted.step("recovering the server");
    let mut server = Private::start(scratch, database, ("postgres", &program), &arguments, Signal::INT)?;
    let own = PostgresSettings::from_environment(wanted.database, wanted.environment)?;
    let environment = Environment::from_pairs([(&wanted.database.connection, url(scratch.path(), &own))]);
    let settings = PostgresSettings::from_environment(wanted.database, &environment)?;
    // The database itself may not have been there then, and be a question for later.
    let any: Vec<PostgresSettings> = settings.maintenance().chain([settings.clone()]).collect();
    let ask = async || {
        for settings in &any {
            if settings.connect().await.is_ok() {
                return true;
            }
        }
        false
    };
    match server.answers(ask).await {
        Ok(()) => Ok((server, environment)),
        Err(error) => {
            // The first error is the one to report.
            let _ = server.stop().await;
            Err(error)
        }
    }
}

async fn unpack(wanted: &RestoreRequest<'_>, scratch: &Scratch, base: &Part, data: &Path) -> Result<(), BackupError> {
    let tar: Program = programs::located("tar", "tar")?;
    let saved = Saved::new(&base.path, &base.manifest, wanted.identities)?;
    let mut file = saved.open(BASE_FILE)?;
    let arguments = ["--extract", "--gzip", "--file=-"].map(str::to_owned).into_iter();
    let arguments = arguments.chain([format!("--directory={}", data.display())]).collect();
    let (database, environment) = (wanted.database.name.as_str(), Vec::new());
    let call = Call { database, program: &tar, arguments, environment, scratch: Some(scratch) };
    call.feed(|mut feed| async move { feed.copy(&mut file, |bytes, out| out.extend_from_slice(bytes)).await }).await
}

/// The bytes of a part of the log into the files that the server reads, each at its place.
fn lay_out(scratch: &Scratch, folder: &Path, part: &Part, mut from: SavedFile) -> Result<(), BackupError> {
    let span = &part.span;
    let segment_bytes = span.segment_bytes.max(1);
    let (mut at, mut piece) = (span.from, vec![0; PIECE]);
    let mut into: Option<(u64, File)> = None;
    loop {
        let count = from.read(&mut piece).map_err(BackupError::read(&from.path))?;
        if count == 0 {
            break;
        }
        let mut rest = &piece[..count];
        while !rest.is_empty() {
            let (number, offset) = (at / segment_bytes, at % segment_bytes);
            let path = folder.join(segment(&span.history, segment_bytes, at));
            let file = match into.take() {
                Some((open, file)) if open == number => file,
                _ => {
                    let file = scratch.open(&path)?;
                    file.set_len(segment_bytes).map_err(BackupError::write(&path))?;
                    file
                }
            };
            let fits = usize::try_from(segment_bytes - offset).unwrap_or(rest.len()).min(rest.len());
            file.write_all_at(&rest[..fits], offset).map_err(BackupError::write(&path))?;
            into = Some((number, file));
            at += fits as u64;
            rest = &rest[fits..];
        }
    }
    if at == span.to {
        return Ok(());
    }
    let cause = format!("it holds {} bytes of the log, and its manifest says {}", at - span.from, span.to - span.from);
    Err(BackupError::Damaged { file: from.path.display().to_string(), cause })
}

/// The arguments of the server.
fn configure(scratch: &Scratch, data: &Path, point: DateTime<Utc>) -> Result<Vec<String>, BackupError> {
    let (own, access) = (scratch.path().join("private.conf"), scratch.path().join("access.conf"));
    let mut settings = String::new();
    let mut set = |name: &str, value: &str| {
        settings.push_str(&format!("{name} = '{}'\n", value.replace('\'', "''")));
    };
    SETTINGS.iter().for_each(|(name, value)| set(name, value));
    set("unix_socket_directories", &scratch.path().to_string_lossy());
    set("hba_file", &access.to_string_lossy());
    set("recovery_target_time", &point.format("%Y-%m-%d %H:%M:%S%.6f+00").to_string());
    scratch.write(&own, &settings)?;
    // Who can enter the folder may do everything; that is the server's account.
    scratch.write(&access, "local all all trust\n")?;
    // What somebody set by ALTER SYSTEM is the copied server's.
    scratch.write(&data.join("postgresql.auto.conf"), "")?;
    scratch.write(&data.join("recovery.signal"), "")?;
    let arguments = ["-D".to_owned(), data.display().to_string(), "-c".to_owned()].into_iter();
    Ok(arguments.chain([format!("config_file={}", own.display())]).collect())
}

/// The same login and database, in the private server.
fn url(folder: &Path, own: &PostgresSettings) -> String {
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let mut url = format!(
        "postgresql:///{}?host={}&port={PORT}",
        encoded(own.database_name()),
        encoded(&folder.to_string_lossy())
    );
    if let Some((_, user)) = own.libpq_environment().into_iter().find(|(name, _)| *name == "PGUSER") {
        url.push_str(&format!("&user={}", encoded(&user)));
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::LogSpan;
    use crate::servers::archive::tests::keep;
    use crate::servers::archive::{Archive, LOG};

    #[test]
    fn a_login_is_the_same_in_the_private_server() {
        let own = PostgresSettings::from_url("genims_hr_db", "postgresql://h%2Fr:secret@db:1/hr%20data").expect("good");
        let url = url(Path::new("/var/tmp/genims-point-x"), &own);
        assert!(!url.contains("secret"), "{url}");
        let there = PostgresSettings::from_url("genims_hr_db", &url).expect("good");
        assert_eq!(there.place(), "/var/tmp/genims-point-x:5432/hr data");
        assert!(there.libpq_environment().contains(&("PGUSER", "h/r".to_owned())));
    }

    #[test]
    fn parts_of_the_log_come_to_lie_where_they_were() {
        let folder = tempfile::tempdir().expect("a folder");
        let scratch = Scratch::new("root").expect("a folder");
        let wal = scratch.make_dir("pg_wal").expect("made");
        let lay = |from: u64, text: &str, to: u64| {
            let path = folder.path().join("wal");
            std::fs::write(&path, text).expect("written");
            let kept = tempfile::tempdir().expect("a folder");
            keep(kept.path(), LOG, from, to, None);
            let part = Archive::read(kept.path()).expect("read").log.remove(0);
            assert!(matches!(part.span, LogSpan { segment_bytes: 4, .. }));
            lay_out(&scratch, &wal, &part, SavedFile::clear(path).expect("open"))
        };
        lay(4, "abcdef", 10).expect("whole");
        lay(10, "gh", 12).expect("whole");
        lay(12, "i", 13).expect("whole");
        let segment = |number: u64| std::fs::read(wal.join(segment("00000001", 4, 4 * number))).expect("there");
        assert_eq!([segment(1), segment(2), segment(3)], [*b"abcd", *b"efgh", *b"i\0\0\0"].map(|part| part.to_vec()));
        let error = lay(20, "x", 22).expect_err("cut").to_string();
        assert!(error.contains("1 bytes") && error.contains("says 2"), "{error}");
    }
}
