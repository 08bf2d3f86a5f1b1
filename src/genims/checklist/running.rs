//! What the running server says of itself.

use super::looks::Missing;
use genims_platform::checklist::Outcome;
use genims_platform::checklist::definition::Server;
use serde_json::Value;

pub(super) fn server(stats: Result<&Value, &Missing>, wanted: &Server) -> Outcome {
    let stats = match stats {
        Ok(stats) => stats,
        Err(missing) if missing.0.contains("; ") => return Outcome::not_looked_at(missing),
        Err(missing) => {
            let remedy = "start `genims serve`, or name its HTTP side with --url";
            return Outcome::unknown(missing.to_string(), remedy);
        }
    };
    let Some(all) = stats.get(&wanted.list).and_then(Value::as_array) else {
        let found = format!("the server's /stats has no {}", wanted.list);
        return Outcome::unknown(found, "run the release of `genims serve` that belongs to this program");
    };
    let meant = |entry: &&Value| wanted.r#where.iter().all(|(key, value)| entry.get(key) == Some(value));
    let own: Vec<&Value> = all.iter().filter(meant).collect();
    let of: Vec<String> = wanted.r#where.iter().map(|(key, value)| format!("{key} {}", plain(value))).collect();
    let of = if of.is_empty() { String::new() } else { format!(" ({})", of.join(", ")) };
    let counted = format!("{} {}{of}", own.len(), wanted.list);
    if own.len() < wanted.at_least {
        return Outcome::fails(format!("{counted}, and {} are wanted", wanted.at_least), &wanted.remedy);
    }
    let wrong: Vec<String> = own.iter().filter_map(|entry| wrong(entry, wanted)).collect();
    match wrong.first() {
        Some(first) => {
            Outcome::fails(format!("{counted}; {} not as they must be: {first}", wrong.len()), &wanted.remedy)
        }
        None => Outcome::holds(format!("{counted}: {}", held(wanted))),
    }
}

/// What is wrong with an entry, and whose it is.
fn wrong(entry: &Value, wanted: &Server) -> Option<String> {
    let name = ["name", "database"].iter().find_map(|key| entry.get(key)?.as_str()).unwrap_or("?");
    let is = wanted.is.iter().find(|(key, allowed)| !allowed.contains(entry.get(key).unwrap_or(&Value::Null)));
    let most = wanted
        .at_most
        .iter()
        .find(|(key, most)| entry.get(*key).and_then(Value::as_f64).is_none_or(|number| number > **most));
    let key = is.map(|(key, _)| key).or(most.map(|(key, _)| key))?;
    let value = entry.get(key).map_or_else(|| "not there".to_owned(), plain);
    let error = entry.get("last_error").and_then(Value::as_str).map(|error| format!(" ({error})")).unwrap_or_default();
    Some(format!("{name}: {key} is {value}{error}"))
}

fn held(wanted: &Server) -> String {
    let is = wanted
        .is
        .iter()
        .map(|(key, allowed)| format!("{key} {}", allowed.iter().map(plain).collect::<Vec<_>>().join(" or ")));
    let most = wanted.at_most.iter().map(|(key, most)| format!("{key} at most {most}"));
    is.chain(most).collect::<Vec<_>>().join(", ")
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use genims_platform::checklist::LineState;
    use serde_json::json;

    fn wanted(at_least: usize) -> Server {
        serde_json::from_value(json!({
            "list": "sinks", "where": { "database": "d" }, "is": { "state": ["following"] },
            "at_most": { "lag_seconds": 60 }, "at_least": at_least, "remedy": "look at the log"
        }))
        .expect("a check")
    }

    #[test]
    fn each_entry_that_is_meant_has_to_be_as_it_must_be() {
        let sink = |database: &str, state: &str, lag: f64| json!({ "name": "s", "database": database, "state": state, "lag_seconds": lag, "last_error": "away" });
        let state = |sinks: &[Value], at_least| server(Ok(&json!({ "sinks": sinks })), &wanted(at_least)).state;
        let (good, other) = (sink("d", "following", 1.0), sink("e", "retrying", 900.0));
        assert_eq!(state(&[good.clone(), other.clone()], 1), LineState::Holds, "others are not meant");
        assert_eq!(state(&[good.clone(), other], 2), LineState::Fails, "too few");
        assert_eq!(state(&[good.clone(), sink("d", "retrying", 0.0)], 1), LineState::Fails);
        assert_eq!(state(&[sink("d", "following", 61.0)], 1), LineState::Fails);
        assert_eq!(server(Ok(&json!({})), &wanted(1)).state, LineState::Unknown);
        let away = server(Err(&Missing("refused".to_owned())), &wanted(1));
        assert_eq!((away.state, away.found.as_str()), (LineState::Unknown, "refused"));
        let closed = server(Err(&Missing("it asks for a token; give one".to_owned())), &wanted(1));
        assert_eq!((closed.state, closed.remedy.as_deref()), (LineState::Unknown, Some("give one")));
        let told = server(Ok(&json!({ "sinks": [sink("d", "retrying", 0.0)] })), &wanted(1)).found;
        assert!(told.contains("state is retrying (away)"), "{told}");
    }
}
