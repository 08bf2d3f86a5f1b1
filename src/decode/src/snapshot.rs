//! The JSON object of a machine snapshot goes in, [`SnapshotFields`] come out: every column of `scada_machine_data` that a
//! client may supply, under the column's name and with the column's type.
//!
//! - Text stays text, and numbers are read as those of readings are, also in quotes: any other type flip is an error, never
//!   a quiet conversion or null.
//! - Integers are exact; `3.0` is one, `3.5` is not. Decimals are rounded to the column, half away from zero. What does not
//!   fit the column is out of range.
//! - `null` is an absent column, and so is blank text where a number or a time belongs. `machine_state` is required. Unknown keys are passed, and told to the caller.
//! - `last_fault_timestamp_us` is understood beside `last_fault_timestamp`: it is the name inside of [`SnapshotFields`].
//!
//! Machine and time are the element's business, see [`super::json`].

use super::fault::{Fault, NOT_FINITE};
use super::json::cursor::{Cursor, Number, Syntax, Text, Value};
use super::json::time_value;
use super::number::Decimal;
use super::timestamp::Unit;
use super::value::is_not_finite;
use genims_model::Reason;
use genims_model::snapshot::SnapshotFields;

/// Reads what stands behind a column's key.
type Set = fn(&mut SnapshotFields, Value<'_>) -> Result<(), Fault>;

/// The columns in the order of the contract, with type and size as in `scada_machine_data`; their place is their bit in the
/// duplicate check.
const COLUMNS: [(&str, Set); 34] = [
    ("machine_state", |fields, value| text(value, 50).map(|state| fields.machine_state = state.unwrap_or_default())),
    ("operation_mode", |fields, value| put(&mut fields.operation_mode, text(value, 50))),
    ("fault_code", |fields, value| put(&mut fields.fault_code, text(value, 50))),
    ("fault_description", |fields, value| put(&mut fields.fault_description, text(value, TEXT_CHARACTERS_MAX))),
    ("parts_produced_cumulative", |fields, value| put(&mut fields.parts_produced_cumulative, bigint(value))),
    ("parts_produced_shift", |fields, value| put(&mut fields.parts_produced_shift, integer(value))),
    ("parts_rejected_shift", |fields, value| put(&mut fields.parts_rejected_shift, integer(value))),
    ("target_cycle_time_seconds", |fields, value| put(&mut fields.target_cycle_time_seconds, integer(value))),
    ("actual_cycle_time_seconds", |fields, value| put(&mut fields.actual_cycle_time_seconds, decimal(value, 10, 2))),
    ("availability_percentage", |fields, value| put(&mut fields.availability_percentage, decimal(value, 5, 2))),
    ("performance_percentage", |fields, value| put(&mut fields.performance_percentage, decimal(value, 5, 2))),
    ("quality_percentage", |fields, value| put(&mut fields.quality_percentage, decimal(value, 5, 2))),
    ("oee_percentage", |fields, value| put(&mut fields.oee_percentage, decimal(value, 5, 2))),
    ("spindle_speed_rpm", |fields, value| put(&mut fields.spindle_speed_rpm, integer(value))),
    ("feed_rate_mm_min", |fields, value| put(&mut fields.feed_rate_mm_min, decimal(value, 10, 2))),
    ("tool_number", |fields, value| put(&mut fields.tool_number, integer(value))),
    ("program_number", |fields, value| put(&mut fields.program_number, text(value, 50))),
    ("power_consumption_kw", |fields, value| put(&mut fields.power_consumption_kw, decimal(value, 10, 2))),
    ("energy_consumed_kwh", |fields, value| put(&mut fields.energy_consumed_kwh, decimal(value, 15, 4))),
    ("temperature_setpoint_c", |fields, value| put(&mut fields.temperature_setpoint_c, decimal(value, 8, 2))),
    ("temperature_actual_c", |fields, value| put(&mut fields.temperature_actual_c, decimal(value, 8, 2))),
    ("pressure_setpoint_bar", |fields, value| put(&mut fields.pressure_setpoint_bar, decimal(value, 8, 2))),
    ("pressure_actual_bar", |fields, value| put(&mut fields.pressure_actual_bar, decimal(value, 8, 2))),
    ("downtime_seconds_shift", |fields, value| put(&mut fields.downtime_seconds_shift, integer(value))),
    ("last_fault_timestamp", |fields, value| merge_time(fields, value, None)),
    ("last_fault_timestamp_us", |fields, value| merge_time(fields, value, Some(Unit::Microseconds))),
    ("uptime_seconds_shift", |fields, value| put(&mut fields.uptime_seconds_shift, integer(value))),
    ("active_alarms", |fields, value| put(&mut fields.active_alarms, integer(value))),
    ("alarm_codes", |fields, value| put(&mut fields.alarm_codes, text(value, 500))),
    ("warning_codes", |fields, value| put(&mut fields.warning_codes, text(value, 500))),
    ("shift_id", |fields, value| put(&mut fields.shift_id, text(value, 50))),
    ("operator_id", |fields, value| put(&mut fields.operator_id, text(value, 50))),
    ("data_source", |fields, value| put(&mut fields.data_source, text(value, 50))),
    ("data_quality", |fields, value| put(&mut fields.data_quality, text(value, 20))),
];

/// `TEXT` has no length of its own; this bound keeps one snapshot from filling a batch.
const TEXT_CHARACTERS_MAX: usize = 10_000;

/// Reads the object that is all of `bytes`; `unknown` gets the keys that are no columns.
pub(super) fn parse(bytes: &[u8], mut unknown: impl FnMut(&str)) -> Result<SnapshotFields, Fault> {
    let mut fields = SnapshotFields::default();
    let mut seen = 0_u64;
    let mut first_fault = None;
    // Columns mostly come in the order of the contract: each is looked for behind the one before.
    let mut next = 0;
    let read = Cursor::new(bytes).object(|cursor, key| {
        let key = key.to_str();
        let Some(place) = (next..COLUMNS.len()).chain(0..next).find(|place| COLUMNS[*place].0 == key) else {
            unknown(&key);
            return cursor.skip();
        };
        next = place + 1;
        let (column, set) = COLUMNS[place];
        let result = if seen & (1 << place) == 0 {
            set(&mut fields, cursor.value()?)
        } else {
            cursor.skip()?;
            Err(Fault::malformed("the key stands twice"))
        };
        seen |= 1 << place;
        if let (Err(fault), None) = (result, first_fault) {
            first_fault = Some(fault.about(column));
        }
        Ok(())
    });
    read.map_err(|Syntax(what)| Fault::malformed(what))?;
    match first_fault {
        Some(fault) => Err(fault),
        None if fields.machine_state.is_empty() => Err(Fault::malformed("a snapshot needs a machine_state")),
        None => Ok(fields),
    }
}

#[inline]
fn put<T>(field: &mut Option<T>, value: Result<Option<T>, Fault>) -> Result<(), Fault> {
    *field = value?;
    Ok(())
}

fn merge_time(fields: &mut SnapshotFields, value: Value<'_>, unit: Option<Unit>) -> Result<(), Fault> {
    let is_left_out = match value {
        Value::Text(text) => text.is_blank(),
        value => matches!(value, Value::Null),
    };
    if !is_left_out {
        fields.last_fault_timestamp_us = Some(time_value(value, unit)?);
    }
    Ok(())
}

fn text(value: Value<'_>, characters_max: usize) -> Result<Option<String>, Fault> {
    match value {
        Value::Text(text) => {
            let text = text.to_str();
            // No text has more characters than bytes: most need not be counted.
            if text.len() > characters_max && text.chars().count() > characters_max {
                return Err(Fault::new(Reason::OutOfRange, "the text is too long for the column"));
            }
            if text.contains('\0') {
                return Err(Fault::malformed("the text contains NUL"));
            }
            Ok(Some(text.into_owned()))
        }
        Value::Null => Ok(None),
        _ => Err(Fault::malformed("the column takes a string")),
    }
}

fn number<'a>(value: Value<'a>) -> Result<Option<Number<'a>>, Fault> {
    match value {
        Value::Number(number) => Ok(Some(number)),
        Value::Null => Ok(None),
        Value::NotFinite => Err(NOT_FINITE),
        Value::Text(text) => number_in(text),
        Value::Boolean(_) | Value::Nested | Value::Odd => {
            Err(Fault::new(Reason::NotANumber, "the column takes a number"))
        }
    }
}

/// A number in quotes.
#[cold]
fn number_in(text: Text<'_>) -> Result<Option<Number<'_>>, Fault> {
    if text.is_blank() {
        return Ok(None);
    }
    let text = text.plain().unwrap_or_default().trim_ascii();
    match Decimal::printed(text) {
        Some(decimal) => Ok(Some(Number { decimal, text })),
        None if is_not_finite(text) => Err(NOT_FINITE),
        None => Err(Fault::new(Reason::NotANumber, "the column takes a number")),
    }
}

const NO_INTEGER: Fault = Fault::new(Reason::OutOfRange, "the value is no integer that fits the column");

fn bigint(value: Value<'_>) -> Result<Option<i64>, Fault> {
    number(value)?.map(|number| number.decimal.to_i64().ok_or(NO_INTEGER)).transpose()
}

fn integer(value: Value<'_>) -> Result<Option<i32>, Fault> {
    bigint(value)?.map(|integer| i32::try_from(integer).map_err(|_| NO_INTEGER)).transpose()
}

/// `DECIMAL(precision, scale)`: what the column holds, rounded here so that both databases hold the same.
fn decimal(value: Value<'_>, precision: i32, scale: i32) -> Result<Option<f64>, Fault> {
    let Some(number) = number(value)? else { return Ok(None) };
    let value = number.decimal.to_scale(number.text, scale);
    if value.abs() < 10_f64.powi(precision - scale) {
        Ok(Some(value + 0.0))
    } else {
        Err(Fault::new(Reason::OutOfRange, "the value has too many digits for the column"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(json: &str) -> (Reason, String) {
        let fault = parse(json.as_bytes(), |_| ()).unwrap_err();
        (fault.reason, fault.to_string())
    }

    fn with(member: &str) -> String {
        format!("{{\"machine_state\":\"RUNNING\",{member}}}")
    }

    #[test]
    fn every_field_comes_back_from_its_own_serialization() {
        let fields = SnapshotFields {
            machine_state: "RUNNING".to_owned(),
            operation_mode: Some("AUTO".to_owned()),
            fault_code: Some("F-17".to_owned()),
            fault_description: Some("Spindel überhitzt \"A\"".to_owned()),
            parts_produced_cumulative: Some(i64::MAX),
            parts_produced_shift: Some(i32::MAX),
            parts_rejected_shift: Some(i32::MIN),
            target_cycle_time_seconds: Some(30),
            actual_cycle_time_seconds: Some(31.25),
            availability_percentage: Some(99.5),
            performance_percentage: Some(100.0),
            quality_percentage: Some(999.99),
            oee_percentage: Some(-1.25),
            spindle_speed_rpm: Some(12_000),
            feed_rate_mm_min: Some(99_999_999.99),
            tool_number: Some(4),
            program_number: Some("O1234".to_owned()),
            power_consumption_kw: Some(12.5),
            energy_consumed_kwh: Some(12_345_678_901.234_5),
            temperature_setpoint_c: Some(60.5),
            temperature_actual_c: Some(999_999.99),
            pressure_setpoint_bar: Some(6.0),
            pressure_actual_bar: Some(6.25),
            downtime_seconds_shift: Some(0),
            last_fault_timestamp_us: Some(1_700_000_000_123_456),
            uptime_seconds_shift: Some(3_600),
            active_alarms: Some(2),
            alarm_codes: Some("A1,A2".to_owned()),
            warning_codes: Some("W1".to_owned()),
            shift_id: Some("SHIFT-1".to_owned()),
            operator_id: Some("EMP-1".to_owned()),
            data_source: Some("PLC".to_owned()),
            data_quality: Some("good".to_owned()),
        };
        assert_eq!(parse(&serde_json::to_vec(&fields).unwrap(), |_| ()), Ok(fields));
        let sparse = SnapshotFields { machine_state: "IDLE".to_owned(), ..SnapshotFields::default() };
        assert_eq!(parse(&serde_json::to_vec(&sparse).unwrap(), |_| ()), Ok(sparse));
    }

    #[test]
    fn the_state_is_required() {
        for json in ["{}", "{\"machine_state\":null}", "{\"machine_state\":\"\"}", "{\"machine_state\":3}"] {
            assert_eq!(reason(json).0, Reason::MalformedPayload, "{json}");
        }
    }

    #[test]
    fn the_column_at_fault_is_named() {
        for (member, expected) in [
            ("\"tool_number\":2147483648", Reason::OutOfRange),
            ("\"tool_number\":3.5", Reason::OutOfRange),
            ("\"tool_number\":\"three\"", Reason::NotANumber),
            ("\"tool_number\":\"3.5\"", Reason::OutOfRange),
            ("\"oee_percentage\":\"NaN\"", Reason::NotFinite),
            ("\"tool_number\":true", Reason::NotANumber),
            ("\"tool_number\":NaN", Reason::NotFinite),
            ("\"parts_produced_cumulative\":9223372036854775808", Reason::OutOfRange),
            ("\"oee_percentage\":1000", Reason::OutOfRange),
            ("\"oee_percentage\":999.995", Reason::OutOfRange),
            ("\"energy_consumed_kwh\":100000000000", Reason::OutOfRange),
            ("\"fault_code\":17", Reason::MalformedPayload),
            ("\"fault_code\":\"a\\u0000b\"", Reason::MalformedPayload),
            ("\"last_fault_timestamp\":\"noon\"", Reason::BadTimestamp),
            ("\"shift_id\":\"A\",\"shift_id\":\"B\"", Reason::MalformedPayload),
        ] {
            let (reason, detail) = reason(&with(member));
            let column = member.split('"').nth(1).unwrap();
            assert_eq!(reason, expected, "{member}");
            assert!(detail.starts_with(column), "{detail}");
        }
    }

    #[test]
    fn lengths_count_characters_and_integers_may_have_a_point() {
        let fits = with(&format!("\"shift_id\":\"{}\",\"tool_number\":3.0", "ü".repeat(50)));
        let fields = parse(fits.as_bytes(), |_| ()).unwrap();
        assert_eq!(fields.tool_number, Some(3));
        let long = with(&format!("\"shift_id\":\"{}\"", "u".repeat(51)));
        assert_eq!(reason(&long).0, Reason::OutOfRange);
        assert!(parse(with("\"oee_percentage\":999.994").as_bytes(), |_| ()).is_ok());
    }

    #[test]
    fn numbers_are_read_and_rounded_as_those_of_readings() {
        let read = |member: &str| parse(with(member).as_bytes(), |_| ()).unwrap();
        assert_eq!(read("\"tool_number\":\"+007\"").tool_number, Some(7));
        for (written, expected) in [
            ("87.125", 87.13),
            ("1.005", 1.01),
            ("-1.005", -1.01),
            ("0.004", 0.0),
            ("\"87.5\"", 87.5),
            ("\" .14 \"", 0.14),
            ("+2.35E+001", 23.5),
            ("1e-30", 0.0),
        ] {
            assert_eq!(read(&format!("\"oee_percentage\":{written}")).oee_percentage, Some(expected), "{written}");
        }
        assert_eq!(read("\"energy_consumed_kwh\":18.54325").energy_consumed_kwh, Some(18.5433));
    }

    #[test]
    fn keys_that_are_no_columns_are_told() {
        let mut unknown = Vec::new();
        let json = with("\"tool_nmber\":4,\"tool_number\":3");
        parse(json.as_bytes(), |key| unknown.push(key.to_owned())).unwrap();
        assert_eq!(unknown, ["tool_nmber"]);
    }

    #[test]
    fn unknown_keys_and_nulls_are_skipped() {
        let blank = with("\"tool_number\":\"\",\"last_fault_timestamp\":\" \",\"shift_id\":\"\"");
        let fields = parse(blank.as_bytes(), |_| ()).unwrap();
        assert_eq!((fields.tool_number, fields.last_fault_timestamp_us), (None, None));
        assert_eq!(fields.shift_id.as_deref(), Some(""), "text is text");
        let json = with("\"extra\":{\"a\":[1,2]},\"tool_number\":null,\"scada_id\":5");
        assert_eq!(parse(json.as_bytes(), |_| ()).unwrap().tool_number, None);
    }
}
