//! Roles on real servers: a role of one module works in its database and is refused by every other; readers read, writers
//! write, the audit writer only inserts.

use crate::harness::Harness;
use chrono::NaiveDate;
use genims_databases::{DatabaseError, Engine, Environment, MysqlSettings, PostgresClient, PostgresSettings, Registry};
use genims_dev::Server;
use genims_etl::bookkeeping::RunKind;
use genims_etl::days::Span;
use genims_etl::job;
use genims_etl::run::{Places, Request, run};
use genims_platform::provision::{self, Mode, ProvisionOptions};
use libtest_mimic::Trial;
use mysql_async::prelude::Queryable;
use tokio_postgres::error::SqlState;

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![
        harness.trial("roles::a_role_of_one_module_is_refused_by_the_others", refused_by_the_others),
        harness.trial("roles::the_audit_writer_only_inserts_and_the_auditors_only_read", audit_is_a_world_of_its_own),
    ]
}

const SERVERS: [Server; 3] = [Server::Postgres, Server::Mariadb, Server::Mongodb];

const RIGHTS: [&str; 3] = ["owner", "writer", "reader"];

/// A stack of its own: roles belong to the server, and no other test shall change their passwords.
fn environment(stack: &genims_dev::Stack) -> Environment {
    let mut variables = vec![
        ("GENIMS_POSTGRES_URL".to_owned(), stack.postgres_url("postgres")),
        ("GENIMS_MYSQL_URL".to_owned(), stack.mysql_url("")),
        ("GENIMS_MONGODB_URL".to_owned(), stack.mongodb_url()),
    ];
    for database in Registry::load(None).unwrap().all() {
        for right in RIGHTS {
            let name = format!("GENIMS_{}_{}_PASSWORD", database.module.to_uppercase(), right.to_uppercase());
            variables.push((name, format!("{}-{right}-secret", database.module)));
        }
    }
    Environment::from_pairs(variables)
}

async fn provision(environment: &Environment) {
    let registry = Registry::load(None).unwrap();
    let options = ProvisionOptions { only: Vec::new(), mode: Mode::Apply };
    let report = provision::run(&registry, environment, &options, &|_| {}).await.unwrap();
    assert!(report.ok(), "{report:?}");
    let again = provision::run(&registry, environment, &options, &|_| {}).await.unwrap();
    let changed: Vec<_> = again.databases.iter().filter(|database| !database.changes.is_empty()).collect();
    assert!(changed.is_empty(), "{changed:?}");
}

/// The administrator's URL with a role in the place of the login.
fn as_role(url: &str, module: &str, right: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap();
    let (_, place) = rest.rsplit_once('@').unwrap();
    format!("{scheme}://genims_{module}_{right}:{module}-{right}-secret@{place}")
}

async fn login(url: &str) -> Result<PostgresClient, DatabaseError> {
    PostgresSettings::from_url("roles", url).unwrap().connect().await
}

fn code(error: &DatabaseError) -> Option<&SqlState> {
    match error {
        DatabaseError::Postgres { source, .. } => source.code(),
        _ => None,
    }
}

fn refused_by_the_others(harness: &'static Harness) {
    let stack = harness.private_stack(&SERVERS);
    harness.block_on(async {
        provision(&environment(&stack)).await;
        let registry = Registry::load(None).unwrap();
        let postgres: Vec<_> = registry.all().iter().filter(|entry| entry.engine == Engine::Postgresql).collect();
        let mut refused = 0;
        for own in &postgres {
            for other in &postgres {
                let url = stack.postgres_url(&other.name);
                let entered = login(&as_role(&url, &own.module, "writer")).await;
                if own.name == other.name {
                    entered.unwrap();
                } else {
                    let error = entered.err().unwrap_or_else(|| panic!("{} entered {}", own.module, other.name));
                    assert_eq!(code(&error), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{error}");
                    refused += 1;
                }
            }
        }
        assert_eq!(refused, 13 * 12);
        rights_inside(&stack.postgres_url("genims_hr_db")).await;
        for right in ["owner", "writer"] {
            runs_the_jobs(&stack, right).await;
        }
    });
}

/// Reading the sources, filling the target and what is in between: whoever writes may do it in its own database.
async fn runs_the_jobs(stack: &genims_dev::Stack, right: &str) {
    let registry = Registry::load(None).unwrap();
    let mut urls = Vec::new();
    for database in registry.all() {
        let url = match database.engine {
            Engine::Postgresql => as_role(&stack.postgres_url(&database.name), &database.module, right),
            Engine::Mysql => as_role(&stack.mysql_url(&database.name), &database.module, right),
            // It has no roles of ours.
            Engine::Mongodb => stack.mongodb_url(),
        };
        urls.push((database.connection.clone(), url));
    }
    let jobs = job::load(&registry, None).unwrap();
    let places = Places { registry, environment: Environment::from_pairs(urls) };
    let day = NaiveDate::from_ymd_opt(2026, 2, 28).unwrap();
    let backfill = Some(Span { first: day, last: day });
    // By that time nothing of the day has gone by age, whenever this is.
    let now = day.and_hms_opt(12, 0, 0).unwrap().and_utc();
    let request = Request { kind: RunKind::Backfill, due_at: None, now, backfill };
    for job in &jobs {
        let done =
            run(&places, job, request, &|_| ()).await.unwrap_or_else(|error| panic!("{right}, {}: {error}", job.name));
        assert!(done.days > 0, "{right}, {}", job.name);
    }
}

async fn rights_inside(url: &str) {
    let insert = "INSERT INTO skills_catalog SELECT * FROM skills_catalog";
    let reader = login(&as_role(url, "hr", "reader")).await.unwrap();
    assert_eq!(reader.query_one("SELECT count(*) FROM employees", &[]).await.unwrap().get::<_, i64>(0), 0);
    for forbidden in [insert, "DELETE FROM employees", "CREATE TABLE t (a int)"] {
        let error = reader.batch_execute(forbidden).await.expect_err(forbidden);
        assert_eq!(error.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{forbidden}: {error}");
    }
    let writer = login(&as_role(url, "hr", "writer")).await.unwrap();
    writer.batch_execute(insert).await.unwrap();
    writer.batch_execute("DELETE FROM leave_requests").await.unwrap();
    for forbidden in ["DROP TABLE employees", "CREATE TABLE t (a int)", "TRUNCATE employees"] {
        let error = writer.batch_execute(forbidden).await.expect_err(forbidden);
        assert_eq!(error.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{forbidden}: {error}");
    }
    outbox_is_out_of_reach(url, &writer).await;
    let owner = login(&as_role(url, "hr", "owner")).await.unwrap();
    owner.batch_execute("CREATE TABLE t (a int); DROP TABLE t; ALTER TABLE employees ADD COLUMN x int; ALTER TABLE employees DROP COLUMN x").await.unwrap();
}

/// What a writer changes is entered under its login, and it can neither read nor alter nor forge that.
async fn outbox_is_out_of_reach(url: &str, writer: &PostgresClient) {
    writer
        .batch_execute("INSERT INTO skills_catalog (skill_id, skill_code, skill_name) VALUES ('S', 'S', 'Welding')")
        .await
        .unwrap();
    for forbidden in [
        "SELECT FROM genims_internal.changes",
        "DELETE FROM genims_internal.changes",
        "UPDATE genims_internal.changes SET actor = 'somebody'",
        "INSERT INTO genims_internal.changes (relation, op, key, actor) VALUES ('employees', 'insert', '1', 'somebody')",
        "TRUNCATE genims_internal.changes",
        "UPDATE genims_internal.change_positions SET doing = NULL",
        "ALTER TABLE employees DISABLE TRIGGER genims_changes_update",
        "DROP TRIGGER genims_changes_update ON employees",
    ] {
        let error = writer.batch_execute(forbidden).await.expect_err(forbidden);
        assert_eq!(error.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{forbidden}: {error}");
    }
    let admin = crate::harness::connect_postgres(url).await;
    let entered = "SELECT login, actor, op, key, after ->> 'skill_name' FROM genims_internal.changes WHERE relation = 'skills_catalog'";
    let entered = admin.query_one(entered, &[]).await.unwrap();
    let told: [String; 5] = std::array::from_fn(|column| entered.get(column));
    assert_eq!(told, ["genims_hr_writer", "genims_hr_writer", "insert", "S", "Welding"]);
}

fn audit_is_a_world_of_its_own(harness: &'static Harness) {
    let stack = harness.private_stack(&SERVERS);
    harness.block_on(async {
        provision(&environment(&stack)).await;
        let connect = async |module: &str, right: &str| {
            let url = as_role(&stack.mysql_url("genims_audit_db"), module, right);
            MysqlSettings::from_url("roles", &url).unwrap().connect().await
        };
        let entry = "INSERT INTO legal_holds SELECT * FROM legal_holds WHERE 1 = 0";
        let mut writer = connect("audit", "writer").await.unwrap();
        writer
            .query_drop("INSERT INTO data_retention_policies () VALUES ()")
            .await
            .map_err(|error| error.to_string())
            .err()
            .filter(|error| !error.contains("denied"))
            .expect("the writer may insert: only the missing values are refused");
        for forbidden in [
            "SELECT * FROM legal_holds",
            "UPDATE legal_holds SET hold_id = 1",
            "DELETE FROM legal_holds",
            entry,
            "DROP TABLE legal_holds",
            "SELECT actor_id FROM system_audit_log",
            "UPDATE genims_internal.audit_seals SET seal = 9",
            "DELETE FROM genims_internal.audit_seals",
            "SELECT * FROM genims_internal.audit_checkpoints",
            "SELECT alert_message FROM business_alerts",
            "UPDATE business_alerts SET alert_number = alert_number",
            "DELETE FROM genims_internal.route_positions",
        ] {
            let error = writer.query_drop(forbidden).await.expect_err(forbidden).to_string();
            assert!(error.contains("denied"), "{forbidden}: {error}");
        }
        // Ends of chains and versions are all it sees.
        writer.query_drop("SELECT row_hash FROM genims_internal.audit_writes").await.unwrap();
        // ... and the steps of alerts, which it continues; and how far it has come.
        writer.query_drop("SELECT alert_number, alert_sequence FROM business_alerts").await.unwrap();
        writer.query_drop("UPDATE genims_internal.route_positions SET next_offset = next_offset").await.unwrap();
        let mut auditor = connect("audit", "reader").await.unwrap();
        auditor.query_drop("SELECT * FROM legal_holds").await.unwrap();
        for forbidden in ["DELETE FROM legal_holds", "INSERT INTO data_retention_policies () VALUES ()"] {
            let error = auditor.query_drop(forbidden).await.expect_err(forbidden).to_string();
            assert!(error.contains("denied"), "{forbidden}: {error}");
        }
        for (module, right) in
            [("reporting", "owner"), ("analytics", "owner"), ("reporting", "writer"), ("analytics", "reader")]
        {
            let error = connect(module, right).await.expect_err("a stranger").to_string();
            assert!(error.contains("denied"), "{module} {right}: {error}");
        }
    });
}
