//! Reading ahead of TLS, which asks its socket for 4 KiB at a time: what has come is fetched by one system call, not by one for each of
//! them.
//!
//! Invariant: nothing is held but what one read brought and TLS has not asked for yet; who is idle holds nothing.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Whole records, which have up to 16 KiB and a little, and no more: where reading stops, because the pipeline pushes back, what is left
/// of one read stays with each connection.
const READ_BYTES: usize = 32 * 1024;

#[derive(Debug)]
pub(super) struct Ahead {
    socket: TcpStream,
    bytes: Vec<u8>,
    /// Everything before was handed out.
    start: usize,
}

impl Ahead {
    pub(super) fn new(socket: TcpStream) -> Self {
        Self { socket, bytes: Vec::new(), start: 0 }
    }

    pub(super) fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Hands out what is held.
    fn give(&mut self, into: &mut ReadBuf<'_>) {
        let held = &self.bytes[self.start..];
        let count = held.len().min(into.remaining());
        into.put_slice(&held[..count]);
        self.start += count;
        if self.start == self.bytes.len() {
            (self.bytes, self.start) = (Vec::new(), 0);
        }
    }
}

impl AsyncRead for Ahead {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.bytes.is_empty() {
            let mut room = [const { MaybeUninit::<u8>::uninit() }; READ_BYTES];
            let mut read = ReadBuf::uninit(&mut room);
            match Pin::new(&mut self.socket).poll_read(context, &mut read) {
                Poll::Ready(Ok(())) => {}
                other => return other,
            }
            let count = read.filled().len().min(into.remaining());
            let (now, later) = read.filled().split_at(count);
            into.put_slice(now);
            if !later.is_empty() {
                self.bytes = later.to_vec();
            }
        } else {
            self.give(into);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Ahead {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn bytes_come_in_order_however_little_is_asked_for_and_none_are_kept() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let mut client = TcpStream::connect(listener.local_addr().expect("bound")).await.expect("connected");
        let (socket, _) = listener.accept().await.expect("a client");
        let sent: Vec<u8> = (0..200_000_u32).map(|at| (at % 251) as u8).collect();
        let mut ahead = Ahead::new(socket);
        let (mut heard, mut buffer) = (Vec::new(), [0; 4_096]);
        let hear = async {
            loop {
                let count = ahead.read(&mut buffer).await.expect("read");
                if count == 0 {
                    return;
                }
                heard.extend_from_slice(&buffer[..count]);
            }
        };
        let say = async {
            client.write_all(&sent).await.expect("taken");
            client.shutdown().await.expect("closed");
        };
        tokio::join!(hear, say);
        assert!(heard == sent, "{} of {} bytes, or others", heard.len(), sent.len());
        assert_eq!(ahead.bytes.capacity(), 0);
    }
}
