//! File descriptors: readers get what intake, checkpoints, indexes and health do not need.

use crate::config::ConnectionLimits;

/// Descriptors that no reader gets: of sources, of checkpoints and index files that are read and written, of `/metrics`, and of
/// connections beyond the limit that are being told so.
const RESERVED: u64 = 512;

/// The limits with no more connections than there are descriptors for. The process asks the system for as many as it may have.
pub fn within_descriptors(limits: &ConnectionLimits) -> ConnectionLimits {
    let wanted = limits.max as u64 + RESERVED;
    match rlimit::increase_nofile_limit(wanted) {
        Ok(descriptors) => lowered(limits, descriptors),
        Err(error) => {
            tracing::warn!(%error, "the limit of open files is not known; connections are not lowered to it");
            limits.clone()
        }
    }
}

fn lowered(limits: &ConnectionLimits, descriptors: u64) -> ConnectionLimits {
    // Where there are few, the rest gets most of them.
    let for_readers = descriptors - RESERVED.min(descriptors / 4 * 3);
    let max = limits.max.min(usize::try_from(for_readers).unwrap_or(usize::MAX));
    if max < limits.max {
        let wanted = limits.max as u64 + RESERVED;
        tracing::warn!(
            open_files = descriptors,
            connections = max,
            "fewer files may be open than `http.max_connections` needs, so fewer connections are taken; \
             raise the limit of open files to {wanted}"
        );
    }
    ConnectionLimits { max, max_per_peer: limits.max_per_peer.min(max), ..limits.clone() }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn connections_leave_descriptors_for_the_rest() {
        let second = Duration::from_secs(1);
        let limits = ConnectionLimits {
            max: 2048,
            max_per_peer: 1536,
            header_timeout: second,
            body_timeout: second,
            idle_timeout: second,
            write_timeout: second,
        };
        let left = |descriptors| {
            let limits = lowered(&limits, descriptors);
            (limits.max, limits.max_per_peer)
        };
        assert_eq!([left(1 << 20), left(1024), left(64)], [(2048, 1536), (512, 512), (16, 16)]);
    }
}
