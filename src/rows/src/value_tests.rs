//! Values of each type against their columns.

use super::schema::{Column, Dialect, Kind};
use super::value::checked;

fn written(kind: Kind, raw: &str, dialect: Dialect) -> Result<String, String> {
    checked(&Column::new(kind), raw, dialect)
}

#[test]
fn each_type_takes_its_values_and_keeps_every_digit() {
    let decimal = Kind::Decimal(Some((20, 4)));
    let whole = || Kind::Integer(-128, 127);
    for (kind, raw, expected) in [
        (whole(), "-128", "-128"),
        (whole(), "3.0", "3"),
        (decimal.clone(), "1234567890123456.7891", "1234567890123456.7891"),
        (decimal, "\"1234567890123456.7891\"", "1234567890123456.7891"),
        (Kind::Float, "1e-7", "1e-7"),
        (Kind::Boolean, "true", "true"),
        (Kind::Text, "\"a\\u0041\"", "\"a\\u0041\""),
        (Kind::Date, "\"2026-02-28\"", "\"2026-02-28\""),
        (Kind::Time, "\"06:30\"", "\"06:30\""),
        (Kind::Timestamp, "\"2026-01-31T06:30:00+05:30\"", "\"2026-01-31 01:00:00.000000\""),
        (Kind::Timestamp, "\"2026-01-31 06:30\"", "\"2026-01-31 06:30:00.000000\""),
        (Kind::Moment, "\"2026-01-31T06:30:00.25Z\"", "\"2026-01-31T06:30:00.250000Z\""),
        (Kind::Uuid, "\"123e4567-e89b-12d3-a456-426614174000\"", "\"123e4567-e89b-12d3-a456-426614174000\""),
        (Kind::Json, "{\"a\": 1}", "{\"a\": 1}"),
        (Kind::Array(Box::new(Kind::Text)), "[\"a\", null]", "[\"a\",null]"),
        (Kind::Text, "null", "null"),
    ] {
        assert_eq!(written(kind.clone(), raw, Dialect::Postgres).as_deref(), Ok(expected), "{kind:?} {raw}");
    }
    let of_mongo = |kind, raw| written(kind, raw, Dialect::Mongo).unwrap();
    assert_eq!(of_mongo(Kind::Integer(i64::MIN, i64::MAX as u64), "4000000000"), r#"{"$numberLong":"4000000000"}"#);
    let date = r#"{"$date":{"$numberLong":"1769841000000"}}"#;
    assert_eq!(of_mongo(Kind::Moment, "\"2026-01-31T06:30:00Z\""), date);
    assert_eq!(of_mongo(Kind::Moment, date), date);
}

#[test]
fn what_does_not_fit_says_why() {
    for (kind, raw, said) in [
        (Kind::Integer(0, 255), "256", "not within 0 and 255"),
        (Kind::Integer(0, 255), "1.5", "is not a whole number"),
        (Kind::Integer(0, 255), "\"1\"", "is not a whole number"),
        (Kind::Decimal(Some((5, 2))), "1000", "more than 3 digits"),
        (Kind::Decimal(None), "\"abc\"", "is not a number"),
        (Kind::Float, "\"1\"", "is not a number"),
        (Kind::Boolean, "1", "is not true or false"),
        (Kind::Text, "5", "is not a text"),
        (Kind::Text, "\"\\u0000\"", "U+0000"),
        (Kind::Date, "\"2026-02-30\"", "is not a date"),
        (Kind::Time, "\"25:00:00\"", "is not a time"),
        (Kind::Moment, "\"2026-01-31T06:30:00\"", "a time with its zone"),
        (Kind::Timestamp, "12", "is not a time"),
        (Kind::Uuid, "\"x\"", "is not a UUID"),
        (Kind::Object, "[]", "is not a JSON object"),
        (Kind::Array(Box::new(Kind::Text)), "[1]", "is not a text"),
    ] {
        let error = written(kind.clone(), raw, Dialect::Postgres).unwrap_err();
        assert!(error.contains(said), "{kind:?} {raw}: {error}");
    }
}

#[test]
fn a_column_bounds_length_and_words_and_says_whether_null_may_be() {
    let text = |nullable, length, words: &[&str]| Column {
        nullable,
        length,
        words: words.iter().map(|word| (*word).to_owned()).collect(),
        ..Column::new(Kind::Text)
    };
    let check = |column: &Column, raw| checked(column, raw, Dialect::Mysql);
    assert_eq!(check(&text(true, Some(2), &[]), "\"äö\"").as_deref(), Ok("\"äö\""));
    assert!(check(&text(true, Some(2), &[]), "\"abc\"").unwrap_err().contains("3 characters; 2 at most"));
    assert!(check(&text(true, None, &["open", "done"]), "\"opn\"").unwrap_err().contains("none of open, done"));
    assert!(check(&text(false, None, &[]), "null").unwrap_err().contains("null is not allowed"));
    let generated = Column { generated: true, ..Column::new(Kind::Text) };
    assert!(check(&generated, "\"x\"").unwrap_err().contains("leave it out"));
}

#[test]
fn what_was_written_is_taken_again_as_it_is() {
    let long = || Kind::Integer(i64::MIN, i64::MAX as u64);
    for (kind, raw) in [
        (Kind::Integer(0, 9), "3.0"),
        (long(), "-5"),
        (Kind::Decimal(Some((18, 2))), "\"9999999999999999.99\""),
        (Kind::Float, "5"),
        (Kind::Float, "1e30"),
        (Kind::Number, "5"),
        (Kind::Number, "123456789012345678901234567890"),
        (Kind::Boolean, "true"),
        (Kind::Text, "\"a\\\\b\""),
        (Kind::Date, "\"2026-02-28\""),
        (Kind::Year, "2026"),
        (Kind::Time, "\"06:30\""),
        (Kind::Timestamp, "\"2026-01-31T06:30:00.25+05:30\""),
        (Kind::Timestamp, "\"2026-01-31\""),
        (Kind::Moment, "\"2026-01-31T06:30:00.25Z\""),
        (Kind::Uuid, "\"123e4567-e89b-12d3-a456-426614174000\""),
        (Kind::Json, "\"hello\""),
        (Kind::Json, "{\"a\": [1, \"C:\\\\u0000\"]}"),
        (Kind::Object, "{\"a\":{\"$date\":\"2026-01-31T06:30:00Z\"}}"),
        (Kind::Array(Box::new(long())), "[1,null]"),
        (Kind::Any, "{\"$numberLong\":\"7\"}"),
        (Kind::Other("x".to_owned()), "\"x\""),
    ] {
        for dialect in [Dialect::Postgres, Dialect::Mysql, Dialect::Mongo] {
            // No type of MySQL asks for a zone.
            if (dialect, &kind) == (Dialect::Mysql, &Kind::Moment) {
                continue;
            }
            let once = written(kind.clone(), raw, dialect).unwrap();
            assert_eq!(written(kind.clone(), &once, dialect).as_ref(), Ok(&once), "{dialect:?} {kind:?} {raw}");
        }
    }
}

#[test]
fn a_validator_of_one_type_of_number_gets_that_type() {
    let of_mongo = |kind, raw| written(kind, raw, Dialect::Mongo);
    let long = || Kind::Integer(i64::MIN, i64::MAX as u64);
    assert_eq!(of_mongo(long(), "5").as_deref(), Ok(r#"{"$numberLong":"5"}"#));
    assert_eq!(of_mongo(Kind::Integer(i32::MIN.into(), i32::MAX as u64), "5").as_deref(), Ok("5"));
    assert_eq!(of_mongo(Kind::Float, "5").as_deref(), Ok("5.0"));
    assert_eq!(of_mongo(Kind::Number, "5").as_deref(), Ok("5"));
    assert_eq!(of_mongo(Kind::Number, r#"{"$numberLong":"5"}"#).as_deref(), Ok(r#"{"$numberLong":"5"}"#));
    assert!(of_mongo(Kind::Integer(0, 9), r#"{"$numberLong":"10"}"#).unwrap_err().contains("not within 0 and 9"));
    assert!(written(long(), r#"{"$numberLong":"5"}"#, Dialect::Mysql).is_err());
}

#[test]
fn decimals_fit_by_their_digits() {
    let fits = |precision, scale, raw| written(Kind::Decimal(Some((precision, scale))), raw, Dialect::Postgres);
    for (precision, scale, raw) in
        [(18, 2, "9999999999999999.99"), (3, -2, "99900"), (2, 4, "0.0099"), (5, 2, "1.5e2"), (5, 2, "0e99")]
    {
        assert!(fits(precision, scale, raw).is_ok(), "{raw}");
    }
    for (precision, scale, raw) in [(18, 2, "10000000000000000"), (3, -2, "100000"), (2, 4, "0.01"), (5, 2, "1e400")] {
        assert!(fits(precision, scale, raw).unwrap_err().contains("digits before the point"), "{raw}");
    }
    for no_number in ["\"NaN\"", "\"1 \"", "\"[1]\"", "\"\"", "true"] {
        assert!(written(Kind::Decimal(None), no_number, Dialect::Postgres).is_err(), "{no_number}");
    }
}

#[test]
fn an_array_of_postgresql_has_the_dimensions_that_it_is_given() {
    let whole = || Kind::Array(Box::new(Kind::Integer(0, 9)));
    assert_eq!(written(whole(), "[[1, 2], [3, 4]]", Dialect::Postgres).as_deref(), Ok("[[1,2],[3,4]]"));
    assert!(written(whole(), "[[1, 20]]", Dialect::Postgres).unwrap_err().contains("not within"));
    let deep = format!("{}{}", "[".repeat(7), "]".repeat(7));
    assert!(written(whole(), &deep, Dialect::Postgres).unwrap_err().contains("6 dimensions"));
    assert!(written(whole(), "[[1]]", Dialect::Mongo).is_err());
    // JSON keeps its own brackets.
    assert!(written(Kind::Array(Box::new(Kind::Json)), &deep, Dialect::Postgres).is_ok());
}

#[test]
fn mysql_has_years_and_spans_of_time_of_its_own() {
    let of_mysql = |kind, raw| written(kind, raw, Dialect::Mysql).is_ok();
    for (raw, fits) in [
        ("\"36:00:00\"", true),
        ("\"-838:59:59.5\"", true),
        ("\"839:00:00\"", false),
        ("\"1:60:00\"", false),
        ("\"-\"", false),
    ] {
        assert_eq!(of_mysql(Kind::Time, raw), fits, "{raw}");
        assert!(written(Kind::Time, raw, Dialect::Postgres).is_err(), "{raw}");
    }
    for (raw, fits) in
        [("1901", true), ("0", true), ("2155", true), ("1900", false), ("2156", false), ("\"2026\"", false)]
    {
        assert_eq!(of_mysql(Kind::Year, raw), fits, "{raw}");
    }
    for (raw, fits) in
        [("\"0001-01-01\"", true), ("\"9999-12-31\"", true), ("\"0000-01-01\"", false), ("\"+10000-01-01\"", false)]
    {
        assert!(of_mysql(Kind::Date, raw) == fits && of_mysql(Kind::Timestamp, raw) == fits, "{raw}");
    }
    assert!(!of_mysql(Kind::Timestamp, "\"0001-01-01T00:00:00+05:00\""), "the year before, in UTC");
}

#[test]
fn what_a_database_cannot_store_within_json_is_refused() {
    let json = |raw, dialect| written(Kind::Json, raw, dialect);
    assert!(json(r#"{"path":"C:\\u0000"}"#, Dialect::Postgres).is_ok(), "text of six characters");
    assert!(json(r#"{"path":"C:\\\u0000"}"#, Dialect::Postgres).unwrap_err().contains("U+0000"));
    assert!(written(Kind::Any, r#""\u0000""#, Dialect::Postgres).is_err());
    for named in [r#"{"\u0000":1}"#, r#"[{"a":{"x\u0000y":1}}]"#] {
        assert!(written(Kind::Any, named, Dialect::Mongo).unwrap_err().contains("U+0000"), "{named}");
        assert!(written(Kind::Array(Box::new(Kind::Any)), &format!("[{named}]"), Dialect::Mongo).is_err(), "{named}");
    }
    assert!(written(Kind::Any, r#"{"text":"\u0000"}"#, Dialect::Mongo).is_ok());
    for unfit in ["1e999", r#""\ud800""#] {
        assert!(written(Kind::Any, unfit, Dialect::Mongo).unwrap_err().contains("cannot store"), "{unfit}");
    }
}
