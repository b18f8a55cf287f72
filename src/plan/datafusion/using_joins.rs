//! The column of USING and NATURAL is that of the left side, which is NULL in rows of the right side alone.
//!
//! `SELECT k FROM a RIGHT JOIN b USING (k)` gives NULL for a row of `b` without a partner.
//!
//! Upstream: <https://github.com/apache/datafusion/issues/22881>. USING is written as ON before it is planned
//! (`sql/desugar/using.rs`); NATURAL, whose columns the text does not say, is refused in `rewrite/joins.rs`: both ways
//! would agree on the wrong rows.

#[cfg(test)]
mod tests {
    use crate::plan::datafusion::reproduction::Reproduction;

    #[test]
    fn the_key_of_a_right_row_is_null() {
        let joined = Reproduction {
            tables: "CREATE TABLE a AS SELECT 1 AS k; CREATE TABLE b AS SELECT 4 AS k",
            query: "SELECT k FROM a FULL JOIN b USING (k) ORDER BY k NULLS LAST",
        };
        joined.is_wrong(
            "1\nNULL",
            "delete that refusal in `rewrite/joins.rs`, that part of `sql/desugar/using.rs`, and this file",
        );
    }
}
