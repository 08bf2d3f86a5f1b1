//! A consumer's one connection: opened when it is needed, given up after a failure; the backend of one that was given up is
//! ended by the next.

use crate::error::{SinkError, answered};
use crate::postgres::Connector;
use crate::postgres::begin::Backend;
use crate::postgres::positions::Positions;
use crate::postgres::session::Session;

/// Sessions given up while none could be opened; beyond, keepalives have to do.
const ABANDONED_MAX: usize = 16;

/// See the module's header.
pub(crate) struct Connection<C> {
    connect: C,
    pub(crate) positions: Positions,
    session: Option<Session>,
    /// Who served sessions that were given up, until it is known that they are gone.
    abandoned: Vec<Backend>,
}

impl<C: Connector> Connection<C> {
    pub(crate) fn new(connect: C, positions: Positions) -> Self {
        Self { connect, positions, session: None, abandoned: Vec::new() }
    }

    /// The session that is open, or a new one.
    pub(crate) async fn open(&mut self) -> Result<&mut Session, SinkError> {
        if self.session.is_none() {
            let client = self.connect.connect().await.map_err(SinkError::Connect)?;
            let mut session = answered(Session::open(client, self.positions)).await?;
            session.bound().await?;
            for abandoned in self.abandoned.drain(..) {
                if let Err(error) = session.end(&abandoned).await {
                    tracing::warn!(%error, ?abandoned, "the backend of a broken connection cannot be ended");
                }
            }
            self.session = Some(session);
        }
        self.session()
    }

    pub(crate) fn session(&mut self) -> Result<&mut Session, SinkError> {
        self.session.as_mut().ok_or_else(|| SinkError::Connect("no connection is open".into()))
    }

    pub(crate) fn close(&mut self) {
        let abandoned = self.session.take().and_then(Session::abandon);
        if self.abandoned.len() < ABANDONED_MAX {
            self.abandoned.extend(abandoned);
        }
    }
}
