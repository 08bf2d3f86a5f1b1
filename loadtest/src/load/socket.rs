//! What a connection runs on: a plain socket, or one with TLS. Connections are generic over it, so that what is measured in clear
//! pays nothing for the other.
//!
//! With TLS the session is driven directly and not polled: what is measured stays reads and writes that never wait.

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::future::Future;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite, Interest};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub trait Socket: AsyncRead + AsyncWrite + Send + Sync + Unpin {
    /// Reads what there is without waiting; 0 is the peer's end.
    fn try_read(&mut self, into: &mut [u8]) -> io::Result<usize>;

    /// Hands over as much as is taken without waiting.
    fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Lets go of what was taken and has not left yet.
    fn try_flush(&mut self) -> io::Result<()>;

    /// Until one of these may bring something.
    fn ready(&self, interest: Interest) -> impl Future<Output = io::Result<()>> + Send;
}

impl Socket for TcpStream {
    #[inline]
    fn try_read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        Self::try_read(self, into)
    }

    #[inline]
    fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Self::try_write(self, bytes)
    }

    #[inline]
    fn try_flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    async fn ready(&self, interest: Interest) -> io::Result<()> {
        Self::ready(self, interest).await.map(|_| ())
    }
}

impl Socket for TlsStream<TcpStream> {
    fn try_read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let (socket, session) = self.get_mut();
        loop {
            match session.reader().read(into) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                read => return read,
            }
            session.read_tls(&mut Below(socket))?;
            session.process_new_packets().map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        }
    }

    fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // The session takes no more while it is full of what was written before.
        self.try_flush()?;
        let taken = self.get_mut().1.writer().write(bytes)?;
        match self.try_flush() {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ => Ok(taken),
        }
    }

    fn try_flush(&mut self) -> io::Result<()> {
        let (socket, session) = self.get_mut();
        while session.wants_write() {
            if session.write_tls(&mut Below(socket))? == 0 {
                return Err(ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }

    fn ready(&self, interest: Interest) -> impl Future<Output = io::Result<()>> + Send {
        Socket::ready(self.get_ref().0, interest)
    }
}

/// The socket below a session, which neither waits.
struct Below<'a>(&'a TcpStream);

impl Read for Below<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(into)
    }
}

impl Write for Below<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Where a listener is, and how it is spoken to.
#[derive(Clone, Debug)]
pub struct Peer {
    /// A name may have several; they are tried in turn.
    pub addresses: Vec<SocketAddr>,
    pub tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
}

pub enum Connected {
    Clear(TcpStream),
    Secured(Box<TlsStream<TcpStream>>),
}

impl Peer {
    pub fn clear(address: SocketAddr) -> Self {
        Self { addresses: vec![address], tls: None }
    }

    /// A connection, behind its handshake.
    pub async fn connect(&self) -> io::Result<Connected> {
        let stream = TcpStream::connect(&self.addresses[..]).await?;
        stream.set_nodelay(true)?;
        Ok(match &self.tls {
            None => Connected::Clear(stream),
            Some((config, name)) => {
                let connector = TlsConnector::from(config.clone());
                Connected::Secured(Box::new(connector.connect(name.clone(), stream).await?))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use rustls::pki_types::PrivatePkcs8KeyDer;
    use rustls::{RootCertStore, ServerConfig};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    /// More than a session and two sockets hold.
    const BYTES: usize = 16 << 20;

    /// A server that says back all it hears, once it has heard all of it; and how it is spoken to.
    async fn echo(trusted: bool) -> Peer {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).expect("a key");
        let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
        let server = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key.into())
            .expect("a certificate and its key");
        let mut roots = RootCertStore::empty();
        if trusted {
            roots.add(cert.der().clone()).expect("a certificate");
        }
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.expect("a client");
            let Ok(mut stream) = TlsAcceptor::from(Arc::new(server)).accept(stream).await else { return };
            let mut heard = vec![0; BYTES];
            stream.read_exact(&mut heard).await.expect("all of it");
            stream.write_all(&heard).await.expect("taken");
            stream.shutdown().await.expect("closed");
        });
        let name = ServerName::try_from("localhost").expect("a name");
        Peer { addresses: vec![address], tls: Some((Arc::new(client), name)) }
    }

    #[tokio::test]
    async fn what_goes_in_comes_out_although_nothing_waits() {
        let Connected::Secured(mut stream) = echo(true).await.connect().await.expect("a handshake") else {
            panic!("in clear");
        };
        let sent: Vec<u8> = (0..BYTES).map(|at| (at / 7) as u8).collect();
        let (mut written, mut blocked) = (0, 0);
        while written < BYTES {
            match stream.try_write(&sent[written..]) {
                Ok(taken) => written += taken,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    blocked += 1;
                    Socket::ready(&*stream, Interest::WRITABLE).await.expect("ready");
                }
                Err(error) => panic!("{error}"),
            }
        }
        assert!(blocked > 0, "it never had to wait");
        while let Err(error) = stream.try_flush() {
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
            Socket::ready(&*stream, Interest::WRITABLE).await.expect("ready");
        }
        let (mut heard, mut buffer) = (Vec::new(), [0; 50_000]);
        loop {
            match stream.try_read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => heard.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    Socket::ready(&*stream, Interest::READABLE).await.expect("ready");
                }
                Err(error) => panic!("{error}"),
            }
        }
        assert!(heard == sent, "{} bytes came back of {BYTES}, or others", heard.len());
    }

    #[tokio::test]
    async fn a_server_that_nobody_vouches_for_is_not_spoken_to() {
        let error = echo(false).await.connect().await.err().expect("refused");
        assert!(error.to_string().contains("UnknownIssuer"), "{error}");
    }
}
