//! One distinct aggregate becomes two aggregates, the upper one over the groups of the lower one.
//!
//! That is a choice, not a fault. Here the upper one would have to take results of the lower one back whenever they change,
//! where one aggregate with a count for each value does. The rule is left out.

/// The rule's name.
pub(super) const RULE: &str = "single_distinct_aggregation_to_group_by";
