//! One connection that a test leads by hand: say something, wait for the answer.

use super::speech::next_answer;
use super::{Answer, Speech, encode};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub(crate) struct Connection {
    socket: TcpStream,
    speech: Speech,
    input: Vec<u8>,
}

impl Connection {
    /// Connects and waits for the welcome.
    #[track_caller]
    pub(crate) fn open(address: SocketAddr, speech: Speech, client_id: &str) -> Self {
        let socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut connection = Self { socket, speech, input: Vec::new() };
        connection.send(|out| encode::hello(speech, client_id, out));
        assert_eq!(connection.answer(), Some(Answer::Welcome(0)));
        connection
    }

    pub(crate) fn send(&mut self, put: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = Vec::new();
        put(&mut bytes);
        self.socket.write_all(&bytes).unwrap();
    }

    /// Whether the server takes all of it within `patience`.
    pub(crate) fn offer(&mut self, bytes: &[u8], patience: Duration) -> bool {
        self.socket.set_write_timeout(Some(patience)).unwrap();
        self.socket.write_all(bytes).is_ok()
    }

    /// The next answer; `None` when there is none within `patience`.
    pub(crate) fn answer_within(&mut self, patience: Duration) -> Option<Answer> {
        self.socket.set_read_timeout(Some(patience)).unwrap();
        let mut bytes = [0; 1_024];
        loop {
            if let Some(answer) = next_answer(self.speech, &mut self.input) {
                return Some(answer);
            }
            let count = self.socket.read(&mut bytes).ok().filter(|count| *count > 0)?;
            self.input.extend_from_slice(&bytes[..count]);
        }
    }

    /// The next answer; `None` when the server closes instead.
    #[track_caller]
    pub(crate) fn answer(&mut self) -> Option<Answer> {
        let mut bytes = [0; 1_024];
        loop {
            if let Some(answer) = next_answer(self.speech, &mut self.input) {
                return Some(answer);
            }
            match self.socket.read(&mut bytes) {
                Ok(0) => return None,
                Ok(count) => self.input.extend_from_slice(&bytes[..count]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("no answer: {error}"),
            }
        }
    }
}
