//! `nth_value(x, n)` under its built-in name: an element of the list that `array_agg` makes. Unlike the built-in one, it
//! need not be the only one with an order, knows DISTINCT, and passes over NULLs if asked to.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Expr, ReversedUDAF, Signature, Volatility,
};
use datafusion::physical_expr::expressions::Literal;

/// The function over the elements of `list`. Its second argument has to be one for which [`nth`] has a number.
pub(in crate::plan) fn nth_value(list: Arc<AggregateUDF>) -> AggregateUDF {
    AggregateUDF::from(NthValue { list, signature: Signature::any(2, Volatility::Immutable) })
}

/// The number of the row that is asked for: from 1, or from -1 for the last. None for anything else.
pub(in crate::plan) fn nth(n: &Expr) -> Option<i64> {
    if let Expr::Literal(value, _) = n { number(value) } else { None }
}

fn number(value: &ScalarValue) -> Option<i64> {
    if let ScalarValue::Int64(Some(n)) = value { Some(*n).filter(|&n| n != 0) } else { None }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct NthValue {
    list: Arc<AggregateUDF>,
    signature: Signature,
}

impl AggregateUDFImpl for NthValue {
    fn name(&self) -> &str {
        "nth_value"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(types[0].clone())
    }

    fn return_field(&self, arguments: &[FieldRef]) -> Result<FieldRef> {
        let field = Field::new(self.name(), arguments[0].data_type().clone(), true);
        Ok(Arc::new(field.with_metadata(arguments[0].metadata().clone())))
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let literal = args.exprs.get(1).and_then(|n| n.downcast_ref::<Literal>());
        let Some(n) = literal.and_then(|literal| number(literal.value())) else {
            return exec_err!(
                "`nth_value` takes a number other than 0 as its place, counted from 1, or from -1 for the last"
            );
        };
        let value = args.expr_fields[0].data_type().clone();
        let list_args = AccumulatorArgs { exprs: &args.exprs[..1], expr_fields: &args.expr_fields[..1], ..args };
        Ok(Box::new(NthAccumulator { list: self.list.accumulator(list_args)?, n, value }))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        self.list.state_fields(StateFieldsArgs { input_fields: &args.input_fields[..1], ..args })
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.list.order_sensitivity()
    }

    fn with_beneficial_ordering(self: Arc<Self>, is_in_order: bool) -> Result<Option<Arc<dyn AggregateUDFImpl>>> {
        let list = AggregateUDF::clone(&self.list).with_beneficial_ordering(is_in_order)?;
        Ok(list.map(|list| Arc::new(Self { list: Arc::new(list), signature: self.signature.clone() }) as _))
    }

    // A reversed list puts itself in order again.
    fn reverse_expr(&self) -> ReversedUDAF {
        match self.list.reverse_udf() {
            ReversedUDAF::Reversed(list) => ReversedUDAF::Reversed(Arc::new(nth_value(list))),
            other => other,
        }
    }

    fn supports_null_handling_clause(&self) -> bool {
        true
    }
}

#[derive(Debug)]
struct NthAccumulator {
    list: Box<dyn Accumulator>,
    n: i64,
    value: DataType,
}

impl Accumulator for NthAccumulator {
    /// Columns: value, n and the order.
    fn update_batch(&mut self, columns: &[ArrayRef]) -> Result<()> {
        self.list.update_batch(&[&columns[..1], &columns[2..]].concat())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.list.merge_batch(states)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.list.state()
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if let ScalarValue::List(list) = self.list.evaluate()? {
            let elements = list.values();
            let distance = self.n.unsigned_abs() as usize;
            let index = if self.n > 0 { Some(distance - 1) } else { elements.len().checked_sub(distance) };
            if let Some(index) = index.filter(|&index| index < elements.len()) {
                return ScalarValue::try_from_array(elements, index);
            }
        }
        ScalarValue::try_from(&self.value)
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.list.size()
    }
}
