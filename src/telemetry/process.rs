//! The daemon as the system sees it: which build it is, since when it runs, how much memory it has and may have.

use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use super::gauges::Gauges;
use super::{BUILD_INFO, MEMORY_LIMIT, RESIDENT_MEMORY, START_TIME};

/// What it was built from, where whoever built it has said so.
const REVISION: &str = match option_env!("READSIDE_BUILD_REVISION") {
    Some(revision) => revision,
    None => "unknown",
};

/// Where Linux has the limit of a control group, of the second and of the first version.
const LIMITS: [&str; 2] = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];

static STARTED: OnceLock<f64> = OnceLock::new();

/// Notes that the daemon starts now.
pub(super) fn started() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
    // It starts once.
    let _ = STARTED.set(now);
}

/// The gauges of the process in the Prometheus text format.
pub fn render_process() -> String {
    let mut page = Gauges::default();
    page.set(BUILD_INFO, &[("version", env!("CARGO_PKG_VERSION")), ("revision", REVISION)], 1.0);
    if let Some(started) = STARTED.get() {
        page.set(START_TIME, &[], *started);
    }
    let status = std::fs::read_to_string("/proc/self/status");
    if let Some(bytes) = status.ok().as_deref().and_then(resident) {
        page.set(RESIDENT_MEMORY, &[], bytes as f64);
    }
    if let Some(bytes) = memory_limit() {
        page.set(MEMORY_LIMIT, &[], bytes as f64);
    }
    page.render()
}

/// Bytes that the control group of this process may have; none if there is no limit, or none that can be read.
pub fn memory_limit() -> Option<u64> {
    LIMITS.iter().find_map(|path| limit(&std::fs::read_to_string(path).ok()?))
}

/// Of the text in `/proc/self/status`.
fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// Of the text in one of [`LIMITS`]: `max`, or a number that no machine has, is none.
fn limit(text: &str) -> Option<u64> {
    text.trim().parse().ok().filter(|bytes| *bytes < 1 << 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_as_linux_writes_it() {
        assert_eq!(resident("Name:\treadside\nVmRSS:\t   12345 kB\nThreads:\t7\n"), Some(12_345 * 1024));
        assert_eq!(resident("Name:\treadside\n"), None);
        assert_eq!(limit("536870912\n"), Some(512 << 20));
        assert_eq!(limit("max\n"), None);
        assert_eq!(limit("9223372036854771712\n"), None);
    }
}
