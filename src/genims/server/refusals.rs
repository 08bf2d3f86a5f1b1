//! Refusals on their way into the audit trail: folds enter, by client and minute; leave as entries of the operations database's
//! outbox, from where they reach `user_activity_log`. Those of the HTTP side are told to the log here; listeners tell their own.
//!
//! Invariants: no door waits for it; while the database is away [`WAITING_MAX`] folds wait, those beyond are counted and told in
//! one entry.

use super::ServerError;
use genims_api::socket::DOOR;
use genims_databases::{DatabaseError, Environment, PostgresSettings, Registry};
use genims_locks::refusals::{Refusal, RefusalKind, Refusals};
use genims_model::dead_letter::Reason;
use genims_model::{Accounts, Backoff, Cause, counted};
use genims_platform::actions::{self, Action};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

const EVERY: Duration = Duration::from_millis(500);
const WAITING_MAX: usize = 1_024;
/// Connecting, and entering what waits.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct Writer {
    refusals: Arc<Refusals>,
    accounts: Arc<Accounts>,
    operations: Option<PostgresSettings>,
    /// Dead letters of machines that are not their client's, as far as they were told.
    machines_told: u64,
    waiting: VecDeque<Refusal>,
    /// Folds that there was no room for.
    lost: u64,
    /// The database takes none, which was said.
    without_audit: bool,
}

impl Writer {
    pub(super) fn new(
        refusals: Arc<Refusals>,
        accounts: Arc<Accounts>,
        environment: &Environment,
    ) -> Result<Self, ServerError> {
        let registry = Registry::load(None)?;
        let operations = match PostgresSettings::from_environment(registry.get("genims_operations_db")?, environment) {
            Ok(settings) => Some(settings),
            Err(DatabaseError::NotConfigured { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        Ok(Self {
            refusals,
            accounts,
            operations,
            machines_told: 0,
            waiting: VecDeque::new(),
            lost: 0,
            without_audit: false,
        })
    }

    pub(super) async fn run(mut self, stop: CancellationToken) {
        let (mut said, mut backoff, mut retry_at) = (None, Backoff::default(), Instant::now());
        loop {
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = stop.cancelled() => return,
            }
            // What was refused over HTTP is told to the log here, whatever the database does.
            self.gather(Instant::now());
            if self.waiting.is_empty() || Instant::now() < retry_at {
                continue;
            }
            let written = tokio::select! {
                written = tokio::time::timeout(PATIENCE, self.write()) => written,
                () = stop.cancelled() => return,
            };
            let failure = match written {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(_) => Some(format!("it took longer than {} s", PATIENCE.as_secs())),
            };
            if let Some(error) = failure.as_ref().filter(|_| failure != said) {
                tracing::warn!(error, "refusals are not entered into the audit; they wait, and are tried again");
            }
            if failure.is_some() {
                retry_at = Instant::now() + backoff.next_delay();
            } else {
                backoff.reset();
            }
            said = failure;
        }
    }

    fn gather(&mut self, now: Instant) {
        let not_allowed = |(reason, _): &(&str, u64)| *reason == Reason::NotAllowed.code();
        let machines = self.accounts.set_aside_by_reason().into_iter().find(not_allowed).map_or(0, |(_, count)| count);
        let fresh = machines.saturating_sub(self.machines_told);
        if fresh > 0 {
            // Whose they are stands in each dead letter.
            self.refusals.tell_times(fresh, RefusalKind::Machine, "dead_letters", "", "");
            self.machines_told = machines;
        }
        for refusal in self.refusals.due(now) {
            if refusal.door == DOOR {
                let Refusal { kind, name, host, times, .. } = &refusal;
                tracing::warn!(kind = kind.as_str(), name, address = host, times, "refused over HTTP");
            }
            if self.operations.is_none() {
                continue;
            }
            if self.waiting.len() >= WAITING_MAX {
                self.lost += 1;
            } else {
                self.waiting.push_back(refusal);
            }
        }
    }

    async fn write(&mut self) -> Result<(), Cause> {
        let Some(operations) = &self.operations else { return Ok(()) };
        let client = operations.connect().await?;
        while let Some(refusal) = self.waiting.front() {
            let taken = actions::record_refusal(&client, &action(refusal, &described(refusal)), &refusal.host).await?;
            self.waiting.pop_front();
            if !taken && !std::mem::replace(&mut self.without_audit, true) {
                tracing::warn!(
                    "refusals are counted and told here only: genims_operations_db does not audit them; run `genims provision`"
                );
            }
        }
        if self.lost > 0 {
            let entries = counted(self.lost, "entry");
            let description = format!("lost while this database was away: {entries} of refusals");
            actions::record_refusal(&client, &Action { rows: self.lost, ..lost(&description) }, "").await?;
            self.lost = 0;
        }
        Ok(())
    }
}

fn lost(description: &str) -> Action<'_> {
    Action {
        service: "genims-serve",
        activity: "override",
        module: "security",
        database: "genims_operations_db",
        description,
        rows: 0,
    }
}

/// Who sends tries to create, who looks to view: the words that the trail has.
fn action<'a>(refusal: &Refusal, description: &'a str) -> Action<'a> {
    let activity = if refusal.door == DOOR { "view" } else { "create" };
    Action { activity, rows: refusal.times, ..lost(description) }
}

fn described(refusal: &Refusal) -> String {
    let Refusal { door, kind, name, host, times, .. } = refusal;
    let what = match kind {
        RefusalKind::Handshake => "TLS handshake refused",
        RefusalKind::UnknownName => "nobody has this name",
        RefusalKind::WrongSecret => "wrong secret",
        RefusalKind::LockedOut => "locked out after too many wrong secrets",
        RefusalKind::Disabled => "disabled",
        RefusalKind::Nobody => "showed nothing by which to be known",
        RefusalKind::Busy => "too many at once",
        RefusalKind::ConnectionLimit => "as many connections as the client, or its address, may have",
        RefusalKind::Topic => "topic that is not the client's",
        RefusalKind::Machine => "records of machines that are not the client's, set aside as not_allowed",
        RefusalKind::Evicted => "sent away: certificate or account no longer good",
        RefusalKind::WrongToken => "wrong token",
        RefusalKind::Role => "not a right of this role",
        RefusalKind::Forged => "request that another page may have made",
        RefusalKind::Malformed => "form that is none, or too long",
        RefusalKind::Protocol => "malformed or too much at once for the listener's protocol",
        RefusalKind::ProxyHeader => "PROXY header missing, not expected or damaged",
    };
    format!("{}: {what}; door {door}, name \"{name}\", from \"{host}\", {}", kind.as_str(), counted(*times, "time"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_waits_for_a_database_that_is_away_is_bounded_and_what_is_lost_is_counted() {
        let environment =
            Environment::from_pairs([("GENIMS_OPERATIONS_DB_URL", "postgresql://127.0.0.1:1/operations")]);
        let refusals = Arc::<Refusals>::default();
        let accounts = Arc::new(Accounts::new(["mqtt".to_owned()]));
        let mut writer = Writer::new(refusals.clone(), accounts, &environment).expect("configured");
        let begun = Instant::now();
        for minute in 0..10 {
            for no in 0..200 {
                refusals.tell(RefusalKind::Topic, "mqtt", &no.to_string(), "10.0.0.1");
            }
            writer.gather(begun + minute * Duration::from_secs(60));
        }
        assert_eq!((writer.waiting.len(), writer.lost), (WAITING_MAX, 2_000 - WAITING_MAX as u64));
        assert!(writer.write().await.is_err(), "nobody listens there");
        assert_eq!(writer.waiting.len(), WAITING_MAX, "it is kept");
        let told = described(&writer.waiting[0]);
        assert!(told.starts_with("topic: ") && told.contains("10.0.0.1"), "{told}");
    }
}
