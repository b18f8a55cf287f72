//! `sum`, `avg`, variance and standard deviation under their built-in names: exact over floats, sums of integers and decimals in
//! a wider type, sums and averages of lengths of time by themselves, the built-in function over every other type.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BinaryArray, Float64Array};
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type, IntervalUnit};
use datafusion::common::cast::{as_binary_array, as_float64_array};
use datafusion::common::{Result, ScalarValue, exec_datafusion_err, plan_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, GroupsAccumulator, ReversedUDAF, SetMonotonicity,
    Signature,
};

use super::different_values::DifferentValues;
use super::lengths::{self, Lengths};
use super::wide_sum;
use crate::circuit::{ExactMoments, ExactSum, Spread, canonical};

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Exact {
    pub(super) builtin: Arc<AggregateUDF>,
    pub(super) measure: Statistic,
}

/// A statistic of a multiset of floats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Statistic {
    Sum,
    Mean,
    Variance(Spread),
    Deviation(Spread),
}

/// Who adds the values up.
enum Adder<'a> {
    /// [`ExactAccumulator`] and [`DistinctAccumulator`].
    Floats,
    /// [`wide_sum`], of DataFusion's.
    Wide(&'a AggregateUDF),
    /// [`Lengths`].
    Lengths,
    /// DataFusion's, which averages decimals.
    Builtin(&'a AggregateUDF),
}

impl Exact {
    /// Of a call with results of `data_type`.
    fn adder(&self, data_type: &DataType) -> Adder<'_> {
        match (self.measure, data_type) {
            (_, DataType::Float64) => Adder::Floats,
            (Statistic::Sum, DataType::Interval(_)) | (Statistic::Mean, DataType::Duration(_)) => Adder::Lengths,
            (Statistic::Sum, _) => Adder::Wide(&self.builtin),
            _ => Adder::Builtin(&self.builtin),
        }
    }

    /// The accumulator of the different values, for a call over those that are no floats.
    fn distinct(&self, args: &AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let each = self.create_sliding_accumulator(AccumulatorArgs { is_distinct: false, ..args.clone() })?;
        Ok(Box::new(DifferentValues::new(each, args.expr_fields[0].data_type().clone())))
    }

    /// An error for a type that is wide already, so that its values are added up in nothing wider, and for one that makes
    /// DataFusion panic.
    fn check(&self, of: &DataType) -> Result<()> {
        let name = self.name();
        match (self.measure, of) {
            (Statistic::Sum | Statistic::Mean, DataType::Decimal256(..)) => {
                plan_err!("`{name}` takes decimals of 38 digits at most; cast them, as in `CAST(… AS DECIMAL(38, 10))`")
            }
            (Statistic::Sum | Statistic::Mean, DataType::Decimal32(..) | DataType::Decimal64(..)) => {
                plan_err!("`{name}` takes decimals of 128 bits; cast them, as in `CAST(… AS DECIMAL(18, 2))`")
            }
            (Statistic::Mean, DataType::Decimal128(precision, scale)) if *scale < 0 => {
                plan_err!("`{name}` takes no decimal({precision},{scale}); cast it to one with a scale of 0 or more")
            }
            (Statistic::Sum, DataType::Interval(IntervalUnit::YearMonth | IntervalUnit::DayTime)) => {
                plan_err!("`{name}` takes no {of}; cast it, as in `CAST(… AS INTERVAL)`")
            }
            _ => Ok(()),
        }
    }
}

impl AggregateUDFImpl for Exact {
    fn name(&self) -> &str {
        self.builtin.name()
    }

    fn aliases(&self) -> &[String] {
        self.builtin.aliases()
    }

    fn signature(&self) -> &Signature {
        self.builtin.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        types.iter().try_for_each(|of| self.check(of))?;
        self.builtin.return_type(types)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        match self.adder(args.return_type()) {
            Adder::Floats if args.is_distinct => Ok(Box::new(DistinctAccumulator::new(self.measure))),
            Adder::Floats => Ok(Box::new(ExactAccumulator::new(self.measure))),
            _ if args.is_distinct => self.distinct(&args),
            Adder::Wide(sum) => wide_sum::accumulator(sum, &args),
            Adder::Lengths => Ok(Box::new(Lengths::new(args.return_type().clone()))),
            Adder::Builtin(average) => average.accumulator(args),
        }
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        match self.adder(args.return_type()) {
            Adder::Wide(sum) if !args.is_distinct => wide_sum::sliding_accumulator(sum, &args),
            Adder::Builtin(average) if !args.is_distinct => average.create_sliding_accumulator(args),
            _ => self.accumulator(args),
        }
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        match self.adder(args.return_type()) {
            Adder::Floats | Adder::Lengths => false,
            Adder::Wide(builtin) | Adder::Builtin(builtin) => builtin.groups_accumulator_supported(args),
        }
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        match self.adder(args.return_type()) {
            Adder::Wide(sum) => wide_sum::groups_accumulator(sum, &args),
            _ => self.builtin.create_groups_accumulator(args),
        }
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        match self.adder(args.return_type()) {
            Adder::Floats if !args.is_distinct => {
                Ok(vec![Field::new(format_state_name(args.name, "exact"), DataType::Binary, false).into()])
            }
            Adder::Wide(sum) if !args.is_distinct => wide_sum::state_fields(sum, &args),
            Adder::Lengths if !args.is_distinct => Ok(lengths::state_fields(args.name)),
            Adder::Builtin(average) if !args.is_distinct => average.state_fields(args),
            // Of floats too.
            _ => {
                let item = Field::new_list_field(args.input_fields[0].data_type().clone(), true);
                Ok(vec![Field::new_list(format_state_name(args.name, "distinct"), item, false).into()])
            }
        }
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn set_monotonicity(&self, data_type: &DataType) -> SetMonotonicity {
        self.builtin.inner().set_monotonicity(data_type)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.builtin.documentation()
    }
}

#[derive(Debug)]
enum ExactTotal {
    Sum(ExactSum),
    Moments(ExactMoments),
}

impl ExactTotal {
    fn new(measure: Statistic) -> Self {
        match measure {
            Statistic::Sum | Statistic::Mean => ExactTotal::Sum(ExactSum::default()),
            Statistic::Variance(_) | Statistic::Deviation(_) => ExactTotal::Moments(ExactMoments::default()),
        }
    }

    fn add(&mut self, x: f64, weight: i64) {
        match self {
            ExactTotal::Sum(sum) => sum.add(x, weight),
            ExactTotal::Moments(moments) => moments.add(x, weight),
        }
    }

    fn evaluate(&self, measure: Statistic) -> ScalarValue {
        ScalarValue::Float64(match (self, measure) {
            (ExactTotal::Sum(sum), Statistic::Mean) => sum.mean(),
            (ExactTotal::Sum(sum), _) => sum.value(),
            (ExactTotal::Moments(moments), Statistic::Deviation(spread)) => moments.deviation(spread),
            (ExactTotal::Moments(moments), Statistic::Variance(spread)) => moments.variance(spread),
            (ExactTotal::Moments(_), _) => None,
        })
    }

    fn to_bytes(&self) -> Vec<u8> {
        match self {
            ExactTotal::Sum(sum) => sum.to_bytes(),
            ExactTotal::Moments(moments) => moments.to_bytes(),
        }
    }

    /// Merges what `to_bytes` wrote; None if it did not write this.
    fn merge(&mut self, bytes: &[u8]) -> Option<()> {
        match self {
            ExactTotal::Sum(sum) => sum.merge(&ExactSum::from_bytes(bytes)?),
            ExactTotal::Moments(moments) => moments.merge(&ExactMoments::from_bytes(bytes)?),
        }
        Some(())
    }

    fn size(&self) -> usize {
        match self {
            ExactTotal::Sum(sum) => sum.size(),
            ExactTotal::Moments(moments) => moments.size(),
        }
    }
}

#[derive(Debug)]
struct ExactAccumulator {
    measure: Statistic,
    total: ExactTotal,
}

impl ExactAccumulator {
    fn new(measure: Statistic) -> Self {
        Self { measure, total: ExactTotal::new(measure) }
    }

    fn add(&mut self, values: &[ArrayRef], weight: i64) -> Result<()> {
        as_float64_array(&values[0])?.iter().flatten().for_each(|x| self.total.add(x, weight));
        Ok(())
    }
}

impl Accumulator for ExactAccumulator {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.add(values, 1)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.add(values, -1)
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let states: &BinaryArray = as_binary_array(&states[0])?;
        for state in states.iter().flatten() {
            self.total.merge(state).ok_or_else(|| exec_datafusion_err!("state of an exact sum is not readable"))?;
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::Binary(Some(self.total.to_bytes()))])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(self.total.evaluate(self.measure))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.total.size()
    }
}

/// Counts each value, by the bits of its canonical form, so that sliding windows can take copies back.
#[derive(Debug)]
struct DistinctAccumulator {
    measure: Statistic,
    counts: HashMap<u64, i64>,
}

impl DistinctAccumulator {
    fn new(measure: Statistic) -> Self {
        Self { measure, counts: HashMap::new() }
    }

    fn add(&mut self, values: &Float64Array, weight: i64) {
        for x in values.iter().flatten() {
            let bits = canonical(x).to_bits();
            let count = self.counts.entry(bits).or_default();
            *count += weight;
            if *count == 0 {
                self.counts.remove(&bits);
            }
        }
    }
}

impl Accumulator for DistinctAccumulator {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.add(as_float64_array(&values[0])?, 1);
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.add(as_float64_array(&values[0])?, -1);
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for values in states[0].as_list::<i32>().iter().flatten() {
            self.add(values.as_primitive::<Float64Type>(), 1);
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let values: Vec<ScalarValue> = self.counts.keys().map(|bits| f64::from_bits(*bits).into()).collect();
        Ok(vec![ScalarValue::List(ScalarValue::new_list_nullable(&values, &DataType::Float64))])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let mut total = ExactTotal::new(self.measure);
        self.counts.keys().for_each(|bits| total.add(f64::from_bits(*bits), 1));
        Ok(total.evaluate(self.measure))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.counts.capacity() * (size_of::<(u64, i64)>() + 1)
    }
}
