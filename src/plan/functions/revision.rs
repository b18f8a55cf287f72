//! Which functions this crate computes itself, and since which revision of its computation.

use super::aggregates::known;

/// The revision of a function, raised whenever it gives another value or another type for the same rows, so that state
/// and rows that were computed before are computed again. None if a library computes it, whose version counts then.
pub(in crate::plan) fn revision(name: &str) -> Option<u32> {
    match name {
        // In `plan/functions` and `plan/datafusion`.
        "averageable" | "canonical_float" | "sort_key" | "opaque" => Some(1),
        // DataFusion's access to a field of a struct: rows of `events` consist of little else, and a decoded struct has
        // NULL children wherever it is NULL itself, so nothing about it is a matter of version.
        "get_field" => Some(1),
        // In the circuit, exactly and by arithmetic or order; the batch path uses the same code or is compared with it.
        _ => known(name)?.revision,
    }
}
