//! The embedded lines are those of the contract, and a file that says something else is refused with what is wrong.

use super::*;

fn registry() -> Registry {
    Registry::load(None).expect("the embedded registry")
}

fn parsed(text: &str) -> Result<Vec<Line>, String> {
    let parsed = parse("config/checklist/x.toml", &format!("phase = 'schema'\n{text}"), &registry());
    parsed.map(|(lines, _)| lines).map_err(|complaints| complaint::listed(&complaints))
}

const LINE: &str = "[[line]]\nid = 'C026'\nmust_hold = 'It holds'\n";
const CHECK: &str = "[[line.check]]\nkind = 'doctor'\non = ['postgresql']\n";

#[test]
fn every_line_of_the_contract_is_there_once_and_somebody_looks_at_it() {
    let lines = load(&registry()).expect("the embedded files");
    let ids: Vec<String> = lines.all.iter().map(|line| line.id.clone()).collect();
    let contract: Vec<String> = (1..=143).map(|number| format!("C{number:03}")).collect();
    assert_eq!(ids, contract);
    for line in &lines.all {
        assert!(!line.checks.is_empty() || line.sign.is_some(), "{}", line.id);
    }
    let counted = |phase: &str| lines.of(Some(phase)).expect(phase).len();
    let phases = [
        ("documentation", 13),
        ("infrastructure", 18),
        ("schema", 21),
        ("connections", 6),
        ("network", 10),
        ("data load", 24),
        ("etl and sync", 12),
        ("validation: connectivity", 4),
        ("validation: integrity", 4),
        ("validation: performance", 4),
        ("validation: load", 4),
        ("validation: disaster recovery", 4),
        ("security", 6),
        ("monitoring", 6),
        ("go-live", 7),
    ];
    for (phase, count) in phases {
        assert_eq!(counted(phase), count, "{phase}");
    }
    assert_eq!(phases.iter().map(|(_, count)| count).sum::<usize>(), 143);
}

#[test]
fn every_database_has_a_query_that_is_timed() {
    let (registry, lines) = (registry(), load(&registry()).expect("the embedded files"));
    for database in registry.all() {
        let own = |query: &Query| databases(&query.database, &registry).is_ok_and(|it| it == [database]);
        assert!(lines.queries.iter().any(own), "{}", database.name);
    }
}

#[test]
fn rules_that_lines_name_are_rules() {
    let registry = registry();
    let counts = |database: &Database| {
        let noun = if database.engine == Engine::Mongodb { "collection" } else { "table" };
        [format!("{noun}s_of_{}", database.module), format!("no_empty_{noun}_in_{}", database.module)]
    };
    let counts: Vec<String> = registry.all().iter().flat_map(counts).collect();
    let files = include_dir!("$CARGO_MANIFEST_DIR/../../config/verify");
    let texts: String = files.files().filter_map(|file| file.contents_utf8()).collect();
    let mirror = include_str!("../verify/mirror.rs");
    let readings = include_str!("../verify/readings.rs");
    for line in load(&registry).expect("the embedded files").all {
        for check in line.checks {
            let Check::Verify(rules) = check else { continue };
            for rule in rules.rules {
                let quoted = format!("\"{rule}\"");
                let is_there = counts.contains(&rule)
                    || texts.contains(&format!("name = {quoted}"))
                    || mirror.contains(&quoted)
                    || readings.contains(&quoted);
                assert!(is_there, "{}: {rule} is no rule", line.id);
            }
        }
    }
}

#[test]
fn a_line_that_nobody_looks_at_and_one_that_is_misspelt_are_refused() {
    assert_eq!(parsed(&format!("{LINE}{CHECK}")).expect("usable").len(), 1);
    assert_eq!(parsed(&format!("{LINE}sign = 'where it is'\n")).expect("usable").len(), 1);
    for (text, told) in [
        (LINE.to_owned(), "line C026: nobody looks at it"),
        (format!("{LINE}sign = ' '\n"), "its sign is empty"),
        (format!("{LINE}{}", CHECK.replace("postgresql", "postgres")), "did you mean postgresql?"),
        (format!("{LINE}{}", CHECK.replace("kind = 'doctor'", "kind = 'docter'")), "docter"),
        (format!("{LINE}{}subject = ['tls']\n", CHECK), "subject"),
        (format!("{LINE}{}subjects = ['tsl']\n", CHECK), "tsl"),
        (format!("{LINE}musthold = 'x'\n{CHECK}"), "did you mean must_hold?"),
        (format!("{LINE}[[line.check]]\nkind = 'sql'\non = ['erp']\n"), "sql"),
    ] {
        let refused = parsed(&text).expect_err(&text);
        assert!(refused.contains(told) && refused.contains("config/checklist/x.toml"), "{told}: {refused}");
    }
}

#[test]
fn an_unknown_phase_or_id_names_the_known_ones_and_a_line_of_checks_is_not_signed() {
    let lines = load(&registry()).expect("the embedded files");
    let told = lines.of(Some("skema")).expect_err("unknown").to_string();
    assert!(told.contains("skema") && told.contains("\"schema\"") && told.contains("\"go-live\""), "{told}");
    let told = lines.to_sign("C999").expect_err("unknown").to_string();
    assert!(told.contains("C999") && told.contains("C142"), "{told}");
    let told = lines.to_sign("C026").expect_err("a check").to_string();
    assert!(told.contains("C026") && told.contains("15 tables") && told.contains("--phase \"schema\""), "{told}");
    assert_eq!(lines.to_sign("c142").expect("to be signed").id, "C142");
}
