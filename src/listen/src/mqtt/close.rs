//! How a connection is closed so that its last bytes arrive.

use crate::locks::Socket;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

/// A last write, and the peer's close behind it, are waited for this long each.
pub(super) const LINGER: Duration = Duration::from_secs(1);

/// Writes the last bytes and closes without a reset, which could overtake them: that is, reads on until the peer has
/// closed too. All of it bounded.
pub(super) async fn close(mut socket: impl Socket, output: &[u8]) {
    let written = timeout(LINGER, async {
        socket.write_all(output).await?;
        socket.shutdown().await
    })
    .await;
    if !matches!(written, Ok(Ok(()))) {
        return;
    }
    let mut scrap = [0_u8; 1024];
    let _ = timeout(LINGER, async { while matches!(socket.read(&mut scrap).await, Ok(1..)) {} }).await;
}
