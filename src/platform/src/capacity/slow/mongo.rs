//! What MongoDB's profiler kept (system.profile), and what it runs ($currentOp).

use super::text;
use super::{RUNNING_SECONDS_MIN, RunningStatement, STATEMENTS_MAX, Seen, SlowStatement};
use crate::capacity::mongo::{is_refused, number};
use futures_util::TryStreamExt;
use genims_databases::{DatabaseError, Engine, MongoClient, MongoSettings};
use mongodb::bson::{Document, doc};
use mongodb::error::Error;

const MICROSECONDS: f64 = 1e6;
/// Of every command, and of no interest.
const BESIDE: [&str; 6] = ["lsid", "$db", "$clusterTime", "$readPreference", "txnNumber", "apiVersion"];

pub(super) async fn ask(server: &str, settings: &MongoSettings) -> Result<Seen, DatabaseError> {
    let client = settings.client().await?;
    let mut seen = Seen::default();
    let asked = look(&client, server, settings.database_name(), &mut seen).await;
    asked.map_err(|source| settings.error(source))?;
    Ok(seen)
}

async fn look(client: &MongoClient, server: &str, name: &str, seen: &mut Seen) -> Result<(), Error> {
    let running = match operations(client, true).await {
        Err(error) if is_refused(&error) => {
            let remedy = "grant clusterMonitor to the login";
            seen.remarks.push(format!("{server}: what other logins run is not to be seen: {remedy}"));
            operations(client, false).await?
        }
        running => running?,
    };
    seen.running.extend(running.iter().filter_map(|operation| self::running(operation, name)));
    match profile(client, name).await {
        Ok((is_kept, kept)) => {
            seen.slowest.extend(kept.iter().map(|kept| slow(kept, name)));
            if !is_kept {
                let remedy = format!("run db.setProfilingLevel(1, {{ slowms: 1000 }}) in {name}");
                seen.remarks.push(format!("{server} keeps no slow statements: {remedy}"));
            }
        }
        Err(error) if is_refused(&error) => {
            seen.remarks.push(format!("{server}: its profile is not to be seen: grant dbAdmin to the login"));
        }
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Whether the profiler runs, and what it kept: what it kept before it was switched off is there still.
async fn profile(client: &MongoClient, name: &str) -> Result<(bool, Vec<Document>), Error> {
    let store = client.database(name);
    let level = store.run_command(doc! { "profile": -1 }).await?;
    let most = i64::try_from(STATEMENTS_MAX).unwrap_or(i64::MAX);
    let pipeline = [
        doc! { "$group": {
            "_id": { "ns": "$ns", "op": "$op", "shape": "$queryHash" },
            "calls": { "$sum": 1 }, "total": { "$sum": "$millis" }, "longest": { "$max": "$millis" },
            "command": { "$last": "$command" },
        } },
        doc! { "$sort": { "total": -1 } },
        doc! { "$limit": most },
    ];
    let kept = store.collection::<Document>("system.profile").aggregate(pipeline).await?;
    Ok((number(&level, "was") > 0.0, kept.try_collect().await?))
}

async fn operations(client: &MongoClient, of_all: bool) -> Result<Vec<Document>, Error> {
    let pipeline = [doc! { "$currentOp": { "allUsers": of_all } }, doc! { "$match": { "active": true } }];
    client.database("admin").aggregate(pipeline).await?.try_collect().await
}

/// One that runs on our database, for long enough.
fn running(operation: &Document, name: &str) -> Option<RunningStatement> {
    let namespace = operation.get_str("ns").ok().filter(|namespace| is_of(namespace, name))?;
    let seconds = number(operation, "microsecs_running") / MICROSECONDS;
    if seconds <= RUNNING_SECONDS_MIN {
        return None;
    }
    let users = operation.get_array("effectiveUsers").ok();
    let user = users.and_then(|users| users.first()?.as_document()?.get_str("user").ok());
    Some(RunningStatement {
        engine: Engine::Mongodb,
        database: name.to_owned(),
        login: user.unwrap_or_default().to_owned(),
        state: operation.get_str("planSummary").unwrap_or_default().to_owned(),
        seconds,
        text: told(operation.get_str("op").unwrap_or_default(), namespace, operation.get_document("command").ok()),
    })
}

fn slow(kept: &Document, name: &str) -> SlowStatement {
    let id = kept.get_document("_id").ok();
    let word = |key: &str| id.and_then(|id| id.get_str(key).ok()).unwrap_or_default();
    SlowStatement {
        engine: Engine::Mongodb,
        database: name.to_owned(),
        text: told(word("op"), word("ns"), kept.get_document("command").ok()),
        calls: number(kept, "calls") as u64,
        total_seconds: number(kept, "total") / 1_000.0,
        longest_seconds: number(kept, "longest") / 1_000.0,
    }
}

fn told(operation: &str, namespace: &str, command: Option<&Document>) -> String {
    let mut command = command.cloned().unwrap_or_default();
    for key in BESIDE {
        command.remove(key);
    }
    text::command(operation, namespace, &command)
}

fn is_of(namespace: &str, name: &str) -> bool {
    namespace.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_on_our_database_for_long_is_shown_without_what_every_command_has() {
        let operation = |ns: &str, microseconds: i64| {
            doc! {
                "ns": ns, "op": "query", "microsecs_running": microseconds, "planSummary": "COLLSCAN",
                "effectiveUsers": [{ "user": "ada", "db": "admin" }],
                "command": { "find": "oee_metrics", "lsid": { "id": 1 }, "$db": "plant", "filter": { "oee": 2 } },
            }
        };
        let found = running(&operation("plant.oee_metrics", 2_500_000), "plant").expect("it runs");
        assert_eq!((found.seconds, found.login.as_str(), found.state.as_str()), (2.5, "ada", "COLLSCAN"));
        assert_eq!(found.text, r#"query plant.oee_metrics { "find": "oee_metrics", "filter": { "oee": 2 } }"#);
        assert_eq!(running(&operation("plant.oee_metrics", 1_000_000), "plant"), None);
        for other in ["plant2.oee_metrics", "admin.$cmd", "plant"] {
            assert_eq!(running(&operation(other, 2_500_000), "plant"), None, "{other}");
        }
    }

    #[test]
    fn what_was_kept_is_counted_in_seconds() {
        let kept =
            doc! { "_id": { "ns": "plant.a", "op": "command" }, "calls": 4, "total": 10_000_i64, "longest": 7_000 };
        let found = slow(&kept, "plant");
        assert_eq!((found.calls, found.total_seconds, found.longest_seconds), (4, 10.0, 7.0));
        assert!(found.text.starts_with("command plant.a"), "{}", found.text);
    }
}
