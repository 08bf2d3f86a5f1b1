//! What a connection runs on: a plain socket, or one with TLS. Connections are generic over it, so that plain bytes pay nothing
//! for the other.

use super::ahead::Ahead;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

pub(crate) trait Socket: AsyncRead + AsyncWrite + Send + Unpin + 'static {
    /// Until a read may bring something.
    fn readable(&self) -> impl Future<Output = ()> + Send;

    /// Until a write may be taken.
    fn writable(&self) -> impl Future<Output = ()> + Send;

    /// Hands over as much as is taken without waiting.
    fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Lets go of what was taken and has not left yet.
    fn try_flush(&mut self) -> io::Result<()>;

    fn is_flushed(&self) -> bool;
}

impl Socket for TcpStream {
    async fn readable(&self) {
        let _ = Self::readable(self).await;
    }

    async fn writable(&self) {
        let _ = Self::writable(self).await;
    }

    #[inline]
    fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Self::try_write(self, bytes)
    }

    #[inline]
    fn try_flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    #[inline]
    fn is_flushed(&self) -> bool {
        true
    }
}

/// TLS over a socket, behind its handshake.
pub(crate) struct Secured {
    stream: TlsStream<Ahead>,
    /// The last read brought something: there may be more of it that the socket below does not tell of.
    more: bool,
}

impl Secured {
    pub(super) fn new(stream: TlsStream<Ahead>) -> Self {
        Self { stream, more: true }
    }
}

/// Nobody is woken: whoever asked waits for [`Socket::writable`].
fn at_once<T>(polled: impl FnOnce(&mut Context<'_>) -> Poll<io::Result<T>>) -> io::Result<T> {
    match polled(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

impl Socket for Secured {
    fn readable(&self) -> impl Future<Output = ()> + Send {
        let (socket, more) = (self.stream.get_ref().0.socket(), self.more);
        async move {
            if !more {
                let _ = socket.readable().await;
            }
        }
    }

    fn writable(&self) -> impl Future<Output = ()> + Send {
        let socket = self.stream.get_ref().0.socket();
        async move {
            let _ = socket.writable().await;
        }
    }

    fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        at_once(|context| Pin::new(&mut self.stream).poll_write(context, bytes))
    }

    fn try_flush(&mut self) -> io::Result<()> {
        at_once(|context| Pin::new(&mut self.stream).poll_flush(context))
    }

    fn is_flushed(&self) -> bool {
        !self.stream.get_ref().1.wants_write()
    }
}

impl AsyncRead for Secured {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // It takes all records that have come and keeps an error behind them for the next read; only that read tells whether anything
        // is left, which the socket below may not tell of.
        let polled = Pin::new(&mut self.stream).poll_read(context, into);
        self.more = polled.is_ready();
        polled
    }
}

impl AsyncWrite for Secured {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
