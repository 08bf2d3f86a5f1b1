//! How a transaction of the sink begins: with its settings, and with who serves it.
//!
//! Settings are local to the transaction: behind a pooler the connection is somebody else's afterwards.

use crate::error::{SinkError, answered};
use tokio_postgres::{Client, SimpleQueryMessage, Transaction};

/// What every transaction begins with; its last statement answers who serves it. A server that confirms commits before they
/// are on disk would let the spool delete what a power failure can still undo.
pub(crate) const BEGUN: &str =
    "SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off';
     SELECT pid, backend_start FROM pg_stat_get_activity(pg_backend_pid())";

/// The server's side of a connection. Its number is given again some day; together with its start it is not.
#[derive(Clone, Debug)]
pub struct Backend {
    pub(crate) pid: String,
    pub(crate) started: String,
}

/// A transaction that begins with `begun`, and who serves it.
pub(crate) async fn begin<'a>(
    client: &'a mut Client,
    begun: &str,
) -> Result<(Transaction<'a>, Option<Backend>), SinkError> {
    let transaction = answered(client.transaction()).await?;
    let answers = answered(transaction.simple_query(begun)).await?;
    let backend = answers.iter().rev().find_map(|answer| match answer {
        SimpleQueryMessage::Row(row) if row.len() == 2 => {
            Some(Backend { pid: row.get(0)?.to_owned(), started: row.get(1)?.to_owned() })
        }
        _ => None,
    });
    Ok((transaction, backend))
}
