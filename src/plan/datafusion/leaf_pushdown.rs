//! The rules that look up fields of structs further below confuse columns of one name.
//!
//! `SELECT a, s['b'] FROM (SELECT -a AS a, s FROM t WHERE a > 0)` gives the table's `a` for the subquery's, and other
//! subqueries that pass on a column under a known name cannot be planned at all.
//!
//! Upstream: <https://github.com/apache/datafusion/issues/25414> for the wrong rows,
//! <https://github.com/apache/datafusion/issues/25446> for the failures. Both rules are left out: they serve files whose
//! structs are read in part, of which there are none.

/// The rules' names.
pub(super) const RULES: [&str; 2] = ["extract_leaf_expressions", "push_down_leaf_projections"];

#[cfg(test)]
mod tests {
    use crate::plan::datafusion::reproduction::Reproduction;

    const WORKAROUND: &str = "and so is the other test here, delete `datafusion/leaf_pushdown.rs`";

    #[test]
    fn a_computed_column_is_taken_for_the_tables_own() {
        let computed = Reproduction {
            tables: "CREATE TABLE t AS SELECT column1 AS a, named_struct('x', column2) AS s FROM (VALUES (1, 'p'))",
            query: "SELECT a, s['x'] AS x FROM (SELECT -a AS a, s FROM t WHERE a > 0)",
        };
        computed.is_wrong("1, p", WORKAROUND);
        computed.is_mended("-1, p");
    }

    #[test]
    fn renamed_columns_cannot_be_planned() {
        let renamed = Reproduction {
            tables: "CREATE TABLE t AS SELECT column1 AS a, column1 AS b, named_struct('x', column2) AS s \
                     FROM (VALUES (1, 'p'))",
            query: "SELECT b, a, s['x'] AS x FROM (SELECT t.a AS b, t.b AS a, s FROM t) WHERE a > 0",
        };
        renamed.is_wrong("error: Optimizer rule 'push_down_leaf_projections' failed", WORKAROUND);
        renamed.is_mended("1, 1, p");
    }
}
