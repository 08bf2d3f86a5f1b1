//! Databases as hosts give them out: behind a pooler, without a database `postgres`, with public certificates, several hosts,
//! Unix sockets.

use crate::clients::publish;
use crate::harness::{Harness, connect_postgres};
use crate::platform::Platform;
use crate::pooler::Pooler;
use crate::powercut::mount::must_mount;
use crate::resolver::{Record, Resolver};
use crate::running::{Running, eventually};
use crate::server::{PATIENCE, Plant, Sensor, Setup, free_addresses};
use genims_databases::{DatabaseError, Environment, MongoSettings, MysqlSettings, PostgresSettings, Registry};
use genims_dev::Server;
use genims_platform::provision::{self, ProvisionOptions};
use libtest_mimic::Trial;
use mongodb::bson::{Document, doc};
use mysql_async::prelude::Queryable;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![
        harness.trial("hosted::the_stream_goes_through_pgbouncer_in_both_modes", the_stream_goes_through_pgbouncer),
        harness.trial("hosted::what_needs_a_session_is_refused_by_a_shared_one", what_needs_a_session_is_refused),
        harness.trial("hosted::a_server_without_a_database_postgres_is_provisioned", no_database_postgres),
        harness.trial("hosted::the_roots_of_the_system_are_asked", the_roots_of_the_system_are_asked),
        harness.trial("hosted::of_several_hosts_the_writable_one_is_taken", several_hosts),
        harness.trial("hosted::unix_sockets_are_connected_to", unix_sockets),
        harness.trial("hosted::validate_looks_at_every_connection", validate_looks_at_every_connection),
        harness.trial("hosted::a_name_of_a_mongodb_service_is_found", a_name_of_a_service_is_found),
        harness.trial("hosted::a_small_pool_is_one_warning", a_small_pool_is_one_warning),
    ]
}

const READINGS: i64 = 2_000;

fn send(harness: &Harness, plant: &Plant, sensor: &Sensor, from: i64) {
    let base_ms = crate::stream::now_ms() - 3_600_000;
    let message = |i: i64| {
        let text = format!(r#"{{"value": {}.5, "timestamp_ms": {}}}"#, i % 90, base_ms + (from + i) * 1_000);
        (sensor.topic(), text.into_bytes())
    };
    let mut messages: Vec<_> = (0..READINGS / 2).map(message).collect();
    messages.push((sensor.topic(), b"no number".to_vec()));
    publish(plant.doors.mqtt, &harness.unique("pooled"), 1, &messages);
}

fn the_stream_goes_through_pgbouncer(harness: &'static Harness) {
    let plant = Plant::prepare(harness, &Setup::default());
    for (run, mode) in ["session", "transaction"].into_iter().enumerate() {
        let pooler = Pooler::start(harness, &plant.stack, mode);
        plant.reach(&|database| pooler.url(&plant.stack, database));
        let sensor = plant.sensor();
        plant.serve();
        send(harness, &plant, &sensor, 0);
        // What a killed server left in the pooler's connections must not be in the way of the next.
        plant.kill();
        plant.serve();
        send(harness, &plant, &sensor, READINGS / 2);
        plant.stored_exactly(&sensor, READINGS);
        let stats = plant.idle();
        assert!(stats["sinks"].as_array().unwrap().iter().all(|sink| sink["last_error"].is_null()), "{stats:#}");
        assert_eq!(plant.query("genims_operations_db", DEAD_LETTERS)[0].get::<_, i64>(0), 2 * (run as i64 + 1));
        let dead_letters: Value = serde_json::from_str(&plant.cli_ok(&["deadletter", "list", "--json"])).unwrap();
        let dead_letters = dead_letters["letters"].as_array().unwrap();
        assert!(!dead_letters.is_empty(), "none is listed");
        assert!(dead_letters.iter().all(|dead_letter| dead_letter["payload_text"] == "no number"), "{dead_letters:#?}");
        plant.cli_ok(&["verify", "--module", "ledger"]);
        plant.terminate();
        for text in ["prepared statement", "startup parameter", "panicked"] {
            assert!(!plant.log_text().contains(text), "{mode}: {text}:\n{}", plant.log_text());
        }
        nothing_is_left_to_strangers(harness, &pooler.url(&plant.stack, "genims_operations_db"));
    }
}

const DEAD_LETTERS: &str = "SELECT count(*) FROM genims_internal.dead_letters";

/// Looks at each connection of the pool as its next client finds it.
fn nothing_is_left_to_strangers(harness: &Harness, url: &str) {
    const LEFT: &str = "SELECT pg_backend_pid(), (SELECT count(*) FROM pg_prepared_statements),
        (SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'),
        (SELECT coalesce(string_agg(name || ' = ' || setting, ', '), '') FROM pg_settings
         WHERE source = 'session' AND name NOT LIKE 'tcp_%' AND name NOT IN ('TimeZone', 'application_name',
             'client_connection_check_interval', 'client_encoding', 'DateStyle', 'standard_conforming_strings',
             'transaction_isolation', 'transaction_read_only', 'transaction_deferrable'))";
    harness.block_on(async {
        let client = connect_postgres(url).await;
        let mut backends = BTreeSet::new();
        for _ in 0..20 {
            let row = client.query_typed_one(LEFT, &[]).await.unwrap();
            backends.insert(row.get::<_, i32>(0));
            assert_eq!((row.get::<_, i64>(1), row.get::<_, i64>(2), row.get::<_, &str>(3)), (0, 0, ""));
        }
        assert!(!backends.is_empty());
    });
}

fn what_needs_a_session_is_refused(harness: &'static Harness) {
    let plant = Plant::prepare(harness, &Setup::default());
    for (mode, works) in [("session", true), ("transaction", false)] {
        let pooler = Pooler::start(harness, &plant.stack, mode);
        plant.reach(&|database| pooler.url(&plant.stack, database));
        let run = plant.cli(&["provision", "--only", "master", "--only", "operations"]);
        let said = [run.stdout, run.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        assert_eq!(run.status.success(), works, "{mode}: {said}");
        assert!(works || said.contains("pool_mode = session"), "{mode}: {said}");
        let report = plant.cli(&["doctor", "--json", "--timeout", "60s"]);
        let report: Value = serde_json::from_slice(&report.stdout).unwrap();
        for name in ["genims_master_db", "genims_operations_db"] {
            let (found, remedy) = check(&report, name, "pool").expect("looked at");
            assert_eq!(found.contains("transaction mode"), !works, "{mode}: {found}");
            assert_eq!(remedy.contains("genims provision"), !works, "{mode}: {remedy}");
        }
        nothing_is_left_to_strangers(harness, &pooler.url(&plant.stack, "genims_master_db"));
    }
}

/// What the doctor found of a database, and its remedy; `None` when it did not get so far.
pub(crate) fn check(report: &Value, database: &str, subject: &str) -> Option<(String, String)> {
    let databases = report["databases"].as_array().unwrap();
    let of = databases.iter().find(|entry| entry["database"] == database).unwrap();
    let check = of["checks"].as_array().unwrap().iter().find(|check| check["subject"] == subject)?;
    let text = |key: &str| check[key].as_str().unwrap_or_default().to_owned();
    Some((text("found"), text("remedy")))
}

fn no_database_postgres(harness: &'static Harness) {
    let stack = harness.private_stack(&[Server::Postgres]);
    let registry = Registry::load(None).unwrap();
    harness.block_on(async {
        let client = connect_postgres(&stack.postgres_url("template1")).await;
        client.batch_execute("ALTER DATABASE postgres RENAME TO defaultdb").await.unwrap();
        drop(client);
        for (module, pairs) in [
            ("hr", [("GENIMS_POSTGRES_URL", stack.postgres_url("defaultdb"))]),
            ("crm", [("GENIMS_CRM_DB_URL", stack.postgres_url("genims_crm_db"))]),
        ] {
            let environment = Environment::from_pairs(pairs);
            let options = ProvisionOptions { only: vec![module.to_owned()], ..ProvisionOptions::default() };
            let report = provision::run(&registry, &environment, &options, &|_| {}).await.unwrap();
            assert!(report.ok(), "{report:#?}");
        }
    });
}

fn the_roots_of_the_system_are_asked(harness: &'static Harness) {
    let stack = harness.stack();
    let foreign = rcgen::generate_simple_self_signed(vec!["other".to_owned()]).unwrap();
    let foreign_file = harness.folder("roots").join("foreign.pem");
    std::fs::write(&foreign_file, foreign.cert.pem()).unwrap();
    let examine = |roots: &Path, postgres: &str| -> Value {
        let mut command = harness.command(&["doctor", "--json", "--timeout", "60s"]);
        command.env("SSL_CERT_FILE", roots);
        command.env("GENIMS_HR_DB_URL", format!("{}?{postgres}", stack.postgres_url("postgres")));
        command.env("GENIMS_AUDIT_DB_URL", format!("{}?ssl-mode=VERIFY_IDENTITY", stack.mysql_url("mysql")));
        command.env("GENIMS_MONGODB_URL", format!("{}&tls=true", stack.mongodb_url()));
        serde_json::from_slice(&command.output().unwrap().stdout).unwrap()
    };
    for postgres in ["sslmode=verify-full", "sslrootcert=system", "sslmode=verify-full&sslrootcert=system"] {
        let report = examine(&stack.ca_file(), postgres);
        for database in ["genims_hr_db", "genims_audit_db", "genims_production"] {
            let (found, _) = check(&report, database, "tls").unwrap_or_else(|| panic!("{database}: {report:#}"));
            assert_ne!(found, "none", "{database}");
            assert!(check(&report, database, "latency").is_some(), "{database}: {report:#}");
        }
    }
    let report = examine(&foreign_file, "sslmode=verify-full");
    for database in ["genims_hr_db", "genims_audit_db", "genims_production"] {
        assert!(check(&report, database, "latency").is_none(), "{database}: {report:#}");
    }
}

fn several_hosts(harness: &'static Harness) {
    let (readonly, writable) = (harness.private_stack(&[Server::Postgres]), harness.stack());
    let ports = [readonly.port(Server::Postgres), writable.port(Server::Postgres)];
    harness.block_on(async {
        for (stack, only) in [(&*readonly, "on"), (writable, "off")] {
            let client = connect_postgres(&stack.postgres_url("postgres")).await;
            let role = "DROP ROLE IF EXISTS several; CREATE ROLE several LOGIN PASSWORD 'pw'";
            client.batch_execute(role).await.unwrap();
            let set = format!("ALTER ROLE several SET default_transaction_read_only = {only}");
            client.batch_execute(&set).await.unwrap();
        }
        let port = async |url: &str| -> Result<String, DatabaseError> {
            let settings = PostgresSettings::from_url("postgres", url)?;
            let client = settings.connect().await?;
            Ok(client.query_typed_one("SHOW port", &[]).await.unwrap().get(0))
        };
        let [first, second] = ports;
        for url in [
            format!("postgresql://several:pw@127.0.0.1:{first},127.0.0.1:{second}/postgres"),
            format!("postgresql://several:pw@/postgres?host=127.0.0.1,127.0.0.1&port=1,{second}"),
            format!(
                "postgresql://several:pw@127.0.0.1:{first},127.0.0.1:{second}/postgres?target_session_attrs=primary"
            ),
        ] {
            assert_eq!(port(&url).await.unwrap(), second.to_string(), "{url}");
        }
        let any =
            format!("postgresql://several:pw@127.0.0.1:{first},127.0.0.1:{second}/postgres?target_session_attrs=any");
        assert_eq!(port(&any).await.unwrap(), first.to_string());
    });
}

fn unix_sockets(harness: &'static Harness) {
    let stack = harness.private_stack(&[Server::Postgres, Server::Mariadb]);
    // Short: the address of a socket holds 107 bytes.
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
    let place = folder.path().display();
    harness.block_on(async {
        let client = connect_postgres(&stack.postgres_url("postgres")).await;
        let set = format!("ALTER SYSTEM SET unix_socket_directories = '{place}'");
        client.batch_execute(&set).await.unwrap();
    });
    stack.kill_server(Server::Postgres).unwrap();
    stack.start_server(Server::Postgres).unwrap();
    let (port, password) = (stack.port(Server::Postgres), stack.password());
    harness.block_on(async {
        for url in [
            format!("postgresql://postgres:{password}@/postgres?host={place}&port={port}"),
            format!("postgresql://postgres:{password}@{}:{port}/postgres", place.to_string().replace('/', "%2F")),
            format!("postgresql://postgres:{password}@/postgres?host={place}&port={port}&sslmode=verify-full"),
        ] {
            let client = PostgresSettings::from_url("postgres", &url).unwrap().connect().await.unwrap();
            let through = "SELECT inet_server_addr() IS NULL";
            assert!(client.query_typed_one(through, &[]).await.unwrap().get::<_, bool>(0), "{url}");
        }
        let direct = MysqlSettings::from_url("mysql", &stack.mysql_url("mysql")).unwrap();
        let mut connection = direct.connect().await.unwrap();
        let (data, socket): (String, String) =
            connection.query_first("SELECT @@datadir, @@socket").await.unwrap().unwrap();
        let target = Path::new(&data).join(socket);
        let link = folder.path().join("my.sock");
        std::os::unix::fs::symlink(target, &link).unwrap();
        let url = format!("mysql://root:{password}@localhost/mysql?socket={}", link.display());
        let mut connection = MysqlSettings::from_url("mysql", &url).unwrap().connect().await.unwrap();
        let host: String = connection.query_first("SELECT USER()").await.unwrap().unwrap();
        assert_eq!(host, "root@localhost");
        connection.disconnect().await.unwrap();
    });
    a_socket_of_mongod(harness, folder.path());
}

/// The mongod of the tests' servers has none; another one, of the same program, has.
fn a_socket_of_mongod(harness: &'static Harness, folder: &Path) {
    let pid = harness.stack().pid(Server::Mongodb).unwrap();
    let mut command = Command::new(std::fs::read_link(format!("/proc/{pid}/exe")).unwrap());
    let (data, [address]) = (harness.folder("mongod"), free_addresses());
    let port = address.port().to_string();
    command.arg("--dbpath").arg(&data).arg("--unixSocketPrefix").arg(folder);
    command.args(["--port", &port, "--bind_ip", "127.0.0.1", "--quiet", "--wiredTigerCacheSizeGB", "0.25"]);
    let mongod = Running::spawn(command, data.join("mongod.log"));
    let socket = folder.join(format!("mongodb-{port}.sock"));
    eventually("the socket of mongod", PATIENCE, || {
        assert!(mongod.wait(Duration::ZERO).is_none(), "{}", mongod.log_text());
        socket.exists()
    });
    let host = socket.display().to_string().replace('/', "%2F");
    let settings = MongoSettings::from_url("genims_production", &format!("mongodb://{host}")).unwrap();
    harness.block_on(async {
        let client = settings.client().await.unwrap();
        let database = client.database(settings.database_name());
        database.collection::<Document>("through_the_socket").insert_one(doc! { "value": 1 }).await.unwrap();
        assert_eq!(database.list_collection_names().await.unwrap(), ["through_the_socket"]);
    });
}

/// `mongodb+srv`: the name server says hosts, port and options.
fn a_name_of_a_service_is_found(harness: &'static Harness) {
    let stack = harness.stack();
    let records = vec![
        Record::Srv("_mongodb._tcp.cluster.plant.example", stack.port(Server::Mongodb), "db.plant.example"),
        Record::Txt("cluster.plant.example", "authSource=admin"),
        Record::A("db.plant.example", [127, 0, 0, 1]),
    ];
    let resolver = match Resolver::start(&harness.folder("resolver"), records) {
        Ok(resolver) => resolver,
        Err(error) => {
            assert!(!must_mount(), "GENIMS_MUST_MOUNT=1, and no name server can be run here: {error}");
            return println!("hosted: skipped, no name server can be run here: {error}");
        }
    };
    let credentials = stack.mongodb_url();
    let credentials = credentials.strip_prefix("mongodb://").unwrap().split('@').next().unwrap();
    let examine = |name: &str| -> Value {
        let mut command = harness.command(&["doctor", "--json", "--timeout", "60s"]);
        command.env("GENIMS_MONGODB_URL", format!("mongodb+srv://{credentials}@{name}/genims_production?tls=false"));
        serde_json::from_slice(&resolver.asked_by(&command).output().unwrap().stdout).unwrap()
    };
    let report = examine("cluster.plant.example");
    assert!(check(&report, "genims_production", "latency").is_some(), "{report:#}");
    let report = examine("nobody.plant.example");
    assert!(check(&report, "genims_production", "latency").is_none(), "{report:#}");
    assert!(report.to_string().contains("nobody.plant.example"), "{report:#}");
}

fn validate_looks_at_every_connection(harness: &'static Harness) {
    let validate = |pairs: &[(&str, &str)]| {
        let mut command = harness.command(&["validate"]);
        command.envs(pairs.iter().copied());
        let output = command.output().unwrap();
        let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        (output.status.success(), text)
    };
    let (valid, said) = validate(&[("GENIMS_HR_DB_URL", "postgresql://u:hunter2@h/x")]);
    assert!(valid && said.contains("h:5432/x") && !said.contains("hunter2"), "{said}");
    assert!(said.contains("missing   GENIMS_OPERATIONS_DB_URL"), "{said}");
    for (variable, url, remedy) in [
        ("GENIMS_HR_DB_URL", "postgresql://u:hunter 2@h/x", "%20"),
        ("GENIMS_HR_DB_URL", "postgresql://u:hunter@2@h/x", "%40"),
        ("GENIMS_HR_DB_URL", "postgresql://h/x?sslmode=require&sslrootcert=system", "verify-full"),
        ("GENIMS_HR_DB_URL", "postgresql://h/x?sslmode=verify-full&sslrootcert=/nonexistent", "/nonexistent"),
        ("GENIMS_HR_DB_URL", "postgresql://a,b/x?target_session_attrs=standby", "read-write"),
        ("GENIMS_AUDIT_DB_URL", "mysql://u:hunter#2@h/x", "%23"),
        ("GENIMS_AUDIT_DB_URL", "mysql://a:1,b:2/x", "write one"),
        ("GENIMS_MONGODB_URL", "mongodb://u:hunter%2@h/x", "%25"),
        ("GENIMS_MONGODB_URL", "mongodb+srv://h.example.net:27017/x", "port"),
        ("GENIMS_MONGODB_URL", "mongodb://h/x?w=0", "w=majority"),
        ("GENIMS_MONGODB_URL", "mongodb://h/x?tls=true&tlsCAFile=/nonexistent", "/nonexistent"),
        ("GENIMS_MONGODB_URL", "mongodb://a,b/x?directConnection=true", "name one"),
        ("GENIMS_MONGODB_URL", "mongodb://u:p@h/x?authMechanism=OAUTH", "SCRAM-SHA-256"),
        ("GENIMS_HR_WRITER_PASSWORD_FILE", "/nonexistent/password", "mend the path"),
        ("GENIMS_HUB_URL", "postgresql://h:0/hub", "1 to 65535"),
        ("GENIMS_POSTGRES_URL", "postgresql://a,,b/", "empty"),
    ] {
        let (valid, said) = validate(&[(variable, url)]);
        assert!(!valid && said.contains(remedy), "{url}: {said}");
        assert!(said.contains(&format!("  {variable}: ")) && said.contains("has 1 fault:"), "{url}: {said}");
        assert!(!said.contains("hunter"), "{said}");
    }
}

/// Not thirteen failures: each database has two connections to give, and the third look waits.
fn a_small_pool_is_one_warning(harness: &'static Harness) {
    let platform = Platform::new(harness);
    let pooler = Pooler::sized(harness, &platform.stack, "session", 2);
    let url = pooler.url(&platform.stack, "postgres");
    let output = platform.cli(&["doctor", "--json", "--timeout", "15s"], &[("GENIMS_POSTGRES_URL", &url)]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let of_pool = |finding: &&Value| finding["subject"] == "pool";
    let found: Vec<&Value> = report["findings"].as_array().unwrap().iter().filter(of_pool).collect();
    assert_eq!(found.len(), 1, "{report:#}");
    assert_eq!((&found[0]["grade"], found[0]["databases"].as_array().unwrap().len()), (&"warning".into(), 13));
    assert!(found[0]["remedy"].as_str().unwrap().contains("default_pool_size"), "{report:#}");
    assert_eq!(report["passed"], true, "{report:#}");
}
