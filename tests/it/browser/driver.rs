//! Chromium, and the program of its makers by which others drive it (WebDriver).

use crate::harness::Harness;
use crate::running::{Running, goes_on};
use crate::server::PATIENCE;
use fantoccini::error::CmdError;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use http::Method;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use url::{ParseError, Url};

pub(super) const TAB: char = '\u{e004}';
pub(super) const ENTER: char = '\u{e007}';

pub(super) struct Browser {
    harness: &'static Harness,
    client: Client,
    /// Ends with this, and the browser with it.
    _driver: Running,
}

/// A command of the session that the library has no function for.
#[derive(Debug)]
struct Asked {
    path: String,
    /// `None`: it only asks.
    body: Option<Value>,
}

impl WebDriverCompatibleCommand for Asked {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        match &self.body {
            Some(body) => (Method::POST, Some(body.to_string())),
            None => (Method::GET, None),
        }
    }
}

impl Browser {
    pub(super) fn open(harness: &'static Harness) -> Self {
        let folder = harness.folder("browser");
        let mut command = Command::new("chromedriver");
        // Its settings and caches stay here.
        command.arg("--port=0").env("HOME", &folder).current_dir(&folder);
        let driver = Running::spawn(command, folder.join("chromedriver.log"));
        let mut port = None;
        goes_on("the driver says where it listens", PATIENCE, || {
            let log = driver.log_text();
            port = log
                .split_once("started successfully on port ")
                .and_then(|(_, rest)| rest.split('.').next()?.parse().ok());
            port.is_none().then_some(log)
        });
        let port: u16 = port.expect("it has said");
        // Tests run as root, and where shared memory is small.
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--no-first-run",
            &format!("--user-data-dir={}", folder.join("profile").display()),
        ];
        let capabilities = json!({
            "browserName": "chrome",
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "WARNING" },
        });
        let Value::Object(capabilities) = capabilities else { unreachable!("it is an object") };
        let client = harness.block_on(async {
            let mut builder = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new());
            builder.capabilities(capabilities).connect(&format!("http://127.0.0.1:{port}")).await.unwrap()
        });
        Self { harness, client, _driver: driver }
    }

    #[track_caller]
    fn wait<T>(&self, answer: impl Future<Output = Result<T, CmdError>>) -> T {
        self.harness.block_on(answer).unwrap_or_else(|error| panic!("the browser: {error:?}"))
    }

    #[track_caller]
    fn ask(&self, path: &str, body: Option<Value>) -> Value {
        self.wait(self.client.issue_cmd(Asked { path: path.to_owned(), body }))
    }

    fn devtools(&self, command: &str, parameters: Value) {
        self.ask("goog/cdp/execute", Some(json!({ "cmd": command, "params": parameters })));
    }

    pub(super) fn goto(&self, url: &str) {
        self.wait(self.client.goto(url));
    }

    /// The window, and whether it is that of a phone.
    pub(super) fn size(&self, (width, height): (u32, u32), mobile: bool) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics);
    }

    pub(super) fn prefer(&self, scheme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": features }));
    }

    /// What is asked of addresses like these fails from now on, also what is kept from before.
    pub(super) fn refuse(&self, addresses: &[&str]) {
        self.devtools("Network.enable", json!({}));
        self.devtools("Network.setCacheDisabled", json!({ "cacheDisabled": true }));
        self.devtools("Network.setBlockedURLs", json!({ "urls": addresses }));
    }

    /// What a script of a function's body returns.
    #[track_caller]
    pub(super) fn run(&self, script: &str, arguments: &[Value]) -> Value {
        self.wait(self.client.execute(script, arguments.to_vec()))
    }

    /// What can be read.
    pub(super) fn text(&self) -> String {
        self.run("return document.body.innerText;", &[]).as_str().unwrap_or_default().to_owned()
    }

    pub(super) fn press(&self, key: char) {
        let keys = json!([{ "type": "keyDown", "value": key }, { "type": "keyUp", "value": key }]);
        let actions = json!([{ "type": "key", "id": "keyboard", "actions": keys }]);
        self.ask("actions", Some(json!({ "actions": actions })));
    }

    /// By what name a screen reader knows each of what a selector finds and can be seen, and what it is.
    pub(super) fn labels(&self, selector: &str) -> Vec<(String, String)> {
        let elements = self.wait(self.client.find_all(Locator::Css(selector)));
        let mut labels = Vec::new();
        for element in elements {
            if self.wait(element.is_displayed()) {
                let label = self.ask(&format!("element/{}/computedlabel", element.element_id().as_ref()), None);
                labels.push((label.as_str().unwrap_or_default().to_owned(), self.wait(element.html(false))));
            }
        }
        labels
    }

    /// What its console holds of warnings and errors.
    pub(super) fn complaints(&self) -> Vec<String> {
        let entries = self.ask("se/log", Some(json!({ "type": "browser" })));
        let entries = entries.as_array().cloned().unwrap_or_default();
        entries.iter().map(|entry| entry["message"].to_string()).collect()
    }

    pub(super) fn screenshot(&self, name: &str) {
        let folder: PathBuf = Path::new(env!("CARGO_TARGET_TMPDIR")).join("screenshots");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{name}.png")), self.wait(self.client.screenshot())).unwrap();
    }

    pub(super) fn close(self) {
        self.harness.block_on(self.client.close()).unwrap();
    }
}
