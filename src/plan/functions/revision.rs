//! Which functions this crate computes itself, and since which revision of its computation.

/// The revision of a function, raised whenever it gives another value or another type for the same rows, so that state
/// and rows that were computed before are computed again. None if a library computes it, whose version counts then.
pub(in crate::plan) fn revision(name: &str) -> Option<u32> {
    let own = match name {
        // In the circuit, exactly and by arithmetic or order; the batch path uses the same code or is compared with it.
        "count" | "sum" | "min" | "max" | "first_value" | "last_value" | "nth_value" => 1,
        "bool_and" | "bool_or" | "bit_and" | "bit_or" | "bit_xor" => 1,
        "var" | "var_samp" | "var_pop" | "stddev" | "stddev_samp" | "stddev_pop" => 1,
        "latest" | "earliest" | "max_by" | "min_by" => 1,
        // In `plan/functions` and `plan/datafusion`.
        "canonical_float" | "sort_key" | "opaque" => 1,
        // DataFusion's access to a field of a struct: rows of `events` consist of little else, and a decoded struct has
        // NULL children wherever it is NULL itself, so nothing about it is a matter of version.
        "get_field" => 1,
        _ => return None,
    };
    Some(own)
}
