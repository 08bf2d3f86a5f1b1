//! Legal holds: what `genims_audit_db.legal_holds` names stays, however old it is.
//!
//! Enters: the table's rows, one a step of a hold. Leaves: the holds that stand. Invariants: a hold stands until its last step
//! is `released`; it covers what any of its steps named, `*` meaning all; where holds cannot be read nothing may go.

use crate::errors::PlatformError;
use genims_databases::{Database, DatabaseError, Environment, MysqlSettings, errors};
use mysql_async::prelude::Queryable;
use std::collections::{BTreeMap, BTreeSet};

/// No such database, no such table: nobody has provisioned it, so nobody has placed a hold.
const NOT_THERE: [u16; 2] = [1049, 1146];

const STEPS: &str = "SELECT hold_number, hold_event, database_name, table_name, record_key FROM legal_holds \
    ORDER BY hold_number, hold_sequence";

/// One row of a hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Named {
    hold: String,
    database: String,
    table: String,
    key: String,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Holds {
    named: BTreeSet<Named>,
}

/// What of one table is held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Held {
    /// The hold on the whole table.
    pub(super) all: Option<String>,
    /// Keys with their hold.
    pub(super) keys: BTreeMap<String, String>,
}

/// One step of a hold, as the query gives it.
type Step = (String, String, String, String, String);

impl Holds {
    /// `None`: there is no audit database, so there are none.
    pub(super) async fn load(audit: &Database, environment: &Environment) -> Result<Option<Self>, PlatformError> {
        let settings = match MysqlSettings::from_environment(audit, environment) {
            Err(DatabaseError::NotConfigured { .. }) => return Ok(None),
            settings => settings?,
        };
        let steps: Result<Vec<Step>, DatabaseError> = async {
            let mut connection = settings.connect().await?;
            let steps = connection.query(STEPS).await.map_err(|source| settings.error(source));
            genims_databases::mysql::disconnect(connection).await;
            steps
        }
        .await;
        match steps {
            Ok(steps) => Ok(Some(Self::standing(steps))),
            Err(DatabaseError::Mysql { source, .. })
                if errors::mysql_code(&source).is_some_and(|code| NOT_THERE.contains(&code)) =>
            {
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// From the steps of all holds in their order.
    fn standing(steps: Vec<Step>) -> Self {
        let mut named: BTreeSet<Named> = BTreeSet::new();
        for (hold, event, database, table, key) in steps {
            if event == "released" {
                named.retain(|named| named.hold != hold);
            } else {
                named.insert(Named { hold, database, table, key });
            }
        }
        Self { named }
    }

    /// Of one table.
    pub(super) fn of(&self, database: &str, table: &str) -> Held {
        let mut held = Held::default();
        let meant = |said: &str, name: &str| said == "*" || said == name;
        for named in self.named.iter().filter(|named| meant(&named.database, database) && meant(&named.table, table)) {
            if named.key == "*" || named.table == "*" {
                held.all.get_or_insert_with(|| named.hold.clone());
            } else {
                held.keys.entry(named.key.clone()).or_insert_with(|| named.hold.clone());
            }
        }
        held
    }
}

impl Held {
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_none() && self.keys.is_empty()
    }

    pub(super) fn key_list(&self) -> Vec<&String> {
        self.keys.keys().collect()
    }

    /// All holds on it as a reason.
    pub(super) fn name(&self) -> String {
        let holds: BTreeSet<&str> = self.all.iter().chain(self.keys.values()).map(String::as_str).collect();
        reason(&holds.into_iter().collect::<Vec<_>>().join(", "))
    }
}

/// Where the holds are asked for again: one may be placed while a run archives for hours.
pub(super) struct Law<'a> {
    pub(super) audit: &'a Database,
    pub(super) environment: &'a Environment,
}

impl Law<'_> {
    /// What of a table is held by now; what was `known` when there is no audit database. An error says why nobody knows.
    pub(super) async fn of(&self, database: &str, table: &str, known: &Held) -> Result<Held, String> {
        match Holds::load(self.audit, self.environment).await {
            Ok(holds) => Ok(holds.map_or_else(|| known.clone(), |holds| holds.of(database, table))),
            Err(error) => Err(PlatformError::HoldsUnknown { cause: error.to_string() }.to_string()),
        }
    }
}

/// The reason as a report says it.
pub(super) fn reason(hold: &str) -> String {
    format!("legal hold {hold}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(steps: &[[&str; 5]]) -> Holds {
        let step = |[a, b, c, d, e]: &[&str; 5]| {
            ((*a).to_owned(), (*b).to_owned(), (*c).to_owned(), (*d).to_owned(), (*e).to_owned())
        };
        Holds::standing(steps.iter().map(step).collect())
    }

    #[test]
    fn a_hold_covers_what_all_of_its_steps_name_until_it_is_released() {
        let steps =
            [["H1", "placed", "d", "t", "1"], ["H1", "extended", "d", "t", "2"], ["H2", "placed", "d", "t", "3"]];
        let keys = |holds: &Holds| holds.of("d", "t").keys.into_keys().collect::<Vec<_>>();
        assert_eq!(keys(&holds(&steps)), ["1", "2", "3"]);
        let released = [&steps[..], &[["H1", "released", "d", "t", "1"]]].concat();
        assert_eq!(keys(&holds(&released)), ["3"]);
        let again = [&released[..], &[["H1", "extended", "d", "t", "9"]]].concat();
        assert_eq!(keys(&holds(&again)), ["3", "9"], "what is named after a release is held");
    }

    #[test]
    fn a_star_holds_all_of_a_table_or_of_a_database_and_nothing_of_others() {
        let table = holds(&[["H", "placed", "d", "t", "*"]]);
        assert_eq!(table.of("d", "t").all.as_deref(), Some("H"));
        assert!(table.of("d", "u").is_empty() && table.of("e", "t").is_empty());
        let database = holds(&[["H", "placed", "d", "*", "*"]]);
        assert_eq!(database.of("d", "u").all.as_deref(), Some("H"));
        assert!(database.of("e", "t").is_empty());
    }
}
