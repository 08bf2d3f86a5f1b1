//! One fault of the run, as each database tells it: what the routes made of one event, and the jobs of the routes' rows.
//!
//! In: the private servers. Out: lines for people. The latest fault that both began and ended is taken.

use anyhow::Context;
use genims_dev::Stack;
use genims_model::counted;
use genims_terminal::say;
use mongodb::bson::{Document, doc};
use mysql_async::prelude::Queryable;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, NoTls, Row};

const FAULT: &str = "SELECT machine_id, fault_code, fault_severity, fault_start_time::text, fault_end_time::text,
     coalesce(contributing_sensors, '-'), fault_id::text FROM machine_faults
     WHERE status = 'resolved' AND fault_severity IN ('high', 'critical') ORDER BY fault_id DESC LIMIT 1";
const FLAGGED: &str =
    "SELECT count(*) FROM sensor_data WHERE sensor_id = $1 AND (is_above_critical OR is_below_critical)
     AND timestamp BETWEEN $2::text::timestamp - interval '1 minute' AND $3::text::timestamp";
/// The stop has the fault's machine, code and begin.
const STOP: &str = "SELECT downtime_id, status, coalesce(duration_minutes, 0), coalesce(production_loss_units, 0)
     FROM downtime_events WHERE machine_id = $1 AND downtime_reason_code = $2 AND downtime_start = $3::text::timestamp";
const REPAIR: &str = "SELECT w.work_order_number, a.asset_name, w.priority, w.wo_status FROM work_orders AS w
     JOIN maintenance_assets AS a USING (asset_id)
     WHERE a.machine_id = $1 AND w.source_document_id = left($2, 50) AND w.created_at = $3::text::timestamp";
const ALERT: &str = "SELECT alert_number, GROUP_CONCAT(alert_event ORDER BY alert_sequence SEPARATOR ', ')
     FROM genims_audit_db.business_alerts WHERE database_name = 'genims_operations_db' AND table_name = 'machine_faults' AND record_key =
         LEFT(CONCAT(?, '/', ?, '/', DATE_FORMAT(CAST(? AS DATETIME(6)), '%Y-%m-%dT%H:%i:%s.%fZ')), 100) GROUP BY alert_number";
const FACT: &str = "SELECT CAST(downtime_minutes AS CHAR), CAST(production_loss_units AS CHAR)
     FROM genims_analytics_db.fact_machine_fault WHERE fault_id = ?";
const REPORT: &str = "SELECT CAST(fault_count AS CHAR), CAST(performance_date AS CHAR)
     FROM genims_reporting_db.machine_performance_daily WHERE machine_id = ? AND performance_date = CAST(? AS DATE)";

/// Tells it, or that no fault both began and ended.
pub(super) fn tell(stack: &Stack) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(told(stack)).context("the databases could not be asked for the story of a fault")
}

async fn told(stack: &Stack) -> anyhow::Result<()> {
    let operations = connect(stack, "genims_operations_db").await?;
    let Some(fault) = operations.query_typed(FAULT, &[]).await?.into_iter().next() else {
        say!(
            "\n  No fault of high severity both began and ended in this run; send longer (SECONDS=60) to see one's story."
        );
        return Ok(());
    };
    let [machine, code, severity, begin, end, sensor, id] = texts(&fault);
    say!("\n  One fault, as each database tells it");
    let span: [(&(dyn ToSql + Sync), Type); 3] = [(&sensor, Type::TEXT), (&begin, Type::TEXT), (&end, Type::TEXT)];
    let flagged: i64 = operations.query_typed_one(FLAGGED, &span).await?.get(0);
    say!("  operations      sensor_data        {} beyond the limit", counted(flagged, "reading"));
    say!("  operations      machine_faults     {code} on {machine}, {severity}, {begin} to {end}, sensor {sensor}");
    let key: [(&(dyn ToSql + Sync), Type); 3] = [(&machine, Type::TEXT), (&code, Type::TEXT), (&begin, Type::TEXT)];
    for stop in connect(stack, "genims_manufacturing_db").await?.query_typed(STOP, &key).await? {
        let (minutes, units): (i32, i32) = (stop.get(2), stop.get(3));
        let [id, status] = texts(&stop);
        say!("  manufacturing   downtime_events    {id} {status}, {minutes} min, {units} units lost");
    }
    for repair in connect(stack, "genims_maintenance_db").await?.query_typed(REPAIR, &key).await? {
        let [number, asset, priority, status] = texts(&repair);
        say!("  maintenance     work_orders        {number} {status}, priority {priority}, on {asset}");
    }
    documents(stack, &machine, &code).await?;
    facts(stack, [&machine, &code, &begin, &id]).await
}

async fn documents(stack: &Stack, machine: &str, code: &str) -> anyhow::Result<()> {
    let production = mongodb::Client::with_uri_str(stack.mongodb_url()).await?.database("genims_production");
    let events = production.collection::<Document>("machine_fault_events");
    let told = events.count_documents(doc! { "meta.machine_id": machine, "fault_code": code }).await?;
    say!("  production      machine_fault_events  {} of this fault on this machine", counted(told, "document"));
    let notices = production.collection::<Document>("notifications");
    let told = notices.count_documents(doc! { "machine_id": machine, "notification_type": "fault" }).await?;
    say!(
        "  production      notifications      {} of faults of this machine to its supervisor",
        counted(told, "notice")
    );
    let live = production.collection::<Document>("machine_live_state").find_one(doc! { "machine_id": machine }).await?;
    if let Some(live) = live {
        let state = live.get_str("state").unwrap_or("?");
        let fault = live.get_str("fault_code").unwrap_or("none");
        say!("  production      machine_live_state {machine} {state}, active fault {fault}");
    }
    Ok(())
}

/// The alert with its steps, the fact, and the machine's day in the report.
async fn facts(stack: &Stack, [machine, code, begin, id]: [&str; 4]) -> anyhow::Result<()> {
    let mut mysql = mysql_async::Conn::from_url(stack.mysql_url("")).await?;
    let alert: Option<(String, String)> = mysql.exec_first(ALERT, (machine, code, begin)).await?;
    if let Some((number, steps)) = alert {
        say!("  audit           business_alerts    {number}: {steps}");
    }
    let fact: Option<(String, String)> = mysql.exec_first(FACT, (id,)).await?;
    if let Some((minutes, units)) = fact {
        say!("  analytics       fact_machine_fault {id}: {minutes} min, {units} units lost");
    }
    let report: Option<(String, String)> = mysql.exec_first(REPORT, (machine, begin)).await?;
    if let Some((faults, day)) = report {
        say!("  reporting       machine_performance_daily  faults of this machine on {day}: {faults}");
    }
    mysql.disconnect().await?;
    Ok(())
}

async fn connect(stack: &Stack, database: &str) -> anyhow::Result<Client> {
    let (client, connection) = tokio_postgres::connect(&stack.postgres_url(database), NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// The first columns, which are texts.
fn texts<const N: usize>(row: &Row) -> [String; N] {
    std::array::from_fn(|index| row.get::<_, Option<String>>(index).unwrap_or_else(|| "-".to_owned()))
}
