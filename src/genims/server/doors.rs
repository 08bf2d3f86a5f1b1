//! Opens the listeners. All of them are bound before the first one serves, so a taken port is found at once.

use super::front::Look;
use super::observe::Observer;
use super::stream::Stream;
use super::{ServerError, Stage};
use crate::settings::{Listener, ListenerKind, Settings};
use genims_catalogue::{Catalogue, Directory};
use genims_decode::payload::Decoder;
use genims_decode::topic::Templates;
use genims_listen::bridge::{Bridge, BridgeError, BridgeMetrics, BridgeName, BridgeOptions};
use genims_listen::line::LineServer;
use genims_listen::locks::{Clients, ListenerGate, Locks};
use genims_listen::mqtt::{self, Statistics};
use genims_listen::tcp::{CLIENTS_MAX, Progress, TcpServer};
use genims_listen::{Decode, ListenMetrics};
use genims_locks::refusals::Refusals;
use genims_model::{Accounts, SourceNo};
use genims_pipeline::intake::{Intake, IntakeBuffer, WhenFull};
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// MQTT messages through the decoders.
struct Messages(Decoder);

impl Decode for Messages {
    fn message(&self, topic: &str, payload: &[u8], into: &mut IntakeBuffer) {
        self.0.message(topic, payload, into);
        into.end_message(payload);
    }
}

/// `$SYS/broker/readings/received`.
struct Received(Arc<Accounts>);

impl Statistics for Received {
    fn readings_received(&self) -> u64 {
        self.0.total().received
    }
}

type Serving = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Binds every listener, then serves them all in `stage`. What is to be looked at again of their locks goes to `looks`.
pub(super) async fn open(
    settings: &Settings,
    stream: &Stream,
    observer: &Observer,
    (refusals, looks): (&Arc<Refusals>, &mut Vec<Look>),
    stage: &mut Stage,
) -> Result<(), ServerError> {
    let decode: Arc<dyn Decode> = Arc::new(Messages(Decoder::new(settings.topics.clone())));
    let progress = Arc::new(Progress::new(CLIENTS_MAX, stream.marks.clone()));
    let clients = settings.clients.as_ref().map(|options| Clients::open(&options.path(&settings.data_dir), options));
    let clients = clients.transpose().map_err(|source| ServerError::Clients(Box::new(source)))?;
    let mut locks = Locks { gates: Vec::new(), clients };
    let mut ready = Vec::new();
    for (source, listener) in settings.listeners.iter().enumerate() {
        let data_dir = &settings.data_dir;
        let door = Door { listener, data_dir, source: source as SourceNo, stream, observer, stop: stage.stop.clone() };
        let gate = door.gate(locks.clients.clone(), refusals.clone())?;
        locks.gates.push(gate.clone());
        ready.push(door.bind(gate, decode.clone(), progress.clone()).await?);
    }
    if !locks.is_idle() {
        looks.push(Box::new(move |everything| locks.look(everything)));
    }
    for serving in ready {
        stage.tasks.spawn(serving);
    }
    Ok(())
}

/// Makes a bridge that leads nowhere and drops it: what is wrong with its options, or with the files they name, shows.
pub(super) fn try_bridge(options: &BridgeOptions) -> Result<(), BridgeError> {
    let (directory, accounts) = (Directory::new(Catalogue::default()), Accounts::new(["bridge".to_owned()]));
    let intake =
        Intake::new(directory.into(), Vec::new(), accounts.into(), None, WhenFull::Block, Arc::new(false.into()));
    let name = BridgeName { server: uuid::Uuid::nil(), listener: "", folder: None };
    let decode: Arc<dyn Decode> = Arc::new(Messages(Decoder::new(Templates::default())));
    Bridge::new(options.clone(), name, 0, &Arc::new(intake), decode, Arc::default()).map(|_| ())
}

/// One listener on its way to being open.
struct Door<'a> {
    listener: &'a Listener,
    data_dir: &'a Path,
    source: SourceNo,
    stream: &'a Stream,
    observer: &'a Observer,
    stop: CancellationToken,
}

impl Door<'_> {
    fn gate(&self, clients: Option<Arc<Clients>>, refusals: Arc<Refusals>) -> Result<Arc<ListenerGate>, ServerError> {
        let name = &self.listener.name;
        let (tls, _, anonymous) = self.listener.kind.locks();
        if let Some(address) = self.listener.kind.listen().filter(|_| self.listener.kind.is_exposed()) {
            tracing::warn!(
                listener = name, %address, "listens in clear outside loopback: whoever reaches it reads along and may send"
            );
        }
        let answers = !matches!(self.listener.kind, ListenerKind::Line(_));
        ListenerGate::open(name, answers, tls, clients, anonymous, refusals).map_err(|error| self.invalid(error))
    }

    async fn bind(
        self,
        gate: Arc<ListenerGate>,
        decode: Arc<dyn Decode>,
        progress: Arc<Progress>,
    ) -> Result<Serving, ServerError> {
        let intake = self.stream.intake.clone();
        let metrics = gate.metrics();
        let (source, stop) = (self.source, self.stop.clone());
        match &self.listener.kind {
            ListenerKind::Mqtt(options) => {
                options.validate().map_err(|error| self.invalid(error))?;
                let at = options.listen;
                let socket = TcpListener::bind(at).await.map_err(|source| self.taken(at, source))?;
                self.opened(socket.local_addr(), metrics);
                let statistics = Arc::new(Received(self.stream.accounts.clone()));
                let options = options.clone();
                Ok(Box::pin(async move {
                    let serving = mqtt::serve(socket, options, intake, decode, source, gate, statistics, stop);
                    if let Err(error) = serving.await {
                        tracing::error!(%error, "an MQTT listener has ended");
                    }
                }))
            }
            ListenerKind::Tcp(options) => {
                let accounts = self.stream.accounts.clone();
                let server = TcpServer::bind(options.clone(), source, intake, accounts, progress, gate);
                let server = server.await.map_err(|error| self.invalid(error))?;
                self.opened(server.address(), metrics);
                Ok(Box::pin(server.serve(stop)))
            }
            ListenerKind::Line(options) => {
                let server = LineServer::bind(options.clone(), source, intake, gate);
                let server = server.await.map_err(|error| self.invalid(error))?;
                self.opened(server.address(), metrics);
                Ok(Box::pin(server.serve(stop)))
            }
            ListenerKind::Bridge(options) => {
                let metrics = Arc::new(BridgeMetrics::default());
                let folder = self.data_dir.join("bridges");
                let listener = &self.listener.name;
                let name = BridgeName { server: self.stream.spool.id(), listener, folder: Some(&folder) };
                let bridge = Bridge::new(options.clone(), name, source, &intake, decode, metrics.clone());
                let bridge = bridge.map_err(|error| self.invalid(error))?;
                self.observer.add_bridge(&self.listener.name, options.broker.clone(), metrics);
                Ok(Box::pin(bridge.serve(stop)))
            }
        }
    }

    fn opened(&self, address: std::io::Result<std::net::SocketAddr>, metrics: Arc<ListenMetrics>) {
        let address = address.map_or_else(|_| "unknown".to_owned(), |address| address.to_string());
        tracing::info!(listener = self.listener.name, %address, "listening");
        self.observer.add_listener(&self.listener.name, address, metrics);
    }

    fn taken(&self, address: std::net::SocketAddr, source: std::io::Error) -> ServerError {
        ServerError::Bind { name: self.listener.name.clone(), address: address.to_string(), source }
    }

    fn invalid(&self, source: impl std::error::Error + Send + Sync + 'static) -> ServerError {
        ServerError::Listener { name: self.listener.name.clone(), source: Box::new(source) }
    }
}
