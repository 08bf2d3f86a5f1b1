//! What happens before a section of the run book is followed: the emergency that it is about.

use crate::clients::publish;
use crate::damage::{break_a_record, segments};
use crate::document::{Reader, shipped_configuration};
use crate::harness::Harness;
use crate::locks::authority::{Authority, put};
use crate::platform::Platform;
use crate::powercut::disk::Room;
use crate::powercut::mount::Mounted;
use crate::running::{Running, eventually, today_with_room};
use crate::stream::now_ms;
use chrono::{Days, NaiveDate, Utc};
use genims_dev::Server;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(180);
const SENSOR: &str = "genims/v1/FAC-01/LINE-01/MCH-0001/SEN-000001";
/// Some are enough to fill this log, and half of it.
const SMALL_LOG: u64 = 4 << 20;
/// Holds all that is sent: its disk is what has no room.
const LOG_ON_A_FULL_DISK: u64 = 16 << 20;
const READINGS_A_BATCH: i64 = 4_000;
const SENSORS: i64 = 400;

/// Provisioned, with a plant.
pub(super) fn planted(harness: &'static Harness) -> Platform {
    Platform::copy_of(harness, "planted", || {
        let platform = Platform::new(harness);
        let size = ["--factories", "2", "--lines", "4", "--machines", "40", "--sensors", "400"];
        let seeded = platform.cli(&[["seed", "plant"].as_slice(), &size].concat(), &[]);
        assert!(seeded.status.success(), "{}", String::from_utf8_lossy(&seeded.stderr));
        platform
    })
}

impl Reader<'_> {
    fn runs(&mut self) {
        if self.server.is_none() {
            self.start();
        }
        eventually("it is ready", PATIENCE, || self.answers("/readyz"));
    }

    /// The shipped configuration with a log of this size, and more.
    fn configure(&mut self, log_bytes: Option<u64>, more: &str) {
        self.stop();
        let mut text = fs::read_to_string(shipped_configuration()).unwrap();
        if let Some(bytes) = log_bytes {
            let small = text.replace("\nmax_bytes = 8_589_934_592", &format!("\nmax_bytes = {bytes}"));
            assert_ne!(small, text);
            text = small;
        }
        fs::write(self.folder.join("config/genims.toml"), text + more).unwrap();
    }

    fn send(&self, count: i64) {
        (0..count).for_each(|number| self.send_of(number, now_ms() - number));
    }

    fn send_of(&self, number: i64, at_ms: i64) {
        let text = format!(r#"{{"value": {number}.5, "timestamp_ms": {at_ms}}}"#);
        publish(self.mqtt, &self.harness.unique("runbook"), 1, &[(SENSOR.to_owned(), text.into_bytes())]);
    }

    /// Everything is in every database, also of those that had to wait.
    fn idle(&mut self) {
        for sender in std::mem::take(&mut self.senders) {
            let status = sender.wait(PATIENCE).unwrap_or_else(|| panic!("it still sends:\n{}", self.log()));
            assert!(status.success(), "{status}: {}", sender.log_text());
        }
        eventually("every database has everything", PATIENCE, || {
            let Some(stats) = self.stats() else { return false };
            let sinks = stats["sinks"].as_array().unwrap();
            stats["total"]["in_flight"] == 0 && sinks.iter().all(|sink| sink["lag_records"] == 0)
        });
    }

    /// Large messages, one after the other, by a client that waits as long as it has to.
    fn begin_to_send(&mut self, batches: i64) {
        let mut lines = String::new();
        for batch in 0..batches {
            let at = now_ms() - batch * READINGS_A_BATCH;
            let readings = (0..READINGS_A_BATCH).map(|number| {
                let sensor = number % SENSORS + 1;
                format!(r#"{{"sensor_id":"SEN-{sensor:06}","value":{batch}.5,"timestamp_ms":{}}}"#, at - number)
            });
            writeln!(lines, "[{}]", readings.collect::<Vec<_>>().join(",")).unwrap();
        }
        fs::write(self.folder.join("batches"), lines).unwrap();
        let port = self.mqtt.port();
        let line = format!("exec mosquitto_pub -p {port} -q 1 -t genims/v1/FAC-01/readings -l < batches");
        self.senders.push(Running::spawn(self.shell(&line), self.folder.join("sender.log")));
    }

    /// A start that ends by itself.
    fn is_refused(&self) {
        let refused = self.harness.spawn(&["serve"], &self.folder);
        let status = refused.wait(PATIENCE).unwrap_or_else(|| panic!("it runs:\n{}", refused.log_text()));
        assert!(!status.success(), "{status}");
    }

    fn data(&self) -> PathBuf {
        self.folder.join(".genims/server")
    }

    fn execute(&self, database: &str, sql: &str) {
        self.platform.execute(database, sql);
    }

    /// The days that the document writes as 11 and 12 February 2026 are this one and the next.
    fn days_are(&mut self, day: NaiveDate) {
        let places = [
            ("20260211", day.format("%Y%m%d")),
            ("2026-02-11", day.format("%Y-%m-%d")),
            ("2026-02-12", day.succ_opt().unwrap().format("%Y-%m-%d")),
        ];
        self.places.retain(|(what, _)| places.iter().all(|(known, _)| known != what));
        self.places.extend(places.map(|(what, place)| (what.to_owned(), place.to_string())));
    }
}

pub(super) fn a_reading_is_stored(reader: &mut Reader<'_>) {
    reader.runs();
    reader.send(1);
    reader.idle();
}

pub(super) fn mariadb_is_down(reader: &mut Reader<'_>) {
    reader.configure(Some(SMALL_LOG), "");
    a_reading_is_stored(reader);
    reader.stack().stop_server(Server::Mariadb).unwrap();
}

pub(super) fn readings_came_after_the_backup(reader: &mut Reader<'_>) {
    reader.runs();
    reader.idle();
    reader.run("genims backup operations --to /backups");
    reader.send(5);
    reader.idle();
}

pub(super) fn a_position_went_back(reader: &mut Reader<'_>) {
    reader.idle();
    let back = "UPDATE genims_internal.sink_positions SET next_offset = 0 WHERE sink = 'postgres'";
    reader.execute("genims_operations_db", back);
}

pub(super) fn the_mirror_is_cut_off(reader: &mut Reader<'_>) {
    reader.idle();
    reader.stack().stop_server(Server::Mongodb).unwrap();
    reader.begin_to_send(20);
}

pub(super) fn a_partition_is_missing(reader: &mut Reader<'_>) {
    reader.runs();
    let day = today_with_room() + Days::new(9);
    let drop = format!("DROP TABLE genims_partitions.sensor_data_{}", day.format("%Y%m%d"));
    reader.execute("genims_operations_db", &drop);
}

/// That of yesterday, by the readings' own times: whether another day begins meanwhile does not matter.
pub(super) fn a_partition_was_detached(reader: &mut Reader<'_>) {
    let day = Utc::now().date_naive() - Days::new(1);
    let noon_ms = day.and_hms_opt(12, 0, 0).unwrap().and_utc().timestamp_millis();
    reader.send_of(1, noon_ms);
    reader.idle();
    reader.days_are(day);
    let day = day.format("%Y%m%d");
    let detach = format!("ALTER TABLE sensor_data DETACH PARTITION genims_partitions.sensor_data_{day}");
    reader.execute("genims_operations_db", &detach);
    reader.send_of(2, noon_ms + 1_000);
    reader.idle();
}

pub(super) fn the_log_is_full(reader: &mut Reader<'_>) {
    reader.configure(Some(SMALL_LOG), "");
    a_reading_is_stored(reader);
    reader.stack().stop_server(Server::Postgres).unwrap();
    reader.begin_to_send(24);
}

pub(super) fn the_disk_is_full(reader: &mut Reader<'_>) {
    reader.idle();
    reader.configure(Some(LOG_ON_A_FULL_DISK), "");
    fs::rename(reader.data(), reader.folder.join("aside")).unwrap();
    reader.disk = Some(Mounted::new(&reader.data()).unwrap());
    a_reading_is_stored(reader);
    reader.disk.as_ref().unwrap().leave(Room::Bytes(60));
    reader.begin_to_send(28);
}

pub(super) fn there_is_room(reader: &mut Reader<'_>) {
    reader.disk.as_ref().unwrap().leave(Room::Enough);
}

pub(super) fn the_log_is_an_older_copy(reader: &mut Reader<'_>) {
    if reader.disk.is_some() {
        reader.idle();
        reader.stop();
        reader.disk = None;
        fs::remove_dir(reader.data()).unwrap();
        fs::rename(reader.folder.join("aside"), reader.data()).unwrap();
    }
    reader.configure(Some(SMALL_LOG), "");
    a_reading_is_stored(reader);
    reader.stop();
    reader.run("cp -a .genims/server older");
    reader.runs();
    reader.send(3);
    reader.idle();
    reader.stop();
    reader.run("mv .genims/server newer && mv older .genims/server");
    reader.start();
}

pub(super) fn a_segment_is_damaged(reader: &mut Reader<'_>) {
    a_reading_is_stored(reader);
    reader.stack().stop_server(Server::Postgres).unwrap();
    reader.send(12);
    reader.stop();
    break_a_record(&segments(&reader.data().join("spool")).pop().unwrap());
    reader.stack().start_server(Server::Postgres).unwrap();
    reader.is_refused();
}

pub(super) fn a_sensor_is_unknown(reader: &mut Reader<'_>) {
    reader.runs();
    let message = (SENSOR.replace("SEN-000001", "SEN-NEW"), b"{\"value\": 42.5}".to_vec());
    publish(reader.mqtt, &reader.harness.unique("runbook"), 1, &[message]);
}

pub(super) fn a_client_is_refused(reader: &mut Reader<'_>) {
    reader.configure(None, "\n[clients]\n");
    reader.start();
    reader.run("genims client add press-4 --topic 'genims/v1/FAC-01/LINE-01/MCH-0001/#'");
    let known = "the file of clients was read again";
    eventually(known, PATIENCE, || reader.log()[reader.log_from..].contains(known));
    // Once: of a client that tries again and again the server tells once a minute.
    let line = format!("mosquitto_pub -p {} -u press-4 -P wrong -q 1 -t {SENSOR} -m 1", reader.mqtt.port());
    assert!(!reader.shell(&line).output().unwrap().status.success(), "let in with a wrong secret");
}

pub(super) fn a_certificate_has_expired(reader: &mut Reader<'_>) {
    let folder = reader.folder.join("etc/genims");
    let new = reader.folder.join("new");
    fs::create_dir_all(&folder).unwrap();
    fs::create_dir_all(&new).unwrap();
    let authority = Authority::new("plant authority");
    for (folder, serial, years) in [(&folder, 1, (2000, 2020)), (&new, 2, (2000, 4000))] {
        let issued = authority.issue("server", serial, years);
        put(folder, "server.pem", &issued.cert);
        put(folder, "server.key", &issued.key);
    }
    let [cert, key] = ["server.pem", "server.key"].map(|name| folder.join(name).display().to_string());
    let listener = format!(
        "\n[[listeners]]\ntype = \"mqtt\"\nname = \"mqtt-tls\"\nlisten = \"127.0.0.1:0\"\n[listeners.tls]\n\
         cert_file = {cert:?}\nkey_file = {key:?}\n"
    );
    reader.configure(None, &listener);
    reader.places.push(("/etc/genims/".to_owned(), format!("{}/", folder.display())));
    reader.start();
}

const OFF: &str = "CREATE SCHEMA off;
    CREATE FUNCTION off.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS
        $$ SELECT pg_catalog.clock_timestamp() + interval '1 day' $$;
    ALTER DATABASE genims_operations_db SET search_path = off, pg_catalog, public";

/// That of the database, which is as good as ours being off.
pub(super) fn a_clock_is_off(reader: &mut Reader<'_>) {
    reader.configure(None, "");
    reader.execute("genims_operations_db", OFF);
    reader.start();
}

pub(super) fn the_clock_is_set(reader: &mut Reader<'_>) {
    reader.execute("genims_operations_db", "ALTER DATABASE genims_operations_db RESET search_path");
}

pub(super) fn there_is_an_admin(reader: &mut Reader<'_>) {
    reader.run("genims user add ada --role admin");
}

pub(super) fn the_trail_was_altered(reader: &mut Reader<'_>) {
    const ENTRY: &str = "table_name = 'factories' AND record_key = 'FAC-01' AND operation = 'update'";
    reader.runs();
    reader.execute("genims_operations_db", "DROP SCHEMA off CASCADE");
    let change =
        "SET session_replication_role = DEFAULT; UPDATE factories SET city = city || '!' WHERE factory_id = 'FAC-01'";
    reader.execute("genims_master_db", change);
    let days = format!("SELECT DATE_FORMAT(occurred_at, '%Y-%m-%d') FROM data_change_audit WHERE {ENTRY}");
    let days = || reader.platform.mysql("genims_audit_db", &days);
    eventually("the change is audited", PATIENCE, || !days().is_empty());
    let day = days()[0].parse().unwrap();
    let alter = format!("UPDATE data_change_audit SET change_reason = 'nobody asked' WHERE {ENTRY}");
    reader.platform.mysql("genims_audit_db", &alter);
    reader.days_are(day);
}

pub(super) fn a_later_release_migrated(reader: &mut Reader<'_>) {
    let row = "INSERT INTO genims_internal.schema_history (version, name, applied_on, checksum) VALUES (9999, 'later', '2026-02-11T00:00:00Z', '1')";
    reader.execute("genims_hr_db", row);
}

/// The number in the front of a segment says the form.
pub(super) fn a_later_release_wrote_the_log(reader: &mut Reader<'_>) {
    const VERSION_AT: usize = 8;
    reader.execute("genims_hr_db", "DELETE FROM genims_internal.schema_history WHERE version = 9999");
    reader.stop();
    for segment in segments(&reader.data().join("spool")) {
        let mut bytes = fs::read(&segment).unwrap();
        bytes[VERSION_AT] += 1;
        fs::write(segment, bytes).unwrap();
    }
    reader.is_refused();
}
