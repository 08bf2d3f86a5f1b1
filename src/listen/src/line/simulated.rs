//! Line protocol over streams that a simulation makes: everything but the socket is what production runs.

use super::{HEADS_BYTES_MAX, LineOptions, Shared, connection, room};
use genims_model::SourceNo;
use genims_pipeline::intake::Intake;
use std::sync::Arc;
use tokio::io::AsyncRead;
use tokio_util::sync::CancellationToken;

/// A listener without its socket.
pub struct Door(Arc<Shared>);

impl Door {
    pub fn new(options: LineOptions, source: SourceNo, intake: Arc<Intake>) -> Self {
        let heads = room::Room::new(HEADS_BYTES_MAX);
        Self(Arc::new(Shared { options, source, intake, metrics: Arc::default(), heads }))
    }

    /// Serves one connection until it ends.
    pub fn serve(
        &self,
        stream: impl AsyncRead + Send + Unpin + 'static,
        shutdown: CancellationToken,
    ) -> impl Future<Output = ()> + Send + 'static {
        connection::serve(stream, None, self.0.clone(), shutdown)
    }
}
