//! The document store under examination.

use super::judge::{self, POOL, ROUND_TRIPS, Rights};
use super::replication;
use super::report::{Checks, Subject};
use futures_util::TryStreamExt;
use futures_util::future::join_all;
use genims_databases::clock;
use genims_databases::mongo::INTERNAL_DATABASE;
use genims_databases::{Database, DatabaseError, Environment, MongoSettings, schema};
use genims_model::counted;
use mongodb::Client;
use mongodb::bson::{Bson, Document, doc};
use mongodb::error::{Error, ErrorKind};
use std::time::Instant;

const CREATE: &str = "createCollection";
/// What a login needs: to write, to read.
const NEEDED: [&str; 2] = ["insert", "find"];
const UNAUTHORIZED: i32 = 13;

pub(super) async fn examine(checks: &mut Checks, database: &Database, environment: &Environment) {
    let settings = match MongoSettings::from_environment(database, environment) {
        Ok(settings) => settings,
        Err(error) => return checks.error(Subject::Reachable, &error),
    };
    checks.place = settings.place();
    let client = match settings.client().await {
        Ok(client) => client,
        Err(error) => return checks.error(Subject::Reachable, &error),
    };
    if let Err(error) = client.database("admin").run_command(doc! { "ping": 1 }).await {
        return refused(checks, &settings.error(error));
    }
    checks.ok(Subject::Reachable, settings.place());
    let remedy = "start mongod with --tlsMode requireTLS and write tls=true&tlsCAFile=... into its URL";
    judge::tls(checks, settings.uses_tls().then(|| "as its URL says".to_owned()), remedy);
    if let Err(error) = ask(checks, database, &settings, &client).await {
        checks.error(Subject::Login, &settings.error(error));
    }
}

/// A server that refuses the login is reachable.
fn refused(checks: &mut Checks, error: &DatabaseError) {
    let login = match error {
        DatabaseError::Mongo { source, .. } => matches!(source.kind.as_ref(), ErrorKind::Authentication { .. }),
        _ => false,
    };
    if login {
        checks.ok(Subject::Reachable, checks.place.clone());
    }
    checks.error(if login { Subject::Login } else { Subject::Reachable }, error);
}

async fn ask(checks: &mut Checks, database: &Database, settings: &MongoSettings, client: &Client) -> Result<(), Error> {
    let store = client.database(settings.database_name());
    let build = store.run_command(doc! { "buildInfo": 1 }).await?;
    checks.ok(Subject::Version, format!("MongoDB {}", build.get_str("version").unwrap_or_default()));
    let status = store.run_command(doc! { "connectionStatus": 1, "showPrivileges": true }).await?;
    login(checks, status.get_document("authInfo").unwrap_or(&Document::new()), settings.database_name());
    let mut names = store.list_collection_names().await?;
    names.retain(|name| !name.starts_with("system."));
    judge::tables(checks, database, names.len() as u64, "collections");
    let statistics = store.run_command(doc! { "dbStats": 1 }).await?;
    judge::size(checks, number(&statistics, "storageSize") + number(&statistics, "indexSize"));
    match definitions(checks, database, settings, client).await {
        Err(error) if is_unauthorized(&error) => judge::history_is_closed(checks),
        judged => judged?,
    }
    let mut round_trips = Vec::new();
    for _ in 0..ROUND_TRIPS {
        let begun = Instant::now();
        store.run_command(doc! { "ping": 1 }).await?;
        round_trips.push(begun.elapsed());
    }
    judge::latency(checks, round_trips);
    if let Some(difference) = clock::of_mongo(&store).await? {
        judge::clock(checks, difference);
    }
    replication::of_mongo(checks, client).await?;
    // Commands at the same time each take a connection of the client's pool.
    let at_once = join_all((0..POOL).map(|_| async { store.run_command(doc! { "ping": 1 }).await })).await;
    let cause = at_once.iter().find_map(|answer| answer.as_ref().err().map(ToString::to_string));
    judge::pool(checks, at_once.iter().filter(|answer| answer.is_ok()).count(), cause, false);
    Ok(())
}

/// `status` is the answer's `authInfo`.
fn login(checks: &mut Checks, status: &Document, database: &str) {
    let documents = |name: &str| -> Vec<&Document> {
        status.get_array(name).map(|all| all.iter().filter_map(Bson::as_document).collect()).unwrap_or_default()
    };
    let Some(user) = documents("authenticatedUsers").first().and_then(|user| user.get_str("user").ok()) else {
        checks.warn(Subject::Login, "none", "start mongod with --auth and put a login into GENIMS_MONGODB_URL");
        checks.warn(Subject::Rights, "whoever connects may do anything", "start mongod with --auth");
        return;
    };
    checks.ok(Subject::Login, user);
    let root = documents("authenticatedUserRoles").iter().any(|role| has(role, "role", "root"));
    let privileges = documents("authenticatedUserPrivileges");
    let may = |action: &str| privileges.iter().any(|privilege| permits(privilege, database, action));
    let missing = NEEDED.iter().filter(|needed| !may(needed)).map(|needed| (*needed).to_owned()).collect();
    judge::rights(checks, &Rights { create: may(CREATE), missing, all_powerful: root.then_some("root") });
}

/// Whether a privilege permits an action on all collections of a database.
fn permits(privilege: &Document, database: &str, action: &str) -> bool {
    let Ok(resource) = privilege.get_document("resource") else { return false };
    let text = |key: &str| resource.get_str(key).unwrap_or("-");
    let here = resource.get_bool("anyResource").unwrap_or(false)
        || (text("collection").is_empty() && (text("db").is_empty() || text("db") == database));
    let actions = privilege.get_array("actions").map(Vec::as_slice).unwrap_or_default();
    here && actions.iter().any(|known| matches!(known.as_str(), Some(known) if known == action || known == "anyAction"))
}

/// Definitions that were applied, against the embedded files: collections have no version numbers.
async fn definitions(
    checks: &mut Checks,
    database: &Database,
    settings: &MongoSettings,
    client: &Client,
) -> Result<(), Error> {
    let history = client.database(INTERNAL_DATABASE).collection::<Document>("schema_history");
    let applied: Vec<Document> = history.find(doc! {}).await?.try_collect().await?;
    let files = schema::files(database);
    let current = |file: &&schema::SchemaFile| {
        let id = format!("{}.{}", settings.database_name(), file.name.trim_end_matches(".json"));
        applied.iter().any(|one| has(one, "_id", &id) && has(one, "definition", file.text))
    };
    let count = files.iter().filter(current).count();
    let found = format!("{count} of {}", counted(files.len(), "definition"));
    if count < files.len() {
        checks.fail(Subject::Schema, found, format!("run `genims provision --only {}`", database.module));
    } else {
        checks.ok(Subject::Schema, found);
    }
    checks.measured(count as f64);
    Ok(())
}

fn is_unauthorized(error: &Error) -> bool {
    matches!(error.kind.as_ref(), ErrorKind::Command(command) if command.code == UNAUTHORIZED)
}

fn has(document: &Document, key: &str, text: &str) -> bool {
    document.get_str(key).is_ok_and(|value| value == text)
}

/// Numbers come as whatever type the server finds small enough.
fn number(document: &Document, key: &str) -> f64 {
    match document.get(key) {
        Some(Bson::Double(value)) => *value,
        Some(Bson::Int64(value)) => *value as f64,
        Some(Bson::Int32(value)) => f64::from(*value),
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn privileges_on_the_database_on_all_and_on_anything_permit() {
        let on = |resource: Document, actions: &[&str]| doc! { "resource": resource, "actions": actions.to_vec() };
        let here = doc! { "db": "plant", "collection": "" };
        assert!(permits(&on(here.clone(), &["find", "insert"]), "plant", "insert"));
        assert!(!permits(&on(here.clone(), &["find"]), "plant", "insert"));
        assert!(!permits(&on(here, &["insert"]), "other", "insert"));
        assert!(permits(&on(doc! { "db": "", "collection": "" }, &["insert"]), "plant", "insert"));
        assert!(permits(&on(doc! { "anyResource": true }, &["anyAction"]), "plant", "insert"));
        assert!(!permits(&on(doc! { "db": "plant", "collection": "one" }, &["insert"]), "plant", "insert"));
    }
}
