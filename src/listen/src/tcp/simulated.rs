//! The frame protocol over streams that a simulation makes: everything but the socket is what production runs.

use super::{Progress, Shared, TcpOptions, connection};
use crate::locks::ListenerGate;
use crate::notices::{Notices, Peer};
use genims_model::{Accounts, SourceNo};
use genims_pipeline::intake::Intake;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

/// A listener without its socket.
pub struct SimulatedTcp(Arc<Shared>);

impl SimulatedTcp {
    pub fn new(
        options: TcpOptions,
        source: SourceNo,
        intake: Arc<Intake>,
        accounts: Arc<Accounts>,
        progress: Arc<Progress>,
    ) -> Self {
        let gate = ListenerGate::unlocked(Arc::default());
        let metrics = gate.metrics.clone();
        let notices = Notices::default();
        Self(Arc::new(Shared { options, source, intake, accounts, progress, metrics, gate, notices }))
    }

    /// Serves one connection until it ends.
    pub fn serve(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        shutdown: CancellationToken,
    ) -> impl Future<Output = ()> + Send + 'static {
        let pass = self.0.gate.pass(Peer::default(), &shutdown);
        connection::serve(stream, self.0.clone(), shutdown, pass)
    }
}
