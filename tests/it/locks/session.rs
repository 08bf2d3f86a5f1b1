//! A connection that stays open: bytes go in and come out, over `openssl s_client` or a plain socket.

use crate::server::{PATIENCE, Sensor};
use genims_decode::frame::{Record, RecordValue, encode};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};

/// What the other side has said and nobody has read comes through a thread, so that every wait is bounded.
pub(crate) struct Session {
    input: Input,
    said: Receiver<u8>,
    child: Option<Child>,
}

enum Input {
    Child(ChildStdin),
    Socket(TcpStream),
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Session {
    pub(crate) fn secured(address: SocketAddr, ca: &str, [cert, key]: &[String; 2]) -> Self {
        let mut child = Command::new("openssl")
            .args(["s_client", "-quiet", "-verify_return_error", "-verify_hostname", "localhost", "-CAfile", ca])
            .args(["-connect", &address.to_string(), "-cert", cert, "-key", key])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output: ChildStdout = child.stdout.take().unwrap();
        Self { input: Input::Child(child.stdin.take().unwrap()), said: listen(output), child: Some(child) }
    }

    pub(crate) fn plain(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).unwrap();
        Self { said: listen(socket.try_clone().unwrap()), input: Input::Socket(socket), child: None }
    }

    /// The other side may have closed: what comes back tells.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let sent = match &mut self.input {
            Input::Child(child) => child.write_all(bytes).and_then(|()| child.flush()),
            Input::Socket(socket) => socket.write_all(bytes),
        };
        if let Err(error) = sent {
            let closed = [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset];
            assert!(closed.contains(&error.kind()), "{error}");
        }
    }

    #[track_caller]
    fn byte(&self) -> u8 {
        self.said.recv_timeout(PATIENCE).expect("the server says something")
    }

    /// An MQTT packet, of less than 128 bytes.
    #[track_caller]
    pub(crate) fn packet(&self) -> Vec<u8> {
        let mut packet = vec![self.byte(), self.byte()];
        packet.extend((0..packet[1]).map(|_| self.byte()).collect::<Vec<u8>>());
        packet
    }

    /// Reads frames up to one of this type.
    #[track_caller]
    pub(crate) fn until_frame(&self, wanted: u8) {
        loop {
            let header: Vec<u8> = (0..12).map(|_| self.byte()).collect();
            assert_eq!(&header[..2], b"GF", "{header:02x?}");
            let body_bytes = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
            let body: Vec<u8> = (0..body_bytes).map(|_| self.byte()).collect();
            if header[3] == wanted {
                return;
            }
            assert_ne!(header[3], 5, "refused: {}", String::from_utf8_lossy(&body));
        }
    }

    /// The server closes, whatever it says before.
    #[track_caller]
    pub(crate) fn ended(&self) {
        loop {
            match self.said.recv_timeout(PATIENCE) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => panic!("the connection is open"),
            }
        }
    }

    /// The server closes, without another word.
    #[track_caller]
    pub(crate) fn closed(&self) {
        match self.said.recv_timeout(PATIENCE) {
            Err(RecvTimeoutError::Disconnected) => {}
            other => panic!("the connection is open: {other:?}"),
        }
    }
}

fn listen(mut output: impl Read + Send + 'static) -> Receiver<u8> {
    let (says, said) = channel();
    std::thread::spawn(move || {
        let mut bytes = [0; 4_096];
        while let Ok(count @ 1..) = output.read(&mut bytes) {
            if bytes[..count].iter().any(|byte| says.send(*byte).is_err()) {
                return;
            }
        }
    });
    said
}

fn text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u16).to_be_bytes());
    bytes.extend(text.as_bytes());
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    assert!(body.len() < 16_384, "two bytes of length");
    let mut bytes = vec![first];
    if body.len() < 128 {
        bytes.push(body.len() as u8);
    } else {
        bytes.extend([(body.len() % 128) as u8 | 0x80, (body.len() / 128) as u8]);
    }
    bytes.extend(body);
    bytes
}

/// CONNECT with a clean session and without keep-alive.
pub(crate) fn connect_packet(version: u8, client_id: &str, login: Option<(&str, &str)>) -> Vec<u8> {
    let mut body = Vec::new();
    text(&mut body, "MQTT");
    body.extend([version, if login.is_some() { 0xC2 } else { 2 }, 0, 0]);
    if version == 5 {
        body.push(0);
    }
    text(&mut body, client_id);
    for part in login.iter().flat_map(|(name, secret)| [name, secret]) {
        text(&mut body, part);
    }
    packet(0x10, &body)
}

/// PUBLISH of 3.1.1 with QoS 1.
pub(crate) fn publish_packet(topic: &str, payload: &[u8]) -> Vec<u8> {
    numbered_packet(topic, 1, payload)
}

/// The same, under an identifier of its own.
pub(crate) fn numbered_packet(topic: &str, packet_id: u16, payload: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    text(&mut body, topic);
    body.extend(packet_id.to_be_bytes());
    body.extend(payload);
    packet(0x32, &body)
}

/// HELLO and one frame with one reading of a sensor.
pub(crate) fn frames(client_id: &str, login: Option<(&str, &str)>, sensor: &Sensor, sequence: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    match login {
        Some((name, secret)) => encode::hello_as(client_id, name, secret.as_bytes(), &mut bytes),
        None => encode::hello(client_id, &mut bytes),
    }
    let value = RecordValue::Float(sequence as f64);
    let record = Record { handle: 1, quality: genims_model::Quality::Good, delta_us: 0, value };
    let base_us = chrono::Utc::now().timestamp_micros();
    encode::data(sequence, base_us, &[(1, sensor.sensor_id.as_str())], &[record], &mut bytes);
    bytes
}

/// The type of a frame's first bytes.
pub(crate) const ACK: u8 = 4;
pub(crate) const REFUSE: u8 = 5;
