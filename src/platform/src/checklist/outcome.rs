//! What one check found, and how several of one line add up.

use serde::Serialize;

/// How a line, or one check of it, stands. The order is how much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LineState {
    Holds,
    /// People have settled it.
    Signed,
    /// Only people can settle it, and nobody has.
    ToBeSigned,
    /// It could not be looked at now.
    Unknown,
    Fails,
}

impl LineState {
    pub const ALL: [Self; 5] = [Self::Fails, Self::Unknown, Self::ToBeSigned, Self::Signed, Self::Holds];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Signed => "signed",
            Self::ToBeSigned => "to be signed",
            Self::Unknown => "unknown",
            Self::Fails => "fails",
        }
    }
}

/// What was found, and what to do where that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outcome {
    pub state: LineState,
    pub found: String,
    pub remedy: Option<String>,
}

impl Outcome {
    pub fn holds(found: impl Into<String>) -> Self {
        Self { state: LineState::Holds, found: found.into(), remedy: None }
    }

    pub fn fails(found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { state: LineState::Fails, found: found.into(), remedy: Some(remedy.into()) }
    }

    pub fn unknown(found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { state: LineState::Unknown, found: found.into(), remedy: Some(remedy.into()) }
    }

    /// Holds where `is_so`.
    pub fn judged(is_so: bool, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        if is_so { Self::holds(found) } else { Self::fails(found, remedy) }
    }

    /// An error whose message ends with its remedy, behind a semicolon. What it could not look at is not known.
    pub fn not_looked_at(error: impl std::fmt::Display) -> Self {
        let text = error.to_string();
        match text.rsplit_once("; ") {
            Some((cause, remedy)) => Self::unknown(cause, remedy),
            None => Self::unknown(text, "remove the cause and run this again"),
        }
    }

    /// Several of one kind as one: the worst state; what was found is told once for all that found the same, and of the others only
    /// where it went wrong. `each` has a name for each.
    pub fn of_all(each: Vec<(String, Self)>) -> Self {
        let total = each.len();
        let Some(worst) = each.iter().map(|(_, outcome)| outcome.state).max() else {
            return Self::unknown("there was nothing to look at", "report it: this build is broken");
        };
        let alike: Vec<&(String, Self)> = each.iter().filter(|(_, outcome)| outcome.state == worst).collect();
        let mut told: Vec<(String, Vec<&str>)> = Vec::new();
        for (name, outcome) in &alike {
            match told.iter_mut().find(|(found, _)| *found == outcome.found) {
                Some((_, names)) => names.push(name),
                None => told.push((outcome.found.clone(), vec![name])),
            }
        }
        let whole: Vec<String> = told.iter().map(|(found, names)| listed(names, found)).collect();
        let found = match worst {
            LineState::Holds if total > 1 => format!("all {total}: {}", whole.join("; ")),
            _ if total > 1 => format!("{} of {total}: {}", alike.len(), whole.join("; ")),
            _ => each.first().map(|(_, outcome)| outcome.found.clone()).unwrap_or_default(),
        };
        let remedy = alike.iter().find_map(|(_, outcome)| outcome.remedy.clone());
        Self { state: worst, found, remedy }
    }
}

/// So many names are told one by one.
const NAMES_MAX: usize = 17;

fn listed(names: &[&str], found: &str) -> String {
    let told = names.iter().take(NAMES_MAX).copied().collect::<Vec<_>>().join(", ");
    let more = names.len().saturating_sub(NAMES_MAX);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!("{told}{more}: {found}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_of_several_counts_and_names_where() {
        let holds = |name: &str| (name.to_owned(), Outcome::holds("fine"));
        let all = Outcome::of_all(vec![holds("a"), holds("b")]);
        assert_eq!((all.state, all.found.as_str()), (LineState::Holds, "all 2: a, b: fine"));
        let fails = ("c".to_owned(), Outcome::fails("gone", "bring it back"));
        let some = Outcome::of_all(vec![holds("a"), fails.clone()]);
        assert_eq!((some.state, some.found.as_str()), (LineState::Fails, "1 of 2: c: gone"));
        assert_eq!(some.remedy.as_deref(), Some("bring it back"));
        let unknown = ("d".to_owned(), Outcome::unknown("away", "start it"));
        assert_eq!(Outcome::of_all(vec![fails, unknown]).state, LineState::Fails);
        assert_eq!(Outcome::of_all(vec![holds("a")]).found, "fine");
        assert_eq!(Outcome::of_all(Vec::new()).state, LineState::Unknown, "nothing looked at never holds");
    }

    #[test]
    fn what_an_error_says_behind_its_last_semicolon_is_the_remedy() {
        let outcome = Outcome::not_looked_at("a: b; c; do d");
        assert_eq!((outcome.state, outcome.found.as_str()), (LineState::Unknown, "a: b; c"));
        assert_eq!(outcome.remedy.as_deref(), Some("do d"));
        assert!(Outcome::not_looked_at("odd").remedy.is_some());
    }
}
