//! A Prometheus of a test's own, and `promtool`.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::DEADLINE;

/// The first line of every test that needs it: skips the test where none can be had. In CI that fails instead.
macro_rules! needs_prometheus {
    () => {
        if let Err(missing) = $crate::watching::prometheus::folder() {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "{missing}");
            eprintln!("skipped: {missing}");
            return;
        }
    };
}
pub(super) use needs_prometheus;

/// Ends with the value.
pub(super) struct Prometheus {
    process: Child,
    _folder: TempDir,
    url: String,
    agent: ureq::Agent,
}

impl Prometheus {
    /// Scrapes a daemon every second, and evaluates the rules of a file as often.
    pub(super) fn scraping(metrics: &str, rules: &Path) -> Self {
        let folder = TempDir::new().unwrap();
        let config = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: [{}]\nscrape_configs:\n  \
             - {{job_name: readside, static_configs: [{{targets: ['{}']}}]}}\n",
            rules.display(),
            metrics.trim_start_matches("http://")
        );
        let path = folder.path().join("prometheus.yml");
        std::fs::write(&path, config).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = Command::new(program("prometheus"))
            .arg(format!("--config.file={}", path.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("prometheus starts");
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        Self { process, _folder: folder, url: format!("http://127.0.0.1:{port}"), agent }
    }

    /// The samples of an expression now; none while Prometheus is starting.
    pub(super) fn ask(&self, expression: &str) -> Vec<Value> {
        let request = self.agent.get(format!("{}/api/v1/query", self.url)).query("query", expression);
        let Ok(mut answer) = request.call() else { return Vec::new() };
        let text = answer.body_mut().read_to_string().expect("a body");
        let Ok(answer) = serde_json::from_str::<Value>(&text) else { return Vec::new() };
        assert_ne!(answer["status"], "error", "{expression}: {answer}");
        answer["data"]["result"].as_array().cloned().unwrap_or_default()
    }

    /// The samples of an expression, once there are some within the deadline.
    pub(super) fn samples(&self, expression: &str, within: Duration) -> Vec<Value> {
        let deadline = Instant::now() + within;
        loop {
            let samples = self.ask(expression);
            if !samples.is_empty() || Instant::now() >= deadline {
                return samples;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// The value of an expression that has one, once `wanted` is true of it.
    pub(super) fn wait(&self, expression: &str, wanted: impl Fn(f64) -> bool) -> f64 {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let samples = self.ask(expression);
            let value = samples.first().and_then(|sample| sample["value"][1].as_str()?.parse().ok());
            match value.filter(|value| wanted(*value)) {
                Some(value) => return value,
                None => assert!(Instant::now() < deadline, "{expression}: {samples:?}"),
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What `promtool` says: whether it is content, and its words.
pub(super) fn promtool(arguments: &[&str], input: &str) -> (bool, String) {
    let mut process = Command::new(program("promtool"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool starts");
    std::io::Write::write_all(&mut process.stdin.take().unwrap(), input.as_bytes()).unwrap();
    let output = process.wait_with_output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

fn program(name: &str) -> PathBuf {
    folder().as_ref().expect("a Prometheus").join(name)
}

/// Where the programs are, or why there are none. `PROMETHEUS_BIN=none` says that there is no use in looking.
pub(super) fn folder() -> &'static Result<PathBuf, String> {
    static FOLDER: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    FOLDER.get_or_init(|| {
        if std::env::var("PROMETHEUS_BIN").as_deref() == Ok("none") {
            return Err("there is no Prometheus".to_owned());
        }
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/prometheus");
        let output = Command::new(script).output().map_err(|error| format!("{script}: {error}"))?;
        match output.status.success() {
            true => Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())),
            false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        }
    })
}
