//! The one session configuration: planning, the circuit's expressions, queries and the oracle all start from it.
//!
//! It knows no tables. Why a rule is left out or replaced, or a setting changed, stands in the file of that name. What a
//! query may do and use is limited by the `query` room.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::execution::{FunctionRegistry, SessionState, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::{Analyzer, AnalyzerRule, Optimizer, OptimizerRule};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::executor::block_on;

use super::constant_group_keys::constant_group_keys;
use super::duplicated_group_keys::duplicated_group_keys;
use super::offset_below_sort::FenceOffsets;
use super::order_once::OrderOnce;
use super::pitfalls::Pitfalls;
use super::property_fence::FenceProperties;
use super::{
    aggregate_schema_check, aggregate_statistics, filter_pushdown, leaf_pushdown, single_distinct, topk_aggregation,
};
use crate::plan::functions;
use crate::sql::{Microseconds, RelationKeys, UNBOUNDED, over_relations, parse_statement};

/// A new session: DuckDB's dialect, UTC, one partition, decimal literals, and this crate's functions.
///
/// # Errors
/// If DataFusion refuses one of our functions or rules.
pub fn session() -> Result<SessionContext> {
    let mut context = SessionContext::new_with_state(sound(config()?).build());
    functions::register(&mut context)?;
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

/// Rows of a batch in readers' sessions. What an operator holds of a batch is beside its account, whatever the rows' width, so
/// it is a quarter of what DataFusion takes by itself.
const READERS_BATCH_ROWS: usize = 2048;

/// What readers' sessions begin with: the literals, functions and rules of projections, without what has no bound. Whoever
/// opens one says with `change` what its catalog is.
///
/// # Errors
/// If DataFusion refuses one of our functions or rules.
pub fn readers(change: impl FnOnce(SessionConfig) -> SessionConfig) -> Result<SessionState> {
    let mut config = change(config()?);
    config.options_mut().execution.enable_recursive_ctes = false;
    config = config.with_batch_size(READERS_BATCH_ROWS);
    let mut state = sound(config).build();
    functions::register(&mut state)?;
    for name in UNBOUNDED {
        state.deregister_udtf(name)?;
        state.deregister_udf(name)?;
    }
    Ok(state)
}

/// A text as a plan, given the keys of what it may read.
///
/// # Errors
/// If it is not one statement of SQL, or cannot be planned with the tables of the session.
pub(in crate::plan) fn logical_plan(ctx: &SessionContext, sql: &str, keys: &RelationKeys) -> Result<LogicalPlan> {
    let state = ctx.state();
    let mut statement = parse_statement(&state, sql)?;
    over_relations(&mut statement, &state, keys)?;
    block_on(state.statement_to_plan(statement))
}

/// A session with those of DataFusion's rules only that leave a result what it is, and some of this crate's. For queries
/// of readers too.
pub(super) fn sound(mut config: SessionConfig) -> SessionStateBuilder {
    topk_aggregation::turn_off(config.options_mut());
    aggregate_schema_check::turn_off(config.options_mut());
    SessionStateBuilder::new_with_default_features()
        .with_config(config)
        .with_type_planner(Arc::new(Microseconds))
        .with_analyzer_rules(analyzer_rules())
        .with_optimizer_rules(optimizer_rules())
        .with_physical_optimizer_rules(physical_optimizer_rules())
}

/// Pitfalls come first: afterwards types are coerced.
fn analyzer_rules() -> Vec<Arc<dyn AnalyzerRule + Send + Sync>> {
    let own: Arc<dyn AnalyzerRule + Send + Sync> = Arc::new(Pitfalls);
    std::iter::once(own).chain(Analyzer::new().rules).collect()
}

/// Rules that are left out.
const LEFT_OUT: [&str; 3] = [single_distinct::RULE, leaf_pushdown::RULES[0], leaf_pushdown::RULES[1]];

type Rule = Arc<dyn OptimizerRule + Send + Sync>;

/// Rules in the place of those of their names.
fn replacements() -> [Rule; 2] {
    [Arc::new(constant_group_keys()), Arc::new(duplicated_group_keys())]
}

fn optimizer_rules() -> Vec<Rule> {
    let rules = Optimizer::new().rules.into_iter().filter(|rule| !LEFT_OUT.contains(&rule.name()));
    let own = replacements();
    let rules = rules.map(|rule| own.iter().find(|own| own.name() == rule.name()).cloned().unwrap_or(rule));
    rules.chain([Arc::new(OrderOnce) as Rule]).collect()
}

/// Rules over physical plans that are left out.
const LEFT_OUT_PHYSICAL: [&str; 3] = [aggregate_statistics::RULE, filter_pushdown::RULES[0], filter_pushdown::RULES[1]];

fn physical_optimizer_rules() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let rules = PhysicalOptimizer::new().rules.into_iter();
    let rules = rules.filter(|rule| !LEFT_OUT_PHYSICAL.contains(&rule.name()));
    let own: [Arc<dyn PhysicalOptimizerRule + Send + Sync>; 2] = [Arc::new(FenceProperties), Arc::new(FenceOffsets)];
    own.into_iter().chain(rules).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_that_of_a_rule() {
        let rules = Optimizer::new().rules;
        let own = replacements();
        for name in LEFT_OUT.into_iter().chain(own.iter().map(|rule| rule.name())) {
            assert!(rules.iter().any(|rule| rule.name() == name), "DataFusion has no rule `{name}` any more");
        }
        let rules = PhysicalOptimizer::new().rules;
        for name in LEFT_OUT_PHYSICAL {
            assert!(rules.iter().any(|rule| rule.name() == name), "DataFusion has no physical rule `{name}` any more");
        }
    }
}
