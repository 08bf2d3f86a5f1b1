//! What `genims hub` prints as JSON, and rows for its sources.

use crate::harness::connect_postgres;
use crate::platform::Platform;
use serde_json::Value;

/// Runs it, and insists on whether it passes.
#[track_caller]
pub(crate) fn report(platform: &Platform, arguments: &[&str], passes: bool) -> Value {
    let output = platform.cli(arguments, &[]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.success(), passes, "{text}{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(&text).unwrap()
}

/// Of one schema.
pub(crate) fn status<'a>(report: &'a Value, schema: &str) -> &'a str {
    let found = report["schemas"].as_array().unwrap().iter().find(|entry| entry["schema"] == schema);
    found.unwrap()["status"].as_str().unwrap()
}

/// Foreign keys asleep, so that one row is enough.
pub(crate) async fn execute(platform: &Platform, database: &str, sql: &str) {
    let client = connect_postgres(&platform.stack.postgres_url(database)).await;
    client.batch_execute("SET session_replication_role = replica").await.unwrap();
    client.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
}
