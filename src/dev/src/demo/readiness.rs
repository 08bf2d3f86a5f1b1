//! What must hold before a plant goes live, and how long it takes to bring databases back: out of two reports.

use anyhow::Context;
use genims_model::counted;
use genims_terminal::say;
use serde_json::{Value, json};

/// The drill's times, and the lines of the checklist by what became of them.
pub(super) fn of(drill: &Value, checklist: &Value) -> anyhow::Result<Value> {
    let databases = drill["databases"].as_array().context("the drill tells of no databases")?;
    let failed: Vec<&Value> = databases.iter().filter(|one| !one["error"].is_null()).collect();
    let lines = checklist["lines"].as_array().context("the checklist has no lines")?;
    let in_state = |state: &'static str| lines.iter().filter(move |line| line["state"] == state);
    let named = |state: &'static str| -> Vec<Value> {
        in_state(state).map(|line| json!({ "id": line["id"], "must_hold": line["must_hold"] })).collect()
    };
    Ok(json!({
        "drill": { "databases": databases.len(), "seconds": drill["seconds"], "failed": failed },
        "checklist": {
            "holds": in_state("holds").count() + in_state("signed").count(),
            "to_be_signed": in_state("to_be_signed").count(),
            "fails": named("fails"),
            "unknown": named("unknown"),
        },
    }))
}

pub(super) fn print(readiness: &Value) {
    let (drill, checklist) = (&readiness["drill"], &readiness["checklist"]);
    let number = |value: &Value| value.as_i64().unwrap_or(0);
    let failed = drill["failed"].as_array().map_or(0, Vec::len);
    say!(
        "\n  drill: {} saved and brought back beside themselves in {:.1} s, {failed} failed",
        counted(number(&drill["databases"]), "database"),
        drill["seconds"].as_f64().unwrap_or(f64::NAN)
    );
    say!(
        "  checklist: {} hold, {} only people can sign",
        counted(number(&checklist["holds"]), "line"),
        number(&checklist["to_be_signed"])
    );
    for state in ["fails", "unknown"] {
        for line in checklist[state].as_array().into_iter().flatten() {
            let text = |key: &str| line[key].as_str().unwrap_or_default();
            say!("    {state:<8} {} {}", text("id"), text("must_hold"));
        }
    }
}
