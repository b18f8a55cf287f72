//! Physical rules move a condition on the optional side of an outer join below it, where it no longer meets the rows
//! without a partner.
//!
//! `SELECT b.n FROM a RIGHT JOIN b ON a.l = b.l AND a.n = b.n WHERE a.l = a.l` gives the rows of `b` that have no partner,
//! although NULL equals nothing. The logical plan has moved what can be moved.
//!
//! No upstream issue was found. Both rules are left out: the circuit has its own plan, and readers lose little.

/// The rules' names.
pub(super) const RULES: [&str; 2] = ["FilterPushdown", "FilterPushdown(Post)"];

#[cfg(test)]
mod tests {
    use crate::plan::datafusion::reproduction::Reproduction;

    #[test]
    fn a_condition_on_the_optional_side_is_lost() {
        let joined = Reproduction {
            tables: "CREATE TABLE a AS SELECT column1 AS n, column2 AS l FROM (VALUES (1, 1)); \
                     CREATE TABLE b AS SELECT column1 AS n, column2 AS l FROM (VALUES (3, 1))",
            query: "SELECT b.n FROM a RIGHT JOIN b ON a.l = b.l AND a.n = b.n WHERE a.l = a.l",
        };
        joined.is_wrong("3", "delete `datafusion/filter_pushdown.rs`");
        joined.is_mended("");
    }
}
