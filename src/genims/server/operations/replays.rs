//! The replay of dead letters that somebody asks for at the page: in the background, one at a time, entered into the audit trail with
//! who asked before anything is sent. It goes the way of `genims deadletter replay`, through a listener of this server.

use super::OPERATIONS;
use crate::replay::{self, Login, ReplayStep, ReplayWanted, ReplayWay, Replayed, WatchedServer};
use crate::settings::Settings;
use genims_api::operations::NotReplayed;
use genims_api::operations::report::ReplayView;
use genims_api::report::Observe;
use genims_databases::{Environment, PostgresSettings};
use genims_decode::topic::Templates;
use genims_model::{Reason, now_us, panics};
use genims_platform::actions::{self, Action};
use parking_lot::Mutex;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Of one press of the button; the page says so, and so does the API.
const DEAD_LETTERS_MAX: u64 = 10_000;

pub(super) struct Replays {
    /// None where this server does not write to it.
    operations: Option<PostgresSettings>,
    login: Result<Option<Login>, String>,
    topics: Templates,
    mqtt: Option<SocketAddr>,
    observer: Arc<dyn Observe>,
    stop: CancellationToken,
    last: Arc<Mutex<Option<ReplayView>>>,
}

/// One that was asked for.
struct AskedReplay {
    operations: PostgresSettings,
    login: Option<Login>,
    topics: Templates,
    mqtt: Option<SocketAddr>,
    observer: Arc<dyn Observe>,
    reason: String,
    by: String,
    last: Arc<Mutex<Option<ReplayView>>>,
}

impl Replays {
    pub(super) fn new(
        settings: &Settings,
        environment: &Environment,
        operations: Option<PostgresSettings>,
        (observer, stop): (Arc<dyn Observe>, CancellationToken),
    ) -> Self {
        Self {
            operations,
            login: replay::login(environment).map_err(|error| format!("{error:#}")),
            topics: settings.topics.clone(),
            mqtt: replay::mqtt_address(&settings.listeners),
            observer,
            stop,
            last: Arc::default(),
        }
    }

    pub(super) fn last(&self) -> Option<ReplayView> {
        self.last.lock().clone()
    }

    pub(super) fn begin(&self, reason: &str, by: &str) -> Result<(), NotReplayed> {
        if !Reason::ALL.iter().any(|known| known.code() == reason) {
            return Err(NotReplayed::Unknown);
        }
        let missing = || NotReplayed::Impossible(format!("this server does not write to {OPERATIONS}"));
        let operations = self.operations.clone().ok_or_else(missing)?;
        let login = self.login.clone().map_err(NotReplayed::Impossible)?;
        let (reason, by) = (reason.to_owned(), by.to_owned());
        {
            let mut last = self.last.lock();
            if last.as_ref().is_some_and(|last| last.ended_ms.is_none()) {
                return Err(NotReplayed::Busy);
            }
            let begun_ms = now_ms();
            *last = Some(ReplayView { reason: reason.clone(), by: by.clone(), begun_ms, ..ReplayView::default() });
        }
        let (topics, mqtt, observer) = (self.topics.clone(), self.mqtt, self.observer.clone());
        let asked = AskedReplay { operations, login, topics, mqtt, observer, reason, by, last: self.last.clone() };
        let stop = self.stop.clone();
        tokio::spawn(async move {
            let ended = tokio::select! {
                ended = panics::contain(asked.replay()) => {
                    ended.unwrap_or_else(|panic| Err(format!("it panicked: {}", panics::text(panic.as_ref()))))
                }
                () = stop.cancelled() => Err("the server stops; what was sent is durable".to_owned()),
            };
            asked.end(ended);
        });
        Ok(())
    }
}

impl AskedReplay {
    /// What became of them, and what went wrong with some.
    async fn replay(&self) -> Result<(Replayed, Option<String>), String> {
        let client = self.operations.connect().await.map_err(|error| error.to_string())?;
        let description = format!("{} asked at the page to replay the dead letters of {}", self.by, self.reason);
        let action = Action {
            service: "genims-replay",
            activity: "edit",
            module: "operations",
            database: OPERATIONS,
            description: &description,
            rows: 0,
        };
        actions::record(&client, &action).await.map_err(|error| self.operations.error(error).to_string())?;
        let show = |step: ReplayStep| {
            if let (ReplayStep::Replayed(count), Some(last)) = (step, self.last.lock().as_mut()) {
                last.replayed = count;
            }
        };
        let way = ReplayWay {
            client: &client,
            topics: self.topics.clone(),
            mqtt: self.mqtt,
            server: WatchedServer::Here(self.observer.clone()),
            login: self.login.clone(),
            show: &show,
        };
        let wanted = ReplayWanted::Reason { reason: self.reason.clone(), max: DEAD_LETTERS_MAX };
        let (done, refusal) = replay::run(way, &wanted).await.map_err(|error| format!("{error:#}"))?;
        Ok((done, refusal.map(|error| format!("{error:#}"))))
    }

    fn end(&self, ended: Result<(Replayed, Option<String>), String>) {
        let mut last = self.last.lock();
        let Some(view) = last.as_mut() else { return };
        match ended {
            Ok((done, error)) => {
                (view.replayed, view.stored, view.asked) = (done.replayed, done.stored, done.asked);
                (view.left, view.returned, view.error) = (done.left, done.returned, error);
            }
            Err(error) => view.error = Some(error),
        }
        view.ended_ms = Some(now_ms());
        let ReplayView { reason, by, stored, asked, error, .. } = &*view;
        tracing::info!(reason, user = by, stored, asked, error, "the replay of dead letters has ended");
    }
}

fn now_ms() -> i64 {
    now_us() / 1_000
}
