//! Aggregates order nested values otherwise than sorts do.
//!
//! The accumulators compare scalars, whose order skips what is NULL in a struct, fails over lists of structs and takes
//! them for equal, and looks at a map's keys alone. `SELECT array_agg(n ORDER BY n DESC), array_agg(n ORDER BY v) FROM t`
//! puts the second list in that order; for the first, rows come sorted, and it is the sort's.
//!
//! Upstream: <https://github.com/apache/datafusion/issues/25556> has the maps; structs and lists are in the closed PR
//! #24948. The workarounds order by bytes: `functions/sort_key.rs` for the built-in aggregates, `functions/map_agg.rs` in
//! its own accumulator.

#[cfg(test)]
mod tests {
    use crate::plan::datafusion::reproduction::{Reproduction, plain};

    const WORKAROUND: &str = "and so are the other tests here, delete `functions/sort_key.rs` and this file";

    /// Over rows `v` of these numbers, what two lists give, the second in the order of `v`; and the rows sorted by it.
    fn check(tables: &'static str, wrong: &str, sorted: &str) {
        let rows = Reproduction { tables, query: "SELECT n FROM t ORDER BY v" };
        assert_eq!(rows.outcome(&plain()).replace('\n', ", "), sorted);
        let lists = Reproduction {
            tables,
            query: "SELECT array_agg(n ORDER BY n DESC) AS h, array_agg(n ORDER BY v) AS l FROM t",
        };
        lists.is_wrong(&format!("[3, 2, 1], [{wrong}]"), WORKAROUND);
    }

    #[test]
    fn what_is_null_in_a_struct_is_skipped() {
        check(
            "CREATE TABLE t AS SELECT column1 AS n, named_struct('x', column2, 'y', column3) AS v \
             FROM (VALUES (1, NULL, 1), (2, 1, 2), (3, NULL, 0))",
            "3, 1, 2",
            "2, 3, 1",
        );
    }

    #[test]
    fn lists_of_structs_are_equal() {
        check(
            "CREATE TABLE t AS SELECT column1 AS n, make_array(named_struct('y', column2)) AS v \
             FROM (VALUES (1, 1), (2, 2), (3, 0))",
            "3, 2, 1",
            "3, 1, 2",
        );
    }

    #[test]
    fn a_maps_values_are_skipped() {
        check(
            "CREATE TABLE t AS SELECT column1 AS n, map(make_array('a'), make_array(column2)) AS v \
             FROM (VALUES (1, 1), (2, 2), (3, 0))",
            "3, 2, 1",
            "3, 1, 2",
        );
    }
}
