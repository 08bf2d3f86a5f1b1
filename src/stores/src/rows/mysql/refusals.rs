//! What of MySQL's refusals is the row's own fault; all else is mended outside and worth repeating.

use crate::error::SinkError;

/// Classes of SQLSTATE: warnings that count as errors (01), a feature that a table lacks (0A), what triggers meet and raise (02, 20, 21,
/// 24, 27, 2F, 38, 39, 44, 45), data (22), constraints (23), rights and tables or columns that are gone or others now (42).
const CLASSES: [&str; 15] = ["01", "02", "0A", "20", "21", "22", "23", "24", "27", "2F", "38", "39", "42", "44", "45"];

/// Of these classes all the same the server's: the database as a whole (1044), connections, statements and limits of the account.
const OF_THE_SERVER: [u16; 4] = [1044, 1203, 1226, 1461];

/// Without a state that says so: no default (1364), a wrong value (1366, 1411, 1525, 1300), a CHECK (3819), a generated column (3105, 1906),
/// no partition (1526, 1748, 1863), numbers that are used up (1467), a view (1288, 1356, 1393, 1394, 1471), JSON within an index (3751 to 3753,
/// 3903 to 3907), what a trigger may not do or who it belongs to is gone (1422, 1424, 1442, 1443, 1449, 1456), what it raises under any
/// state (1642 to 1645), more than an undo
/// record holds (1713).
#[rustfmt::skip]
const CODES: [u16; 36] = [
    1364, 1366, 1411, 1525, 1300, 3819, 3105, 1906, 1526, 1748, 1863, 1467, 1288, 1356, 1393, 1394, 1471, 3751, 3752, 3753,
    3903, 3904, 3905, 3906, 3907, 1422, 1424, 1442, 1443, 1449, 1456, 1642, 1643, 1644, 1645, 1713,
];

/// Code and message.
pub(super) fn refusal(error: &SinkError) -> Option<(String, String)> {
    let SinkError::Mysql(error) = error else { return None };
    let mysql_async::Error::Server(refusal) = error.as_ref() else { return None };
    let own = is_of_row(refusal.code, &refusal.state);
    own.then(|| (refusal.code.to_string(), refusal.message.clone()))
}

fn is_of_row(code: u16, state: &str) -> bool {
    let class = state.get(..2).unwrap_or_default();
    // Classes that the standard leaves to implementations: MySQL has 70 (a statement was interrupted) and XA of its own, others are a
    // trigger's.
    let is_raised = class.starts_with(|first: char| matches!(first, '5'..='9' | 'I'..='Z'))
        && !matches!(class, "70" | "XA" | "S0" | "S1");
    CODES.contains(&code) || (CLASSES.contains(&class) || is_raised) && !OF_THE_SERVER.contains(&code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_row_does_is_told_from_what_ails_the_server() {
        let rows = [
            (1062, "23000"),
            (1406, "22001"),
            (1136, "21S01"),
            (1369, "44000"),
            (1644, "45000"),
            (1644, "99999"),
            (1235, "0A000"),
            (1265, "01000"),
            (1142, "42000"),
            (1146, "42S02"),
            (1054, "42S22"),
            (1118, "42000"),
            (1305, "42000"),
            (1526, "HY000"),
            (1525, "HY000"),
            (1442, "HY000"),
            (1300, "HY000"),
            (1449, "HY000"),
            (3105, "HY000"),
            (31000, "U0001"),
        ];
        assert_eq!(rows.iter().find(|(code, state)| !is_of_row(*code, state)), None);
        let servers = [
            (1203, "42000"),
            (1226, "42000"),
            (1461, "42000"),
            (1044, "42000"),
            (1205, "HY000"),
            (1213, "40001"),
            (1040, "08004"),
            (1317, "70100"),
            (1969, "70100"),
            (1927, "70100"),
            (1399, "XAE07"),
            (1021, "HY000"),
            (1114, "HY000"),
            (1290, "HY000"),
            (1792, "25006"),
            (2013, ""),
        ];
        assert_eq!(servers.iter().find(|(code, state)| is_of_row(*code, state)), None);
    }
}
