//! The roles of one PostgreSQL database.

use super::{Right, Role, Step, told, wanted};
use crate::errors::PlatformError;
use crate::provision::{Findings, Mode, Task};
use genims_databases::{Engine, PostgresSettings, literal, quoted};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

/// Schemas whose objects belong to the owner.
const SCHEMAS: [&str; 3] = ["public", "genims_internal", "genims_partitions"];

/// Evidence: what a writer changes is entered there for it, and it can neither read nor alter what was entered.
const OUTBOX: [&str; 2] = ["changes", "change_positions"];

pub(in crate::provision) async fn apply(
    task: &Task<'_>,
    settings: &PostgresSettings,
    client: &Client,
    findings: &mut Findings,
) -> Result<(), PlatformError> {
    let failed = |error| PlatformError::from(settings.error(error));
    let roles = wanted(task.database, task.environment)?;
    let schemas = schemas(client).await.map_err(failed)?;
    task.step("roles");
    let mut result = Ok(());
    for step in steps(settings.database_name(), &roles, &schemas) {
        result = run(task.mode, client, &step, findings).await;
        if result.is_err() {
            break;
        }
    }
    match result {
        Err(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
            let place = settings.place();
            findings.drift.push(format!("roles: the login at {place} may not make them; give it CREATEROLE and ownership, or have an administrator run `genims provision`"));
            Ok(())
        }
        other => other.map_err(failed),
    }
}

async fn schemas(client: &Client) -> Result<Vec<String>, tokio_postgres::Error> {
    let names: Vec<String> = SCHEMAS.iter().map(|name| (*name).to_owned()).collect();
    let rows =
        client.query("SELECT nspname::text FROM pg_namespace WHERE nspname = ANY ($1) ORDER BY 1", &[&names]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Roles belong to the server, so runs on other databases may make the same one at the same moment; looking again settles it.
const TRIES: usize = 5;

async fn run(mode: Mode, client: &Client, step: &Step, findings: &mut Findings) -> Result<(), tokio_postgres::Error> {
    let mut tries = 0;
    let held = loop {
        let holds = holds(client, step).await?;
        if mode != Mode::Apply || (holds && !step.renew) {
            break holds;
        }
        match client.batch_execute(&step.make).await {
            Ok(()) => break holds,
            Err(error) if tries < TRIES && is_race(&error) => tries += 1,
            Err(error) => return Err(error),
        }
    };
    if !held {
        let told = told(mode, step);
        if mode == Mode::Check { findings.drift.push(told) } else { findings.changes.push(told) }
    }
    Ok(())
}

/// A check of a role that is not there yet is refused: then it does not hold.
async fn holds(client: &Client, step: &Step) -> Result<bool, tokio_postgres::Error> {
    match client.query_one(&step.holds, &[]).await {
        Ok(row) => Ok(row.get(0)),
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_OBJECT) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Made by another run just now; or "tuple concurrently updated", for which PostgreSQL has no code of its own.
fn is_race(error: &tokio_postgres::Error) -> bool {
    [&SqlState::DUPLICATE_OBJECT, &SqlState::UNIQUE_VIOLATION, &SqlState::INTERNAL_ERROR]
        .into_iter()
        .any(|code| error.code() == Some(code))
}

/// Roles and schemas are named by us; the database bears the name that its URL says, whatever that is.
fn steps(database: &str, roles: &[Role], schemas: &[String]) -> Vec<Step> {
    let (place, text) = (quoted(Engine::Postgresql, database), literal(Engine::Postgresql, database));
    let mut steps = vec![Step {
        says: "nobody enters without a role of this database".to_owned(),
        holds: format!("SELECT NOT has_database_privilege('public', {text}, 'CONNECT')"),
        make: format!("REVOKE ALL ON DATABASE {place} FROM PUBLIC"),
        renew: false,
    }];
    for role in roles {
        steps.extend(entrance(&place, &text, role));
    }
    for role in roles {
        match role.right {
            Right::Owner => steps.extend(schemas.iter().flat_map(|schema| ownership(schema, &role.name))),
            Right::Writer => steps.extend(
                schemas
                    .iter()
                    .flat_map(|schema| rights(schema, role, roles, &["SELECT", "INSERT", "UPDATE", "DELETE"])),
            ),
            Right::Reader => steps.extend(rights("public", role, roles, &["SELECT"])),
        }
    }
    steps
}

/// The database as an identifier and as text.
fn entrance(place: &str, text: &str, role: &Role) -> Vec<Step> {
    let name = &role.name;
    let mut steps = vec![Step {
        says: format!("role {name}"),
        holds: format!("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = '{name}')"),
        make: format!("CREATE ROLE {name}; GRANT {name} TO CURRENT_USER"),
        renew: false,
    }];
    if let Some(password) = &role.password {
        // Only the verifier is sent, so no server log ever holds the password.
        let verifier = postgres_protocol::password::scram_sha_256(password.as_bytes());
        steps.push(Step {
            says: format!("role {name} logs in with its password"),
            holds: format!("SELECT rolcanlogin FROM pg_roles WHERE rolname = '{name}'"),
            make: format!("ALTER ROLE {name} LOGIN PASSWORD '{verifier}'"),
            renew: true,
        });
    }
    steps.push(Step {
        says: format!("role {name} enters"),
        holds: format!("SELECT has_database_privilege('{name}', {text}, 'CONNECT')"),
        make: format!("GRANT CONNECT ON DATABASE {place} TO {name}"),
        renew: false,
    });
    steps
}

/// Everything in the schema, the schema itself included.
fn ownership(schema: &str, owner: &str) -> Vec<Step> {
    let others = format!(
        "SELECT c.oid::regclass::text AS name FROM pg_class c WHERE c.relnamespace = '{schema}'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm') \
         AND c.relowner <> '{owner}'::regrole"
    );
    let functions = format!(
        "SELECT p.oid::regprocedure::text AS name FROM pg_proc p WHERE p.pronamespace = '{schema}'::regnamespace AND p.proowner <> '{owner}'::regrole"
    );
    vec![
        Step {
            says: format!("{owner} owns schema {schema}"),
            holds: format!("SELECT nspowner = '{owner}'::regrole FROM pg_namespace WHERE nspname = '{schema}'"),
            make: format!("ALTER SCHEMA {schema} OWNER TO {owner}"),
            renew: false,
        },
        Step {
            says: format!("{owner} owns what is in {schema}"),
            holds: format!("SELECT NOT EXISTS ({others}) AND NOT EXISTS ({functions})"),
            make: format!(
                "DO $$ DECLARE one text; BEGIN \
                 FOR one IN {others} LOOP EXECUTE format('ALTER TABLE %s OWNER TO {owner}', one); END LOOP; \
                 FOR one IN {functions} LOOP EXECUTE format('ALTER ROUTINE %s OWNER TO {owner}', one); END LOOP; END $$"
            ),
            renew: false,
        },
    ]
}

/// On all that is there, and on all that its owner will make.
fn rights(schema: &str, role: &Role, roles: &[Role], rights: &[&str]) -> Vec<Step> {
    let (name, list) = (&role.name, rights.join(", "));
    let each: Vec<String> =
        rights.iter().map(|right| format!("has_table_privilege('{name}', c.oid, '{right}')")).collect();
    let writes = rights.contains(&"INSERT");
    let mut make =
        format!("GRANT USAGE ON SCHEMA {schema} TO {name}; GRANT {list} ON ALL TABLES IN SCHEMA {schema} TO {name}");
    if writes {
        make.push_str(&format!("; GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {schema} TO {name}"));
    }
    for owner in roles.iter().filter(|role| role.right == Right::Owner) {
        let future = format!("ALTER DEFAULT PRIVILEGES FOR ROLE {} IN SCHEMA {schema}", owner.name);
        make.push_str(&format!("; {future} GRANT {list} ON TABLES TO {name}"));
        if writes {
            make.push_str(&format!("; {future} GRANT USAGE, SELECT ON SEQUENCES TO {name}"));
        }
    }
    let internal = schema == "genims_internal";
    let outbox = if internal { format!("'{}'", OUTBOX.join("', '")) } else { "NULL".to_owned() };
    if internal {
        let tables: Vec<String> = OUTBOX.iter().map(|table| format!("{schema}.{table}")).collect();
        make.push_str(&format!("; REVOKE ALL ON {} FROM {name}", tables.join(", ")));
    }
    vec![Step {
        says: format!("role {name}: {} in {schema}", list.to_lowercase()),
        holds: format!(
            "SELECT has_schema_privilege('{name}', '{schema}', 'USAGE') AND NOT EXISTS (SELECT FROM pg_class c \
             WHERE c.relnamespace = '{schema}'::regnamespace AND c.relkind IN ('r', 'p') AND CASE WHEN c.relname IN ({outbox}) \
             THEN has_table_privilege('{name}', c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE') ELSE NOT ({}) END)",
            each.join(" AND ")
        ),
        make,
        renew: false,
    }]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_may_have_any_name_on_its_server() {
        let role = Role { name: "genims_erp_reader".to_owned(), right: Right::Reader, password: None };
        let steps = steps("plant's \"ERP\"", &[role], &[]);
        let entering: Vec<&Step> = steps.iter().filter(|step| step.make.contains(" ON DATABASE ")).collect();
        assert_eq!(entering.len(), 2);
        for step in entering {
            assert!(step.make.contains(r#" ON DATABASE "plant's ""ERP""" "#), "{}", step.make);
            assert!(step.holds.contains(r#", 'plant''s "ERP"', 'CONNECT')"#), "{}", step.holds);
        }
    }
}
