//! Line protocol over streams that a simulation makes: everything but the socket is what production runs.

use super::{HEADS_BYTES_MAX, LineOptions, Shared, connection, room};
use crate::locks::ListenerGate;
use crate::notices::Peer;
use genims_model::SourceNo;
use genims_pipeline::intake::Intake;
use std::sync::Arc;
use tokio::io::AsyncRead;
use tokio_util::sync::CancellationToken;

/// A listener without its socket.
pub struct SimulatedLine(Arc<Shared>);

impl SimulatedLine {
    pub fn new(options: LineOptions, source: SourceNo, intake: Arc<Intake>) -> Self {
        let heads = room::Room::new(HEADS_BYTES_MAX);
        let gate = ListenerGate::unlocked(Arc::default());
        let metrics = gate.metrics.clone();
        Self(Arc::new(Shared { options, source, intake, metrics, heads, gate }))
    }

    /// Serves one connection until it ends.
    pub fn serve(
        &self,
        stream: impl AsyncRead + Send + Unpin + 'static,
        shutdown: CancellationToken,
    ) -> impl Future<Output = ()> + Send + 'static {
        let pass = self.0.gate.pass(Peer::default(), &shutdown);
        connection::serve(stream, Peer::default(), self.0.clone(), shutdown, pass)
    }
}
