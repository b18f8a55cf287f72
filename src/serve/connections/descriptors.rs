//! File descriptors: readers get what intake, checkpoints, indexes and health do not need.

use crate::config::ConnectionLimits;

/// Descriptors that no reader gets: of sources, of checkpoints and index files that are read and written, of `/metrics`, and of
/// connections beyond the limit that are being told so.
const RESERVED: u64 = 512;

/// The limits of these listeners, each with the key of its settings, with no more connections among them than there are descriptors
/// for. The process asks the system for as many as it may have.
pub fn within_descriptors(listeners: &mut [(&'static str, &mut ConnectionLimits)]) {
    let wanted = RESERVED + connections(listeners);
    match rlimit::increase_nofile_limit(wanted) {
        Ok(descriptors) => lower(listeners, descriptors),
        Err(error) => {
            tracing::warn!(%error, "the limit of open files is not known; connections are not lowered to it");
        }
    }
}

fn connections(listeners: &[(&'static str, &mut ConnectionLimits)]) -> u64 {
    listeners.iter().map(|(_, limits)| limits.max as u64).sum()
}

/// Each listener gets of what there is a share as large as its share of what all of them want.
fn lower(listeners: &mut [(&'static str, &mut ConnectionLimits)], descriptors: u64) {
    let wanted = connections(listeners);
    // Where there are few, the rest gets most of them.
    let for_readers = descriptors - RESERVED.min(descriptors / 4 * 3);
    if wanted <= for_readers {
        return;
    }
    for (listener, limits) in listeners {
        let share = u128::from(for_readers) * limits.max as u128 / u128::from(wanted);
        // Without any a listener would refuse everyone.
        let max = usize::try_from(share).unwrap_or(usize::MAX).max(1);
        tracing::warn!(
            listener = *listener,
            open_files = descriptors,
            connections = max,
            "fewer files may be open than `{listener}.max_connections` needs, so fewer connections are taken; \
             raise the limit of open files to {}",
            wanted + RESERVED
        );
        limits.max = max;
        limits.max_per_peer = limits.max_per_peer.min(max);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn limits(max: usize) -> ConnectionLimits {
        let second = Duration::from_secs(1);
        ConnectionLimits {
            max,
            max_per_peer: max * 3 / 4,
            header_timeout: second,
            body_timeout: second,
            idle_timeout: second,
            write_timeout: second,
        }
    }

    #[test]
    fn connections_leave_descriptors_for_the_rest() {
        let left = |descriptors| {
            let mut http = limits(2048);
            lower(&mut [("http", &mut http)], descriptors);
            (http.max, http.max_per_peer)
        };
        assert_eq!([left(1 << 20), left(1024), left(64)], [(2048, 1536), (512, 512), (16, 16)]);
    }

    #[test]
    fn listeners_share_what_there_is() {
        let left = |descriptors| {
            let (mut http, mut postgres) = (limits(3000), limits(1000));
            lower(&mut [("http", &mut http), ("postgres", &mut postgres)], descriptors);
            (http.max, postgres.max)
        };
        assert_eq!([left(4512), left(4511), left(1312), left(4)], [(3000, 1000), (2999, 999), (600, 200), (1, 1)]);
    }
}
