//! What stands above the first record: the row with the columns' names and, above or below it, one with their units.
//!
//! Rows enter, a [`Header`] leaves. A title is narrower than the table, a row of units says nothing but units.

use super::text::Row;

/// Rows right above the records among which names and units are looked for: a third may describe.
const ROWS_MAX: usize = 3;
/// In small letters; those of one letter are told by their neighbours.
const UNITS: [&str; 88] = [
    "c", "k", "f", "degc", "degf", "deg", "grad", "rad", "celsius", "kelvin", "bar", "mbar", "pa", "hpa", "kpa", "mpa",
    "psi", "v", "mv", "kv", "a", "ma", "ka", "w", "kw", "mw", "gw", "va", "kva", "mva", "var", "kvar", "wh", "kwh",
    "mwh", "j", "kj", "mj", "hz", "khz", "mhz", "rpm", "upm", "u/min", "1/min", "min-1", "m", "mm", "cm", "km", "um",
    "m/s", "mm/s", "km/h", "m/s2", "g", "kg", "t", "mg", "l", "ml", "m3", "l/min", "l/h", "l/s", "m3/h", "kg/h", "t/h",
    "nm", "n", "kn", "s", "ms", "min", "h", "d", "percent", "prozent", "ppm", "ppb", "pcs", "stk", "lux", "db", "ph",
    "ohm", "kohm", "cos phi",
];
/// What such a row says of columns without a unit, times among them.
const NO_UNITS: [&str; 22] = [
    "",
    "-",
    "--",
    "1",
    "#",
    "n/a",
    "none",
    "date",
    "datum",
    "time",
    "zeit",
    "datetime",
    "timestamp",
    "utc",
    "cet",
    "cest",
    "bool",
    "float",
    "int",
    "real",
    "string",
    "text",
];

#[derive(Clone, Copy, Debug, Default)]
pub struct Header<'r> {
    pub names: Option<&'r Row>,
    pub units: Option<&'r Row>,
}

/// `above`: the rows above the first record, which has `width` cells.
pub fn find(above: &[Row], width: usize) -> Header<'_> {
    // A trailing separator may be missing here, or be here alone; what is narrower is a title.
    let is_wide = |row: &&Row| row.cells.len() + 1 >= width && row.cells.len() > 1;
    let wide: Vec<&Row> = above.iter().rev().take_while(is_wide).take(ROWS_MAX).collect();
    let with_units = |names: &'_ Row, units: &'_ Row| count(names) >= count(units) && is_units(units, names);
    match wide.as_slice() {
        [] => Header::default(),
        [units, names, ..] if with_units(names, units) => Header { names: Some(names), units: Some(units) },
        [_, units, names] if with_units(names, units) => Header { names: Some(names), units: Some(units) },
        [names, units, ..] if with_units(names, units) => Header { names: Some(names), units: Some(units) },
        [names, ..] => Header { names: Some(names), units: None },
    }
}

fn count(row: &Row) -> usize {
    row.cells.iter().filter(|cell| !cell.is_empty()).count()
}

/// Whether a row says the units of the columns that another one names.
fn is_units(row: &Row, names: &Row) -> bool {
    let cells = || row.cells.iter().map(str::to_lowercase);
    let characters = |row: &Row| row.cells.iter().map(|cell| cell.chars().count()).sum::<usize>();
    let all = cells().all(|cell| is_unit(&cell) || NO_UNITS.contains(&cell.as_str()) || is_format_of_time(&cell));
    // One letter may be a name as well: then names are longer.
    let certain = |cell: &String| is_unit(cell) && cell.chars().count() > 1;
    let known = cells().filter(|cell| is_unit(cell)).count();
    all && known > 0 && (cells().any(|cell| certain(&cell)) || characters(names) > 2 * characters(row))
}

fn is_unit(cell: &str) -> bool {
    let bare = unit_of(cell).unwrap_or(cell);
    let has_sign = bare.contains(['°', '%', '³', '²', 'µ', 'μ', 'ω', '‰']) && bare.chars().count() <= 8;
    has_sign || UNITS.contains(&bare) || (unit_of(cell).is_some() && cell.starts_with(['[', '(']))
}

/// `dd.mm.yyyy hh:mm:ss`
fn is_format_of_time(cell: &str) -> bool {
    let characters = cell.chars().filter(|c| c.is_alphabetic());
    cell.len() >= 5 && characters.clone().count() >= 4 && characters.into_iter().all(|c| "dtmyjhsaf".contains(c))
}

/// What stands in brackets at the end.
pub fn unit_of(title: &str) -> Option<&str> {
    [('[', ']'), ('(', ')')].into_iter().find_map(|(open, close)| {
        let (_, unit) = title.strip_suffix(close)?.rsplit_once(open)?;
        Some(unit.trim()).filter(|unit| !unit.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::text;

    fn found(text: &str) -> (Option<u64>, Option<u64>) {
        let rows: Vec<Row> = text::rows(text, ';').map(|row| row.expect("readable")).collect();
        let header = find(&rows, 3);
        (header.names.map(|row| row.line), header.units.map(|row| row.line))
    }

    #[test]
    fn a_row_of_units_is_told_from_names_wherever_it_stands() {
        for units in [
            ";[°C];bar",
            "s;C;A",
            "UTC;degC;mbar",
            "dd.mm.yyyy hh:mm:ss;kWh;%",
            "[-];[m³/h];[1/min]",
            "-;kg/h;-",
            "Datum;Prozent;min-1",
            "time;mm/s;cos phi",
        ] {
            assert_eq!(found(&format!("Zeitstempel;Temperatur;Leistung\n{units}\n")), (Some(1), Some(2)), "{units}");
            assert_eq!(found(&format!("{units}\nZeitstempel;Temperatur;Leistung\n")), (Some(2), Some(1)), "{units}");
            let described = format!("Zeitstempel;Temperatur;Leistung\n{units}\nMittel;Mittel;Summe\n");
            assert_eq!(found(&described), (Some(1), Some(2)), "{units}");
        }
    }

    #[test]
    fn short_names_titles_and_groups_are_no_units() {
        for (text, names) in [
            ("t;T1;T2\n", 1),
            ("Linie 1;Linie 1;Linie 2\nt;p;q\n", 2),
            ("Export der Anlage;;\nt;a;b\n", 2),
            ("Export\nZeit;V;A\n", 2),
            ("Zeit;Temperatur;Druck\n", 1),
        ] {
            assert_eq!(found(text), (Some(names), None), "{text}");
        }
        assert_eq!(found(""), (None, None));
    }
}
