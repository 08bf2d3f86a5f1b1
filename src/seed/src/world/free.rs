//! No reference is drawn at random unless its table says so: what a row refers to usually follows from the row, and a random
//! one contradicts it. Enters: the world before anything is computed. Leaves: nothing, or all references at fault at once.

use super::{Entry, Source, World};
use genims_databases::Column;

pub(super) fn check(world: &World) -> Result<(), String> {
    let mut wrong = Vec::new();
    for entry in &world.entries {
        let (Some(model), Some(spec)) = (&entry.model, &entry.spec) else { continue };
        for name in &spec.free {
            let column = model.column(name);
            if column.is_none_or(|column| column.references.is_empty()) {
                wrong.push(format!("{}.{name} is free, and the schema knows no reference of it", entry.name));
            }
        }
        let unsaid = model.columns.iter().filter(|column| nothing_is_said(world, entry, column));
        wrong.extend(unsaid.map(|column| {
            let targets = column.references.join(" or ");
            format!("{}.{} refers to {targets}, and nothing says to which row", entry.name, column.name)
        }));
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let remedy = "Write an expression that follows a fact of the row, NULL, or name the column in `free` of its table";
    Err(format!("config/seed:\n  {}\n{remedy}", wrong.join("\n  ")))
}

fn nothing_is_said(world: &World, entry: &Entry, column: &Column) -> bool {
    let Some(spec) = &entry.spec else { return false };
    let name = &column.name;
    let of_the_own_table = |target: &String| target.strip_prefix(&entry.name).is_some_and(|rest| rest.starts_with('.'));
    // What refers to its own table is null unless something is said.
    if column.references.iter().all(of_the_own_table) || column.generated {
        return false;
    }
    let written = matches!(&spec.source, Source::Csv { header, .. } if header.contains(name));
    let inherited = spec.inherit && world.inherits(entry, name);
    let by_name = world.specs_rules.iter().any(|rule| rule.matches(name, column.kind));
    !(written || inherited || by_name || spec.columns.contains_key(name) || spec.free.contains(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Scale, Specs};
    use crate::world::Parameters;
    use genims_databases::Registry;
    use std::collections::BTreeMap;

    fn world(change: impl FnOnce(&mut Specs)) -> Result<World, String> {
        let registry = Registry::load(None).expect("the embedded registry");
        let mut specs = Specs::load(None, false)?;
        change(&mut specs);
        let parameters = Parameters { seed: 1, scale: Scale::Small, today: 20_000, sensor_days: 2 };
        World::new(&registry, specs, BTreeMap::new(), parameters, false)
    }

    #[test]
    fn every_reference_of_config_seed_follows_a_fact_or_is_said_to_be_free() {
        world(|_| {}).map(drop).unwrap_or_else(|cause| panic!("{cause}"));
    }

    #[test]
    fn a_reference_of_which_nothing_is_said_is_refused_until_it_is_said_to_be_free() {
        let unsaid = |specs: &mut Specs, free: Option<&str>| {
            let tables = specs.tables.get_mut("genims_audit_db").expect("the audit database");
            let table = tables.get_mut("gdpr_data_request_log").expect("the requests");
            table.columns.remove("legal_hold_id").expect("a column that follows the record");
            table.free.extend(free.map(str::to_owned));
        };
        let cause = world(|specs| unsaid(specs, None)).map(drop).expect_err("nothing is said");
        assert!(cause.contains("gdpr_data_request_log.legal_hold_id") && cause.contains("legal_holds"), "{cause}");
        world(|specs| unsaid(specs, Some("legal_hold_id"))).map(drop).expect("it is free");
        let cause = world(|specs| unsaid(specs, Some("request_type"))).map(drop).expect_err("no reference");
        assert!(cause.contains("request_type is free"), "{cause}");
    }
}
