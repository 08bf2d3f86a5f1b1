//! What databases are asked for the report. In: the registry, the environment, a day. Out: a section for each question.
//!
//! Invariants: one database that is away, slow or closed to its login costs its own sections alone.

use super::ReportSection;
use crate::link::{self, Fields, LinkSettings};
use chrono::{Days, NaiveDate};
use genims_databases::{Environment, Registry};
use std::time::Duration;
use tokio::time::timeout;

/// Sums over a day of millions of changes take a while.
const ANSWER_MAX: Duration = Duration::from_secs(120);
/// Rows of a section.
const ROWS_MAX: usize = 2_000;

/// In SQL `{day}` is the day, `{next}` the one after it, as texts that both engines take for days. What has no status is neither closed
/// nor out of use.
struct Question {
    section: ReportSection,
    database: &'static str,
    sql: &'static str,
}

const fn question(
    [name, title, says]: [&'static str; 3],
    columns: &'static [&'static str],
    database: &'static str,
    sql: &'static str,
) -> Question {
    let section = ReportSection { name, title, says, columns, rows: Vec::new(), is_cut: false, error: None };
    Question { section, database, sql }
}

const QUESTIONS: [Question; 9] = [
    question(
        ["changes", "Changes by actor and database", "Changes of business tables on the day, from the audit trail."],
        &["actor", "kind", "database", "inserts", "updates", "deletes", "tables"],
        "genims_audit_db",
        "SELECT actor_id, actor_type, database_name, SUM(operation = 'insert'), SUM(operation = 'update'), SUM(operation = 'delete'),
                COUNT(DISTINCT table_name)
         FROM data_change_audit WHERE occurred_at >= '{day}' AND occurred_at < '{next}'
         GROUP BY actor_id, actor_type, database_name ORDER BY actor_id, database_name",
    ),
    question(
        ["sign_ins", "Refused sign-ins of people", "Attempts of the day that failed, from the audit trail."],
        &["application", "name", "reason", "times", "first", "last"],
        "genims_audit_db",
        "SELECT application, username, COALESCE(failure_reason, 'not said'), COUNT(*), MIN(occurred_at), MAX(occurred_at)
         FROM login_audit_log WHERE outcome = 'failure' AND occurred_at >= '{day}' AND occurred_at < '{next}'
         GROUP BY application, username, failure_reason ORDER BY COUNT(*) DESC, username",
    ),
    question(
        ["refusals", "Refusals at the doors of the platform", "Clients, users and actions that were refused on the day, from the audit trail."],
        &["application", "actor", "what", "times", "last"],
        "genims_audit_db",
        "SELECT application, actor_id, COALESCE(activity_description, activity_type), 
                SUM(CASE WHEN module_name = 'security' THEN GREATEST(COALESCE(rows_returned, 1), 1) ELSE 1 END), MAX(occurred_at)
         FROM user_activity_log WHERE outcome = 'denied' AND occurred_at >= '{day}' AND occurred_at < '{next}'
         GROUP BY application, actor_id, COALESCE(activity_description, activity_type) ORDER BY MAX(occurred_at) DESC, actor_id",
    ),
    question(
        ["dead_letters", "Dead letters by reason", "Records that came on the day and could not be stored; those that wait were not replayed."],
        &["source", "reason", "letters", "records", "records that wait"],
        "genims_operations_db",
        "SELECT source, reason, sum(letters), sum(records), coalesce(sum(records) FILTER (WHERE replayed_at IS NULL), 0)
         FROM genims_internal.dead_letters WHERE received_at < TIMESTAMPTZ '{next} 00:00 UTC' AND coalesce(last_received_at, received_at) >= TIMESTAMPTZ '{day} 00:00 UTC'
         GROUP BY source, reason ORDER BY sum(records) DESC, source, reason",
    ),
    question(
        ["calibrations", "Calibrations overdue", "Gauges in use whose calibration was due by the end of the day, as they stand now."],
        &["gauge", "name", "kept by", "due", "days overdue", "status"],
        "genims_quality_db",
        "SELECT equipment_number, equipment_name, location, next_calibration_due, DATE '{next}' - next_calibration_due, equipment_status
         FROM measuring_equipment WHERE coalesce(equipment_status, '') NOT IN ('out_of_service', 'retired') AND next_calibration_due < DATE '{next}'
         ORDER BY next_calibration_due, equipment_number",
    ),
    question(
        ["ncrs", "Critical non-conformances that are open", "Detected by the end of the day, as they stand now."],
        &["number", "detected", "days open", "status", "severity", "priority", "what"],
        "genims_quality_db",
        "SELECT ncr_number, detected_date, DATE '{next}' - detected_date, ncr_status, defect_severity, priority, left(defect_description, 300)
         FROM ncr_headers WHERE coalesce(ncr_status, '') NOT IN ('closed', 'cancelled') AND detected_date < DATE '{next}'
           AND (defect_severity = 'critical' OR priority = 'critical') ORDER BY detected_date, ncr_number",
    ),
    question(
        ["capas", "Corrective and preventive actions that are open", "All that are not closed, critical and overdue ones first, as they stand now."],
        &["number", "severity", "status", "due", "days overdue", "what"],
        "genims_quality_db",
        "SELECT capa_number, problem_severity, capa_status, target_completion_date, greatest(DATE '{next}' - target_completion_date, 0), left(problem_description, 300)
         FROM capa_headers WHERE coalesce(capa_status, '') NOT IN ('closed', 'cancelled')
         ORDER BY problem_severity IS DISTINCT FROM 'critical', target_completion_date, capa_number",
    ),
    question(
        ["holds", "Retention holds in force", "Legal holds that were not released by the end of the day. `genims retention plan` says what else is held."],
        &["hold", "matter", "database", "table", "records", "since step", "next review"],
        "genims_audit_db",
        "SELECT h.hold_number, h.matter_name, h.database_name, h.table_name, h.affected_records, h.occurred_at, h.next_review_date
         FROM legal_holds h
         JOIN (SELECT hold_number, MAX(hold_sequence) AS step FROM legal_holds WHERE occurred_at < '{next}' GROUP BY hold_number) AS newest
           ON newest.hold_number = h.hold_number AND newest.step = h.hold_sequence
         WHERE h.hold_event <> 'released' ORDER BY h.hold_number",
    ),
    question(
        ["jobs", "Jobs of reporting, warehouse and roll-ups", "Runs that began on the day."],
        &["job", "outcome", "runs", "days computed", "rows", "last began", "last error"],
        "genims_master_db",
        "SELECT job, outcome, count(*), sum(days), sum(rows_in), to_char(max(started_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'),
                (array_agg(left(error, 300) ORDER BY run_id DESC))[1]
         FROM genims_internal.etl_runs WHERE started_at >= TIMESTAMPTZ '{day} 00:00 UTC' AND started_at < TIMESTAMPTZ '{next} 00:00 UTC'
         GROUP BY job, outcome ORDER BY job, outcome",
    ),
];

/// All of them, one after another: nobody waits for the report.
pub async fn ask(registry: &Registry, environment: &Environment, day: NaiveDate) -> Vec<ReportSection> {
    let mut sections = Vec::new();
    for Question { section, database, sql } in QUESTIONS {
        let found = match timeout(ANSWER_MAX, rows(registry, environment, database, &filled(sql, day))).await {
            Ok(found) => found,
            Err(_) => Err(format!("{database}: no answer within {} s", ANSWER_MAX.as_secs())),
        };
        let mut section = section.looked_at(found);
        section.is_cut = section.rows.len() > ROWS_MAX;
        section.rows.truncate(ROWS_MAX);
        sections.push(section);
    }
    sections
}

fn filled(sql: &str, day: NaiveDate) -> String {
    let next = day.checked_add_days(Days::new(1)).unwrap_or(day);
    sql.replace("{day}", &day.to_string()).replace("{next}", &next.to_string())
}

/// One row more than is shown, at most.
async fn rows(
    registry: &Registry,
    environment: &Environment,
    database: &str,
    sql: &str,
) -> Result<Vec<Vec<String>>, String> {
    let database = registry.get(database).map_err(|error| error.to_string())?;
    let settings = LinkSettings::of(database, environment).map_err(|error| error.to_string())?;
    let settings = settings.ok_or_else(|| format!("{} speaks no SQL", database.name))?;
    let mut link = link::connect(&settings).await?;
    let mut rows = Vec::new();
    let each = &mut |row: Fields<'_>| {
        rows.push(row.iter().map(|field| field.as_deref().unwrap_or_default().to_owned()).collect());
    };
    let asked = link.rows(&settings, &format!("{sql} LIMIT {}", ROWS_MAX + 1), each).await;
    link.close().await;
    asked.map_err(|error| error.to_string())?;
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn questions_are_told_apart_and_ask_what_there_is() {
        let registry = Registry::load(None).expect("the embedded registry");
        let names: BTreeSet<&str> = QUESTIONS.iter().map(|question| question.section.name).collect();
        assert_eq!(names.len(), QUESTIONS.len());
        for question in &QUESTIONS {
            registry.get(question.database).expect(question.section.name);
        }
    }

    #[test]
    fn a_day_ends_where_the_next_begins() {
        let day = NaiveDate::from_ymd_opt(2028, 2, 29).expect("a day");
        assert_eq!(filled("'{day}' '{next}'", day), "'2028-02-29' '2028-03-01'");
    }

    #[tokio::test]
    async fn a_database_that_is_away_costs_its_own_sections() {
        let registry = Registry::load(None).expect("the embedded registry");
        let day = NaiveDate::from_ymd_opt(2028, 2, 29).expect("a day");
        let sections = ask(&registry, &Environment::default(), day).await;
        assert_eq!(sections.len(), QUESTIONS.len());
        assert!(sections.iter().all(|section| section.error.as_ref().is_some_and(|error| !error.is_empty())));
    }
}
