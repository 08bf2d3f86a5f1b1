//! A name server of a test's own, on the loopback interface, and programs that ask it and no other: what a host's console
//! calls `mongodb+srv://`.
//!
//! Takes root's rights: port 53, and a `resolv.conf` that one process alone sees.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

const NETWORK: &str = "127.53.0.1";
const A: u16 = 1;
const TXT: u16 = 16;
const SRV: u16 = 33;

/// One record: its name, and what is said there.
pub(crate) enum Record {
    Srv(&'static str, u16, &'static str),
    Txt(&'static str, &'static str),
    A(&'static str, [u8; 4]),
}

pub(crate) struct Resolver {
    configuration: PathBuf,
    over: Arc<AtomicBool>,
    serving: Option<JoinHandle<()>>,
}

impl Resolver {
    /// An error where this user may not have the port, or another name server has it.
    pub(crate) fn start(folder: &Path, records: Vec<Record>) -> io::Result<Self> {
        let socket = UdpSocket::bind((NETWORK, 53))?;
        socket.set_read_timeout(Some(Duration::from_millis(50)))?;
        let configuration = folder.join("resolv.conf");
        std::fs::write(&configuration, format!("nameserver {NETWORK}\n"))?;
        let over = Arc::new(AtomicBool::new(false));
        let ended = over.clone();
        let serving = std::thread::spawn(move || {
            let mut question = [0; 512];
            while !ended.load(Ordering::Relaxed) {
                let Ok((bytes, from)) = socket.recv_from(&mut question) else { continue };
                answer(&socket, from, &question[..bytes], &records);
            }
        });
        Ok(Self { configuration, over, serving: Some(serving) })
    }

    /// `command` in a process that finds names here.
    pub(crate) fn asked_by(&self, command: &Command) -> Command {
        let script = "mount --bind \"$0\" /etc/resolv.conf && exec \"$@\"";
        let mut inside = Command::new("unshare");
        inside.args(["--mount", "sh", "-c", script]).arg(&self.configuration);
        inside.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => inside.env(name, value),
                None => inside.env_remove(name),
            };
        }
        if let Some(folder) = command.get_current_dir() {
            inside.current_dir(folder);
        }
        inside
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        let _ = self.serving.take().map(JoinHandle::join);
    }
}

/// The name of a question, and where what follows it begins.
fn name(packet: &[u8]) -> Option<(String, usize)> {
    let (mut name, mut at) = (String::new(), 12);
    loop {
        let length = usize::from(*packet.get(at)?);
        at += 1;
        if length == 0 {
            return Some((name, at));
        }
        if !name.is_empty() {
            name.push('.');
        }
        name.push_str(&String::from_utf8_lossy(packet.get(at..at + length)?).to_lowercase());
        at += length;
    }
}

fn encoded(name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for label in name.split('.') {
        out.push(label.len() as u8);
        out.extend_from_slice(label.as_bytes());
    }
    out.push(0);
    out
}

fn answer(socket: &UdpSocket, from: SocketAddr, packet: &[u8], records: &[Record]) {
    let Some((asked, end)) = name(packet) else { return };
    let Some(kind) = packet.get(end..end + 2).map(|kind| u16::from_be_bytes([kind[0], kind[1]])) else { return };
    let found: Vec<Vec<u8>> = records
        .iter()
        .filter_map(|record| match record {
            Record::Srv(name, port, target) if *name == asked && kind == SRV => {
                Some([[0, 0, 0, 0].as_slice(), &port.to_be_bytes(), &encoded(target)].concat())
            }
            Record::Txt(name, text) if *name == asked && kind == TXT => {
                Some([&[text.len() as u8], text.as_bytes()].concat())
            }
            Record::A(name, address) if *name == asked && kind == A => Some(address.to_vec()),
            _ => None,
        })
        .collect();
    let mut out = [&packet[..2], &[0x85, 0x80, 0, 1, 0, found.len() as u8, 0, 0, 0, 0], &packet[12..end + 4]].concat();
    for data in found {
        // The name of the question, class IN, a minute.
        out.extend_from_slice(&[0xC0, 12, 0, kind as u8, 0, 1, 0, 0, 0, 60]);
        out.extend_from_slice(&(data.len() as u16).to_be_bytes());
        out.extend_from_slice(&data);
    }
    let _ = socket.send_to(&out, from);
}
