//! The program that is measured, and what it is configured with.

use std::fs::{File, read_to_string, write};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::events::{PROJECTIONS, source};
use crate::http::{Connection, get, post};
use crate::processes::{Running, free_port, processor_seconds};

/// Within it everything that was published has to be there.
const READ_TIMEOUT: Duration = Duration::from_secs(600);
/// At rest is who takes no more than this share of a processor.
const REST: f64 = 0.05;
const REST_TIMEOUT: Duration = Duration::from_secs(60);

pub(crate) struct Daemon {
    process: Running,
    log: PathBuf,
    pub(crate) http: SocketAddr,
    /// None where the PostgreSQL protocol is not measured: an older program does not know it.
    pub(crate) postgres: Option<SocketAddr>,
}

impl Daemon {
    /// # Errors
    /// Where the program does not start.
    pub(crate) fn start(folder: &Path, nats: &str, has_postgres: bool) -> io::Result<Self> {
        let local = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let (http, metrics) = (local(free_port()?), local(free_port()?));
        let postgres = if has_postgres { Some(local(free_port()?)) } else { None };
        let door = postgres.map_or(String::new(), |postgres| format!("postgres: {{listen: \"{postgres}\"}}\n"));
        // One answer has all rows, so the limits of answers are those of rows times what one takes.
        let settings = format!(
            "nats: {{url: \"{nats}\"}}\ndata_dir: ./data\nsources: source.yaml\nprojections: projections.yaml\n\
             http: {{listen: \"{http}\", answers: 4GiB}}\nmetrics: {{listen: \"{metrics}\"}}\n{door}\
             limits: {{max_rows: 100000000, memory: 4GiB, timeout: 60s}}\n"
        );
        write(folder.join("readside.yaml"), settings)?;
        write(folder.join("source.yaml"), source())?;
        write(folder.join("projections.yaml"), PROJECTIONS)?;
        let log = folder.join("log");
        let mut command = Command::new(program());
        command.args(["run", "--config", "readside.yaml"]).current_dir(folder);
        let process = Running::start(command.stdout(Stdio::null()).stderr(File::create(&log)?))?;
        Ok(Self { process, log, http, postgres })
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Waits until readers find all events up to this one, in the table and in the index.
    ///
    /// # Errors
    /// Where it takes too long, or the process has ended.
    pub(crate) fn wait_for(&mut self, position: u64) -> io::Result<()> {
        let began = Instant::now();
        let demand = format!("pageSize=1&minPosition=bench:{position}&wait=1s");
        let requests =
            [format!("/v1/tables/accounts?{demand}"), format!("/v1/search/documents?{demand}")].map(|path| get(&path));
        for request in requests {
            loop {
                let answered = Connection::open(self.http).and_then(|mut http| http.ask_well(&request).map(|_| ()));
                let Err(error) = answered else { break };
                if began.elapsed() > READ_TIMEOUT || self.process.has_ended() {
                    let log = read_to_string(&self.log).unwrap_or_default();
                    return Err(io::Error::other(format!("{error}\n{log}")));
                }
                std::thread::sleep(Duration::from_millis(100));
            }
        }
        Ok(())
    }

    /// Waits until it does nothing any more: checkpoints are written and indexes are merged after readers find the rows.
    ///
    /// # Errors
    /// Where the process has ended.
    pub(crate) fn wait_for_rest(&self) -> io::Result<()> {
        let began = Instant::now();
        let mut taken = processor_seconds(self.id())?;
        let mut calm = 0;
        while calm < 2 && began.elapsed() < REST_TIMEOUT {
            std::thread::sleep(Duration::from_secs(1));
            let now = processor_seconds(self.id())?;
            calm = if now - taken <= REST { calm + 1 } else { 0 };
            taken = now;
        }
        Ok(())
    }

    /// `pause` or `resume` for the source.
    ///
    /// # Errors
    /// What the daemon says.
    pub(crate) fn decide(&self, verb: &str) -> io::Result<()> {
        let request = post(&format!("/v1/admin/sources/bench/{verb}"), "{}");
        Connection::open(self.http)?.ask_well(&request).map(|_| ())
    }

    /// MiB that are resident, and the most that were.
    ///
    /// # Errors
    /// Where the process has ended.
    pub(crate) fn resident_mib(&self) -> io::Result<(u64, u64)> {
        let status = read_to_string(format!("/proc/{}/status", self.id()))?;
        let kib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0)
        };
        Ok((kib("VmRSS:") / 1024, kib("VmHWM:") / 1024))
    }
}

/// `READSIDE_BIN`, else the one that Cargo built for the benchmark, else the release build.
pub(crate) fn program() -> PathBuf {
    if let Some(named) = std::env::var_os("READSIDE_BIN") {
        return std::path::absolute(&named).unwrap_or_else(|_| named.into());
    }
    if let Some(built) = option_env!("CARGO_BIN_EXE_readside") {
        return built.into();
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    std::path::absolute(target.join("release/readside")).unwrap_or_else(|_| target.join("release/readside"))
}
