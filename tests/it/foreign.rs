//! A file that nobody has described, on its way into both databases in three steps, with the programs that a user runs.

use crate::harness::{Harness, beside_genims};
use crate::running::eventually;
use crate::server::{PATIENCE, Plant, Setup};
use chrono::{DateTime, TimeDelta, Utc};
use libtest_mimic::Trial;
use serde_json::Value;
use std::process::{Command, Output, Stdio};

const DAYS_NOT_MIRRORED: i64 = 200;

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![harness.trial("foreign::a_foreign_file_in_three_steps", three_steps)]
}

fn loadtest(plant: &Plant, arguments: &[&str]) -> Output {
    let mut command = Command::new(beside_genims("loadtest"));
    command.arg("replay").args(arguments).current_dir(&plant.folder);
    // Where the databases and the server are stands in the folder's `.env`.
    command.env_clear().stdin(Stdio::null()).output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn report(plant: &Plant) -> Value {
    serde_json::from_str(&std::fs::read_to_string(plant.folder.join("report.json")).unwrap()).unwrap()
}

fn three_steps(harness: &'static Harness) {
    let plant = Plant::start(harness, &Setup::default());
    let write = |name: &str, text: &str| std::fs::write(plant.folder.join(name), text).unwrap();
    let environment = std::fs::read_to_string(plant.folder.join(".env")).unwrap();
    let (mqtt, http) = (plant.doors.mqtt, plant.doors.http);
    write(".env", &format!("{environment}GENIMS_MQTT_LISTEN={mqtt}\nGENIMS_HTTP_LISTEN={http}\n"));
    let text = "\u{feff}Zeit;Temperatur [°C];Öldruck (bar);Meldung\r\n13.02.2024 10:00:00;71,5;-0,25;OK\r\n13.02.2024 10:00:10;72,25;;OK\r\n";
    write("Presse 7.csv", text);

    let described = loadtest(&plant, &["--describe", "Presse 7.csv"]);
    assert!(described.status.success(), "{}", said(&described));
    write("press.toml", &String::from_utf8(described.stdout).unwrap());

    let replay = ["--mapping", "press.toml", "--file", "Presse 7.csv", "--json", "report.json"];
    let early = loadtest(&plant, &replay);
    assert!(!early.status.success() && said(&early).contains("genims seed plant --from"), "{}", said(&early));

    let seeded: Value =
        serde_json::from_str(&plant.cli_ok(&["seed", "plant", "--from", "press.toml", "--json"])).unwrap();
    let inserted = |summary: &Value| {
        summary["tables"].as_array().unwrap().iter().map(|table| table["inserted"].as_u64().unwrap()).sum::<u64>()
    };
    assert_eq!(inserted(&seeded), 1 + 1 + 1 + 2, "{seeded:#}");

    // At once: the server has looked at master data a moment ago and not since.
    let replayed = loadtest(&plant, &replay);
    assert!(replayed.status.success(), "{}", said(&replayed));
    let found = report(&plant);
    assert_eq!(
        (&found["verdict"], &found["acked"], &found["dead_lettered"]),
        (&"ok".into(), &3.into(), &0.into()),
        "{found:#}"
    );
    let values = "SELECT string_agg(sensor_id || ' ' || measurement_value::float8 || ' ' || measurement_unit, ', ' ORDER BY sensor_id, timestamp) \
                  FROM sensor_data WHERE machine_id = 'Presse_7'";
    let stored: String = plant.query("genims_operations_db", values)[0].get(0);
    let expected = "SEN-Presse_7-Oeldruck -0.25 bar, SEN-Presse_7-Temperatur 71.5 °C, SEN-Presse_7-Temperatur 72.25 °C";
    assert_eq!(stored, expected);

    let again: Value =
        serde_json::from_str(&plant.cli_ok(&["seed", "plant", "--from", "press.toml", "--json"])).unwrap();
    assert_eq!(inserted(&again), 0, "{again:#}");
    skipped_values_are_a_failure(&plant, text, &write);
    what_the_mirror_does_not_keep_is_none(&plant, &write);
    a_mapping_that_no_replay_takes_makes_no_plant(&plant, &write);
    a_mapping_that_contradicts_master_data_is_refused(&plant, &write);
    a_zone_that_does_not_exist_is_told(&plant);
}

/// Somebody mends a factory by hand.
fn a_zone_that_does_not_exist_is_told(plant: &Plant) {
    let factory = plant.sensor().factory_id;
    let update = format!("UPDATE factories SET timezone = 'Europe/Atlantis' WHERE factory_id = '{factory}'");
    plant.execute("genims_master_db", &update);
    let is_told =
        |line: &str| ["there is no such time zone", "Europe/Atlantis", &factory].iter().all(|part| line.contains(part));
    eventually("the log tells it", PATIENCE, || plant.log_text().lines().any(is_told));
}

fn skipped_values_are_a_failure(plant: &Plant, text: &str, write: &dyn Fn(&str, &str)) {
    write("bad.csv", &text.replace("72,25", "I/O Timeout"));
    let replay = ["--mapping", "press.toml", "--file", "bad.csv", "--json", "report.json"];
    let replayed = loadtest(plant, &replay);
    let told = "1 values of the file were not sent";
    assert_eq!(replayed.status.code(), Some(1), "{}", said(&replayed));
    assert!(
        said(&replayed).contains(told)
            && said(&replayed).contains("bad.csv:3, column Temperatur [°C]: \"I/O Timeout\"")
    );
    let found = report(plant);
    let (replay, missing) = (&found["replay"], &found["missing"]);
    assert_eq!(
        (&replay["skipped_values"], &replay["readings"], missing),
        (&1.into(), &2.into(), &0.into()),
        "{found:#}"
    );
    assert_eq!((&replay["examples"][0]["line"], &replay["examples"][0]["value"]), (&3.into(), &"I/O Timeout".into()));
}

fn what_the_mirror_does_not_keep_is_none(plant: &Plant, write: &dyn Fn(&str, &str)) {
    let now = Utc::now();
    let line = |at: DateTime<Utc>, value: &str| format!("{};{value};1,5;OK\n", at.format("%d.%m.%Y %H:%M:%S"));
    let old = now - TimeDelta::days(DAYS_NOT_MIRRORED);
    let text = [
        "Zeit;Temperatur [°C];Öldruck (bar);Meldung\n".to_owned(),
        line(old, "1,5"),
        line(now - TimeDelta::hours(1), "2,5"),
    ];
    write("old.csv", &text.concat());
    let replay = ["--keep-time", "--mapping", "press.toml", "--file", "old.csv", "--json", "report.json"];
    let replayed = loadtest(plant, &replay);
    assert!(replayed.status.success(), "{}", said(&replayed));
    assert!(said(&replayed).contains("2 readings are older than MongoDB keeps them"), "{}", said(&replayed));
    let found = report(plant);
    assert_eq!((&found["committed_postgres"], &found["committed_mongodb"]), (&4.into(), &2.into()), "{found:#}");
    // Once more: all of it is there already, and nothing is missing.
    let again = loadtest(plant, &replay);
    assert!(again.status.success(), "{}", said(&again));
    assert!(said(&again).contains("there already, and sent again  PostgreSQL 4  MongoDB 2"), "{}", said(&again));
    let found = report(plant);
    assert_eq!(
        (&found["missing"], &found["duplicates"], &found["postgres"]["there_before"]),
        (&0.into(), &0.into(), &4.into())
    );
}

/// What a replay would refuse is refused before anything is made of it.
fn a_mapping_that_no_replay_takes_makes_no_plant(plant: &Plant, write: &dyn Fn(&str, &str)) {
    let mapping = std::fs::read_to_string(plant.folder.join("press.toml")).unwrap().replace("Presse_7", "Presse_8");
    for (from, to, told) in [
        ("zone = \"UTC\"", "zone = \"Berlin\"", "Europe/Berlin"),
        ("format = \"%d", "format = \"%Q", "stands for nothing"),
        ("machines =", "machinez =", "did you mean machines?"),
    ] {
        write("wrong.toml", &mapping.replace(from, to));
        let seeded = plant.cli(&["seed", "plant", "--from", "wrong.toml"]);
        assert!(!seeded.status.success() && said(&seeded).contains(told), "{}", said(&seeded));
        let replayed = loadtest(plant, &["--mapping", "wrong.toml", "--file", "Presse 7.csv"]);
        assert!(!replayed.status.success() && said(&replayed).contains(told), "{}", said(&replayed));
    }
    let made = "SELECT count(*) FROM machines WHERE machine_id = 'Presse_8'";
    assert_eq!(plant.query("genims_master_db", made)[0].get::<_, i64>(0), 0);
}

fn a_mapping_that_contradicts_master_data_is_refused(plant: &Plant, write: &dyn Fn(&str, &str)) {
    let mapping = std::fs::read_to_string(plant.folder.join("press.toml")).unwrap();
    let sensor = plant.sensor();
    write("elsewhere.toml", &mapping.replace("Presse_7", &sensor.machine_id));
    let refused = plant.cli(&["seed", "plant", "--from", "elsewhere.toml"]);
    let told = format!("write line = \"{}\" and factory = \"{}\"", sensor.line_id, sensor.factory_id);
    assert!(!refused.status.success() && said(&refused).contains(&told), "{}", said(&refused));
    // Told so, it only adds what the machine lacks.
    let place = mapping.replace("Presse_7", &sensor.machine_id).replace("LINE-CSV", &sensor.line_id);
    write("elsewhere.toml", &place.replace("FAC-CSV", &sensor.factory_id));
    plant.cli_ok(&["seed", "plant", "--from", "elsewhere.toml"]);
    let query = format!(
        "SELECT count(*) FROM machines m JOIN sensors s USING (machine_id) WHERE machine_id = '{}' AND machine_name <> machine_id AND data_protocol = 'file'",
        sensor.machine_id
    );
    assert_eq!(plant.query("genims_master_db", &query)[0].get::<_, i64>(0), 2);
}
