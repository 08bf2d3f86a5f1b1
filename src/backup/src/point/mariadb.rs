//! A MariaDB server as it was at a moment: the dump of it, and its binary log up to there, in a private server.
//!
//! Invariants: the server listens on a socket in a folder that nobody else can enter, and knows no accounts but those by which something
//! in it was defined; the log is played from where the dump says it stood, all of it, to the moment: a statement that fails is the end.

use super::private::Private;
use super::statements::Statements;
use crate::child::Call;
use crate::errors::BackupError;
use crate::programs::{self, Program};
use crate::saved::{Saved, SavedFile};
use crate::scratch::Scratch;
use crate::servers::archive::Chain;
use crate::servers::binlog::{BASE_FILE, coordinates};
use crate::task::RestoreRequest;
use chrono::{DateTime, Utc};
use genims_databases::mysql::disconnect;
use genims_databases::{Engine, Environment, MysqlSettings, literal};
use genims_platform::doctor::size_text;
use mysql_async::prelude::Queryable;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rustix::process::Signal;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

pub(crate) const USER: &str = "mysql";
const SOCKET: &str = "mariadb.sock";
/// What the client of the log is called in its package.
const CLIENTS: &str = "mariadb-client";
const SERVER: &str = "mariadb-server";
/// A row of the log may be as long as its server let it be.
const PACKET_MAX: &str = "--max-allowed-packet=1G";
const DEFINERS: &str = "SELECT definer FROM information_schema.views UNION SELECT definer FROM information_schema.triggers \
     UNION SELECT definer FROM information_schema.routines UNION SELECT definer FROM information_schema.events";

/// The server, and where it is.
pub(crate) async fn recover(
    wanted: &RestoreRequest<'_>,
    scratch: &Scratch,
    chain: &Chain<'_>,
    point: DateTime<Utc>,
) -> Result<(Private, Environment), BackupError> {
    let version = &chain.base.manifest.content.server_version;
    let (program, client) = (server_program(version)?, programs::mysql(["mariadb", "mysql"], version)?);
    let own = MysqlSettings::from_environment(wanted.database, wanted.environment)?;
    let url = url(scratch.path(), &own);
    let environment = Environment::from_pairs([(&wanted.database.connection, url)]);
    let settings = MysqlSettings::from_environment(wanted.database, &environment)?;
    wanted.step("making a server");
    let data = scratch.make_dir("data")?;
    initialise(wanted, scratch, &data).await?;
    let arguments = arguments(scratch, &data);
    let database = &wanted.database.name;
    let mut server = Private::start(scratch, database, ("mariadbd", &program), &arguments, Signal::TERM)?;
    let filled = async {
        let ask = async || match settings.connect_to_server().await {
            Ok(connection) => {
                disconnect(connection).await;
                true
            }
            Err(_) => false,
        };
        server.answers(ask).await?;
        wanted.step("restoring the copy of the server");
        let saved = Saved::new(&chain.base.path, &chain.base.manifest, wanted.identities)?;
        let file = saved.open(BASE_FILE)?;
        let pass = |bytes: &[u8], out: &mut Vec<u8>| out.extend_from_slice(bytes);
        let told = |bytes| so_far("restoring the copy of the server", bytes, None);
        feed(wanted, (&client, &settings), file, &told, pass).await?;
        admit_definers(&settings).await?;
        wanted.step("laying out the log");
        let (replay, length) = statements_until(wanted, scratch, chain, point).await?;
        let mut statements = Statements::default();
        let file = SavedFile::clear(replay)?;
        let pass = move |bytes: &[u8], out: &mut Vec<u8>| statements.take(bytes, out);
        let told = |bytes| so_far("playing the log", bytes, Some(length));
        feed(wanted, (&client, &settings), file, &told, pass).await?;
        admit_definers(&settings).await
    };
    match filled.await {
        Ok(()) => Ok((server, environment)),
        Err(error) => {
            // The first error is the one to report.
            let _ = server.stop().await;
            Err(error)
        }
    }
}

/// Of the version that was copied, or newer.
fn server_program(version: &str) -> Result<Program, BackupError> {
    programs::mysql(["mariadbd", "mariadbd"], version).map_err(|_| BackupError::NoServer {
        program: "mariadbd",
        version: version.to_owned(),
        package: SERVER.to_owned(),
    })
}

async fn initialise(wanted: &RestoreRequest<'_>, scratch: &Scratch, data: &Path) -> Result<(), BackupError> {
    let program = programs::located("mariadb-install-db", SERVER)?;
    let mut arguments = vec!["--no-defaults".to_owned(), format!("--datadir={}", data.display())];
    let usual = ["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"];
    arguments.extend(usual.map(str::to_owned));
    let (database, environment) = (wanted.database.name.as_str(), Vec::new());
    let call = Call { database, program: &program, arguments, environment, scratch: Some(scratch) };
    call.read(|_| Ok(())).await
}

/// Nothing of it has to survive.
fn arguments(scratch: &Scratch, data: &Path) -> Vec<String> {
    let mut arguments = vec![
        "--no-defaults".to_owned(),
        format!("--datadir={}", data.display()),
        format!("--socket={}", scratch.path().join(SOCKET).display()),
    ];
    let usual = [
        "--pid-file=mariadb.pid",
        "--skip-networking",
        "--skip-log-bin",
        "--skip-slave-start",
        "--character-set-server=utf8mb4",
        "--default-time-zone=+00:00",
        "--max-connections=20",
        "--local-infile=1",
        "--innodb-flush-log-at-trx-commit=0",
        "--innodb-doublewrite=0",
        "--innodb-buffer-pool-size=256M",
        PACKET_MAX,
    ];
    arguments.extend(usual.map(str::to_owned));
    arguments
}

/// Without whom what they defined can neither be used nor be dumped.
async fn admit_definers(settings: &MysqlSettings) -> Result<(), BackupError> {
    let mut connection = settings.connect_to_server().await?;
    let failed = |error| settings.error(error);
    let definers: Vec<String> = connection.query(DEFINERS).await.map_err(failed)?;
    for definer in definers {
        let (user, host) = definer.rsplit_once('@').unwrap_or((&definer, "%"));
        let account = [user, host].map(|part| literal(Engine::Mysql, part)).join("@");
        connection.query_drop(format!("CREATE USER IF NOT EXISTS {account}")).await.map_err(failed)?;
        connection.query_drop(format!("GRANT ALL PRIVILEGES ON *.* TO {account}")).await.map_err(failed)?;
    }
    disconnect(connection).await;
    Ok(())
}

/// A step, and how far it is.
fn so_far(what: &str, bytes: u64, all: Option<u64>) -> String {
    let bytes = size_text(bytes as f64);
    match all {
        Some(all) => format!("{what}, {bytes} of {}", size_text(all as f64)),
        None => format!("{what}, {bytes}"),
    }
}

async fn feed(
    wanted: &RestoreRequest<'_>,
    (client, settings): (&Program, &MysqlSettings),
    mut file: SavedFile,
    told: &(dyn Fn(u64) -> String + Sync),
    mut pass: impl FnMut(&[u8], &mut Vec<u8>),
) -> Result<(), BackupError> {
    let mut read = 0;
    let counted = |bytes: &[u8], out: &mut Vec<u8>| {
        read += bytes.len() as u64;
        wanted.step(&told(read));
        pass(bytes, out);
    };
    let mut arguments = vec!["--no-defaults".to_owned()];
    arguments.extend(settings.client_arguments(true));
    let usual = ["--default-character-set=utf8mb4", "--batch", "--binary-mode", "--local-infile=1", PACKET_MAX];
    arguments.extend(usual.map(str::to_owned));
    let (database, environment) = (wanted.database.name.as_str(), Vec::new());
    let call = Call { database, program: client, arguments, environment, scratch: None };
    call.feed(|mut feed| async move { feed.copy(&mut file, counted).await }).await
}

/// What a program says, as a file; `show` is told how long it has become.
async fn keep(call: &Call<'_>, path: &Path, show: impl Fn(u64)) -> Result<u64, BackupError> {
    let mut file = File::create_new(path).map_err(BackupError::write(path))?;
    let mut length = 0;
    call.read(|bytes| {
        length += bytes.len() as u64;
        show(length);
        file.write_all(bytes).map_err(BackupError::write(path))
    })
    .await?;
    Ok(length)
}

/// What the log says from where the dump was taken to the moment, as a file of statements, and how long that is.
async fn statements_until(
    wanted: &RestoreRequest<'_>,
    scratch: &Scratch,
    chain: &Chain<'_>,
    point: DateTime<Utc>,
) -> Result<(PathBuf, u64), BackupError> {
    let base = chain.base;
    let position = base.manifest.content.binlog.as_deref().and_then(coordinates);
    let damaged =
        |path: &Path, cause: &str| BackupError::Damaged { file: path.display().to_string(), cause: cause.to_owned() };
    let Some((first, start)) = position else {
        return Err(damaged(&base.path, "its manifest does not say where the binary log stood"));
    };
    let folder = scratch.ours().join("binlog");
    std::fs::create_dir(&folder).map_err(BackupError::write(&folder))?;
    let mut files = Vec::new();
    for part in &chain.log {
        let saved = Saved::new(&part.path, &part.manifest, wanted.identities)?;
        for entry in &part.manifest.content.files {
            let name = entry.name.trim_end_matches(crate::encryption::EXTENSION);
            let path = folder.join(name);
            // Parts may overlap, and a file is the same in both; what is before the dump is in the dump.
            if name < first.as_str() || path.exists() {
                continue;
            }
            let mut from = saved.open(name)?;
            let mut into = File::create_new(&path).map_err(BackupError::write(&path))?;
            std::io::copy(&mut from, &mut into).map_err(BackupError::write(&path))?;
            files.push(path);
        }
    }
    files.sort();
    if files.first() != Some(&folder.join(&first)) {
        return Err(damaged(&base.path, "the file of the log that it was taken in is not in what follows it"));
    }
    let program = programs::located("mariadb-binlog", CLIENTS)?;
    let statements = scratch.ours().join("statements.sql");
    let mut arguments = vec![
        "--no-defaults".to_owned(),
        format!("--start-position={start}"),
        format!("--stop-datetime={}", point.format("%Y-%m-%d %H:%M:%S")),
        format!("--local-load={}", folder.display()),
    ];
    arguments.extend(files.iter().map(|path| path.display().to_string()));
    let environment = vec![("TZ", "UTC".to_owned())];
    let call = Call { database: &wanted.database.name, program: &program, arguments, environment, scratch: None };
    let length = keep(&call, &statements, |bytes| wanted.step(&so_far("laying out the log", bytes, None))).await?;
    Ok((statements, length))
}

/// The same database, in the private server.
fn url(folder: &Path, own: &MysqlSettings) -> String {
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let socket = folder.join(SOCKET);
    format!("mysql://root@localhost/{}?socket={}", encoded(own.database_name()), encoded(&socket.to_string_lossy()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_the_same_in_the_private_server() {
        let own = MysqlSettings::from_url("genims_audit_db", "mysql://u:secret@db:1/trail").expect("good");
        let url = url(Path::new("/var/tmp/genims-point-x"), &own);
        assert!(!url.contains("secret"), "{url}");
        let there = MysqlSettings::from_url("genims_audit_db", &url).expect("good");
        assert_eq!(there.place(), "/var/tmp/genims-point-x/mariadb.sock/trail");
        assert_eq!(there.client_arguments(true)[0], "--protocol=socket");
    }

    #[tokio::test]
    async fn what_a_program_says_is_kept_and_how_much_of_it_is_told_meanwhile() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, told) = (folder.path().join("statements.sql"), std::cell::RefCell::new(Vec::new()));
        let program = Program { path: "printf".into(), version: String::new() };
        let (arguments, environment) = (vec!["SELECT 1;".to_owned()], Vec::new());
        let call = Call { database: "genims_audit_db", program: &program, arguments, environment, scratch: None };
        let show = |bytes| told.borrow_mut().push(so_far("laying out the log", bytes, None));
        assert_eq!(keep(&call, &path, show).await.expect("kept"), 9);
        assert_eq!(std::fs::read_to_string(&path).expect("there"), "SELECT 1;");
        assert_eq!(told.into_inner().last().map(String::as_str), Some("laying out the log, 0.0 kB"));
        assert_eq!(so_far("playing the log", 2_500_000, Some(10_000_000)), "playing the log, 2.5 MB of 10.0 MB");
    }
}
