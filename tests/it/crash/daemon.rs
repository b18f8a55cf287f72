//! The program as a process: started, asked over HTTP, killed, and its log read.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::DEADLINE;

/// A running daemon; killed with the value.
pub(crate) struct Daemon {
    process: Child,
    log: Arc<Mutex<Vec<String>>>,
    agent: ureq::Agent,
    url: String,
    metrics: String,
}

impl Daemon {
    /// Starts the program and waits until it listens.
    pub(crate) fn start(config: &Path) -> Self {
        let mut daemon = Self::spawn(config);
        daemon.listening();
        daemon
    }

    /// Waits until it listens, and asks there from now on.
    pub(crate) fn listening(&mut self) {
        let line = self.wait_for_log("\"listening\"");
        let line: Value = serde_json::from_str(&line).expect("a JSON line");
        let address = |listener: &str| format!("http://{}", line["fields"][listener].as_str().expect("an address"));
        (self.url, self.metrics) = (address("http"), address("metrics"));
    }

    /// Starts the program with more arguments and waits until it listens.
    pub(crate) fn start_with(config: &Path, arguments: &[&str]) -> Self {
        let mut daemon = Self::spawn_with(config, arguments, &[]);
        daemon.listening();
        daemon
    }

    /// Starts the program with more variables and waits until it listens.
    pub(crate) fn start_among(config: &Path, variables: &[(&str, &str)]) -> Self {
        let mut daemon = Self::spawn_with(config, &[], variables);
        daemon.listening();
        daemon
    }

    /// Starts the program, whatever becomes of it.
    pub(crate) fn spawn(config: &Path) -> Self {
        Self::spawn_with(config, &[], &[])
    }

    fn spawn_with(config: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(binary());
        command.envs(variables.iter().copied());
        Self::spawn_by(command, config, arguments)
    }

    /// Starts the program by a command that has its environment, and waits until it listens.
    pub(crate) fn start_by(command: Command, config: &Path) -> Self {
        let mut daemon = Self::spawn_by(command, config, &[]);
        daemon.listening();
        daemon
    }

    fn spawn_by(mut command: Command, config: &Path, arguments: &[&str]) -> Self {
        let mut process = command
            .args(["run", "--log-json", "--config"])
            .arg(config)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let log: Arc<Mutex<Vec<String>>> = Arc::default();
        let (lines, stderr) = (log.clone(), process.stderr.take().expect("a pipe"));
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                lines.lock().expect("the log").push(line);
            }
        });
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        Self { process, log, agent, url: String::new(), metrics: String::new() }
    }

    /// Where it listens, as a URL.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    /// The number of its process.
    pub(crate) fn process(&self) -> u32 {
        self.process.id()
    }

    /// Status and body of an answer.
    pub(crate) fn get(&self, path: &str) -> (u16, Value) {
        read(self.agent.get(format!("{}{path}", self.url)).call())
    }

    /// The sum of a metric's samples whose labels contain all of `labels`.
    pub(crate) fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let (_, page) = read(self.agent.get(format!("{}/metrics", self.metrics)).call());
        let page = page.as_str().expect("text").to_owned();
        let samples = page.lines().filter(|line| line.split(['{', ' ']).next() == Some(name));
        let wanted = samples.filter(|line| labels.iter().all(|label| line.contains(label)));
        wanted.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    /// The samples of all metrics whose names begin with `prefix`, as they are written.
    pub(crate) fn samples(&self, prefix: &str) -> Vec<String> {
        let (_, page) = read(self.agent.get(format!("{}/metrics", self.metrics)).call());
        let page = page.as_str().expect("text").to_owned();
        page.lines().filter(|line| line.starts_with(prefix)).map(str::to_owned).collect()
    }

    /// Status and body of the answer to JSON.
    pub(crate) fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let request = self.agent.post(format!("{}{path}", self.url)).content_type("application/json");
        read(request.send(body.to_string()))
    }

    pub(crate) fn sql(&self, sql: &str) -> Value {
        let (status, answer) = self.post("/v1/sql", &serde_json::json!({ "sql": sql }));
        assert_eq!(status, 200, "{sql}: {answer}");
        answer
    }

    /// The source's status.
    pub(crate) fn source(&self) -> Value {
        self.get("/v1/sources/orders").1["item"].clone()
    }

    /// How far the source has come; 0 while that is not known.
    pub(crate) fn position(&self) -> u64 {
        self.source()["position"].as_u64().unwrap_or(0)
    }

    /// Waits until everything through `position` is applied and the source is live.
    pub(crate) fn catch_up(&self, position: u64, deadline: Duration) {
        self.wait(&format!("position {position}"), deadline, |daemon| {
            let source = daemon.source();
            (source["position"] == position && source["state"] == "live").then_some(())
        });
    }

    /// Waits until `found` gives something.
    pub(crate) fn wait<T>(&self, what: &str, within: Duration, found: impl Fn(&Self) -> Option<T>) -> T {
        let deadline = Instant::now() + within;
        loop {
            if let Some(found) = found(self) {
                return found;
            }
            if Instant::now() >= deadline {
                let (_, projections) = self.get("/v1/projections");
                panic!("no {what}; the projections: {projections}; the source: {}", self.source());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for a line of the log that contains `text`.
    pub(crate) fn wait_for_log(&mut self, text: &str) -> String {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(line) = self.logged(text) {
                return line;
            }
            let ended = self.process.try_wait().expect("a status");
            // What it wrote last may still be on its way.
            assert!(ended.is_none() || self.logged_soon(text), "it ended ({ended:?}) without {text:?} in the log");
            assert!(Instant::now() < deadline, "no {text:?} in the log");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The first line of the log that contains `text`.
    pub(crate) fn logged(&self, text: &str) -> Option<String> {
        self.log.lock().expect("the log").iter().find(|line| line.contains(text)).cloned()
    }

    /// The first line of the log that contains `text`, once it is there: a line is read a moment after it was written.
    pub(crate) fn says(&self, text: &str) -> String {
        self.wait(text, DEADLINE, |daemon| daemon.logged(text))
    }

    /// The lines of the log, those of its end as well once it has ended.
    pub(crate) fn log(&self) -> Arc<Mutex<Vec<String>>> {
        self.log.clone()
    }

    /// All lines of the log that contain `text`.
    pub(crate) fn all_logged(&self, text: &str) -> Vec<String> {
        self.log.lock().expect("the log").iter().filter(|line| line.contains(text)).cloned().collect()
    }

    fn logged_soon(&self, text: &str) -> bool {
        let deadline = Instant::now() + Duration::from_secs(1);
        while Instant::now() < deadline {
            if self.logged(text).is_some() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        false
    }

    /// SIGKILL.
    pub(crate) fn kill(mut self) {
        self.process.kill().expect("it ends");
        self.process.wait().expect("it ended");
    }

    /// SIGTERM; how it ended, and after how long.
    pub(crate) fn terminate(mut self) -> (ExitStatus, Duration) {
        let began = Instant::now();
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs").success());
        let status = self.ended();
        (status, began.elapsed())
    }

    /// Waits until it ends by itself.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.process.try_wait().expect("a status") {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            let log = self.log.lock().map(|log| log.clone()).unwrap_or_default();
            println!("the daemon's log ends:");
            log.iter().rev().take(20).rev().for_each(|line| println!("  {line}"));
        }
    }
}

fn read(answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> (u16, Value) {
    let mut answer = answer.expect("an answer");
    let text = answer.body_mut().with_config().limit(1 << 30).read_to_string().expect("a body");
    (answer.status().as_u16(), serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

pub(crate) fn binary() -> PathBuf {
    std::env::var_os("READSIDE_BIN").map_or_else(|| env!("CARGO_BIN_EXE_readside").into(), PathBuf::from)
}
