//! One fault of the run, as each database tells it: what the routes made of one event.
//!
//! In: the private servers. Out: lines for people. The latest fault that both began and ended is taken.

use anyhow::Context;
use genims_dev::Stack;
use genims_model::counted;
use genims_terminal::say;
use mongodb::bson::{Document, doc};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, NoTls, Row};

const FAULT: &str = "SELECT machine_id, fault_code, fault_severity, fault_start_time::text, fault_end_time::text,
     coalesce(contributing_sensors, '-') FROM machine_faults
     WHERE status = 'resolved' AND fault_severity IN ('high', 'critical') ORDER BY fault_id DESC LIMIT 1";
/// The stop has the fault's machine, code and begin.
const STOP: &str = "SELECT downtime_id, status, coalesce(duration_minutes, 0), coalesce(production_loss_units, 0)
     FROM downtime_events WHERE machine_id = $1 AND downtime_reason_code = $2 AND downtime_start = $3::text::timestamp";
const REPAIR: &str = "SELECT w.work_order_number, a.asset_name, w.priority, w.wo_status FROM work_orders AS w
     JOIN maintenance_assets AS a USING (asset_id)
     WHERE a.machine_id = $1 AND w.source_document_id = left($2, 50) AND w.created_at = $3::text::timestamp";

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
    let [machine, code, severity, begin, end, sensor] = texts(&fault);
    say!("\n  One fault, as each database tells it");
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
    let production = mongodb::Client::with_uri_str(stack.mongodb_url()).await?.database("genims_production");
    let events = production.collection::<Document>("machine_fault_events");
    let told = events.count_documents(doc! { "meta.machine_id": &machine, "fault_code": &code }).await?;
    say!("  production      machine_fault_events  {} of this fault on this machine", counted(told, "document"));
    let live =
        production.collection::<Document>("machine_live_state").find_one(doc! { "machine_id": &machine }).await?;
    if let Some(live) = live {
        let state = live.get_str("state").unwrap_or("?");
        let fault = live.get_str("fault_code").unwrap_or("none");
        say!("  production      machine_live_state {machine} {state}, active fault {fault}");
    }
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
