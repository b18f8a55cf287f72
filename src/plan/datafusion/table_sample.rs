//! TABLESAMPLE is parsed and ignored: the whole table is read.
//!
//! Upstream: <https://github.com/apache/datafusion/issues/16533>. It is refused in `sql/refusals`, and would be if it
//! were implemented: it picks other rows each time.

#[cfg(test)]
mod tests {
    use crate::plan::datafusion::reproduction::Reproduction;

    #[test]
    fn a_sample_is_everything() {
        let sample = Reproduction {
            tables: "CREATE TABLE t AS SELECT column1 AS n FROM (VALUES (1), (2))",
            query: "SELECT n FROM t TABLESAMPLE (0)",
        };
        sample.is_wrong("1\n2", "delete `datafusion/table_sample.rs`, but go on refusing it");
    }
}
