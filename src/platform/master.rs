//! Master data for the stream's catalogue: read whole when it changed, and a fingerprint that tells whether it did.

use crate::catalogue::keeper::MasterData;
use crate::catalogue::shifts::{FactoryShifts, Shift};
use crate::catalogue::{Limits, Machine, Sensor};
use crate::databases::PostgresSettings;
use crate::databases::errors::DatabaseError;
use chrono::{NaiveDate, NaiveTime};
use tokio_postgres::{Client, Row};

/// The tables that the catalogue is made of.
const TABLES: [&str; 4] = ["factories", "machines", "sensors", "shifts"];

/// PostgreSQL's own count of changes in those tables. It costs the same for a thousand sensors as for a million; a crash
/// of the server resets it, which looks like a change and only costs a needless read.
pub type Fingerprint = Vec<(String, i64, i64, i64)>;

/// A connection to `genims_master_db`.
pub struct Master {
    client: Client,
    settings: PostgresSettings,
}

impl Master {
    pub async fn connect(settings: &PostgresSettings) -> Result<Self, DatabaseError> {
        Ok(Self { client: settings.connect().await?, settings: settings.clone() })
    }

    pub async fn fingerprint(&self) -> Result<Fingerprint, DatabaseError> {
        let sql = "SELECT relname::text, n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_user_tables
                   WHERE schemaname = 'public' AND relname = ANY($1) ORDER BY relname";
        let rows = self.client.query(sql, &[&TABLES.as_slice()]).await.map_err(|error| self.settings.error(error))?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1), row.get(2), row.get(3))).collect())
    }

    /// Everything, at one moment.
    pub async fn load(&mut self) -> Result<MasterData, DatabaseError> {
        let settings = self.settings.clone();
        let load = async {
            let transaction =
                self.client.build_transaction().isolation_level(REPEATABLE_READ).read_only(true).start().await?;
            let machines = transaction.query(MACHINES, &[]).await?;
            let sensors = transaction.query(SENSORS, &[]).await?;
            let factories = transaction.query(FACTORIES, &[]).await?;
            let shifts = transaction.query(SHIFTS, &[]).await?;
            transaction.commit().await?;
            Ok(MasterData {
                machines: machines.iter().map(machine).collect(),
                sensors: sensors.iter().map(sensor).collect(),
                factories: factories.iter().map(|row| factory(row, &shifts)).collect(),
            })
        };
        load.await.map_err(|error| settings.error(error))
    }

    /// Enters sensors that were registered at the door; those that exist by now stay as they are.
    pub async fn enter(&self, sensors: &[Sensor]) -> Result<(), DatabaseError> {
        let sql =
            "INSERT INTO sensors (sensor_id, machine_id, line_id, factory_id, sensor_name, measurement_unit, status)
                   VALUES ($1, $2, $3, $4, $1, $5, 'active') ON CONFLICT DO NOTHING";
        for sensor in sensors {
            self.client
                .execute(
                    sql,
                    &[&sensor.sensor_id, &sensor.machine_id, &sensor.line_id, &sensor.factory_id, &sensor.unit],
                )
                .await
                .map_err(|error| self.settings.error(error))?;
        }
        Ok(())
    }
}

const REPEATABLE_READ: tokio_postgres::IsolationLevel = tokio_postgres::IsolationLevel::RepeatableRead;

const MACHINES: &str = "SELECT machine_id, line_id, factory_id, machine_code, machine_type,
    design_capacity_units_per_hour, coalesce(status, 'active') <> 'retired' FROM machines ORDER BY machine_id";

/// A unit is required in `sensor_data`; a sensor without one measures in units of one.
const SENSORS: &str = "SELECT sensor_id, machine_id, line_id, factory_id, coalesce(measurement_unit, '1'), sensor_code,
    sensor_type, measurement_range_min::float8, measurement_range_max::float8, warning_threshold_min::float8,
    warning_threshold_max::float8, critical_threshold_min::float8, critical_threshold_max::float8,
    sampling_frequency_hz::float8, calibration_date, calibration_frequency_days,
    coalesce(status, 'active') = 'active' FROM sensors ORDER BY sensor_id";

const FACTORIES: &str = "SELECT factory_id, timezone FROM factories ORDER BY factory_id";

const SHIFTS: &str = "SELECT factory_id, shift_id, start_time, end_time FROM shifts
    WHERE start_time IS NOT NULL AND end_time IS NOT NULL AND coalesce(status, 'active') = 'active' ORDER BY shift_id";

fn machine(row: &Row) -> Machine {
    Machine {
        machine_id: row.get(0),
        line_id: row.get(1),
        factory_id: row.get(2),
        machine_code: row.get(3),
        machine_type: row.get(4),
        design_capacity_units_per_hour: row.get(5),
        active: row.get(6),
    }
}

fn sensor(row: &Row) -> Sensor {
    let calibrated: Option<NaiveDate> = row.get(14);
    Sensor {
        sensor_id: row.get(0),
        machine_id: row.get(1),
        line_id: row.get(2),
        factory_id: row.get(3),
        unit: row.get(4),
        sensor_code: row.get(5),
        sensor_type: row.get(6),
        limits: Limits {
            range_min: row.get(7),
            range_max: row.get(8),
            warning_min: row.get(9),
            warning_max: row.get(10),
            critical_min: row.get(11),
            critical_max: row.get(12),
        },
        sampling_frequency_hz: row.get(13),
        calibration_day: calibrated.map(|date| date.to_epoch_days()),
        calibration_frequency_days: row.get(15),
        active: row.get(16),
    }
}

fn factory(row: &Row, shifts: &[Row]) -> FactoryShifts {
    let factory_id: String = row.get(0);
    let own = shifts.iter().filter(|shift| shift.get::<_, &str>(0) == factory_id);
    let shifts = own.map(|shift| Shift {
        shift_id: shift.get(1),
        start: shift.get::<_, NaiveTime>(2),
        end: shift.get::<_, NaiveTime>(3),
    });
    FactoryShifts { shifts: shifts.collect(), timezone: row.get(1), factory_id }
}
