//! The days that rules speak of. Enters: the SQL of a rule with `{today}`, `{now}` and `{seeded}` in it. Leaves: SQL that a
//! server understands.
//!
//! Invariant: a rule never reads the clock in any other way ([`clock_word`]), so the same data and the same moment give the
//! same verdict. Without `--as-of` the server's own clock answers: what is committed while a query waits is not ahead of it.

use chrono::NaiveDate;
use genims_databases::Engine;
use regex::Regex;
use std::sync::LazyLock;

/// When nothing was seeded, nobody owes a state of any day.
const NEVER: NaiveDate = NaiveDate::from_ymd_opt(1970, 1, 1).expect("a date");

static CLOCK: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let words = r"current_date|current_time|current_timestamp|localtime|localtimestamp|curdate|curtime|utc_date|utc_time|utc_timestamp|sysdate|clock_timestamp|statement_timestamp|transaction_timestamp|now\s*\(\s*\)|unix_timestamp\s*\(\s*\)";
    Regex::new(&format!(r"(?i)\b(?:{words})")).ok()
});

/// What in a rule's SQL would read the clock.
pub(super) fn clock_word(sql: &str) -> Option<&str> {
    CLOCK.as_ref().and_then(|clock| clock.find(sql)).map(|word| word.as_str())
}

/// What the placeholders stand for in one database.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) engine: Engine,
    /// The day whose first moment is now; the server's clock if not given.
    pub(super) as_of: Option<NaiveDate>,
    /// The day on which the seeded history ends.
    pub(super) seeded: Option<NaiveDate>,
}

impl Moment {
    pub(super) fn fill(self, sql: &str) -> String {
        let (today, now) = match (self.as_of, self.engine) {
            (Some(day), _) => (format!("DATE '{day}'"), format!("TIMESTAMP '{day} 00:00:00'")),
            (None, Engine::Mysql) => ("UTC_DATE()".to_owned(), "UTC_TIMESTAMP(6)".to_owned()),
            (None, _) => ("CURRENT_DATE".to_owned(), "now()".to_owned()),
        };
        let seeded = format!("DATE '{}'", self.seeded.unwrap_or(NEVER));
        sql.replace("{today}", &today).replace("{now}", &now).replace("{seeded}", &seeded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_engine_gets_its_own_clock_or_the_day_asked_for() {
        let sql = "a > {today} OR b > {now} OR c < {seeded}";
        let day = |text: &str| text.parse().ok();
        let mut moment = Moment { engine: Engine::Postgresql, as_of: None, seeded: None };
        assert_eq!(moment.fill(sql), "a > CURRENT_DATE OR b > now() OR c < DATE '1970-01-01'");
        moment.engine = Engine::Mysql;
        assert_eq!(moment.fill(sql), "a > UTC_DATE() OR b > UTC_TIMESTAMP(6) OR c < DATE '1970-01-01'");
        (moment.as_of, moment.seeded) = (day("2026-03-01"), day("2026-02-28"));
        let fixed = "a > DATE '2026-03-01' OR b > TIMESTAMP '2026-03-01 00:00:00' OR c < DATE '2026-02-28'";
        assert_eq!(moment.fill(sql), fixed);
    }

    #[test]
    fn a_clock_is_found_under_all_of_its_names_and_a_column_is_none() {
        for sql in ["x > current_date", "x < NOW( )", "x > UTC_TIMESTAMP(6)", "CURDATE()", "localtimestamp"] {
            assert!(clock_word(sql).is_some(), "{sql}");
        }
        for sql in ["known_now > {now}", "current_value > 1", "unix_timestamp(created_at)", "now_at"] {
            assert_eq!(clock_word(sql), None, "{sql}");
        }
    }
}
