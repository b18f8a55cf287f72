//! The functions that this crate adds to DataFusion, or puts in the place of its own.
//!
//! Every one is a function of the set of its rows: batches, partitions and order of arrival do not matter. Those that
//! need an order get it from the `rewrite` room.

mod aggregates;
mod averageable;
mod canonical;
mod counted_values;
mod different_values;
mod distinct_list;
mod distinct_xor;
mod exact;
mod extreme;
mod lengths;
mod map_agg;
mod now;
mod nth_value;
mod ordered;
mod pairs;
mod percentile;
mod revision;
mod sort_key;
mod wide_sum;

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::execution::FunctionRegistry;
use datafusion::functions_aggregate::{
    array_agg, average, bit_and_or_xor, min_max, percentile_cont, stddev, sum, variance,
};
use datafusion::logical_expr::{AggregateUDF, Expr, ScalarUDF};

pub(super) use self::aggregates::{Lowering, OrderedForm, exact_form, known};
use self::averageable::Averageable;
pub(super) use self::averageable::averageable;
use self::canonical::CanonicalFloat;
use self::counted_values::{Choice, CountedValue};
pub(super) use self::distinct_list::distinct_list;
use self::distinct_xor::DistinctXor;
use self::exact::{Exact, Statistic};
use self::extreme::Extreme;
use self::map_agg::MapAgg;
use self::now::Now;
pub(super) use self::nth_value::{nth, nth_value};
use self::ordered::{Ordered, Pick};
use self::pairs::{PAIRS, Pairs};
use self::percentile::Percentile;
pub(super) use self::revision::revision;
pub(super) use self::sort_key::by_sort_key;
use crate::circuit::Spread;
use crate::sql::register_functions;

/// Registers all functions, those of JSON too, over the built-in ones of the same name.
///
/// # Errors
/// If DataFusion refuses a function.
pub fn register(registry: &mut dyn FunctionRegistry) -> Result<()> {
    for function in own_aggregates() {
        registry.register_udaf(Arc::new(function))?;
    }
    registry.register_udf(Arc::new(ScalarUDF::from(CanonicalFloat::default())))?;
    registry.register_udf(Arc::new(ScalarUDF::from(Averageable::default())))?;
    let now = Now { builtin: registry.udf("now")? };
    registry.register_udf(Arc::new(ScalarUDF::from(now)))?;
    register_functions(registry)
}

/// Whether an aggregate is a name only, which no executor knows.
pub(super) fn is_only_a_name(name: &str) -> bool {
    [Pick::Latest, Pick::Earliest, Pick::Collect, Pick::MaxBy, Pick::MinBy].iter().any(|pick| pick.name() == name)
}

/// The expression with its floats in canonical form.
pub(super) fn canonical_float(expression: Expr) -> Expr {
    ScalarUDF::from(CanonicalFloat::default()).call(vec![expression])
}

pub(super) fn is_canonical_float(function: &ScalarUDF) -> bool {
    function.inner().is::<CanonicalFloat>()
}

fn own_aggregates() -> Vec<AggregateUDF> {
    let exact = |builtin: Arc<AggregateUDF>, measure| AggregateUDF::from(Exact { builtin, measure });
    let mut functions = vec![
        exact(sum::sum_udaf(), Statistic::Sum),
        exact(average::avg_udaf(), Statistic::Mean),
        exact(variance::var_samp_udaf(), Statistic::Variance(Spread::Sample)),
        exact(variance::var_pop_udaf(), Statistic::Variance(Spread::Population)),
        exact(stddev::stddev_udaf(), Statistic::Deviation(Spread::Sample)),
        exact(stddev::stddev_pop_udaf(), Statistic::Deviation(Spread::Population)),
        AggregateUDF::from(Extreme { builtin: min_max::min_udaf() }),
        AggregateUDF::from(Extreme { builtin: min_max::max_udaf() }),
        AggregateUDF::from(DistinctXor { builtin: bit_and_or_xor::bit_xor_udaf() }),
        AggregateUDF::from(Percentile { builtin: percentile_cont::percentile_cont_udaf() }),
        AggregateUDF::from(CountedValue::new(Choice::MostFrequent)),
        AggregateUDF::from(CountedValue::new(Choice::AtShare)),
        nth_value(array_agg::array_agg_udaf()),
        AggregateUDF::from(Ordered::new(Pick::Latest)),
        AggregateUDF::from(Ordered::new(Pick::Earliest)),
        AggregateUDF::from(Ordered::new(Pick::Collect)),
        AggregateUDF::from(Ordered::new(Pick::MaxBy)),
        AggregateUDF::from(Ordered::new(Pick::MinBy)),
        AggregateUDF::from(MapAgg::default()),
    ];
    functions.extend(PAIRS.map(|pair| AggregateUDF::from(Pairs::new(pair))));
    functions
}
