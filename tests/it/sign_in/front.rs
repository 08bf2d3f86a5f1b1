//! A server of which only the HTTP side matters, and requests to it as they stand on the wire.

use crate::harness::{Harness, write_env};
use crate::locks::authority::{Authority, put};
use crate::running::{Running, eventually};
use crate::server::{PATIENCE, free_addresses};
use serde_json::Value;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

pub(super) struct Front {
    harness: &'static Harness,
    folder: PathBuf,
    authority: Option<Authority>,
    http: SocketAddr,
    pub(super) mqtt: SocketAddr,
    server: Option<Running>,
}

/// An answer; the status is 0 where there was none.
pub(super) struct Told {
    pub(super) status: u16,
    head: String,
    pub(super) text: String,
}

impl Told {
    fn of(said: &str) -> Self {
        let (head, text) = said.split_once("\r\n\r\n").unwrap_or((said, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Self { status, head: head.to_owned(), text: text.to_owned() }
    }

    pub(super) fn header(&self, name: &str) -> String {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map_or_else(String::new, |(_, value)| value.to_owned())
    }

    pub(super) fn headers(&self) -> Vec<(String, String)> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    pub(super) fn cookie(&self) -> String {
        self.header("set-cookie").split(';').next().unwrap_or_default().to_owned()
    }
}

/// A connection on which the server goes on telling.
pub(super) struct Stream(TcpStream);

impl Stream {
    pub(super) fn until_it_ends(&mut self) {
        let mut said = Vec::new();
        self.0.read_to_end(&mut said).expect("it ends before the patience does");
        assert!(String::from_utf8_lossy(&said).contains("event: snapshot"), "it had told something");
    }
}

impl Front {
    /// Not running yet; `keys` are of `[http]`. Its databases are away.
    pub(super) fn new(harness: &'static Harness, secured: bool, keys: &str) -> Self {
        let folder = harness.folder("front");
        let [http, mqtt] = free_addresses();
        let authority = secured.then(|| Authority::new("office authority"));
        let front = Self { harness, folder, authority, http, mqtt, server: None };
        let mut text = format!("data_dir = \"data\"\n[http]\nlisten = \"{http}\"\n{keys}\n");
        if let Some(authority) = &front.authority {
            put(&front.folder, "ca.pem", &authority.pem);
            front.certify("server", 1);
            text.push_str("tls = { cert_file = \"server.pem\", key_file = \"server.key\" }\n");
        }
        write!(text, "[[listeners]]\ntype = \"mqtt\"\nname = \"mqtt\"\nlisten = \"{mqtt}\"\n[clients]\n").unwrap();
        std::fs::write(front.folder.join("genims.toml"), text).unwrap();
        let nobody = ["POSTGRES", "MYSQL"]
            .map(|engine| (format!("GENIMS_{engine}_URL"), format!("{}://u:p@127.0.0.1:1/", engine.to_lowercase())));
        front.reach(&nobody[..1]);
        front
    }

    pub(super) fn reach(&self, variables: &[(String, String)]) {
        let text: String = variables.iter().map(|(name, value)| format!("{name}='{value}'\n")).collect();
        write_env(&self.folder.join(".env"), text);
    }

    /// Another certificate of the server.
    pub(super) fn certify(&self, name: &str, serial: u64) {
        let issued = self.authority.as_ref().expect("secured").issue(name, serial, (2000, 4000));
        put(&self.folder, "server.key", &issued.key);
        put(&self.folder, "server.pem", &issued.cert);
    }

    pub(super) fn serve(&mut self) {
        self.server = Some(self.harness.spawn(&["--config", "genims.toml", "serve"], &self.folder));
        eventually("it answers", PATIENCE, || self.get("/healthz", None).status == 200);
    }

    pub(super) fn terminate(&mut self) {
        let server = self.server.take().expect("it runs");
        server.terminate();
        assert!(server.wait(PATIENCE).expect("it ends").success(), "{}", server.log_text());
    }

    pub(super) fn log(&self) -> String {
        self.file("../genims.log")
    }

    /// Of the data folder.
    pub(super) fn file(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.join("data").join(name)).unwrap()
    }

    /// Whether the data folder has it.
    pub(super) fn has(&self, name: &str) -> bool {
        self.folder.join("data").join(name).exists()
    }

    pub(super) fn mode(&self, name: &str) -> u32 {
        std::fs::metadata(self.folder.join("data").join(name)).unwrap().permissions().mode() & 0o777
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.http
    }

    /// A command that succeeds; what it printed.
    pub(super) fn cli(&self, arguments: &[&str]) -> String {
        let (good, told) = self.run(&[&["--config", "genims.toml"], arguments].concat(), &[]);
        assert!(good, "{arguments:?}: {told}");
        told
    }

    /// Whether a command succeeds, with some more variables, and what it printed; where it fails its errors, too.
    pub(super) fn run(&self, arguments: &[&str], more: &[(&str, &str)]) -> (bool, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_genims"));
        command.args(arguments).current_dir(&self.folder).envs(more.iter().copied()).stdin(Stdio::null());
        let output = command.output().unwrap();
        let error = if output.status.success() { &[][..] } else { &output.stderr };
        let told = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(error);
        (output.status.success(), told)
    }

    /// `trusted`: a variable that says whose certificates are.
    pub(super) fn top(&self, token: &str, trusted: (&str, &str)) -> String {
        // The certificate names a name, and the configuration an address.
        let url = format!("https://localhost:{}", self.http.port());
        let more = if self.authority.is_some() { &["--url", url.as_str()][..] } else { &[] };
        self.run(&[&["--config", "genims.toml", "top", "--once"], more].concat(), &[("GENIMS_TOKEN", token), trusted]).1
    }

    /// Whether a configuration with these keys of `[http]` is good, and what is told of it.
    pub(super) fn validate(&self, keys: &str) -> (bool, String) {
        std::fs::write(self.folder.join("other.toml"), format!("data_dir = \"other\"\n[http]\n{keys}\n")).unwrap();
        self.run(&["--config", "other.toml", "validate"], &[])
    }

    /// A new user's secret.
    pub(super) fn add(&self, name: &str, role: &str) -> String {
        let told: Value = serde_json::from_str(&self.cli(&["user", "--json", "add", name, "--role", role])).unwrap();
        told["secret"].as_str().unwrap().to_owned()
    }

    pub(super) fn token(&self, name: &str) -> String {
        let told: Value = serde_json::from_str(&self.cli(&["user", "--json", "token", name])).unwrap();
        told["token"].as_str().unwrap().to_owned()
    }

    /// The cookie of a new session.
    pub(super) fn sign_in(&self, name: &str, secret: &str) -> String {
        let mut cookie = String::new();
        eventually(&format!("{name} signs in: {}", self.log()), PATIENCE, || {
            let told = self.post("/sign-in", None, &format!("name={name}&secret={secret}"));
            cookie = told.cookie();
            told.status == 303
        });
        cookie
    }

    pub(super) fn get(&self, path: &str, cookie: Option<&str>) -> Told {
        self.with("GET", path, &cookies(cookie), "")
    }

    /// As a browser asks for something to show.
    pub(super) fn page(&self, path: &str, cookie: Option<&str>) -> Told {
        let accept = ("Accept".to_owned(), "text/html,*/*".to_owned());
        self.with("GET", path, &[cookies(cookie), vec![accept]].concat(), "")
    }

    pub(super) fn post(&self, path: &str, cookie: Option<&str>, form: &str) -> Told {
        let kind = ("Content-Type".to_owned(), "application/x-www-form-urlencoded".to_owned());
        self.with("POST", path, &[cookies(cookie), vec![kind]].concat(), form)
    }

    pub(super) fn with(&self, method: &str, path: &str, headers: &[(String, String)], body: &str) -> Told {
        let request = self.request(method, path, headers, body, "Connection: close\r\n");
        Told::of(&if self.authority.is_some() { self.over_tls(&request) } else { self.said(&request, false) })
    }

    fn request(&self, method: &str, path: &str, headers: &[(String, String)], body: &str, more: &str) -> String {
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let (port, length) = (self.http.port(), body.len());
        format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Length: {length}\r\n{more}{headers}\r\n{body}"
        )
    }

    /// What is said to a whole request, in clear. Its end is left to the server: one that is half closed counts as given up.
    pub(super) fn answer(&self, request: &str) -> String {
        self.said(request, false)
    }

    /// What is said to these bytes, in clear, when no more come.
    pub(super) fn in_clear(&self, bytes: &str) -> String {
        self.said(bytes, true)
    }

    fn said(&self, bytes: &str, no_more: bool) -> String {
        let Ok(mut socket) = TcpStream::connect(self.http) else { return String::new() };
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        // It may have closed by now, and its answer be lost with what it did not read.
        let _ = socket.write_all(bytes.as_bytes());
        if no_more {
            let _ = socket.shutdown(Shutdown::Write);
        }
        let mut said = Vec::new();
        let _ = socket.read_to_end(&mut said);
        String::from_utf8_lossy(&said).into_owned()
    }

    fn over_tls(&self, request: &str) -> String {
        let mut child = self.openssl(&["-quiet", "-verify_return_error", "-verify_hostname", "localhost"]);
        // Where nobody listens, or the server is not who it has to be, it has ended by now.
        let _ = child.stdin.take().unwrap().write_all(request.as_bytes());
        String::from_utf8_lossy(&child.wait_with_output().unwrap().stdout).into_owned()
    }

    /// Whether the server's certificate bears this name.
    pub(super) fn shows(&self, name: &str) -> bool {
        let child = self.openssl(&[]);
        let told = String::from_utf8_lossy(&child.wait_with_output().unwrap().stdout).into_owned();
        // Its releases differ in blanks.
        told.replace(" = ", "=").contains(&format!("CN={name}"))
    }

    fn openssl(&self, arguments: &[&str]) -> std::process::Child {
        let mut command = Command::new("openssl");
        command.args(["s_client", "-CAfile", "ca.pem", "-connect", &self.http.to_string()]).args(arguments);
        command.current_dir(&self.folder).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        if arguments.is_empty() {
            drop(child.stdin.take());
        }
        child
    }

    pub(super) fn listen(&self, path: &str, headers: &[(String, String)]) -> Stream {
        let mut socket = TcpStream::connect(self.http).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.write_all(self.request("GET", path, headers, "", "Connection: close\r\n").as_bytes()).unwrap();
        // An event has come, and is still there to be read.
        let mut seen = [0; 4_096];
        eventually("an event", PATIENCE, || {
            let found = socket.peek(&mut seen).unwrap_or(0);
            String::from_utf8_lossy(&seen[..found]).contains("event: snapshot")
        });
        Stream(socket)
    }
}

fn cookies(cookie: Option<&str>) -> Vec<(String, String)> {
    cookie.into_iter().map(|cookie| ("Cookie".to_owned(), cookie.to_owned())).collect()
}
