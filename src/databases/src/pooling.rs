//! Whether a pooler in transaction mode (PgBouncer's `pool_mode = transaction`) stands between us and PostgreSQL.
//!
//! Such a pooler hands each transaction to whichever server connection is free. What lives in a session is lost or left to
//! strangers there: prepared statements, SET, locks of a session. The stream needs none of it. Provisioning and seeding hold
//! locks for as long as they run, and ask here first.

use super::errors::DatabaseError;
use super::postgres::PostgresSettings;
use tokio_postgres::Client;

/// A pooler gives a free connection to whoever asks next; others that use the pool may come in between.
const TRIES: usize = 4;

/// Refuses a pooler in transaction mode.
pub async fn require_session(settings: &PostgresSettings, client: &Client) -> Result<(), DatabaseError> {
    if !is_shared(settings, client).await? {
        return Ok(());
    }
    Err(DatabaseError::Pooled { database: settings.database().to_owned(), place: settings.place() })
}

/// Whether the server's side of `client` serves others as well, or changes, while `client` lives. For certain if so.
pub async fn is_shared(settings: &PostgresSettings, client: &Client) -> Result<bool, DatabaseError> {
    let failed = |error| settings.error(error);
    let own = backend(client).await.map_err(failed)?;
    let mut other = settings.connect().await?;
    for _ in 0..TRIES {
        let transaction = other.transaction().await.map_err(failed)?;
        let others = backend(transaction.client()).await.map_err(failed)?;
        let now = backend(client).await.map_err(failed)?;
        transaction.rollback().await.map_err(failed)?;
        if others == own || now != own {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn backend(client: &Client) -> Result<i32, tokio_postgres::Error> {
    Ok(client.query_typed_one("SELECT pg_backend_pid()", &[]).await?.get(0))
}
