//! The rules of coherence in config/verify, embedded at build time or read from a folder. Leaves: rules whose names are
//! unique and whose databases exist and speak SQL. config/verify/README.md describes the form.

use super::moment;
use crate::errors::PlatformError;
use genims_databases::complaint::{self, Complaint, Fault, Faults, Step};
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
    pub(super) check: RuleCheck,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum RuleCheck {
    /// One query counts what is looked at, the other lists what violates.
    Violations { looked_at: RuleQuery, violations: RuleQuery },
    /// Every key of the left is on the right. With rates, a value of the right is divided by the rate that its third
    /// column names.
    Agreement { left: RuleQuery, right: RuleQuery, rate: Option<RuleQuery>, compare: Compare },
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleQuery {
    pub(super) database: String,
    pub(super) sql: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase", expecting = "must be \"equal\", \"subset\" or { tolerance = 0.01 }")]
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
    left: Option<RuleQuery>,
    right: Option<RuleQuery>,
    rate: Option<RuleQuery>,
    compare: Option<Compare>,
}

impl Rule {
    /// The databases that it reads; the first one owns it.
    pub(super) fn databases(&self) -> Vec<&str> {
        let all: Vec<&RuleQuery> = match &self.check {
            RuleCheck::Violations { violations, .. } => vec![violations],
            RuleCheck::Agreement { left, right, rate, .. } => [left, right].into_iter().chain(rate).collect(),
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
        rules.extend(parse(&place, &text, registry).map_err(PlatformError::Rules)?);
    }
    let mut files: HashMap<&str, &str> = HashMap::new();
    for rule in &rules {
        if let Some(other) = files.insert(&rule.name, &rule.file) {
            let problem = format!("the rule {} is also in {other}.toml: a name is there once", rule.name);
            return Err(of_file(format!("{}.toml", rule.file), problem));
        }
    }
    Ok(rules)
}

/// What is wrong with a file or folder as a whole.
fn of_file(file: String, problem: String) -> PlatformError {
    PlatformError::Rules(vec![Complaint { file: Some(file), problem, ..Complaint::default() }])
}

/// Name and content of every file, in the order of their names.
fn texts(folder: Option<&Path>) -> Result<Vec<(String, String)>, PlatformError> {
    let mut texts = Vec::new();
    if let Some(folder) = folder {
        let wrong = |error: std::io::Error| {
            of_file(
                folder.display().to_string(),
                format!("cannot be read: {error}; name a folder of rules with --rules"),
            )
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
        let problem = "there is no rule file (*.toml) in this folder".to_owned();
        return Err(of_file(folder.display().to_string(), problem));
    }
    texts.sort();
    Ok(texts)
}

fn parse(place: &str, text: &str, registry: &Registry) -> Result<Vec<Rule>, Vec<Complaint>> {
    let file: File = complaint::parse(place, text)?;
    let stem = Path::new(place).file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let (mut rules, mut faults) = (Vec::new(), Faults::default());
    if file.rule.is_empty() {
        faults.add(Fault::new([Step::from("rule")], "it holds no rule: write one, or remove the file"));
    }
    for (index, written) in file.rule.into_iter().enumerate() {
        let name = written.name.clone();
        let rule = understood(&stem, written, registry)
            .map_err(|fault| fault.of(&format!("rule {name}")).below(&[Step::from("rule"), Step::from(index)]));
        rules.extend(faults.take(rule));
    }
    faults.or(rules, place, text)
}

/// A fault's path is that in the rule.
fn understood(stem: &str, written: Written, registry: &Registry) -> Result<Rule, Fault> {
    for (key, text) in [("name", &written.name), ("family", &written.family), ("says", &written.says)] {
        if text.trim().is_empty() {
            return Err(Fault::new([Step::from(key)], format!("its {key} is empty")));
        }
    }
    let side =
        |key: &str, side: RuleQuery| query(registry, [&[key, "database"], &[key, "sql"]], &side.database, side.sql);
    let check = match (written.database, written.looked_at, written.violations, written.left, written.right) {
        (Some(database), Some(looked_at), Some(violations), None, None)
            if written.compare.is_none() && written.rate.is_none() =>
        {
            let of = |key, sql| query(registry, [&["database"], &[key]], &database, sql);
            RuleCheck::Violations { looked_at: of("looked_at", looked_at)?, violations: of("violations", violations)? }
        }
        (None, None, None, Some(left), Some(right)) => RuleCheck::Agreement {
            left: side("left", left)?,
            right: side("right", right)?,
            rate: rate(written.rate, written.compare, |rate| side("rate", rate))?,
            compare: written.compare.unwrap_or_default(),
        },
        _ => {
            let forms = "it has either database, looked_at and violations, or left, right and perhaps rate and compare";
            return Err(Fault::new([], forms));
        }
    };
    Ok(Rule { file: stem.to_owned(), name: written.name, family: written.family, says: written.says, check })
}

/// `[of_database, of_sql]`: where the two stand in their rule.
fn query(
    registry: &Registry,
    [of_database, of_sql]: [&[&str]; 2],
    database: &str,
    sql: String,
) -> Result<RuleQuery, Fault> {
    let at = |keys: &[&str]| keys.iter().map(|key| Step::from(*key)).collect::<Vec<Step>>();
    if sql.trim().is_empty() {
        return Err(Fault::new(at(of_sql), format!("a query of {database} is empty, so it would look at nothing")));
    }
    let Ok(known) = registry.get(database) else {
        let is_whole = database.starts_with("genims_");
        let name =
            |known: &genims_databases::Database| if is_whole { known.name.clone() } else { known.module.clone() };
        let names: Vec<String> =
            registry.all().iter().filter(|known| known.engine != Engine::Mongodb).map(name).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        return Err(Fault::unknown(at(of_database), "not a database of the registry", database, &names));
    };
    if known.engine == Engine::Mongodb {
        let problem = format!("{} speaks no SQL: use a relational database", known.name);
        return Err(Fault::new(at(of_database), problem));
    }
    if let Some(word) = moment::clock_word(&sql) {
        let problem = format!("{word} makes it depend on when it is asked: write {{today}}, {{now}} or {{seeded}}");
        return Err(Fault::new(at(of_sql), problem));
    }
    Ok(RuleQuery { database: known.name.clone(), sql })
}

/// What was divided is hardly ever equal to the last digit.
fn rate(
    written: Option<RuleQuery>,
    compare: Option<Compare>,
    query: impl Fn(RuleQuery) -> Result<RuleQuery, Fault>,
) -> Result<Option<RuleQuery>, Fault> {
    match (written, compare) {
        (None, _) => Ok(None),
        (Some(rate), Some(Compare::Near { .. })) => query(rate).map(Some),
        (Some(_), _) => {
            let problem = "values divided by a rate are compared with a tolerance: compare = { tolerance = 0.01 }";
            Err(Fault::new([Step::from("rate")], problem))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Vec<Rule>, String> {
        let registry = Registry::load(None).expect("the embedded registry");
        parse("config/verify/erp_a.toml", text, &registry).map_err(|complaints| complaint::listed(&complaints))
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
            let RuleCheck::Agreement { compare: found, .. } = rules[0].check else { panic!("{rules:?}") };
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
        let told = parsed(&sometimes).expect_err("no way of comparing");
        assert_eq!(
            told,
            "config/verify/erp_a.toml:7: rule[0].compare = 'sometimes': must be \"equal\", \"subset\" or { tolerance = 0.01 }"
        );
    }

    #[test]
    fn a_fault_is_told_once_with_its_line_key_value_and_the_nearest_that_is_known() {
        let told = parsed(&format!("{HEAD}databse = 'erp'\nlooked_at = 'L'\nviolations = 'V'")).expect_err("a slip");
        assert!(
            told.starts_with(
                "config/verify/erp_a.toml:5: rule[0].databse = 'erp': unknown key; did you mean database?"
            ),
            "{told}"
        );
        let told = parsed(&format!("{HEAD}database = 'manufacturin'\nlooked_at = 'L'\nviolations = 'V'"));
        let told = told.expect_err("no such database");
        let expected = "config/verify/erp_a.toml:5: rule[0].database = 'manufacturin': rule r: not a database of the registry; \
                        did you mean manufacturing? Allowed here: ";
        assert!(told.starts_with(expected), "{told}");
        let told = parsed(&HEAD.replace("says = 's'\n", "")).expect_err("says nothing");
        assert_eq!(told, "config/verify/erp_a.toml:1: rule[0].says: is missing; add it");
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("a.toml"), "[[rule]\n").expect("written");
        let registry = Registry::load(None).expect("the embedded registry");
        let error = load(Some(folder.path()), &registry).expect_err("no TOML").to_string();
        assert!(error.contains("a.toml:1: is no TOML: ") && error.matches("a.toml").count() == 1, "{error}");
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
