//! The rules of coherence in config/verify, embedded at build time or read from a folder. Leaves: rules whose names are
//! unique and whose databases exist and speak SQL. config/verify/README.md describes the form.

use super::moment;
use crate::errors::PlatformError;
use genims_databases::{Engine, Registry};
use include_dir::{Dir, include_dir};
use serde::Deserialize;
use std::collections::HashMap;
use std::path::Path;

static EMBEDDED: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../../config/verify");

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rule {
    /// The name of its file, without extension.
    pub(super) file: String,
    pub(super) name: String,
    pub(super) family: String,
    pub(super) says: String,
    pub(super) check: Check,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Check {
    /// One query counts what is looked at, the other lists what violates.
    Violations { looked_at: Query, violations: Query },
    /// Every key of the left is on the right. With rates, a value of the right is divided by the rate that its third
    /// column names.
    Agreement { left: Query, right: Query, rate: Option<Query>, compare: Compare },
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Query {
    pub(super) database: String,
    pub(super) sql: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Compare {
    #[default]
    Equal,
    Subset,
    #[serde(untagged)]
    Near {
        tolerance: f64,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    rule: Vec<Written>,
}

/// A rule as its file has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    family: String,
    says: String,
    database: Option<String>,
    looked_at: Option<String>,
    violations: Option<String>,
    left: Option<Query>,
    right: Option<Query>,
    rate: Option<Query>,
    compare: Option<Compare>,
}

impl Rule {
    /// The databases that it reads; the first one owns it.
    pub(super) fn databases(&self) -> Vec<&str> {
        let all: Vec<&Query> = match &self.check {
            Check::Violations { violations, .. } => vec![violations],
            Check::Agreement { left, right, rate, .. } => [left, right].into_iter().chain(rate).collect(),
        };
        let mut names: Vec<&str> = Vec::new();
        for query in all {
            if !names.contains(&query.database.as_str()) {
                names.push(&query.database);
            }
        }
        names
    }
}

/// The rules in `folder`, or the embedded ones.
pub(super) fn load(folder: Option<&Path>, registry: &Registry) -> Result<Vec<Rule>, PlatformError> {
    let mut rules = Vec::new();
    for (place, text) in texts(folder)? {
        let wrong = |cause: String| PlatformError::Rules { file: place.clone(), cause };
        rules.extend(parse(&place, &text, registry).map_err(wrong)?);
    }
    let mut files: HashMap<&str, &str> = HashMap::new();
    for rule in &rules {
        if let Some(other) = files.insert(&rule.name, &rule.file) {
            let cause = format!("the rule {} is also in {other}.toml: a name is there once", rule.name);
            return Err(PlatformError::Rules { file: format!("{}.toml", rule.file), cause });
        }
    }
    Ok(rules)
}

/// Name and content of every file, in the order of their names.
fn texts(folder: Option<&Path>) -> Result<Vec<(String, String)>, PlatformError> {
    let mut texts = Vec::new();
    if let Some(folder) = folder {
        let wrong = |error: std::io::Error| PlatformError::Rules {
            file: folder.display().to_string(),
            cause: error.to_string(),
        };
        for entry in std::fs::read_dir(folder).map_err(wrong)? {
            let path = entry.map_err(wrong)?.path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                texts.push((path.display().to_string(), std::fs::read_to_string(&path).map_err(wrong)?));
            }
        }
    } else {
        let files = EMBEDDED.files().filter(|file| file.path().extension().is_some_and(|it| it == "toml"));
        texts.extend(
            files.filter_map(|file| Some((file.path().display().to_string(), file.contents_utf8()?.to_owned()))),
        );
    }
    if let (Some(folder), true) = (folder, texts.is_empty()) {
        let cause = "there is no rule file (*.toml) in this folder".to_owned();
        return Err(PlatformError::Rules { file: folder.display().to_string(), cause });
    }
    texts.sort();
    Ok(texts)
}

fn parse(place: &str, text: &str, registry: &Registry) -> Result<Vec<Rule>, String> {
    let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
    let stem = Path::new(place).file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let rule = |written: Written| {
        let name = written.name.clone();
        understood(&stem, written, registry).map_err(|cause| format!("rule {name}: {cause}"))
    };
    if file.rule.is_empty() {
        return Err("it holds no rule: write one, or remove the file".to_owned());
    }
    file.rule.into_iter().map(rule).collect()
}

fn understood(stem: &str, written: Written, registry: &Registry) -> Result<Rule, String> {
    if [&written.name, &written.family, &written.says].iter().any(|text| text.trim().is_empty()) {
        return Err("its name, family or what it says is empty".to_owned());
    }
    let query = |database: &str, sql: String| {
        if sql.trim().is_empty() {
            return Err(format!("a query of {database} is empty, so it would look at nothing"));
        }
        let known = registry.get(database).map_err(|error| error.to_string())?;
        if known.engine == Engine::Mongodb {
            return Err(format!("{} speaks no SQL: use a relational database", known.name));
        }
        if let Some(word) = moment::clock_word(&sql) {
            return Err(format!("{word} makes it depend on when it is asked: write {{today}}, {{now}} or {{seeded}}"));
        }
        Ok(Query { database: known.name.clone(), sql })
    };
    let check = match (written.database, written.looked_at, written.violations, written.left, written.right) {
        (Some(database), Some(looked_at), Some(violations), None, None)
            if written.compare.is_none() && written.rate.is_none() =>
        {
            Check::Violations { looked_at: query(&database, looked_at)?, violations: query(&database, violations)? }
        }
        (None, None, None, Some(left), Some(right)) => Check::Agreement {
            left: query(&left.database, left.sql)?,
            right: query(&right.database, right.sql)?,
            rate: rate(written.rate, written.compare, query)?,
            compare: written.compare.unwrap_or_default(),
        },
        _ => {
            let forms = "it has either database, looked_at and violations, or left, right and perhaps rate and compare";
            return Err(forms.to_owned());
        }
    };
    Ok(Rule { file: stem.to_owned(), name: written.name, family: written.family, says: written.says, check })
}

/// What was divided is hardly ever equal to the last digit.
fn rate(
    written: Option<Query>,
    compare: Option<Compare>,
    query: impl Fn(&str, String) -> Result<Query, String>,
) -> Result<Option<Query>, String> {
    match (written, compare) {
        (None, _) => Ok(None),
        (Some(rate), Some(Compare::Near { .. })) => query(&rate.database, rate.sql).map(Some),
        (Some(_), _) => {
            Err("values divided by a rate are compared with a tolerance: compare = { tolerance = 0.01 }".into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Vec<Rule>, String> {
        parse("config/verify/erp_a.toml", text, &Registry::load(None).expect("the embedded registry"))
    }

    const HEAD: &str = "[[rule]]\nname = 'r'\nfamily = 'totals'\nsays = 's'\n";

    #[test]
    fn all_embedded_rules_are_understood_and_their_names_are_unique() {
        load(None, &Registry::load(None).expect("the embedded registry")).expect("usable rules");
    }

    #[test]
    fn both_forms_are_understood() {
        let inside = format!("{HEAD}database = 'erp'\nlooked_at = 'L'\nviolations = 'V'");
        let rules = parsed(&inside).expect("usable");
        assert_eq!((rules[0].file.as_str(), rules[0].databases()), ("erp_a", vec!["genims_erp_db"]));
        let sides = "left = { database = 'genims_erp_db', sql = 'A' }\nright = { database = 'wms', sql = 'B' }";
        for (compare, expected) in [
            ("", Compare::Equal),
            ("compare = 'equal'", Compare::Equal),
            ("compare = 'subset'", Compare::Subset),
            ("compare = { tolerance = 0.01 }", Compare::Near { tolerance: 0.01 }),
        ] {
            let rules = parsed(&format!("{HEAD}{sides}\n{compare}")).expect("usable");
            let Check::Agreement { compare: found, .. } = rules[0].check else { panic!("{rules:?}") };
            assert_eq!((found, rules[0].databases()), (expected, vec!["genims_erp_db", "genims_wms_db"]));
        }
        let rate = "rate = { database = 'financial', sql = 'R' }\ncompare = { tolerance = 0.01 }";
        let rules = parsed(&format!("{HEAD}{sides}\n{rate}")).expect("usable");
        assert_eq!(rules[0].databases(), ["genims_erp_db", "genims_wms_db", "genims_financial_db"]);
        let equal = parsed(&format!("{HEAD}{sides}\nrate = {{ database = 'financial', sql = 'R' }}"));
        assert!(equal.is_err_and(|cause| cause.contains("tolerance")));
    }

    #[test]
    fn halves_mixtures_and_strangers_are_refused_with_the_name_of_the_rule() {
        let side = "left = { database = 'erp', sql = 'A' }";
        for wrong in [
            "",
            "database = 'erp'\nlooked_at = 'L'",
            side,
            "database = 'nowhere'\nlooked_at = 'L'\nviolations = 'V'",
            "database = 'production'\nlooked_at = 'L'\nviolations = 'V'",
            "database = 'erp'\nlooked_at = 'L'\nviolations = 'V'\ncompare = 'equal'",
        ] {
            let cause = parsed(&format!("{HEAD}{wrong}")).expect_err(wrong);
            assert!(cause.contains("rule r"), "{cause}");
        }
        let sometimes = format!("{HEAD}{side}\nright = {{ database = 'wms', sql = 'B' }}\ncompare = 'sometimes'");
        assert!(parsed(&sometimes).is_err());
        assert!(parsed(&format!("{HEAD}databse = 'erp'")).is_err());
    }

    #[test]
    fn what_would_look_at_nothing_is_refused() {
        for file in ["", "# only a comment\n", "rule = []"] {
            assert!(parsed(file).is_err_and(|cause| cause.contains("no rule")), "{file}");
        }
        for wrong in [
            "database = 'erp'\nlooked_at = ''\nviolations = 'V'",
            "database = 'erp'\nlooked_at = 'L'\nviolations = '  '",
            "left = { database = 'erp', sql = 'A' }\nright = { database = 'wms', sql = '' }",
        ] {
            let cause = parsed(&format!("{HEAD}{wrong}")).expect_err(wrong);
            assert!(cause.contains("rule r") && cause.contains("empty"), "{cause}");
        }
        assert!(parsed(&HEAD.replace("says = 's'", "says = ''")).is_err());
        let folder = tempfile::tempdir().expect("a folder");
        let registry = Registry::load(None).expect("the embedded registry");
        let error = load(Some(folder.path()), &registry).expect_err("no file").to_string();
        assert!(error.contains("no rule file"), "{error}");
    }

    #[test]
    fn a_rule_that_reads_the_clock_is_refused_with_what_to_write_instead() {
        let rule = format!("{HEAD}database = 'erp'\nlooked_at = 'SELECT 1'\nviolations = 'SELECT a FROM b WHERE c > ");
        let cause = parsed(&format!("{rule}CURRENT_DATE'")).expect_err("depends on the clock");
        assert!(cause.contains("rule r: CURRENT_DATE") && cause.contains("{today}"), "{cause}");
        assert!(parsed(&format!("{rule}{{today}}'")).is_ok());
    }

    #[test]
    fn a_name_that_is_there_twice_is_refused_with_both_files() {
        let folder = tempfile::tempdir().expect("a folder");
        let rule = format!("{HEAD}database = 'erp'\nlooked_at = 'L'\nviolations = 'V'");
        for file in ["a.toml", "b.toml"] {
            std::fs::write(folder.path().join(file), &rule).expect("written");
        }
        std::fs::write(folder.path().join("notes.md"), "no rules").expect("written");
        let registry = Registry::load(None).expect("the embedded registry");
        let error = load(Some(folder.path()), &registry).expect_err("twice").to_string();
        assert!(error.contains("a.toml") && error.contains("b.toml"), "{error}");
    }
}
