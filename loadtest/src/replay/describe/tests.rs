//! Files as loggers, spreadsheets and historians write them: each becomes a mapping, and with it its very readings.

use super::*;
use crate::plant::Plant;
use crate::replay::mapping::Mapping;
use crate::replay::records::Records;

/// What `genims seed plant --from` makes of a mapping, as far as a replay looks at it.
fn plant_of(mapping: &Mapping) -> Plant {
    let machines = &mapping.plant.as_ref().expect("a plant").machines;
    let mut plant = Plant::synthetic(machines.len(), mapping.values.len());
    let codes: Vec<&String> = mapping.values.values().collect();
    for (machine, id) in plant.machines.iter_mut().zip(machines) {
        machine.machine_id.clone_from(id);
        for (sensor, code) in plant.sensors[machine.sensors.clone()].iter_mut().zip(&codes) {
            sensor.sensor_code.clone_from(code);
            sensor.sensor_id = format!("{}:{code}", machine.machine_id);
        }
    }
    plant
}

fn proposed(bytes: &[u8]) -> (String, Mapping, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("Presse 7.csv");
    std::fs::write(&path, bytes).expect("written");
    let toml = describe(&path).unwrap_or_else(|error| panic!("{error}\n{}", String::from_utf8_lossy(bytes)));
    let mapping = Mapping::parse(&toml, Path::new("m.toml")).unwrap_or_else(|error| panic!("{error}\n{toml}"));
    let records = Records::read(&path, &mapping, &plant_of(&mapping)).unwrap_or_else(|error| panic!("{error}\n{toml}"));
    assert_eq!(records.summary.problem(), None, "{toml}");
    (toml, mapping, records.listed())
}

#[test]
fn a_german_logger_with_decimal_commas_units_and_crlf() {
    let text = "\u{feff}Zeitstempel;Temperatur [°C];Öldruck (bar);Meldung\r\n\
                13.02.2024 10:00:00;71,5;-0,25;OK\r\n14.02.2024 10:00:00;72;;Störung\r\n";
    let (toml, mapping, readings) = proposed(text.as_bytes());
    assert_eq!(
        readings,
        "Presse_7:Temperatur 1707818400 71.5\nPresse_7:Oeldruck 1707818400 -0.25\nPresse_7:Temperatur 1707904800 72\n"
    );
    assert_eq!(mapping.units["Temperatur"], "°C");
    assert_eq!(mapping.units["Oeldruck"], "bar");
    assert!(
        toml.contains("\"Meldung\" is left out: no numbers, like \"OK\"") && toml.contains("zone = \"UTC\""),
        "{toml}"
    );
    // The same from a spreadsheet that knows no UTF-8.
    let latin1: Vec<u8> = text.chars().skip(1).map(|c| u8::try_from(c).expect("Latin-1")).collect();
    assert_eq!(proposed(&latin1).2, readings);
}

#[test]
fn tabs_and_milliseconds_since_1970() {
    let text = "ts\ttemp\tdevice\n1707818400000\t1.5\tP1\n1707818400000\t2.5\tP2\n1707818401000\tNaN\tP1\n";
    let (toml, mapping, readings) = proposed(text.as_bytes());
    assert_eq!(readings, "P1:temp 1707818400 1.5\nP2:temp 1707818400 2.5\n");
    assert_eq!((mapping.delimiter, mapping.no_value.as_slice()), ('\t', ["NaN".to_owned()].as_slice()));
    assert!(toml.contains("machines = [\"P1\", \"P2\"]"), "{toml}");
}

#[test]
fn quoted_cells_thousands_and_american_times() {
    let text = "\"Time\",\"Flow, total\",\"Note\"\n\"02/13/2024 10:00:00 AM\",\"1,234.5\",\"a, b\"\n\"02/13/2024 10:00:01 AM\",\"7\",\"say \"\"x\"\"\"\n";
    let (_, mapping, readings) = proposed(text.as_bytes());
    assert_eq!(readings, "Presse_7:Flow_total 1707818400 1234.5\nPresse_7:Flow_total 1707818401 7\n");
    assert_eq!((mapping.delimiter, mapping.decimal, mapping.thousands), (',', '.', Some(',')));
}

#[test]
fn a_title_a_row_of_units_and_a_date_and_time_of_day_apart() {
    let text = "Export der Anlage;;;\nErstellt;13.02.2024;;\n\nDatum;Uhrzeit;Temperatur;Druck\n;;[°C];bar\n\
                13.02.2024;10:00:00;1,5;2\n13.02.2024;10:00:01;2,5;3\n";
    let (toml, mapping, readings) = proposed(text.as_bytes());
    assert_eq!(mapping.timestamp.column, ["Datum", "Uhrzeit"], "{toml}");
    assert_eq!((mapping.header_line, mapping.first_line()), (4, 6));
    assert_eq!((mapping.units["Temperatur"].as_str(), mapping.units["Druck"].as_str()), ("°C", "bar"));
    assert!(readings.starts_with("Presse_7:Druck 1707818400 2\n"), "{readings}");
}

#[test]
fn units_that_are_words_stand_in_a_row_of_their_own() {
    let text = "Zeit;Temperatur;Drehzahl\nUTC;degC;Prozent\n2024-02-13 10:00:00;1,5;2\n";
    let (toml, mapping, readings) = proposed(text.as_bytes());
    assert_eq!((mapping.header_line, mapping.first_line()), (1, 3), "{toml}");
    assert_eq!((mapping.units["Temperatur"].as_str(), mapping.units["Drehzahl"].as_str()), ("degC", "Prozent"));
    assert_eq!(readings, "Presse_7:Drehzahl 1707818400 2\nPresse_7:Temperatur 1707818400 1.5\n");
}

#[test]
fn a_row_for_each_value_that_says_whose_it_is() {
    let text = "Timestamp;TagName;Value;Unit;Quality\n2024-02-13 10:00:00;TEMP 1;71,5;°C;Good\n\
                2024-02-13 10:00:00;PRESS 1;2,25;bar;Good\n2024-02-13 10:00:01;STATE;RUN;;Good\n\
                2024-02-13 10:00:02;TEMP 1;72;°C;Good\n";
    let (toml, mapping, readings) = proposed(text.as_bytes());
    let expected = "Presse_7:PRESS_1 1707818400 2.25\nPresse_7:TEMP_1 1707818400 71.5\nPresse_7:TEMP_1 1707818402 72\n";
    let mut listed: Vec<&str> = readings.lines().collect();
    listed.sort_unstable();
    assert_eq!(listed, expected.lines().collect::<Vec<_>>(), "{toml}");
    assert_eq!((mapping.units["TEMP_1"].as_str(), mapping.units["PRESS_1"].as_str()), ("°C", "bar"));
    assert!(toml.contains("\"STATE\" is left out: no numbers, like \"RUN\""), "{toml}");
    assert!(toml.contains("ignore = [\"STATE\"]") && toml.contains("machines = [\"Presse_7\"]"), "{toml}");

    let machines = "time;machine;sensor;value\n2024-02-13 10:00:00;P1;T;1.5\n2024-02-13 10:00:00;P2;T;2.5\n";
    let (toml, _, readings) = proposed(machines.as_bytes());
    assert_eq!(readings, "P1:T 1707818400 1.5\nP2:T 1707818400 2.5\n", "{toml}");
}

#[test]
fn texts_beside_a_single_value_are_asked_about() {
    let (toml, ..) = proposed(b"t;what;v\n2024-02-13 10:00:00;hot;1.5\n2024-02-13 10:00:01;cold;2.5\n");
    assert!(toml.contains("# LOOK AT THIS: if it says whose value a row has"), "{toml}");
    let (toml, ..) = proposed(b"t;quality;v\n2024-02-13 10:00:00;good;1.5\n2024-02-13 10:00:01;bad;2.5\n");
    assert!(!toml.contains("LOOK AT THIS"), "{toml}");
}

#[test]
fn what_can_be_read_in_two_ways_is_said_and_not_guessed() {
    let (toml, mapping, _) = proposed(b"t;v\n2024-02-13 10:00:00;1.234\n2024-02-13 10:00:01;20.500\n");
    assert!(toml.contains("# LOOK AT THIS: every number with a . has three digits behind it"), "{toml}");
    assert_eq!((mapping.decimal, mapping.thousands), ('.', None));
    let text = b"t;v;w\n2024-02-13 10:00:00;1.234;0,5\n2024-02-13 10:00:01;2.000;7,25\n";
    let (toml, _, readings) = proposed(text);
    assert!(!toml.contains("LOOK AT THIS") && readings.contains("Presse_7:v 1707818400 1234\n"), "{toml}\n{readings}");
}

#[test]
fn no_header_and_numbered_machines() {
    let (toml, mapping, readings) = proposed(b"2024-02-13T10:00:00Z,1,2.25\n2024-02-13T10:00:01Z,1,2.5\n");
    assert_eq!(mapping.header_line, 0, "{toml}");
    assert_eq!(readings.lines().last(), Some("Presse_7:V3 1707818401 2.5"));
    let (toml, _, readings) = proposed(b"t,machine_id,v\n2024-02-13T10:00:00Z,17,2.25\n2024-02-13T10:00:00Z,18,2.5\n");
    assert_eq!(readings, "Presse_7-17:v 1707818400 2.25\nPresse_7-18:v 1707818400 2.5\n", "{toml}");
}

#[test]
fn names_that_are_there_twice_and_machines_whose_names_are_no_ids() {
    let text = "Zeit;Maschine;Temp;Temp\n2024-02-13 10:00:00;Presse #1;1,5;2,5\n2024-02-13 10:00:00;Säge/2;3,5;4,5\n";
    let (toml, mapping, readings) = proposed(text.as_bytes());
    assert_eq!(mapping.machine.id_of("Säge/2"), "Saege_2", "{toml}");
    let expected = "Presse_1:Temp 1707818400 1.5\nPresse_1:Temp_2 1707818400 2.5\n\
                    Saege_2:Temp 1707818400 3.5\nSaege_2:Temp_2 1707818400 4.5\n";
    assert_eq!(readings, expected, "{toml}");
}

#[test]
fn what_is_no_table_of_measurements_is_refused_with_the_reason() {
    let refused = |text: &str| {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("f.csv");
        std::fs::write(&path, text).expect("written");
        describe(&path).expect_err(text).to_string()
    };
    for text in ["", "a;b\n1;2\n", "\u{0}\u{1}\u{2}", "just words\nin lines\n"] {
        assert!(refused(text).contains("no column holds times"), "{text}");
    }
    assert!(refused("t;state\n2024-02-13 10:00:00;up\n").contains("holds numbers"));
    assert!(describe(Path::new("/nonexistent.csv")).expect_err("no file").to_string().contains("/nonexistent.csv"));
}

#[test]
fn cells_that_turn_up_later_are_told_and_not_guessed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("p.csv");
    let text = "t;v\n2024-02-13 10:00:00;1,5\n2024-02-13 10:00:01;I/O Timeout\n2024-02-13 10:00:02;2,5\n";
    std::fs::write(&path, text).expect("written");
    let mapping = Mapping::parse(&describe(&path).expect("described"), Path::new("m.toml")).expect("valid");
    let records = Records::read(&path, &mapping, &plant_of(&mapping)).expect("readable");
    let told = records.summary.problem().expect("one was left out");
    assert!(told.contains("p.csv:3, column v: \"I/O Timeout\"") && records.summary.readings == 2, "{told}");
}
