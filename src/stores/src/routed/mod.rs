//! Databases that events are routed to: the rows of a batch and the position, together.
//!
//! In: batches of events. Out: what `config/routes` makes of them.
//!
//! - [`postgres`], [`mysql`]: one statement a route, and the position in the same transaction: exactly once
//! - [`mongo`]: documents whose `_id`s follow from the event; the position comes after them, so what is written again is the same;
//!   [`runs`]: which go together, [`parts`]: their form, [`documents`]: one command, [`series`]: the time series among their collections
//! - [`lookups`]: what routes must know of other databases
//! - [`gaps`]: what was removed from the log before it came here
//! - [`progress`]: what each route has written, and what was refused
//!
//! What a database refuses for good is set aside there, in `genims_internal.refused_events`, with event, route and cause.

mod documents;
pub mod gaps;
pub mod lookups;
pub mod mongo;
pub mod mysql;
mod parts;
pub mod postgres;
pub mod progress;
mod runs;
mod series;

use crate::batch::Batch;
use crate::target::GroupFilter;
use gaps::{fact, has_mark};
use genims_catalogue::{Catalogue, Directory};
use genims_model::{Event, Group, Mark};
use genims_routes::event::kind_of;
use genims_routes::{DatabaseRoutes, Route, RoutedEvent, again};
use progress::Routed;
use serde_json::Value;
use std::sync::Arc;
use uuid::Uuid;

/// Where positions are in a database that events are routed to.
pub const POSITIONS_TABLE: &str = "genims_internal.route_positions";

/// An event that a route's database refused for good.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RefusedEvent {
    pub(crate) route: String,
    pub(crate) log_offset: u64,
    pub(crate) event: String,
    pub(crate) code: Option<String>,
    pub(crate) detail: String,
}

/// Which groups have something for the database, by the routes and the catalogue of the moment.
fn filter(routed: &Arc<Routed>, directory: &Arc<Directory>) -> GroupFilter {
    let (routed, directory) = (routed.clone(), directory.clone());
    Arc::new(move |group| has_something(group, &routed.routes(), &directory.load()))
}

/// Whether the group has a row for the database, an event that one of its routes takes, or what its bookkeeping is to know of.
fn has_something(group: &Group, routes: &DatabaseRoutes, catalogue: &Catalogue) -> bool {
    let is_taken = |event: &Event| {
        let mut of_kind = routes.of_kind(kind_of(event)).peekable();
        // What the event says is made out for those alone.
        of_kind.peek().is_some() && {
            let routed = RoutedEvent::of(Uuid::nil(), 0, event, catalogue);
            routed.is_some_and(|event| of_kind.any(|route| again::takes(route, &event)))
        }
    };
    group.skipped > 0
        || !group.marks.iter().all(is_plain)
        || group.rows.iter().any(|row| row.database == routes.database.name)
        || group.events.iter().any(is_taken)
}

/// A mark that almost every group has: when it was received, and how far the first log has been routed.
fn is_plain(mark: &Mark) -> bool {
    let is_router_s = |name: &str| name.parse::<Uuid>().is_ok();
    mark.client == Mark::RECEIVED || mark.client.strip_prefix(Mark::RESERVED).is_some_and(is_router_s)
}

/// The batch's events as routes see them. One that is made anew is named by what it tells of.
fn events(log: Uuid, batch: &Batch, catalogue: &Catalogue) -> Vec<RoutedEvent> {
    let mut events = Vec::new();
    for group in &batch.groups {
        let (is_anew, is_again) = (has_mark(group, Mark::MADE_ANEW), has_mark(group, Mark::TOLD_AGAIN));
        let routed = |(offset, event)| RoutedEvent::of(log, offset, event, catalogue);
        for mut event in (group.first_event_offset()..).zip(&group.events).filter_map(routed) {
            event.is_again = is_again;
            if is_anew {
                let number = fact(&event);
                event.name(log, number);
            }
            events.push(event);
        }
    }
    events
}

/// Those that the route takes.
fn taken<'a>(route: &Route, events: &'a [RoutedEvent]) -> Vec<&'a RoutedEvent> {
    events.iter().filter(|event| again::takes(route, event)).collect()
}

/// A batch as a statement's parameter.
fn json(events: &[&RoutedEvent]) -> String {
    Value::Array(events.iter().map(|event| Value::Object(event.values.clone())).collect()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use genims_databases::Registry;
    use genims_model::Row;
    use genims_routes::Routes;

    fn mark(client: String) -> Mark {
        Mark { client, sequence: 1 }
    }

    fn lost() -> Event {
        let (client_id, will_topic, will_payload) = (String::new(), String::new(), Vec::new());
        Event::ClientLost { client_id, timestamp_us: 1, will_topic, will_payload }
    }

    fn row(database: &str) -> Row {
        let [client, table, values] = ["", "t", "{}"].map(str::to_owned);
        let database = database.to_owned();
        Row { source: 0, client, received_us: 0, database, table, upsert: false, key: Vec::new(), values }
    }

    #[test]
    fn a_group_has_something_where_a_row_an_event_or_a_mark_is_for_the_database() {
        let routes = Routes::load(&Registry::load(None).expect("the registry"), None).expect("the shipped routes");
        let catalogue = Catalogue::default();
        let mut told = DatabaseRoutes::clone(&routes.databases()[0]);
        told.routes.truncate(1);
        told.routes[0].events = vec![kind_of(&lost()).to_owned()];
        told.routes[0].requires.clear();
        let plain = vec![mark(Mark::RECEIVED.to_owned()), mark(format!("{}{}", Mark::RESERVED, Uuid::nil()))];
        let event = Group { events: vec![lost()], marks: plain.clone(), ..Group::default() };
        assert!(has_something(&event, &told, &catalogue));
        for routes in routes.databases() {
            assert!(!has_something(&event, routes, &catalogue), "{}", routes.database.name);
            for name in [Mark::MADE_ANEW, Mark::TOLD_AGAIN, Mark::GAP_FROM, Mark::GAP_TO] {
                let marks = plain.iter().cloned().chain([mark(name.to_owned())]).collect();
                assert!(has_something(&Group { marks, ..event.clone() }, routes, &catalogue), "{name}");
            }
            assert!(has_something(&Group { skipped: 1, ..event.clone() }, routes, &catalogue));
            let with_row = |database: &str| Group { rows: vec![row(database)], ..event.clone() };
            assert!(has_something(&with_row(&routes.database.name), routes, &catalogue));
            assert!(!has_something(&with_row("genims_another_db"), routes, &catalogue));
        }
    }
}
