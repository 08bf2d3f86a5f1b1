//! Ready-made readings: encoded once; between two uses only their times are moved on.

use crate::plant::{Plant, Sensor};
use crate::wire::text::to_f64;

/// Microseconds from 1970 to 2000, PostgreSQL's epoch.
pub const POSTGRES_EPOCH_US: i64 = 946_684_800_000_000;

/// One reading of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    pub plant: &'a Plant,
    pub sensor: &'a Sensor,
    pub timestamp_us: i64,
    pub value_e4: i64,
}

/// A batch sorted by (sensor, timestamp): `rows` readings over all sensors, `interval_us` apart within a sensor.
pub fn batch(plant: &Plant, rows: usize, start_us: i64, interval_us: i64) -> impl Iterator<Item = Row<'_>> {
    let sensors = plant.sensors.len().max(1);
    let mut order: Vec<usize> = (0..plant.sensors.len()).collect();
    order.sort_by(|&a, &b| plant.sensors[a].sensor_id.cmp(&plant.sensors[b].sensor_id));
    let (each, extra) = (rows / sensors, rows % sensors);
    order.into_iter().enumerate().flat_map(move |(position, sensor)| {
        (0..each + usize::from(position < extra)).map(move |turn| Row {
            plant,
            sensor: &plant.sensors[sensor],
            timestamp_us: start_us + turn as i64 * interval_us,
            // Digits that do not compress away.
            value_e4: 200_000 + ((sensor * 7_919 + turn * 104_729) % 600_000) as i64,
        })
    })
}

/// Appends a field of binary COPY that holds text.
fn push_text(buffer: &mut Vec<u8>, text: &str) {
    buffer.extend_from_slice(&(text.len() as i32).to_be_bytes());
    buffer.extend_from_slice(text.as_bytes());
}

/// Appends a field of binary COPY that holds a numeric with four decimals: base-10000 digits, so the fraction is one.
pub fn push_numeric(buffer: &mut Vec<u8>, value_e4: i64) {
    let magnitude = value_e4.unsigned_abs();
    let (mut whole, fraction) = (magnitude / 10_000, (magnitude % 10_000) as i16);
    let mut digits = [0_i16; 6];
    let mut used = 0;
    while whole > 0 {
        digits[used] = (whole % 10_000) as i16;
        whole /= 10_000;
        used += 1;
    }
    digits[..used].reverse();
    let weight = used as i16 - 1;
    digits[used] = fraction;
    used += usize::from(fraction != 0);
    let sign: u16 = if value_e4 < 0 { 0x4000 } else { 0 };
    buffer.extend_from_slice(&(8 + 2 * used as i32).to_be_bytes());
    buffer.extend_from_slice(&(used as i16).to_be_bytes());
    buffer.extend_from_slice(&(if used == 0 { 0 } else { weight }).to_be_bytes());
    buffer.extend_from_slice(&sign.to_be_bytes());
    buffer.extend_from_slice(&4_i16.to_be_bytes());
    for digit in &digits[..used] {
        buffer.extend_from_slice(&digit.to_be_bytes());
    }
}

fn push_bool(buffer: &mut Vec<u8>, value: bool) {
    buffer.extend_from_slice(&1_i32.to_be_bytes());
    buffer.push(u8::from(value));
}

/// Appends a timestamp field and returns where its eight bytes stand.
fn push_timestamp(buffer: &mut Vec<u8>, at_us: i64) -> usize {
    buffer.extend_from_slice(&8_i32.to_be_bytes());
    let at = buffer.len();
    buffer.extend_from_slice(&(at_us - POSTGRES_EPOCH_US).to_be_bytes());
    at
}

/// The columns that [`push_row`] fills: all but the generated `sensor_data_id`.
pub const COLUMNS: &str = "sensor_id, machine_id, line_id, factory_id, timestamp, measurement_value, measurement_unit, \
     status, quality, is_below_warning, is_above_warning, is_below_critical, is_above_critical, min_value_1min, \
     max_value_1min, avg_value_1min, std_dev_1min, anomaly_score, is_anomaly, data_source, protocol, created_at";

/// Appends a row of 22 fields; enters the places of its two times.
pub fn push_row(buffer: &mut Vec<u8>, row: &Row<'_>, times_at: &mut Vec<usize>) {
    let machine = &row.plant.machines[row.sensor.machine];
    buffer.extend_from_slice(&22_i16.to_be_bytes());
    for id in [&row.sensor.sensor_id, &machine.machine_id, &machine.line_id, &machine.factory_id] {
        push_text(buffer, id);
    }
    times_at.push(push_timestamp(buffer, row.timestamp_us));
    push_numeric(buffer, row.value_e4);
    push_text(buffer, &row.sensor.unit);
    push_text(buffer, "normal");
    push_text(buffer, "good");
    (0..4).for_each(|_| push_bool(buffer, false));
    for window in [row.value_e4 - 1_234, row.value_e4 + 1_234, row.value_e4 - 17, 617] {
        push_numeric(buffer, window);
    }
    push_numeric(buffer, row.value_e4 % 10_000);
    push_bool(buffer, false);
    push_text(buffer, "IoT");
    push_text(buffer, "MQTT");
    times_at.push(push_timestamp(buffer, row.timestamp_us));
}

/// A document of the mirror; `_id` and `timestamp` come first, at fixed places.
pub fn document(row: &Row<'_>, id: [u8; 12]) -> bson::Document {
    let machine = &row.plant.machines[row.sensor.machine];
    bson::doc! {
        "_id": bson::oid::ObjectId::from_bytes(id),
        "timestamp": bson::DateTime::from_millis(row.timestamp_us / 1_000),
        "meta": {
            "factory_id": &machine.factory_id,
            "line_id": &machine.line_id,
            "machine_id": &machine.machine_id,
            "sensor_id": &row.sensor.sensor_id,
            "sensor_type": &row.sensor.sensor_type,
            "unit": &row.sensor.unit,
        },
        "value": to_f64(row.value_e4),
        "status": "normal",
        "anomaly_score": to_f64(row.value_e4 % 10_000),
    }
}

/// Where [`document`] has the bytes of its `_id`: length (4), type (1), name and zero (4).
pub const ID_AT: usize = 9;
/// ... and of its `timestamp`: type (1), name and zero (10) behind the `_id`.
pub const TIMESTAMP_AT: usize = ID_AT + 12 + 11;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numerics_are_laid_out_as_postgresql_says() {
        let field = |value| {
            let mut buffer = Vec::new();
            push_numeric(&mut buffer, value);
            buffer
        };
        // Digits, weight, sign, scale, then base-10000 digits.
        assert_eq!(field(0), b"\0\0\0\x08\0\0\0\0\0\0\0\x04");
        assert_eq!(field(15_000), b"\0\0\0\x0c\0\x02\0\0\0\0\0\x04\0\x01\x13\x88");
        assert_eq!(field(-5), b"\0\0\0\x0a\0\x01\xff\xff\x40\0\0\x04\0\x05");
        assert_eq!(field(123_450_000), b"\0\0\0\x0c\0\x02\0\x01\0\0\0\x04\0\x01\x09\x29");
    }

    #[test]
    fn a_batch_is_whole_and_sorted() {
        let plant = Plant::synthetic(3, 7);
        let rows: Vec<(String, i64)> =
            batch(&plant, 100, 5, 10).map(|row| (row.sensor.sensor_id.clone(), row.timestamp_us)).collect();
        assert_eq!(rows.len(), 100);
        assert!(rows.is_sorted());
    }

    #[test]
    fn the_times_of_a_document_stand_where_they_are_patched() {
        let plant = Plant::synthetic(1, 1);
        let row = batch(&plant, 1, 1_700_000_000_123_000, 1).next().expect("a row");
        let bytes = document(&row, [7; 12]).to_vec().expect("encodes");
        assert_eq!(bytes[ID_AT..ID_AT + 12], [7; 12]);
        assert_eq!(bytes[TIMESTAMP_AT..TIMESTAMP_AT + 8], 1_700_000_000_123_i64.to_le_bytes());
    }
}
