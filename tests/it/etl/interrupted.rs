//! Runs that do not get to their end: what was not done is done later, and nothing half done is visible meanwhile.

use super::{ANALYTICS, MASTER, OPERATIONS, PATIENCE, Plant, jobs_succeed};
use crate::harness::write_env;
use crate::running::eventually;
use crate::server::free_addresses;
use genims_databases::MysqlSettings;
use mysql_async::prelude::Queryable;
use std::fmt::Write;
use std::time::Duration;

/// Killed where it has computed and waits for a row that somebody holds.
pub(super) fn a_run_that_is_killed(plant: &Plant) {
    plant.platform.execute(OPERATIONS, "DELETE FROM machine_faults WHERE fault_code = 'E3'");
    let url = plant.platform.stack.mysql_url(ANALYTICS);
    let mut held = plant.harness.block_on(async {
        let mut held = MysqlSettings::from_url("test", &url).unwrap().connect().await.unwrap();
        held.query_drop("START TRANSACTION").await.unwrap();
        held.query_drop("SELECT * FROM fact_machine_fault FOR UPDATE").await.unwrap();
        held
    });
    let mut killed = plant.platform.start(&["etl", "run", "fault_facts"], &[]);
    let waits = "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'";
    eventually("it waits for the row", PATIENCE, || {
        // Whoever has asked within 100 ms is told the same again.
        std::thread::sleep(Duration::from_millis(200));
        plant.mysql(ANALYTICS, waits) == ["1"]
    });
    killed.kill().unwrap();
    killed.wait().unwrap();
    plant.harness.block_on(async { held.query_drop("ROLLBACK").await.unwrap() });
    assert_eq!(plant.faults()[1], "2 10", "nothing of it is visible");
    assert!(!plant.staging_tables().is_empty());
    let running = "SELECT count(*) FROM genims_internal.etl_runs WHERE outcome = 'running'";
    assert_eq!(plant.postgres(MASTER, running), 1);
    // PostgreSQL lets the lease go when it notices that its holder is gone.
    eventually("the next run does it", PATIENCE, || plant.etl(&["run", "fault_facts"]).0);
    assert_eq!(plant.faults()[1], "1 9");
    assert_eq!(plant.staging_tables(), [""; 0]);
    assert_eq!(plant.postgres(MASTER, running), 0);
    let abandoned = "SELECT count(*) FROM genims_internal.etl_runs WHERE outcome = 'abandoned'";
    assert_eq!(plant.postgres(MASTER, abandoned), 1);
    // While the run after it is under way, the one that was killed says nothing of the job.
    let last = |outcome: &str| {
        let select = "SELECT max(run_id) FROM genims_internal.etl_runs WHERE job = 'fault_facts'";
        format!("UPDATE genims_internal.etl_runs SET outcome = '{outcome}' WHERE run_id = ({select})")
    };
    plant.platform.execute(MASTER, &last("running"));
    assert_eq!(jobs_succeed(plant)["outcome"], "passed");
    plant.platform.execute(MASTER, &last("succeeded"));
}

/// A server that starts finds moments that it missed.
pub(super) fn what_was_missed_is_made_up_for(plant: &Plant) {
    plant.platform.execute(OPERATIONS, &plant.fault("E4", 3));
    let earlier = "UPDATE genims_internal.etl_runs SET started_at = started_at - interval '30 hours'";
    plant.platform.execute(MASTER, earlier);
    let (folder, [http, mqtt]) = (plant.harness.folder("serving"), free_addresses());
    let mut environment = String::new();
    for (name, value) in plant.platform.variables() {
        writeln!(environment, "{name}='{value}'").unwrap();
    }
    write_env(&folder.join(".env"), environment);
    let text = format!(
        "data_dir = \"{}\"\n[http]\nlisten = \"{http}\"\n[[listeners]]\ntype = \"mqtt\"\nname = \"mqtt\"\nlisten = \"{mqtt}\"\n",
        folder.join("data").display()
    );
    std::fs::write(folder.join("genims.toml"), text).unwrap();
    let server = plant.harness.spawn(&["--config", "genims.toml", "serve"], &folder);
    let done = "SELECT count(DISTINCT job) FROM genims_internal.etl_runs WHERE kind = 'scheduled' AND outcome = 'succeeded' AND due_at IS NOT NULL";
    let jobs = i64::try_from(plant.jobs().len()).unwrap();
    eventually("every job ran for the moment it missed", PATIENCE, || plant.postgres(MASTER, done) == jobs);
    assert_eq!(plant.faults(), ["2 12", "2 12"]);
    server.terminate();
    assert!(server.wait(PATIENCE).is_some_and(|status| status.success()), "{}", server.log_text());
}
