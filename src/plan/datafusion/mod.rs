//! DataFusion as this crate uses it: the session that everything is planned in, and the registry of DataFusion's faults.
//!
//! One file is one workaround. It says what is wrong in DataFusion 55.2, where that is reported, and the SQL that shows
//! it; its tests run that SQL in a plain session and fail once DataFusion is right, with what can then be deleted. Code
//! that is a function, or that rewrites a plan, lives with its like; its entry is here all the same.
//!
//! | File | What DataFusion 55.2 does | Upstream | Workaround |
//! |---|---|---|---|
//! | `aggregate_filter` | computes an aggregate's arguments for rows that its FILTER leaves out | #24443 | `rewrite/guards.rs` |
//! | `aggregate_schema_check` | refuses plans over a difference in what is nullable | #24096, #13190 | a setting |
//! | `aggregate_statistics` | answers an aggregate with the columns of another one below it | none found | a rule is left out |
//! | `bit_xor_distinct` | ignores DISTINCT in grouped `bit_xor` | PR #24989 | `functions/distinct_xor.rs` |
//! | `constant_group_keys` | computes keys that follow from others above the groups (a choice) | – | a rule for some keys only |
//! | `decimal_comparison` | compares floats with decimals as decimals | #14272 | `rewrite/floats.rs` |
//! | `distinct_list_order` | reverses a list of distinct values | none found | `functions/distinct_list.rs` |
//! | `duplicated_group_keys` | drops orders that an unnested list no longer determines | PR #24787 | a rule for aggregates only |
//! | `exists_over_totals` | finds no row in an aggregate that always has one | #24960, #25519 | `decorrelate/` |
//! | `filter_pushdown` | moves conditions below outer joins | none found | rules are left out |
//! | `float_extremes` | loses grouped extremes to NaN and infinity | #24432 | `functions/extreme.rs` |
//! | `in_subqueries` | takes an unknown IN for false | #21309, #25473, #25347 | `decorrelate/` |
//! | `leaf_pushdown` | confuses columns of one name below a field access | #25414, #25446 | rules are left out |
//! | – | makes decimals of negative scale of numbers with an exponent | none found | `sql/number_literals.rs` |
//! | `microseconds` | plans TIMESTAMP as nanoseconds, which end in 2262 | #8336 | a type planner, `sql/microseconds.rs`, `sql/date_trunc.rs` |
//! | `nested_order` | orders nested values in aggregates otherwise than in sorts | #25556 | `functions/sort_key.rs`, `functions/map_agg.rs` |
//! | `nth_value_order` | takes one order for all `nth_value` of a query | #8582 | `functions/nth_value.rs` |
//! | `offset_below_sort` | sorts below an offset with the rows of the limit alone | none found | an own rule |
//! | `order_once` | panics where an aggregate is ordered by one expression twice | #25398 | an own rule |
//! | `percentile_weights` | cuts the weights of `percentile_cont` to six places | #25266 | `functions/percentile.rs` |
//! | `pitfalls` | compares lengths with intervals field by field; takes any text for a pattern of a time; SIMILAR TO for part of a text; cuts hours added to dates (a choice) | none found | `sql/pitfalls.rs`, a rule of the analyser |
//! | `every_row` | moves what a subquery computes under a condition, and OFFSET below what is selected (a choice) | – | two rules are left out of batch results |
//! | `property_fence` | takes columns for constant above outer joins and grouping sets | none found | an own rule |
//! | `scalar_subqueries` | repeats rows for each row of a subquery that becomes a join | #16134 | refused |
//! | `scalar_subquery_as_value` | moves a condition without columns below a total | none found | a setting |
//! | `scalar_subquery_names` | fails on a subquery that computes what the query around it computes | #20315 is like it | a plan rewrite |
//! | `set_comparisons` | compares a column with itself in ANY and ALL of a table of one name | #25258 | `decorrelate/` |
//! | – | drops the window that `OVER (w ORDER BY x)` builds upon | none found | `sql/desugar/named_windows.rs` |
//! | `set_operations` | does not count rows in EXCEPT ALL and INTERSECT ALL | #12956, #12955 | refused in `rewrite/joins.rs` |
//! | `single_distinct` | makes two aggregates of one distinct (a choice) | – | a rule is left out |
//! | `struct_field_nulls` | gives the field of a NULL struct its stored value | #25120 | `event/column.rs` |
//! | `table_sample` | ignores TABLESAMPLE | #16533 | refused in `sql/refusals` |
//! | – | gives another type than it says in `to_timestamp` of a text | none found | `sql/text_timestamps.rs` |
//! | `topk_aggregation` | orders floats by another order than `min` and `max` | none found | a setting |
//! | `using_joins` | takes the left column for that of a right or full join | #22881 | `sql/desugar/using.rs`, and refused in `rewrite/joins.rs` |
//!
//! Numbers are issues of `apache/datafusion`.

mod aggregate_filter;
mod aggregate_schema_check;
mod aggregate_statistics;
mod bit_xor_distinct;
mod constant_group_keys;
mod decimal_comparison;
mod distinct_list_order;
mod duplicated_group_keys;
mod every_row;
mod exists_over_totals;
mod filter_pushdown;
mod float_extremes;
mod for_aggregates;
mod in_subqueries;
mod leaf_pushdown;
mod microseconds;
mod nested_order;
mod nth_value_order;
mod offset_below_sort;
mod opaque;
mod order_once;
mod percentile_weights;
mod pitfalls;
mod property_fence;
#[cfg(test)]
mod reproduction;
mod scalar_subqueries;
mod scalar_subquery_as_value;
mod scalar_subquery_names;
mod session;
mod set_comparisons;
mod set_operations;
mod single_distinct;
mod struct_field_nulls;
mod subqueries;
mod table_sample;
mod topk_aggregation;
mod using_joins;

pub(in crate::plan) use every_row::computing_every_row;
pub use opaque::opaque;
pub(in crate::plan) use scalar_subquery_as_value::planning_state;
pub(in crate::plan) use scalar_subquery_names::name_scalar_subqueries;
pub(in crate::plan) use session::logical_plan;
pub use session::{readers, session};
pub(in crate::plan) use subqueries::{reject_misplanned, takes_for_another};
