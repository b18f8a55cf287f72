//! A sort that is pushed below an offset loses as many rows at the end as the offset skips at the beginning.
//!
//! `SELECT n, rank() OVER (PARTITION BY n ORDER BY m DESC) FROM (SELECT n, m FROM t ORDER BY n LIMIT 4 OFFSET 1)` needs its rows
//! in an order that refines the one of the limit. The rule that enforces orders then sorts below the limit, with the limit's
//! four rows where five are needed, and gives three.
//!
//! No upstream issue was found. The workaround is a physical rule: what comes out of a limit with an offset is passed
//! through a node that no sort is pushed through. Its order still counts, so nothing is sorted that was not before.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::limit::GlobalLimitExec;

use super::property_fence::PropertyFence;

/// To be run before orders are enforced.
#[derive(Debug)]
pub(super) struct FenceOffsets;

impl PhysicalOptimizerRule for FenceOffsets {
    fn name(&self) -> &str {
        "fence_offsets"
    }

    fn schema_check(&self) -> bool {
        true
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let fenced = plan.transform_up(|node| match node.downcast_ref::<GlobalLimitExec>() {
            Some(limit) if limit.skip() > 0 => Ok(Transformed::yes(Arc::new(PropertyFence::in_order(node)) as _)),
            _ => Ok(Transformed::no(node)),
        });
        fenced.data()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::plan::datafusion::reproduction::Reproduction;

    const TABLE: &str =
        "CREATE TABLE t AS SELECT column1 AS n, column2 AS m FROM (VALUES (0, 1), (5, 2), (-1, 3), (7, 4), (9, 5))";

    #[test]
    fn a_window_over_an_offset_sees_all_of_its_rows() {
        let ranks = Reproduction {
            tables: TABLE,
            query: "SELECT n, rank() OVER (PARTITION BY n ORDER BY m DESC) AS r \
                    FROM (SELECT n, m FROM t ORDER BY n LIMIT 4 OFFSET 1) AS q",
        };
        ranks.is_wrong("0, 1\n5, 1\n7, 1", "delete `datafusion/offset_below_sort.rs`");
        ranks.is_mended("0, 1\n5, 1\n7, 1\n9, 1");
    }

    #[test]
    fn the_order_of_a_limit_still_counts() {
        let limited =
            Reproduction { tables: TABLE, query: "EXPLAIN FORMAT TREE SELECT n FROM t ORDER BY n LIMIT 2 OFFSET 1" };
        let plan = limited.outcome(&crate::plan::datafusion::session().unwrap());
        assert_eq!(plan.matches("SortExec").count() + plan.matches("SortPreserving").count(), 1, "{plan}");
    }
}
