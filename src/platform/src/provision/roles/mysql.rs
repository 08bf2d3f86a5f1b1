//! The accounts of one MySQL database.

use super::{Right, Role, Step, told, wanted};
use crate::errors::PlatformError;
use crate::provision::{Findings, Mode, Task};
use genims_databases::mysql::STAGING_DATABASE;
use genims_databases::{Engine, MysqlConnection, MysqlSettings, errors, literal, quoted};
use mysql_async::prelude::Queryable;

/// What the audit's accounts may do in `genims_internal`: the writer continues chains and seals what it wrote, the auditors look.
const AUDIT_BOOKKEEPING: [(Right, &str, &str); 8] = [
    (Right::Writer, "audit_writes", "SELECT"),
    (Right::Writer, "audit_changes", "SELECT"),
    (Right::Writer, "audit_activities", "SELECT"),
    (Right::Writer, "audit_seals", "SELECT, INSERT"),
    (Right::Reader, "audit_seals", "SELECT"),
    (Right::Reader, "audit_checkpoints", "SELECT"),
    (Right::Writer, "checklist_signatures", "SELECT, INSERT"),
    (Right::Reader, "checklist_signatures", "SELECT"),
];

/// What the writer reads of the alerts that it raised, so that the next step of one continues it; never their text.
const ALERT_STEPS: [&str; 12] = [
    "alert_event",
    "alert_number",
    "alert_sequence",
    "alert_title",
    "alert_type",
    "correlation_id",
    "database_name",
    "factory_id",
    "record_key",
    "rule_code",
    "severity",
    "table_name",
];

/// The account of what came by routes and as rows, in `genims_internal`: positions move in the transaction of what they count.
const ROUTING: [(&str, &str); 4] = [
    ("route_positions", "SELECT, INSERT, UPDATE"),
    ("refused_events", "SELECT, INSERT, UPDATE"),
    ("route_gaps", "SELECT, INSERT, UPDATE"),
    ("routed_facts", "SELECT, INSERT, UPDATE, DELETE"),
];

/// The databases that jobs fill, by way of staging tables.
const FILLED: [&str; 2] = ["genims_reporting_db", "genims_analytics_db"];
const STAGING: [&str; 4] = ["SELECT", "INSERT", "CREATE", "DROP"];

/// Access denied in its forms: to a database, to a user table, for want of a right.
const DENIED: [u16; 4] = [1044, 1142, 1227, 1410];

pub(in crate::provision) async fn apply(
    task: &Task<'_>,
    settings: &MysqlSettings,
    connection: &mut MysqlConnection,
    findings: &mut Findings,
) -> Result<(), PlatformError> {
    task.step("roles");
    for role in wanted(task.database, task.environment)? {
        for step in steps(settings.database_name(), &role) {
            match run(task.mode, connection, &step, findings).await {
                Ok(()) => {}
                Err(error) if errors::mysql_code(&error).is_some_and(|code| DENIED.contains(&code)) => {
                    let place = settings.place();
                    findings.drift.push(format!("roles: the login at {place} may not make them; give it CREATE USER and GRANT OPTION, or have an administrator run `genims provision`"));
                    return Ok(());
                }
                Err(error) => return Err(settings.error(error).into()),
            }
        }
    }
    Ok(())
}

async fn run(
    mode: Mode,
    connection: &mut MysqlConnection,
    step: &Step,
    findings: &mut Findings,
) -> Result<(), mysql_async::Error> {
    let holds: Option<i64> = connection.query_first(&step.holds).await?;
    let holds = holds == Some(1);
    if mode == Mode::Apply && (!holds || step.renew) {
        connection.query_drop(&step.make).await?;
    }
    if holds {
        return Ok(());
    }
    let told = told(mode, step);
    if mode == Mode::Check {
        findings.drift.push(told)
    } else {
        findings.changes.push(told)
    }
    Ok(())
}

fn inside(name: &str, grantee: &str, database: &str, rights: &[&str]) -> Step {
    let schema = literal(Engine::Mysql, database);
    Step {
        says: format!("account {name}: {} in {database}", rights.join(", ").to_lowercase()),
        holds: format!(
            "SELECT COUNT(*) = {} FROM information_schema.schema_privileges WHERE grantee = {grantee} AND table_schema = {schema}",
            rights.len()
        ),
        make: format!("GRANT {} ON {}.* TO '{name}'@'%'", rights.join(", "), quoted(Engine::Mysql, database)),
        renew: false,
    }
}

fn bookkeeping(name: &str, grantee: &str, table: &str, rights: &str) -> Step {
    Step {
        says: format!("account {name}: {} in genims_internal.{table}", rights.to_lowercase()),
        holds: format!(
            "SELECT COUNT(*) = {} FROM information_schema.table_privileges WHERE grantee = {grantee} \
             AND table_schema = 'genims_internal' AND table_name = '{table}'",
            rights.split(", ").count()
        ),
        make: format!("GRANT {rights} ON genims_internal.{table} TO '{name}'@'%'"),
        renew: false,
    }
}

fn alert_steps(name: &str, grantee: &str, database: &str) -> Step {
    let schema = literal(Engine::Mysql, database);
    Step {
        says: format!("account {name}: the steps of alerts in {database}"),
        holds: format!(
            "SELECT COUNT(*) = {} FROM information_schema.column_privileges WHERE grantee = {grantee} \
             AND table_schema = {schema} AND table_name = 'business_alerts' AND privilege_type = 'SELECT'",
            ALERT_STEPS.len()
        ),
        make: format!(
            "GRANT SELECT ({}) ON {}.business_alerts TO '{name}'@'%'",
            ALERT_STEPS.join(", "),
            quoted(Engine::Mysql, database)
        ),
        renew: false,
    }
}

fn steps(database: &str, role: &Role) -> Vec<Step> {
    let (name, grantee) = (&role.name, format!("'''{}''@''%'''", role.name));
    let rights: &[&str] = match (role.right, database) {
        (Right::Owner, _) => &[
            "SELECT",
            "INSERT",
            "UPDATE",
            "DELETE",
            "CREATE",
            "DROP",
            "REFERENCES",
            "INDEX",
            "ALTER",
            "CREATE TEMPORARY TABLES",
            "LOCK TABLES",
            "CREATE VIEW",
            "SHOW VIEW",
            "TRIGGER",
        ],
        // Evidence is added and never changed.
        (Right::Writer, "genims_audit_db") => &["INSERT"],
        (Right::Writer, _) => &["SELECT", "INSERT", "UPDATE", "DELETE"],
        (Right::Reader, _) => &["SELECT"],
    };
    let mut steps = vec![
        Step {
            says: format!("account {name}"),
            holds: format!("SELECT COUNT(*) > 0 FROM information_schema.user_privileges WHERE grantee = {grantee}"),
            make: format!("CREATE USER IF NOT EXISTS '{name}'@'%' ACCOUNT LOCK"),
            renew: false,
        },
        inside(name, &grantee, database, rights),
    ];
    if matches!(role.right, Right::Owner | Right::Writer) && FILLED.contains(&database) {
        steps.push(inside(name, &grantee, STAGING_DATABASE, &STAGING));
    }
    if role.right != Right::Reader {
        steps.extend(ROUTING.map(|(table, rights)| bookkeeping(name, &grantee, table, rights)));
    }
    if database == "genims_audit_db" {
        let own = AUDIT_BOOKKEEPING.iter().filter(|(right, ..)| *right == role.right);
        steps.extend(own.map(|(_, table, rights)| bookkeeping(name, &grantee, table, rights)));
        if role.right == Right::Writer {
            steps.push(alert_steps(name, &grantee, database));
        }
    }
    if let Some(password) = &role.password {
        let password = literal(Engine::Mysql, password);
        steps.push(Step {
            says: format!("account {name} logs in with its password"),
            holds: "SELECT 1".to_owned(),
            make: format!("ALTER USER '{name}'@'%' IDENTIFIED BY {password} ACCOUNT UNLOCK"),
            renew: true,
        });
    }
    steps
}
