//! The one session configuration: planning, the circuit's expressions, queries and the oracle all start from it.
//!
//! It knows no tables. What a query may do and use is limited by the `query` room.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::execution::SessionStateBuilder;
use datafusion::optimizer::{Optimizer, OptimizerRule};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::prelude::{SessionConfig, SessionContext};

use super::group_keys::{keys_once, plain_keys};
use super::order_once::OrderOnce;
use super::property_fence::FenceProperties;
use crate::plan::functions;

/// A new session: DuckDB's dialect, UTC, one partition, decimal literals, and this crate's functions.
pub fn session() -> Result<SessionContext> {
    let context = SessionContext::new_with_state(sound(config()?).build());
    functions::register(&context)?;
    // Tables that are made up from nothing have no place in a projection, and no bound in a query.
    context.deregister_udtf("range");
    context.deregister_udtf("generate_series");
    Ok(context)
}

fn config() -> Result<SessionConfig> {
    let mut config = SessionConfig::new().with_target_partitions(1).with_create_default_catalog_and_schema(true);
    let options = config.options_mut();
    options.set("datafusion.sql_parser.dialect", "duckdb")?;
    options.sql_parser.parse_float_as_decimal = true;
    options.sql_parser.map_string_types_to_utf8view = false;
    options.sql_parser.collect_spans = true;
    options.set("datafusion.execution.time_zone", "UTC")?;
    Ok(config)
}

/// A session with those of DataFusion's rules only that leave a result what it is, and some of this crate's. For queries
/// of readers too.
pub fn sound(mut config: SessionConfig) -> SessionStateBuilder {
    let options = config.options_mut();
    // Its heap compares floats in another order than min and max do.
    options.optimizer.enable_topk_aggregation = false;
    // It compares what cannot be NULL, which the optimiser knows less of than the planner.
    options.execution.skip_physical_aggregate_schema_check = true;
    SessionStateBuilder::new_with_default_features()
        .with_config(config)
        .with_optimizer_rules(optimizer_rules())
        .with_physical_optimizer_rules(physical_optimizer_rules())
}

/// Rules that are left out. The first makes two aggregates of one distinct: the upper one would have to take results
/// back. The others look up fields of structs further below, which serves files, and fail over subqueries that pass on
/// a column of the same name.
const LEFT_OUT: [&str; 3] =
    ["single_distinct_aggregation_to_group_by", "extract_leaf_expressions", "push_down_leaf_projections"];

type Rule = Arc<dyn OptimizerRule + Send + Sync>;

fn optimizer_rules() -> Vec<Rule> {
    let rules = Optimizer::new().rules.into_iter().filter(|rule| !LEFT_OUT.contains(&rule.name()));
    let own: [Rule; 2] = [Arc::new(plain_keys()), Arc::new(keys_once())];
    let rules = rules.map(|rule| own.iter().find(|own| own.name() == rule.name()).cloned().unwrap_or(rule));
    rules.chain([Arc::new(OrderOnce) as Rule]).collect()
}

/// Rules over physical plans that are left out. The first answers counts from statistics, and above an aggregate without
/// groups drops its other columns. The others move a condition on the optional side of an outer join below it, where
/// it no longer meets the rows without a partner; the logical plan has moved what can be moved.
const LEFT_OUT_PHYSICAL: [&str; 3] = ["aggregate_statistics", "FilterPushdown", "FilterPushdown(Post)"];

fn physical_optimizer_rules() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let rules = PhysicalOptimizer::new().rules.into_iter();
    let rules = rules.filter(|rule| !LEFT_OUT_PHYSICAL.contains(&rule.name()));
    std::iter::once(Arc::new(FenceProperties) as Arc<dyn PhysicalOptimizerRule + Send + Sync>).chain(rules).collect()
}
