//! `corr`, `covar_*` and `regr_*` under their built-in names: exact over the pairs of a group, and rounded once. A pair with a NULL does
//! not count.
//!
//! The built-in ones add up step by step, so that their results depend on the order of arrival.

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::cast::{as_binary_array, as_float64_array};
use datafusion::common::{Result, ScalarValue, exec_datafusion_err, exec_err, plan_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{Accumulator, AggregateUDFImpl, ReversedUDAF, Signature, Volatility};

use crate::circuit::{ExactPairs, PairStatistic};

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Pairs {
    name: &'static str,
    aliases: Vec<String>,
    statistic: PairStatistic,
    signature: Signature,
}

/// All of them: `y` is the first argument.
pub(super) const PAIRS: [(&str, PairStatistic); 11] = [
    ("corr", PairStatistic::Correlation),
    ("covar_pop", PairStatistic::CovariancePopulation),
    ("covar_samp", PairStatistic::CovarianceSample),
    ("regr_slope", PairStatistic::Slope),
    ("regr_intercept", PairStatistic::Intercept),
    ("regr_r2", PairStatistic::Determination),
    ("regr_avgx", PairStatistic::AverageX),
    ("regr_avgy", PairStatistic::AverageY),
    ("regr_sxx", PairStatistic::DeviationsX),
    ("regr_syy", PairStatistic::DeviationsY),
    ("regr_sxy", PairStatistic::DeviationsXy),
];

impl Pairs {
    pub(super) fn new((name, statistic): (&'static str, PairStatistic)) -> Self {
        let aliases = if name == "covar_samp" { vec!["covar".to_owned()] } else { Vec::new() };
        Self { name, aliases, statistic, signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl AggregateUDFImpl for Pairs {
    fn name(&self) -> &str {
        self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [y, x] if [y, x].iter().all(|of| of.is_numeric() || of.is_null()) => Ok(vec![DataType::Float64; 2]),
            _ => plan_err!("`{0}` takes two numbers: `{0}(y, x)`", self.name),
        }
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        if args.is_distinct {
            return exec_err!("`{}` does not take DISTINCT: select the distinct pairs below it", self.name);
        }
        Ok(Box::new(PairAccumulator { statistic: self.statistic, pairs: ExactPairs::default() }))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        Ok(vec![Field::new(format_state_name(args.name, "exact"), DataType::Binary, false).into()])
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }
}

#[derive(Debug)]
struct PairAccumulator {
    statistic: PairStatistic,
    pairs: ExactPairs,
}

impl PairAccumulator {
    fn each(&mut self, columns: &[ArrayRef], change: fn(&mut ExactPairs, f64, f64)) -> Result<()> {
        let (y, x) = (as_float64_array(&columns[0])?, as_float64_array(&columns[1])?);
        for row in (0..x.len()).filter(|row| x.is_valid(*row) && y.is_valid(*row)) {
            change(&mut self.pairs, x.value(row), y.value(row));
        }
        Ok(())
    }
}

impl Accumulator for PairAccumulator {
    fn update_batch(&mut self, columns: &[ArrayRef]) -> Result<()> {
        self.each(columns, ExactPairs::add)
    }

    fn retract_batch(&mut self, columns: &[ArrayRef]) -> Result<()> {
        self.each(columns, ExactPairs::remove)
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for state in as_binary_array(&states[0])?.iter().flatten() {
            let other = ExactPairs::from_bytes(state);
            self.pairs.merge(&other.ok_or_else(|| exec_datafusion_err!("state of exact pairs is not readable"))?);
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::Binary(Some(self.pairs.to_bytes()))])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::Float64(self.pairs.evaluate(self.statistic)))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.pairs.size()
    }
}
