//! EXCEPT ALL and INTERSECT ALL ask only whether a row is on the right, not how often.
//!
//! Upstream: <https://github.com/apache/datafusion/issues/12956> and
//! <https://github.com/apache/datafusion/issues/12955>. Both become joins of numbered rows in `rewrite/counted_copies.rs`
//! where rows may repeat.

#[cfg(test)]
mod tests {
    use crate::plan::datafusion::reproduction::Reproduction;

    const TABLES: &str =
        "CREATE TABLE a AS SELECT column1 AS k FROM (VALUES (1), (1)); CREATE TABLE b AS SELECT 1 AS k";
    const WORKAROUND: &str = "and so is the other test here, delete `rewrite/counted_copies.rs` and this file";

    #[test]
    fn all_copies_are_taken_out() {
        Reproduction { tables: TABLES, query: "SELECT k FROM a EXCEPT ALL SELECT k FROM b" }.is_wrong("", WORKAROUND);
    }

    #[test]
    fn all_copies_are_in_common() {
        let common = Reproduction { tables: TABLES, query: "SELECT k FROM a INTERSECT ALL SELECT k FROM b" };
        common.is_wrong("1\n1", WORKAROUND);
    }
}
