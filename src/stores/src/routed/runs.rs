//! In which commands a batch's events go into MongoDB's collections, and in which order.
//!
//! - Where all routes of a collection only insert, each route's events go at once.
//! - Where one changes documents, a change meets what earlier events have inserted, and nothing that later ones will: events go in the order
//!   of the log, all routes of the collection together. Events of different machines go beside each other, where all of these routes
//!   say a machine in the same way: no change of one finds a document of the other.

use genims_routes::{Operation, Route, RoutedEvent};
use hashbrown::HashMap;
use serde_json::Value;

/// A route with events that it takes: as many commands as they need.
pub(super) type RouteRun<'a> = (&'a Route, Vec<&'a RoutedEvent>);

/// What goes into each collection, in turn; collections wait for each other in nothing.
pub(super) fn runs<'a>(taken: &[RouteRun<'a>]) -> Vec<Vec<RouteRun<'a>>> {
    let mut collections: Vec<Vec<&RouteRun<'a>>> = Vec::new();
    for run in taken {
        match collections.iter_mut().find(|runs| runs[0].0.table == run.0.table) {
            Some(runs) => runs.push(run),
            None => collections.push(vec![run]),
        }
    }
    collections.iter().map(|taken| in_turn(taken)).collect()
}

fn in_turn<'a>(taken: &[&RouteRun<'a>]) -> Vec<RouteRun<'a>> {
    if taken.iter().all(|(route, _)| route.operation == Operation::Insert) {
        return taken.iter().filter(|(_, events)| !events.is_empty()).map(|run| (*run).clone()).collect();
    }
    let mut steps: Vec<(u64, usize, &RoutedEvent)> = Vec::new();
    for (index, (_, events)) in taken.iter().enumerate() {
        steps.extend(events.iter().map(|event| (event.log_offset, index, *event)));
    }
    steps.sort_by_key(|(offset, index, _)| (*offset, *index));
    let field = told_apart_by(taken);
    let mut runs: Vec<(usize, Vec<&RoutedEvent>)> = Vec::new();
    // The run that the last event of each went into, and that of the last event which may concern all.
    let (mut last, mut last_of_all): (HashMap<&Value, usize>, usize) = (HashMap::new(), 0);
    for (_, index, event) in steps {
        let whose = field.and_then(|field| event.values.get(field));
        let from = match whose {
            Some(whose) => last.get(whose).copied().unwrap_or(0).max(last_of_all),
            None => runs.len().saturating_sub(1),
        };
        let at = (from..runs.len()).find(|at| runs[*at].0 == index).unwrap_or_else(|| {
            runs.push((index, Vec::new()));
            runs.len() - 1
        });
        runs[at].1.push(event);
        match whose {
            Some(whose) => _ = last.insert(whose, at),
            None => last_of_all = at,
        }
    }
    runs.into_iter().map(|(index, events)| (taken[index].0, events)).collect()
}

/// A field of events that every change finds its documents by, every document says alike, and no change alters.
fn told_apart_by<'a>(taken: &[&RouteRun<'a>]) -> Option<&'a str> {
    let routes = || taken.iter().map(|(route, _)| *route);
    let first = routes().find(|route| route.operation != Operation::Insert)?;
    first.key.iter().find_map(|column| {
        let said = first.columns.get(column)?;
        let is_alike = |route: &Route| {
            route.columns.get(column) == Some(said)
                && !route.set.contains_key(column)
                && (route.operation == Operation::Insert || route.key.contains(column))
        };
        said.as_str()?.strip_prefix("event.").filter(|_| routes().all(is_alike))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn route(name: &str, event: &str, table: &str, operation: &str) -> Route {
        let (key, columns) = match operation {
            "insert" => (json!([]), json!({ "machine": "event.machine_id" })),
            _ => (json!(["machine"]), json!({ "machine": "event.machine_id", "to": "event.state_to" })),
        };
        let route = json!({
            "name": name, "about": "", "events": [event], "table": table, "operation": operation, "key": key,
            "columns": columns,
        });
        serde_json::from_value(route).unwrap()
    }

    fn event(offset: u64, kind: &str, machine: &str) -> RoutedEvent {
        let machine = if machine.is_empty() { String::new() } else { format!(r#", "machine_id": "{machine}""#) };
        RoutedEvent::parse(&format!(r#"{{"kind": "{kind}", "log_offset": {offset}{machine}}}"#)).unwrap()
    }

    /// Route and offsets of each run, collection by collection.
    fn told<'a>(routes: &'a [Route], events: &[RoutedEvent]) -> Vec<Vec<(&'a str, Vec<u64>)>> {
        let taken: Vec<RouteRun<'_>> =
            routes.iter().map(|route| (route, events.iter().filter(|event| route.takes(event)).collect())).collect();
        let offsets = |events: &[&RoutedEvent]| events.iter().map(|event| event.log_offset).collect();
        let name = |name: &str| routes.iter().find(|route| route.name == name).unwrap().name.as_str();
        let run = |(route, events): &RouteRun<'_>| (name(&route.name), offsets(events));
        runs(&taken).iter().map(|runs| runs.iter().map(run).collect()).collect()
    }

    #[test]
    fn what_is_changed_is_written_in_the_order_of_the_log_and_what_is_only_inserted_at_once() {
        let routes = [
            route("closed", "tool_changed", "stays", "update"),
            route("state", "state_changed", "states", "insert"),
            route("opened", "tool_changed", "stays", "insert"),
            route("told", "tool_changed", "states", "insert"),
        ];
        let events = [event(1, "state_changed", "M1"), event(2, "tool_changed", "M1"), event(3, "tool_changed", "M1")];
        let stays = vec![("closed", vec![2]), ("opened", vec![2]), ("closed", vec![3]), ("opened", vec![3])];
        let states = vec![("state", vec![1]), ("told", vec![2, 3])];
        assert_eq!(told(&routes, &events), [stays, states]);
    }

    #[test]
    fn events_of_different_machines_are_written_beside_each_other() {
        let routes =
            [route("closed", "tool_changed", "stays", "update"), route("opened", "tool_changed", "stays", "insert")];
        let of = |machines: &[&str]| -> Vec<RoutedEvent> {
            (1..).zip(machines).map(|(offset, machine)| event(offset, "tool_changed", machine)).collect()
        };
        let beside = vec![("closed", vec![1, 2, 3]), ("opened", vec![1, 2, 3])];
        assert_eq!(told(&routes, &of(&["M1", "M2", "M3"])), [beside]);
        let again = vec![("closed", vec![1, 2]), ("opened", vec![1, 2]), ("closed", vec![3]), ("opened", vec![3])];
        assert_eq!(told(&routes, &of(&["M1", "M2", "M1"])), std::slice::from_ref(&again));
        // Of no machine that is known: it may find documents of any.
        assert_eq!(
            told(&routes, &of(&["M1", "", "M2"])),
            [vec![
                ("closed", vec![1]),
                ("opened", vec![1]),
                ("closed", vec![2]),
                ("opened", vec![2]),
                ("closed", vec![3]),
                ("opened", vec![3]),
            ]]
        );
        // Where one of them says the machine in another way, or alters it, all wait for each other.
        let in_turn = vec![("closed", vec![1]), ("opened", vec![1]), ("closed", vec![2]), ("opened", vec![2])];
        let otherwise = |change: fn(&mut [Route; 2])| {
            let mut routes = routes.clone();
            change(&mut routes);
            let events = of(&["M1", "M2"]);
            assert_eq!(told(&routes, &events), std::slice::from_ref(&in_turn));
        };
        otherwise(|[_, opened]| _ = opened.columns.insert("machine".to_owned(), "event.line_id".into()));
        otherwise(|[closed, _]| _ = closed.set.insert("machine".to_owned(), "event.line_id".to_owned()));
        otherwise(|[closed, _]| closed.key = vec!["to".to_owned()]);
    }
}
