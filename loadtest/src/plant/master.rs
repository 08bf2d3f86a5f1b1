//! The plant as the master database holds it: active sensors and their machines.

use super::quantity::Quantity;
use super::{Limits, Machine, Plant, Sensor};
use std::collections::HashMap;
use tokio_postgres::Row;

#[derive(Debug, thiserror::Error)]
pub enum MasterError {
    #[error("cannot read genims_master_db: {0}; run `genims provision` and `genims seed plant` first")]
    Query(#[from] tokio_postgres::Error),
    #[error("genims_master_db has no active sensors; run `genims seed plant` first")]
    Empty,
}

const SENSORS: &str = "select s.sensor_id, s.machine_id, s.line_id, s.factory_id, coalesce(s.sensor_code, ''), \
     coalesce(s.sensor_type, ''), coalesce(s.measurement_unit, ''), s.measurement_range_min::float8, \
     s.measurement_range_max::float8, s.normal_operating_min::float8, s.normal_operating_max::float8, \
     s.warning_threshold_min::float8, s.warning_threshold_max::float8, s.critical_threshold_min::float8, \
     s.critical_threshold_max::float8, s.sampling_frequency_hz::float8, \
     coalesce(m.design_capacity_units_per_hour, 100), coalesce(m.power_rating_kw, 10)::float8 \
     from public.sensors s left join public.machines m using (machine_id) \
     where coalesce(s.status, 'active') = 'active' \
     order by s.factory_id, s.line_id, s.machine_id, s.sensor_id";

/// At most `machines_max` machines (0 = all), without those whose id begins with one of `exclude`.
pub async fn load(
    client: &tokio_postgres::Client,
    machines_max: usize,
    exclude: &[String],
) -> Result<Plant, MasterError> {
    let rows = client.query_typed(SENSORS, &[]).await?;
    let mut plant = Plant::default();
    let mut index_of: HashMap<String, usize> = HashMap::new();
    for row in &rows {
        let machine_id: &str = row.try_get(1)?;
        if exclude.iter().any(|prefix| machine_id.starts_with(prefix.as_str())) {
            continue;
        }
        let machine = match index_of.get(machine_id) {
            Some(&machine) => machine,
            None if machines_max > 0 && plant.machines.len() == machines_max => break,
            None => {
                index_of.insert(machine_id.to_owned(), plant.machines.len());
                plant.machines.push(machine_of(row, plant.sensors.len())?);
                plant.machines.len() - 1
            }
        };
        plant.sensors.push(sensor_of(row, machine)?);
        plant.machines[machine].sensors.end = plant.sensors.len();
    }
    if plant.sensors.is_empty() {
        return Err(MasterError::Empty);
    }
    Ok(plant)
}

fn machine_of(row: &Row, first_sensor: usize) -> Result<Machine, tokio_postgres::Error> {
    Ok(Machine {
        machine_id: row.try_get(1)?,
        line_id: row.try_get(2)?,
        factory_id: row.try_get(3)?,
        capacity_per_hour: row.try_get(16)?,
        power_kw: row.try_get(17)?,
        sensors: first_sensor..first_sensor,
    })
}

fn sensor_of(row: &Row, machine: usize) -> Result<Sensor, tokio_postgres::Error> {
    let (sensor_code, sensor_type): (String, String) = (row.try_get(4)?, row.try_get(5)?);
    let bound = |index: usize| row.try_get::<_, Option<f64>>(index);
    Ok(Sensor {
        sensor_id: row.try_get(0)?,
        quantity: Quantity::of(&sensor_type, &sensor_code),
        sensor_code,
        sensor_type,
        unit: row.try_get(6)?,
        limits: limits(
            (bound(7)?, bound(8)?),
            (bound(9)?, bound(10)?),
            (bound(11)?, bound(12)?),
            (bound(13)?, bound(14)?),
        ),
        sampling_hz: row.try_get::<_, Option<f64>>(15)?.unwrap_or(1.0),
        machine,
    })
}

type Bounds = (Option<f64>, Option<f64>);

/// Missing limits are guessed from those that exist, so that every sensor can be simulated.
fn limits(range: Bounds, normal: Bounds, warning: Bounds, critical: Bounds) -> Limits {
    let first =
        |candidates: [Option<f64>; 4], fallback: f64| candidates.into_iter().flatten().next().unwrap_or(fallback);
    let low = first([normal.0, warning.0, critical.0, range.0], 0.0);
    let high = first([normal.1, warning.1, critical.1, range.1], low.max(0.0) + 100.0);
    let normal = if high > low { (low, high) } else { (low - 1.0, low + 1.0) };
    let span = normal.1 - normal.0;
    let critical = (
        critical.0.or(warning.0).unwrap_or(normal.0 - span).min(normal.0),
        critical.1.or(warning.1).unwrap_or(normal.1 + span).max(normal.1),
    );
    let range =
        (range.0.unwrap_or(critical.0 - span).min(critical.0), range.1.unwrap_or(critical.1 + span).max(critical.1));
    Limits { range, critical, normal }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_limits_are_filled_in_order() {
        let none = (None, None);
        let filled = limits(none, none, none, none);
        assert!(filled.range.0 <= filled.critical.0 && filled.critical.0 <= filled.normal.0);
        assert!(filled.normal.0 < filled.normal.1);
        assert!(filled.normal.1 <= filled.critical.1 && filled.critical.1 <= filled.range.1);
        let filled = limits((Some(0.0), Some(10.0)), (Some(4.0), Some(4.0)), none, (None, Some(9.0)));
        assert!(filled.normal.0 < filled.normal.1 && filled.critical.1 == 9.0);
    }
}
