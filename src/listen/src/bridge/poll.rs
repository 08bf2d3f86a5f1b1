//! The half that keeps the connection.

use super::filters::Filters;
use super::link::{Delivery, Dialer, Happening, Link};
use super::options::MqttVersion;
use super::{BridgeError, Shared};
use genims_model::Backoff;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

/// A connection that stood so long was no failure: the pauses start anew.
const STABLE: Duration = Duration::from_secs(10);

/// How long DISCONNECT may take at the end.
const GOODBYE: Duration = Duration::from_secs(1);

/// Condemnation and the end of the worker's work are looked at again after this, should a wake-up go elsewhere.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

pub(super) struct Poller {
    shared: Arc<Shared>,
    dialer: Dialer,
    filters: Filters,
    deliveries: mpsc::UnboundedSender<Delivery>,
    shutdown: CancellationToken,
    /// The subscriptions of this process are part of the broker's session.
    subscribed: bool,
    /// When the file of topics is tried again, if writing it failed.
    remember_at: Instant,
    remember_retries: Backoff,
}

impl Poller {
    pub(super) fn new(
        shared: Arc<Shared>,
        dialer: Dialer,
        filters: Filters,
        deliveries: mpsc::UnboundedSender<Delivery>,
        shutdown: CancellationToken,
    ) -> Self {
        let (remember_at, remember_retries) = (Instant::now(), Backoff::default());
        Self { shared, dialer, filters, deliveries, shutdown, subscribed: false, remember_at, remember_retries }
    }

    /// Connects again and again until shutdown.
    pub(super) async fn run(mut self) {
        let options = &self.shared.options;
        let mut backoff = Backoff::new(options.reconnect_delay_min, options.reconnect_delay_max);
        while !self.is_shutdown() {
            let begun = Instant::now();
            let ended = self.session().await;
            self.shared.metrics.connected.store(false, Ordering::Relaxed);
            let Err(error) = ended else { break };
            self.shared.metrics.reconnects_total.fetch_add(1, Ordering::Relaxed);
            if self.dialer.learn(&error) {
                continue;
            }
            if begun.elapsed() >= STABLE {
                backoff.reset();
            }
            let pause = backoff.next_delay();
            let Shared { options, listener, client_id, .. } = &*self.shared;
            let (broker, to_do) = (&options.broker, error.remedy());
            tracing::warn!(listener, broker, client_id, %error, to_do, ?pause, "bridge is not connected; it tries again");
            tokio::select! {
                () = sleep(pause) => {}
                () = self.shutdown.cancelled() => {}
            }
        }
    }

    /// One connection, from the attempt to its end. `Ok`: ended in order by shutdown.
    async fn session(&mut self) -> Result<(), BridgeError> {
        let mut link = self.dialer.dial();
        loop {
            if link.is_condemned() {
                self.goodbye(link).await;
                return Err(BridgeError::Refused);
            }
            if self.is_shutdown() {
                self.drain(link).await;
                return Ok(());
            }
            if !self.shared.has_room() {
                let _ = tokio::time::timeout(LOOK_AGAIN, self.shared.eased.notified()).await;
                continue;
            }
            // Before the connection stands, the last two would drop the attempt: what an earlier connection brought eases, too.
            let is_connected = self.shared.metrics.connected.load(Ordering::Relaxed);
            let is_due = self.filters.is_behind() && is_connected;
            let happening = tokio::select! {
                happening = link.next(&mut self.dialer) => happening?,
                // Dropping a poll loses no packet once connected, and before that only the attempt.
                () = self.shutdown.cancelled() => continue,
                () = self.shared.eased.notified(), if is_connected => continue,
                () = sleep_until(self.remember_at), if is_due => {
                    self.remember_again();
                    continue;
                }
            };
            self.take(happening, &link)?;
        }
    }

    fn take(&mut self, happening: Happening, link: &Link) -> Result<(), BridgeError> {
        let Shared { options, metrics, listener, client_id, .. } = &*self.shared;
        match happening {
            Happening::Connected { session_present } => {
                metrics.connected.store(true, Ordering::Relaxed);
                tracing::info!(listener, broker = options.broker, client_id, session_present, "bridge is connected");
                // The first time always: the session may hold the topics of an older configuration.
                if !session_present || !self.subscribed {
                    return self.subscribe(session_present, link);
                }
            }
            Happening::Message(delivery) => {
                metrics.messages_total.fetch_add(1, Ordering::Relaxed);
                metrics.bytes_total.fetch_add(delivery.bytes() as u64, Ordering::Relaxed);
                self.shared.open(delivery.bytes());
                // The worker ends only after us, or at shutdown: then the broker keeps the message.
                let _ = self.deliveries.send(delivery);
            }
            Happening::Subscribed { refused, asked } => {
                metrics.subscriptions_refused_total.fetch_add(refused as u64, Ordering::Relaxed);
                let error = BridgeError::Subscription { refused, asked };
                if refused == asked {
                    return Err(error);
                }
                if refused > 0 {
                    tracing::error!(listener, broker = options.broker, %error, "bridge goes on with the other topics");
                }
                self.subscribed = true;
                // UNSUBSCRIBE was sent before SUBSCRIBE, and brokers work in order.
                let granted = (refused == 0).then_some(options.qos);
                let written = self.filters.end(&options.topics, granted);
                self.remember_at = retry_at(written, &mut self.remember_retries, listener);
            }
            Happening::Nothing => {}
        }
        Ok(())
    }

    /// Asks for the topics that the session does not hold, and gives up those that it should not.
    fn subscribe(&mut self, session_present: bool, link: &Link) -> Result<(), BridgeError> {
        let Shared { options, listener, .. } = &*self.shared;
        let mut wanted = options.topics.clone();
        // With MQTT 5 a subscription that is there already may be asked for again without its retained messages.
        if session_present && options.mqtt_version == MqttVersion::V4 {
            wanted = self.filters.missing(&wanted, options.qos);
        }
        let dropped = self.filters.dropped(&options.topics);
        let mut is_sent = link.unsubscribe(&dropped);
        if wanted.is_empty() {
            self.subscribed = true;
        } else {
            let written = self.filters.begin(&options.topics);
            self.remember_at = retry_at(written, &mut self.remember_retries, listener);
            is_sent &= link.subscribe(&wanted, options.qos);
        }
        let asked = wanted.len();
        if is_sent { Ok(()) } else { Err(BridgeError::Subscription { refused: asked, asked }) }
    }

    /// What was said when it failed is not said again.
    fn remember_again(&mut self) {
        self.remember_at = Instant::now() + self.remember_retries.next_delay();
        if self.filters.write().is_ok() {
            self.remember_retries.reset();
            tracing::info!(listener = self.shared.listener, "bridge remembers its topics again");
        }
    }

    /// At shutdown: messages that still come are left to the broker; acknowledgements still go out.
    async fn drain(&mut self, mut link: Link) {
        let deadline = Instant::now() + self.shared.options.drain_timeout + GOODBYE;
        while Instant::now() < deadline && (!self.shared.worked.load(Ordering::Acquire) || link.has_acks_waiting()) {
            tokio::select! {
                happening = link.next(&mut self.dialer) => if happening.is_err() { return },
                () = self.shared.eased.notified() => {}
                () = sleep(LOOK_AGAIN) => {}
            }
        }
        self.goodbye(link).await;
    }

    /// Disconnects in order.
    async fn goodbye(&mut self, mut link: Link) {
        if !self.shared.metrics.connected.load(Ordering::Relaxed) || !link.disconnect() {
            return;
        }
        // Until the broker closes: it then has read our last acknowledgements. A newer connection under our client id,
        // from a restart in haste, would make it throw away what it has not read.
        let deadline = Instant::now() + GOODBYE;
        while let Ok(Ok(_)) = timeout_at(deadline, link.next(&mut self.dialer)).await {}
    }

    fn is_shutdown(&self) -> bool {
        self.shutdown.is_cancelled()
    }
}

/// The bridge works without its file; tells when to try again.
fn retry_at(written: io::Result<()>, retries: &mut Backoff, listener: &str) -> Instant {
    match written {
        Ok(()) => retries.reset(),
        Err(error) => tracing::warn!(
            listener,
            %error,
            "bridge cannot remember its topics: make room in the data folder's `bridges`, and make it writable; tried again"
        ),
    }
    Instant::now() + retries.next_delay()
}
