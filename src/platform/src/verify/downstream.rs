//! What is left undone behind the stream: events that a database refused for good, stretches of the log of events that it never read, jobs
//! whose last run did not succeed.
//!
//! In: the bookkeeping in `genims_internal`. Out: a finding for each database that events are routed to, and one for the jobs. Where nothing
//! was ever routed, or run, there is none: nobody said that there should be. A database that is down is told by its counts.

use super::report::{DOWNSTREAM as FAMILY, Finding, Problem};
use super::source::Sources;
use crate::link::{Fields, field, number};
use bson::{Bson, Document, doc};
use genims_databases::mongo::INTERNAL_DATABASE;
use genims_databases::{Database, Engine};
use genims_model::counted;
use std::time::Instant;

const MASTER: &str = "genims_master_db";

/// Tables of the bookkeeping: what an earlier release provisioned has none of them.
const TABLES: &str =
    "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'genims_internal' AND table_name IN";

/// Each job with its last run that came to an end. One that was killed says nothing of its job: the next run does it anew.
const RUNS: &str = "SELECT DISTINCT ON (job) job, outcome, to_char(started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'), error \
     FROM genims_internal.etl_runs WHERE outcome IN ('succeeded', 'failed') ORDER BY job, run_id DESC";

/// What a database lacks of the events that are routed to it.
#[derive(Debug, PartialEq, Eq)]
struct Lacking {
    refused: u64,
    gaps: u64,
}

pub(super) async fn check(sources: &Sources, database: &Database) -> Vec<Finding> {
    let mut findings = Vec::new();
    let started = Instant::now();
    match lacking(sources, database).await {
        Ok(None) | Err(Problem::Down(_)) => {}
        Ok(Some(lacking)) => findings.push(events(database, &lacking)),
        Err(problem) => findings.push(unfinished(events_of(database), &problem)),
    }
    if database.name == MASTER {
        match runs(sources).await {
            Ok(None) | Err(Problem::Down(_)) => {}
            Ok(Some(finding)) => findings.push(finding),
            Err(problem) => findings.push(unfinished(jobs(), &problem)),
        }
    }
    let share = started.elapsed().as_secs_f64() / findings.len().max(1) as f64;
    findings.iter_mut().for_each(|finding| finding.seconds = share);
    findings
}

fn events_of(database: &Database) -> Finding {
    let says = format!("{} has every event that is routed to it", database.name);
    Finding::new(format!("events_reach_{}", database.module), FAMILY, &[database.name.as_str()], says)
}

fn jobs() -> Finding {
    Finding::new("jobs_succeed", FAMILY, &[MASTER], "The last run of each job succeeded")
}

fn unfinished(mut finding: Finding, problem: &Problem) -> Finding {
    finding.unfinished(problem);
    finding
}

fn events(database: &Database, lacking: &Lacking) -> Finding {
    let mut finding = events_of(database);
    finding.looked_at = 1;
    if lacking.refused > 0 {
        let events = counted(lacking.refused, "event");
        let remedy = "mend what its detail says, and delete it there";
        finding.violation("genims_internal.refused_events", format!("{events} refused for good: {remedy}"));
    }
    if lacking.gaps > 0 {
        let gaps = counted(lacking.gaps, "gap");
        let remedy = format!("run `genims routes resync {}`", database.module);
        finding.violation("genims_internal.route_gaps", format!("{gaps} open: {remedy}"));
    }
    finding
}

/// `None` for a database that no events are routed to.
async fn lacking(sources: &Sources, database: &Database) -> Result<Option<Lacking>, Problem> {
    let (name, sink) = (database.name.as_str(), database.module.as_str());
    if database.engine == Engine::Mongodb {
        return documents(sources, name, sink).await;
    }
    let tables = format!("{TABLES} ('route_positions', 'refused_events', 'route_gaps')");
    if count(sources, name, &tables).await? < 3 {
        return Ok(None);
    }
    let positions = format!("SELECT count(*) FROM genims_internal.route_positions WHERE sink = '{sink}'");
    if count(sources, name, &positions).await? == 0 {
        return Ok(None);
    }
    let gaps = format!("SELECT count(*) FROM genims_internal.route_gaps WHERE sink = '{sink}' AND closed_us IS NULL");
    let refused = count(sources, name, &refused_of(database.engine, sink)).await?;
    Ok(Some(Lacking { refused, gaps: count(sources, name, &gaps).await? }))
}

/// MySQL databases of one server share the table. What an earlier build set aside there has no name, and is told by all of them.
fn refused_of(engine: Engine, sink: &str) -> String {
    let whose = if engine == Engine::Mysql { format!(" WHERE sink IN ('{sink}', '')") } else { String::new() };
    format!("SELECT count(*) FROM genims_internal.refused_events{whose}")
}

async fn documents(sources: &Sources, name: &str, sink: &str) -> Result<Option<Lacking>, Problem> {
    let internal = sources.documents(name)?.client.database(INTERNAL_DATABASE);
    let refused = held(&internal, "refused_events", doc! {}).await?;
    let gaps = held(&internal, "route_gaps", doc! { "_id.sink": sink, "closed_us": Bson::Null }).await?;
    let told = held(&internal, "routed_facts", doc! { "_id.sink": sink }).await?;
    Ok((refused + gaps + told > 0).then_some(Lacking { refused, gaps }))
}

async fn held(internal: &mongodb::Database, collection: &str, filter: Document) -> Result<u64, Problem> {
    let count = internal.collection::<Document>(collection).count_documents(filter).await;
    count.map_err(|error| Problem::Query(error.to_string()))
}

/// `None` where no job ever ended.
async fn runs(sources: &Sources) -> Result<Option<Finding>, Problem> {
    if count(sources, MASTER, &format!("{TABLES} ('etl_runs')")).await? == 0 {
        return Ok(None);
    }
    let mut finding = jobs();
    let each = &mut |row: Fields<'_>| {
        finding.looked_at += 1;
        if field(&row, 1) != "succeeded" {
            let detail = format!("{} at {} UTC: {}", field(&row, 1), field(&row, 2), field(&row, 3));
            finding.violation(field(&row, 0), detail);
        }
    };
    sources.rows(MASTER, RUNS, each).await?;
    Ok((finding.looked_at > 0).then_some(finding))
}

async fn count(sources: &Sources, database: &str, query: &str) -> Result<u64, Problem> {
    let mut found = 0;
    sources.rows(database, query, &mut |row| found = number(&row, 0)).await?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::super::report::RuleOutcome;
    use super::*;
    use genims_databases::Registry;

    #[test]
    fn what_was_refused_and_what_went_unread_is_named_with_what_to_do() {
        let registry = Registry::load(None).expect("the embedded registry");
        let hr = registry.get("hr").expect("the database");
        assert_eq!(events(hr, &Lacking { refused: 0, gaps: 0 }).outcome, RuleOutcome::Passed);
        let finding = events(hr, &Lacking { refused: 2, gaps: 1 });
        assert_eq!(
            (finding.rule.as_str(), finding.outcome, finding.violations),
            ("events_reach_hr", RuleOutcome::Violated, 2)
        );
        assert!(finding.examples[0].detail.starts_with("2 events refused for good"), "{finding:?}");
        assert!(finding.examples[1].detail.contains("genims routes resync hr"), "{finding:?}");
    }
}
