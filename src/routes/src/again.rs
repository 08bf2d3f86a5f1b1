//! Events that are told once more: they end what was made anew behind them, a fault, the stay of a tool or of an operator.
//!
//! Such an end was told when its beginning was not there, and found nothing. Told again it is for routes alone that change nothing where
//! it did find something: an update that adds to the row that is there (`target` in `set`) would add twice, and a row without a key, or
//! with a key that names the event, would be there twice.

use crate::event::RoutedEvent;
use crate::file::{Operation, Route};
use crate::sql::names_after;

/// Whether the event is one of the route's.
pub fn takes(route: &Route, event: &RoutedEvent) -> bool {
    route.takes(event) && (!event.is_again || may_be_told_again(route))
}

fn may_be_told_again(route: &Route) -> bool {
    if route.operation != Operation::Insert {
        return route.set.values().all(|text| names_after(text, "target").is_empty());
    }
    let key = route.key.iter().filter_map(|column| route.columns.get(column)).filter_map(toml::Value::as_str);
    let names_event = |text: &str| names_after(text, "event").iter().any(|name| name == "uid" || name == "log_offset");
    !route.key.is_empty() && !key.into_iter().any(names_event)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Routes;
    use genims_databases::Registry;

    #[test]
    fn what_ends_something_is_told_again_to_routes_that_it_changes_once() {
        let routes = Routes::load(&Registry::load(None).expect("the registry"), None).expect("the shipped routes");
        let mut told: Vec<String> = Vec::new();
        for kind in ["fault_closed", "tool_changed", "operator_changed", "parts_counted"] {
            let text = format!(r#"{{"kind": "{kind}", "operator_before": "E1", "operator_id": "E2"}}"#);
            let mut event = RoutedEvent::parse(&text).expect("an event");
            for route in routes.databases().iter().flat_map(|routes| &routes.routes) {
                event.is_again = false;
                let once = takes(route, &event);
                event.is_again = true;
                assert!(once || !takes(route, &event), "{}", route.name);
                told.extend(takes(route, &event).then(|| route.name.clone()));
            }
        }
        for ends in
            ["fault_downtime_ends", "fault_alert_resolved", "operator_leaves", "tool_removed", "operator_has_left"]
        {
            assert!(told.iter().any(|name| name == ends), "{ends}: {told:?}");
        }
        for begins in ["operator_comes", "tool_mounted", "parts_of_operation", "order_delivers", "parts_posted"] {
            assert!(!told.iter().any(|name| name == begins), "{begins}: {told:?}");
        }
    }
}
