//! Memory: what the configuration allows readers and checks to take, against what the process may have.

use super::{Checked, written};
use crate::checkpoint::Manifest;
use crate::config::Config;
use crate::telemetry::memory_limit;

const SUBJECT: &str = "memory";

pub(super) fn memory(config: &Config, manifest: Option<&Manifest>) -> Checked {
    let state = manifest.map_or(0, |manifest| manifest.bytes().stores);
    let (limit, of) = match (memory_limit(), machine()) {
        (Some(limit), machine) if machine.is_none_or(|machine| limit < machine) => (limit, "container's limit"),
        (_, Some(machine)) => (machine, "machine's memory"),
        _ => return Checked::unknown(SUBJECT, "neither a limit nor the machine's memory can be read", ""),
    };
    judge(allowed(config), state, limit, of)
}

/// Bytes that may be taken beside tables and operators.
fn allowed(config: &Config) -> u64 {
    let of_queries = (config.limits.memory_bytes as u64).saturating_mul(config.limits.concurrency as u64);
    let of_verification = config.verify.every.map_or(0, |_| config.verify.memory_bytes as u64);
    let of_parked = (config.parked.max_bytes as u64).saturating_mul(config.sources.len() as u64);
    of_queries.saturating_add(config.http.answer_bytes as u64).saturating_add(of_verification).saturating_add(of_parked)
}

pub(super) fn judge(allowed: u64, state: u64, limit: u64, of: &str) -> Checked {
    let (readers, has) = (written(allowed), written(limit));
    let advice = "lower `limits.memory`, `limits.concurrency`, `http.answers`, `verify.memory` or `parked.max_bytes`, or give it more";
    if allowed >= limit {
        let told =
            format!("queries, answers, verification and parked events may take {readers}, all of the {of} of {has}");
        return Checked::wrong(SUBJECT, told, advice);
    }
    if allowed.saturating_add(state) > limit {
        let state = written(state);
        let told = format!(
            "queries and the like may take {readers}, and the last checkpoint has {state}: more than the {of} of {has}"
        );
        return Checked::warning(SUBJECT, told, advice);
    }
    let left = written(limit - allowed);
    Checked::fine(
        SUBJECT,
        format!("{has} ({of}), of which {left} are left to tables, indexes and operators at the least"),
    )
}

/// Bytes of memory of the machine.
fn machine() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}
