//! Columns of machine snapshots: what each takes, and what one at fault costs.

use super::*;

fn parse(json: &[u8], unknown: impl FnMut(&str)) -> Result<SnapshotFields, Fault> {
    let (fields, left_out) = super::parse(json, unknown)?;
    left_out.first().map_or(Ok(fields), |(fault, _)| Err(*fault))
}

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
        ("\"tool_number\":true", Reason::NotANumber),
        ("\"parts_produced_cumulative\":9223372036854775808", Reason::OutOfRange),
        ("\"oee_percentage\":1000", Reason::OutOfRange),
        ("\"oee_percentage\":999.995", Reason::OutOfRange),
        ("\"energy_consumed_kwh\":100000000000", Reason::OutOfRange),
        ("\"fault_code\":{\"code\":17}", Reason::MalformedPayload),
        ("\"fault_code\":[[1]]", Reason::MalformedPayload),
        ("\"tool_number\":[1,2]", Reason::NotANumber),
        ("\"tool_number\":{}", Reason::MalformedPayload),
        ("\"fault_code\":\"a\\u0000b\"", Reason::MalformedPayload),
        ("\"last_fault_timestamp\":\"noon\"", Reason::BadTimestamp),
        ("\"shift_id\":\"A\",\"shift_id\":\"B\"", Reason::MalformedPayload),
        ("\"tool_number\":1,\"tool_number\":[2]", Reason::MalformedPayload),
        ("\"tool_number\":1,\"tool_number\":3.5", Reason::OutOfRange),
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

#[test]
fn a_column_at_fault_costs_no_other() {
    let json = with("\"tool_number\":3.5,\"oee_percentage\":1000,\"spindle_speed_rpm\":12");
    let (fields, left_out) = super::parse(json.as_bytes(), |_| ()).unwrap();
    let expected = SnapshotFields {
        machine_state: "RUNNING".to_owned(),
        spindle_speed_rpm: Some(12),
        ..SnapshotFields::default()
    };
    let [tool, oee] = left_out[..] else { panic!("{left_out:?}") };
    assert_eq!((fields, tool), (expected, (NO_INTEGER.about("tool_number"), &b"3.5"[..])));
    assert_eq!((oee.0.subject, oee.1), ("oee_percentage", &b"1000"[..]));
    // What was set aside of a snapshot is at fault for itself, and makes no snapshot when it no longer is.
    assert_eq!(reason(r#"{"machine_state":null,"tool_number":3.5}"#).1, tool.0.to_string());
    assert_eq!(reason(r#"{"machine_state":null,"tool_number":3}"#).1, "a snapshot needs a machine_state");
    let listed = parse(br#"{"machine_state":["RUNNING"],"tool_number":3}"#, |_| ()).unwrap();
    assert_eq!(listed.machine_state, "RUNNING");
}

#[test]
fn of_a_column_given_twice_the_first_is_taken_and_the_others_are_set_aside() {
    let json = with("\"shift_id\":\"A\",\"shift_id\":\"B\",\"tool_number\":3,\"shift_id\":\"A\",\"tool_number\":[4]");
    let (fields, left_out) = super::parse(json.as_bytes(), |_| ()).unwrap();
    assert_eq!((fields.shift_id.as_deref(), fields.tool_number), (Some("A"), Some(3)));
    let told = left_out.iter().map(|(fault, written)| format!("{fault} {}", String::from_utf8_lossy(written)));
    let twice =
        |column: &str, written: &str| format!("{column}: the column stands twice; the first one was taken {written}");
    let expected = [twice("shift_id", "\"B\""), twice("shift_id", "\"A\""), twice("tool_number", "[4]")];
    assert_eq!(told.collect::<Vec<_>>(), expected);
    // Where nothing was meant, or nothing could be taken, the column is still free.
    for (members, aside) in [
        ("\"tool_number\":null,\"tool_number\":3", 0),
        ("\"tool_number\":\"\",\"tool_number\":3", 0),
        ("\"tool_number\":[],\"tool_number\":3", 0),
        ("\"tool_number\":3,\"tool_number\":null", 0),
        ("\"tool_number\":3.5,\"tool_number\":3", 1),
    ] {
        let json = with(members);
        let (fields, left_out) = super::parse(json.as_bytes(), |_| ()).unwrap();
        assert_eq!((fields.tool_number, left_out.len()), (Some(3), aside), "{members}");
    }
    // That there is no fault is said, too.
    let json = with("\"fault_code\":0,\"fault_code\":\"F-17\"");
    let (fields, left_out) = super::parse(json.as_bytes(), |_| ()).unwrap();
    assert_eq!((fields.fault_code, left_out.len()), (None, 1));
    let states = r#"{"machine_state":"A","machine_state":"B"}"#;
    assert_eq!(reason(states).1, "machine_state: the column stands twice; the first one was taken");
}

#[test]
fn what_stands_where_text_belongs_is_text() {
    let read = |member: &str| parse(with(member).as_bytes(), |_| ()).unwrap();
    for (written, expected) in [
        ("0", None),
        ("[0, 0.0]", None),
        ("false", None),
        ("\"0\"", None),
        ("[0,7]", Some("0,7")),
        ("1234", Some("1234")),
        ("00123", Some("00123")),
        ("3.50", Some("3.50")),
        ("true", Some("true")),
        (r#"["A1"]"#, Some("A1")),
        (r#"["A1", "B2"]"#, Some("A1,B2")),
        ("[1,2]", Some("1,2")),
        ("[]", None),
        ("null", None),
        ("NaN", None),
    ] {
        let fields = read(&format!("\"alarm_codes\":{written}"));
        assert_eq!(fields.alarm_codes.as_deref(), expected, "{written}");
    }
    assert_eq!(read("\"tool_number\":[5]").tool_number, Some(5));
    for nothing in ["NaN", "\"NaN\"", "-Infinity", "[]", "[NaN]"] {
        let fields = read(&format!("\"oee_percentage\":{nothing},\"tool_number\":{nothing}"));
        assert_eq!((fields.oee_percentage, fields.tool_number), (None, None), "{nothing}");
    }
}
