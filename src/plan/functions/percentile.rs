//! `percentile_cont` under its built-in name: over 64-bit floats with the whole weight of its interpolation, as the circuit
//! computes it; the built-in function over every other type.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, FieldRef, Float64Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::function::{AccumulatorArgs, AggregateFunctionSimplification, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, GroupsAccumulator, Signature,
};
use datafusion::physical_expr::expressions::Literal;

use crate::circuit::interpolated;

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Percentile {
    pub(super) builtin: Arc<AggregateUDF>,
}

impl AggregateUDFImpl for Percentile {
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
        self.builtin.return_type(types)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        match fraction(&args) {
            Some(fraction) => {
                let (values, is_distinct) = (BTreeMap::new(), args.is_distinct);
                Ok(Box::new(Values { values, fraction, is_distinct }))
            }
            None => self.builtin.accumulator(args),
        }
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        fraction(&args).is_none() && self.builtin.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        self.builtin.create_groups_accumulator(args)
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        self.builtin.state_fields(args)
    }

    fn simplify(&self) -> Option<AggregateFunctionSimplification> {
        self.builtin.simplify()
    }

    fn supports_within_group_clause(&self) -> bool {
        self.builtin.supports_within_group_clause()
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.builtin.documentation()
    }
}

/// Of the way from the least value to the greatest, where the values are 64-bit floats.
fn fraction(args: &AccumulatorArgs) -> Option<f64> {
    if *args.expr_fields.first()?.data_type() != DataType::Float64 {
        return None;
    }
    let ScalarValue::Float64(Some(fraction)) = args.exprs.get(1)?.downcast_ref::<Literal>()?.value() else {
        return None;
    };
    let descends = args.order_bys.first().is_some_and(|sort| sort.options.descending);
    (0.0..=1.0).contains(fraction).then_some(if descends { 1.0 - fraction } else { *fraction })
}

/// All values with their counts, in the total order of floats.
#[derive(Debug)]
struct Values {
    values: BTreeMap<i64, usize>,
    fraction: f64,
    is_distinct: bool,
}

/// Floats as numbers in the same order, and back.
fn ordered(bits: u64) -> i64 {
    let bits = bits as i64;
    bits ^ (((bits >> 63) as u64) >> 1) as i64
}

fn float(ordered: i64) -> f64 {
    f64::from_bits((ordered ^ (((ordered >> 63) as u64) >> 1) as i64) as u64)
}

impl Values {
    fn counted(&self) -> impl Iterator<Item = (f64, usize)> + '_ {
        self.values.iter().map(|(value, count)| (float(*value), if self.is_distinct { 1 } else { *count }))
    }

    /// The value at a position, counted from 0.
    fn at(&self, position: usize) -> Option<f64> {
        let mut before = 0;
        self.counted()
            .find(|(_, count)| {
                before += count;
                before > position
            })
            .map(|(value, _)| value)
    }
}

impl Accumulator for Values {
    fn update_batch(&mut self, columns: &[ArrayRef]) -> Result<()> {
        for value in columns[0].as_primitive::<Float64Type>().iter().flatten() {
            *self.values.entry(ordered(value.to_bits())).or_default() += 1;
        }
        Ok(())
    }

    fn retract_batch(&mut self, columns: &[ArrayRef]) -> Result<()> {
        for value in columns[0].as_primitive::<Float64Type>().iter().flatten() {
            let value = ordered(value.to_bits());
            if let Some(count) = self.values.get_mut(&value) {
                *count -= 1;
                if *count == 0 {
                    self.values.remove(&value);
                }
            }
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let lists = states[0].as_list::<i32>();
        (0..lists.len())
            .filter(|&list| lists.is_valid(list))
            .try_for_each(|list| self.update_batch(&[lists.value(list)]))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let values = self.values.iter().flat_map(|(value, count)| std::iter::repeat_n(float(*value), *count));
        let values: Vec<ScalarValue> = values.map(|value| ScalarValue::Float64(Some(value))).collect();
        Ok(vec![ScalarValue::List(ScalarValue::new_list(&values, &DataType::Float64, true))])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let total: usize = self.counted().map(|(_, count)| count).sum();
        let position = self.fraction * total.saturating_sub(1) as f64;
        let (lower, part) = (self.at(position.floor() as usize), position - position.floor());
        let upper = if part == 0.0 { lower } else { self.at(position.floor() as usize + 1) };
        Ok(ScalarValue::Float64(lower.zip(upper).map(|(lower, upper)| interpolated(lower, upper, part))))
    }

    fn size(&self) -> usize {
        // A node of the map has room for eleven entries and is half full at least.
        size_of_val(self) + self.values.len() * 2 * size_of::<(i64, usize)>()
    }
}
