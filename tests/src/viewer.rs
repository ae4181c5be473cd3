//! A `convert view` at work, and a client of it that is no browser.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::build_folder;

/// How long the index of a small run may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// A server, ended with this.
pub struct Viewer {
    child: Child,
    /// What it printed: the address with the token.
    pub address: String,
    /// `http://HOST:PORT`.
    pub origin: String,
    cookie: String,
    agent: ureq::Agent,
}

impl Viewer {
    /// Starts a server of a run, and waits for its index.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(run: &Path, arguments: &[&str]) -> Self {
        let viewer = Self::begin(run, arguments);
        let begun = Instant::now();
        loop {
            let answer = viewer.json("/api/run");
            assert!(answer["index"]["error"].is_null(), "{answer}");
            if answer["index"]["ready"] == true {
                return viewer;
            }
            assert!(begun.elapsed() < PATIENCE, "no index: {answer}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Starts a server of a run, whose index may not be there yet.
    ///
    /// # Panics
    /// When it does not start.
    pub fn begin(run: &Path, arguments: &[&str]) -> Self {
        let mut child = Command::new(build_folder().join("convert"))
            .env_remove("CONVERT_PLUGIN_PATH")
            .arg("view")
            .arg(run)
            .args(["--port", "0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .expect("convert can be started");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("its output")).read_line(&mut line).expect("a line");
        let address = line.trim().to_owned();
        let origin = address.split("/?").next().expect("an address").to_owned();
        assert!(origin.starts_with("http://127.0.0.1:"), "{address:?}");
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0).build().into();
        let entered = agent.get(&address).call().expect("an answer");
        assert_eq!(entered.status(), 303);
        let cookie = entered.headers()["set-cookie"].to_str().expect("text").split(';').next().expect("a cookie").to_owned();
        Self { child, address, origin, cookie, agent }
    }

    /// The answer to a request with these headers beside nothing at all: its status and text.
    ///
    /// # Panics
    /// Without an answer.
    pub fn bare(&self, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
        let request = headers.iter().fold(self.agent.get(format!("{}{path}", self.origin)), |request, (name, value)| request.header(*name, *value));
        let mut answer = request.call().expect("an answer");
        (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap_or_default())
    }

    /// The cookie that the server gave.
    pub fn cookie(&self) -> &str {
        &self.cookie
    }

    /// The answer to a page's request: its status, media type and body.
    ///
    /// # Panics
    /// Without an answer.
    pub fn get(&self, path: &str) -> (u16, String, Vec<u8>) {
        let mut answer = self.agent.get(format!("{}{path}", self.origin)).header("cookie", &self.cookie).call().expect("an answer");
        let kind = answer.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default().to_owned();
        (answer.status().as_u16(), kind, answer.body_mut().read_to_vec().expect("a body"))
    }

    /// The JSON at an address.
    ///
    /// # Panics
    /// When it is none, or there is none.
    pub fn json(&self, path: &str) -> Value {
        let (status, _, body) = self.get(path);
        assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).expect("JSON")
    }

    /// The samples that match a query, in order.
    ///
    /// # Panics
    /// When there is no such query.
    pub fn query(&self, query: &str) -> Vec<u32> {
        let (status, kind, body) = self.get(&format!("/api/query?{query}"));
        assert_eq!((status, kind.as_str()), (200, "application/octet-stream"), "{query}: {}", String::from_utf8_lossy(&body));
        body.as_chunks::<4>().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect()
    }

    /// The answer to what a page sends.
    ///
    /// # Panics
    /// Without an answer.
    pub fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let request = self.agent.post(format!("{}{path}", self.origin)).header("cookie", &self.cookie).header("origin", &self.origin);
        let mut answer = request.header("content-type", "application/json").send(body.to_string()).expect("an answer");
        let text = answer.body_mut().read_to_string().unwrap_or_default();
        (answer.status().as_u16(), serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// A figure of the server's memory in MiB, as the kernel calls it, such as `VmHWM`.
    pub fn memory(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).map_or(0, |kib| kib / 1024)
    }

    /// Ends it as the kernel would.
    ///
    /// # Panics
    /// When it cannot be ended.
    pub fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// Ends it as Ctrl-C does; its exit code.
    ///
    /// # Panics
    /// When it cannot be ended.
    pub fn interrupt(mut self) -> Option<i32> {
        let interrupted = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().expect("kill");
        assert!(interrupted.success());
        self.child.wait().expect("it ends").code()
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
