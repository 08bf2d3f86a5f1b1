//! Databases that events are routed to: the rows of a batch and the position, together.
//!
//! In: batches of events. Out: what `config/routes` makes of them.
//!
//! - [`postgres`], [`mysql`]: one statement a route, and the position in the same transaction: exactly once
//! - [`mongo`]: documents whose `_id`s follow from the event; the position comes after them, so what is written again is the same;
//!   [`parts`]: their form, [`documents`]: one command, [`series`]: the time series among their collections
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
mod series;

use crate::batch::Batch;
use gaps::{fact, has_mark};
use genims_catalogue::Catalogue;
use genims_model::Mark;
use genims_routes::{Route, RoutedEvent, again};
use serde_json::Value;
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
