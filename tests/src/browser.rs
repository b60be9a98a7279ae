//! Headless Chromium, driven through chromedriver.
//!
//! The client is ours, since those there are would change what is tested: fantoccini links a crate
//! under the MPL, and thirtyfour switches on `serde_json`'s `preserve_order`, which would then hold for
//! every binary of a workspace build, but not for the one that ships. `WebDriver` is JSON over HTTP:
//! <https://www.w3.org/TR/webdriver2/>.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{digits, lack, tool};

/// Longest that a page may take for anything.
const PATIENCE: Duration = Duration::from_secs(20);

/// The key of an element's reference in JSON.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser with one tab and a profile of its own; dropped, it is closed.
#[derive(Debug)]
pub struct Browser {
    driver: Child,
    /// Of the session, once there is one.
    url: String,
    agent: ureq::Agent,
    profile: TempDir,
}

impl Browser {
    /// Starts it; `None`, and a line that says so, without Chromium.
    ///
    /// # Panics
    ///
    /// If it does not start.
    #[must_use]
    pub fn start() -> Option<Self> {
        let (chromium, chromedriver) = (tool("chromium")?, tool("chromedriver")?);
        let profile = tempfile::tempdir().expect("a folder");
        let mut driver = Command::new(chromedriver)
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver starts");
        let mut lines = BufReader::new(driver.stdout.take().expect("stdout is piped")).lines();
        let port = lines.by_ref().map_while(Result::ok).find_map(|line| {
            line.split_once("successfully on port ").map(|(_, rest)| digits(rest))
        });
        std::thread::spawn(move || lines.for_each(drop));
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_mins(2)))
            .build()
            .into();
        let url = format!("http://127.0.0.1:{}", port.expect("chromedriver says its port"));
        let mut browser = Self { driver, url, agent, profile };
        let profile = browser.profile.path().display().to_string();
        let session = browser.post(
            "/session",
            &json!({"capabilities": {"alwaysMatch": {
                "browserName": "chrome",
                "goog:loggingPrefs": {"browser": "ALL"},
                "goog:chromeOptions": {"binary": chromium, "args": [
                    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic",
                    "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
                    "--disable-component-update", "--disable-sync", "--hide-scrollbars",
                    format!("--user-data-dir={profile}"),
                ]},
            }}}),
        );
        let id = session["sessionId"].as_str().expect("a session has an id");
        browser.url = format!("{}/session/{id}", browser.url);
        Some(browser)
    }

    /// Opens a page and waits until it is loaded.
    ///
    /// # Panics
    ///
    /// As all of a browser's functions: if the browser refuses.
    pub fn open(&self, url: &str) {
        self.post("/url", &json!({ "url": url }));
    }

    /// What the body of a function returns in the page; a promise is awaited. `arguments` are its
    /// arguments.
    #[expect(clippy::must_use_candidate, reason = "most are run for what they do to the page")]
    pub fn script(&self, body: &str, arguments: &Value) -> Value {
        self.post("/execute/sync", &json!({ "script": body, "args": arguments }))
    }

    /// What an expression is in the page.
    #[must_use]
    pub fn evaluate(&self, expression: &str) -> Value {
        self.script(&format!("return ({expression})"), &json!([]))
    }

    /// The text of an element, as it is seen.
    ///
    /// # Panics
    ///
    /// If there is no such element.
    #[must_use]
    pub fn text(&self, css: &str) -> String {
        let text = self.get(&format!("/element/{}/text", self.find(css)));
        text.as_str().expect("a text").to_owned()
    }

    /// Clicks an element in its middle, where a user would.
    pub fn click(&self, css: &str) {
        self.post(&format!("/element/{}/click", self.find(css)), &json!({}));
    }

    /// Puts a text into a field, key by key, in place of what is there.
    pub fn fill(&self, css: &str, text: &str) {
        let element = self.find(css);
        self.post(&format!("/element/{element}/clear"), &json!({}));
        self.post(&format!("/element/{element}/value"), &json!({ "text": text }));
    }

    /// Waits until an expression is true in the page.
    ///
    /// # Panics
    ///
    /// If it does not become so, with the text of the page.
    pub fn wait(&self, expression: &str) {
        let started = Instant::now();
        while self.evaluate(&format!("Boolean({expression})")) != true {
            assert!(
                started.elapsed() < PATIENCE,
                "still not so: {expression}\nconsole: {:?}\n{}",
                self.console(),
                self.evaluate("document.body.innerText").as_str().unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Lays pages out for a screen of this size, in CSS pixels; a phone's if it is narrow.
    pub fn screen(&self, width: u32, height: u32) {
        let is_phone = width < 600;
        self.devtools(
            "Emulation.setDeviceMetricsOverride",
            &json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": is_phone}),
        );
    }

    /// Takes over what a user prefers: `light` or `dark`.
    pub fn prefer(&self, colours: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": colours}]);
        self.devtools("Emulation.setEmulatedMedia", &json!({ "features": features }));
    }

    /// What the console has said since it was last asked, violations of the content security policy
    /// among them.
    ///
    /// # Panics
    ///
    /// If the browser refuses.
    #[must_use]
    pub fn console(&self) -> Vec<String> {
        let entries = self.post("/se/log", &json!({"type": "browser"}));
        let entries = entries.as_array().expect("a list");
        entries.iter().map(|entry| format!("{} {}", entry["level"], entry["message"])).collect()
    }

    /// Keeps a picture of the whole page as `target/screenshots/NAME.png`, for people.
    ///
    /// # Panics
    ///
    /// If it cannot be taken or kept.
    pub fn picture(&self, name: &str) {
        let folder = crate::target().join("screenshots");
        std::fs::create_dir_all(&folder).expect("a folder");
        let size = self.devtools("Page.getLayoutMetrics", &json!({}));
        let mut clip = size["cssContentSize"].clone();
        clip["scale"] = 1.into();
        let picture = self.devtools(
            "Page.captureScreenshot",
            &json!({"format": "png", "captureBeyondViewport": true, "clip": clip}),
        );
        let picture = BASE64.decode(picture["data"].as_str().expect("a picture"));
        let picture = picture.expect("base64");
        std::fs::write(folder.join(format!("{name}.png")), picture).expect("a file");
    }

    /// The reference of the first element that a selector finds.
    fn find(&self, css: &str) -> String {
        let found = self.post("/element", &json!({"using": "css selector", "value": css}));
        found[ELEMENT].as_str().expect("an element").to_owned()
    }

    /// A command of the `DevTools` protocol.
    fn devtools(&self, command: &str, parameters: &Value) -> Value {
        self.post("/goog/cdp/execute", &json!({ "cmd": command, "params": parameters }))
    }

    fn get(&self, path: &str) -> Value {
        let answer = self.agent.get(format!("{}{path}", self.url)).call();
        value(path, answer)
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        let answer = self.agent.post(format!("{}{path}", self.url)).send_json(body);
        value(path, answer)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Closes Chromium; chromedriver ends then by its process id.
        let _ = self.agent.delete(&self.url).call();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

fn value(path: &str, answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Value {
    let mut answer = answer.unwrap_or_else(|error| panic!("{path}: {error}"));
    let status = answer.status();
    // A picture of a long page is more than ureq reads unasked.
    let body: Value = answer
        .body_mut()
        .with_config()
        .limit(256 << 20)
        .read_json()
        .unwrap_or_else(|error| panic!("{path}: {status}: {error}"));
    assert!(
        status.is_success(),
        "{path}: {}: {}",
        body["value"]["error"],
        body["value"]["message"]
    );
    body["value"].clone()
}

/// The script of axe-core, which finds problems of accessibility; `None`, and a line that says so,
/// where npm did not bring it.
///
/// # Panics
///
/// If it cannot be read.
#[must_use]
pub fn axe() -> Option<String> {
    let given = std::env::var_os("FRAUD_TEST_AXE").map(PathBuf::from);
    let path =
        given.unwrap_or_else(|| crate::target().join("test-node/node_modules/axe-core/axe.min.js"));
    if !path.exists() {
        lack("axe-core", "`cargo xtask test` installs it where npm is");
        return None;
    }
    Some(std::fs::read_to_string(path).expect("a script"))
}
