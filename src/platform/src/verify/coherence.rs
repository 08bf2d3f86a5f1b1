//! Runs one rule of config/verify.

use super::keys::KeyValues;
use super::report::{Finding, Problem};
use super::rules::{Compare, Rule, RuleCheck, RuleQuery};
use super::source::Sources;
use crate::link::{Fields, field, number};
use std::time::Instant;

/// The key of a row that compares a total.
const TOTAL: &str = "all";

pub(super) async fn check(sources: &Sources, rule: &Rule) -> Finding {
    let started = Instant::now();
    let mut finding = Finding::new(&rule.name, &rule.family, &rule.databases(), &rule.says);
    let looked = match &rule.check {
        RuleCheck::Violations { looked_at, violations } => inside(sources, looked_at, violations, &mut finding).await,
        RuleCheck::Agreement { left, right, rate, compare } => {
            across(sources, left, right, rate.as_ref(), *compare, &mut finding).await
        }
    };
    if let Err(problem) = looked {
        finding.unfinished(&problem);
    }
    finding.seconds = started.elapsed().as_secs_f64();
    finding
}

async fn inside(
    sources: &Sources,
    looked_at: &RuleQuery,
    violations: &RuleQuery,
    finding: &mut Finding,
) -> Result<(), Problem> {
    let each = &mut |row: Fields<'_>| finding.looked_at += number(&row, 0);
    sources.rule_rows(&looked_at.database, &looked_at.sql, each).await?;
    let each = &mut |row: Fields<'_>| finding.violation(field(&row, 0), field(&row, 1));
    sources.rule_rows(&violations.database, &violations.sql, each).await
}

async fn across(
    sources: &Sources,
    left: &RuleQuery,
    right: &RuleQuery,
    rate: Option<&RuleQuery>,
    compare: Compare,
    finding: &mut Finding,
) -> Result<(), Problem> {
    // A database that is down is noticed before the other one's rows are fetched.
    sources.get(&left.database)?;
    sources.get(&right.database)?;
    let value = |row: &Fields<'_>| row.get(1).cloned().flatten().map(|text| text.into_owned());
    let mut rates = KeyValues::default();
    if let Some(rate) = rate {
        let each = &mut |row: Fields<'_>| rates.insert(field(&row, 0), value(&row).as_deref());
        sources.rule_rows(&rate.database, &rate.sql, each).await?;
    }
    let mut there = KeyValues::default();
    let each = &mut |row: Fields<'_>| {
        let value = match rate {
            None => value(&row),
            Some(_) => value(&row).map(|amount| divided(&amount, field(&row, 2), &rates)),
        };
        there.insert(field(&row, 0), value.as_deref());
    };
    sources.rule_rows(&right.database, &right.sql, each).await?;
    let twice = [("right side", &there), ("rate", &rates)]
        .into_iter()
        .find_map(|(side, values)| Some((side, values.ambiguous()?)));
    if let (Some((side, key)), true) = (twice, compare != Compare::Subset) {
        let cause = format!("the {side} has {key} with two values: let its query give each key once");
        return Err(Problem::Query(cause));
    }
    let other = &right.database;
    let each = &mut |row: Fields<'_>| {
        // The total of an empty table is no row of it.
        finding.looked_at += u64::from(field(&row, 0) != TOTAL);
        let (key, value) = (field(&row, 0), row.get(1).and_then(Option::as_deref));
        if let Some(detail) = disagreement(compare, value, there.get(key), other) {
            finding.violation(key, detail);
        }
    };
    sources.rule_rows(&left.database, &left.sql, each).await
}

/// The amount by its rate, or why that cannot be said, which agrees with no number.
fn divided(amount: &str, rate: &str, rates: &KeyValues) -> String {
    let number = |text: &str| text.trim().parse::<f64>().ok();
    match (number(amount), rates.get(rate).flatten().and_then(number)) {
        (Some(amount), Some(rate)) if rate > 0.0 => (amount / rate).to_string(),
        (None, _) => format!("no amount in {amount}"),
        _ => format!("no rate for {rate}"),
    }
}

/// What is wrong with one key, if anything; `right` is `None` when it is not there.
fn disagreement(
    compare: Compare,
    left: Option<&str>,
    right: Option<Option<&str>>,
    other_database: &str,
) -> Option<String> {
    let Some(right) = right else { return Some(format!("is not in {other_database}")) };
    let agree = match compare {
        Compare::Subset => true,
        Compare::Equal => left == right,
        Compare::Near { tolerance } => left == right || near(left, right, tolerance),
    };
    let shown = |value: Option<&str>| value.unwrap_or("null").to_owned();
    (!agree).then(|| format!("{} here, {} in {other_database}", shown(left), shown(right)))
}

fn near(left: Option<&str>, right: Option<&str>, tolerance: f64) -> bool {
    let number = |value: Option<&str>| value.and_then(|text| text.trim().parse::<f64>().ok());
    match (number(left), number(right)) {
        // Decimal fractions have no exact double: a difference of exactly the tolerance is within it.
        (Some(left), Some(right)) => {
            (left - right).abs() <= tolerance + f64::EPSILON * left.abs().max(right.abs()) * 4.0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differ(compare: Compare, left: Option<&str>, right: Option<Option<&str>>) -> Option<String> {
        disagreement(compare, left, right, "other")
    }

    #[test]
    fn a_missing_key_is_a_violation_under_every_comparison() {
        for compare in [Compare::Equal, Compare::Subset, Compare::Near { tolerance: 1e9 }] {
            assert!(differ(compare, Some("1"), None).is_some_and(|detail| detail.contains("not in other")));
        }
    }

    #[test]
    fn equal_compares_text_and_knows_null() {
        assert_eq!(differ(Compare::Equal, Some("1.0"), Some(Some("1.0"))), None);
        assert_eq!(differ(Compare::Equal, None, Some(None)), None);
        let detail = differ(Compare::Equal, Some("1.0"), Some(Some("1.00"))).expect("text differs");
        assert_eq!(detail, "1.0 here, 1.00 in other");
        assert!(differ(Compare::Equal, Some(""), Some(None)).is_some());
        assert_eq!(differ(Compare::Subset, Some("1"), Some(None)), None);
    }

    #[test]
    fn an_amount_is_divided_by_the_rate_of_its_day_and_agrees_with_nothing_without_one() {
        let mut rates = KeyValues::default();
        rates.insert("2026-11-20", Some("80.5"));
        rates.insert("2026-11-21", Some("0"));
        assert_eq!(divided("161.00", "2026-11-20", &rates), "2");
        for (amount, day) in [("161.00", "2026-11-21"), ("161.00", "2026-11-22"), ("x", "2026-11-20")] {
            let value = divided(amount, day, &rates);
            assert!(value.starts_with("no "), "{value}");
            assert!(differ(Compare::Near { tolerance: 1e9 }, Some("2"), Some(Some(&value))).is_some());
        }
    }

    #[test]
    fn a_tolerance_includes_its_bound_and_wants_numbers() {
        let near = Compare::Near { tolerance: 0.01 };
        assert_eq!(differ(near, Some("100.00"), Some(Some("100.01"))), None);
        assert!(differ(near, Some("100.00"), Some(Some("100.02"))).is_some());
        assert!(differ(near, Some("100.00"), Some(None)).is_some());
        assert!(differ(near, Some("a"), Some(Some("b"))).is_some());
        assert!(differ(near, Some("NaN"), Some(Some("1"))).is_some());
    }
}
