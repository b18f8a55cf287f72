//! `mode(x)` and `percentile_disc(f) WITHIN GROUP (ORDER BY x)`: one of the values of a group, found by how many there are of each.
//!
//! NULLs do not count. Of several values that are as frequent the mode is the least; the discrete percentile is the first value at
//! which the given share of all has been met, as in PostgreSQL. DataFusion has neither.

use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, FieldRef};
use arrow::row::{OwnedRow, RowConverter, SortField};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{Accumulator, AggregateUDFImpl, Signature, Volatility};
use datafusion::physical_expr::expressions::Literal;

use super::canonical::canonical_array;

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct CountedValue {
    choice: Choice,
    signature: Signature,
}

/// Which value is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Choice {
    MostFrequent,
    AtShare,
}

impl CountedValue {
    pub(super) fn new(choice: Choice) -> Self {
        Self { choice, signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl AggregateUDFImpl for CountedValue {
    fn name(&self) -> &str {
        match self.choice {
            Choice::MostFrequent => "mode",
            Choice::AtShare => "percentile_disc",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match (self.choice, types) {
            (Choice::MostFrequent, [value]) => Ok(vec![value.clone()]),
            (Choice::AtShare, [value, share]) if share.is_numeric() => Ok(vec![value.clone(), DataType::Float64]),
            (Choice::MostFrequent, _) => plan_err!("`mode` takes one value: `mode() WITHIN GROUP (ORDER BY x)`"),
            (Choice::AtShare, _) => plan_err!(
                "`percentile_disc` takes a share and an order: `percentile_disc(0.5) WITHIN GROUP (ORDER BY x)`"
            ),
        }
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(types[0].clone())
    }

    fn return_field(&self, arguments: &[FieldRef]) -> Result<FieldRef> {
        let field = Field::new(self.name(), arguments[0].data_type().clone(), true);
        Ok(field.with_metadata(arguments[0].metadata().clone()).into())
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let data_type = args.expr_fields[0].data_type().clone();
        let share = match self.choice {
            Choice::MostFrequent => None,
            Choice::AtShare => Some(share(&args)?),
        };
        let descends = args.order_bys.first().is_some_and(|sort| sort.options.descending);
        Ok(Box::new(CountedValues {
            rows: RowConverter::new(vec![SortField::new(data_type.clone())])?,
            data_type,
            counts: BTreeMap::new(),
            share,
            descends,
            is_distinct: args.is_distinct,
        }))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let item = Field::new_list_field(args.input_fields[0].data_type().clone(), true);
        Ok(vec![Field::new_list(format_state_name(args.name, "values"), item, false).into()])
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn supports_within_group_clause(&self) -> bool {
        self.choice == Choice::AtShare
    }
}

/// # Errors
/// If the share is none from 0 to 1 that is written out.
fn share(args: &AccumulatorArgs<'_>) -> Result<f64> {
    let literal = args.exprs.get(1).and_then(|share| share.downcast_ref::<Literal>());
    match literal.map(|literal| literal.value().cast_to(&DataType::Float64)).transpose()? {
        Some(ScalarValue::Float64(Some(share))) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => exec_err!("`percentile_disc` takes a share from 0 to 1 that is written out"),
    }
}

/// All values, encoded, with how many there are of each.
#[derive(Debug)]
struct CountedValues {
    rows: RowConverter,
    data_type: DataType,
    counts: BTreeMap<OwnedRow, i64>,
    /// For a percentile.
    share: Option<f64>,
    descends: bool,
    is_distinct: bool,
}

impl CountedValues {
    fn add(&mut self, values: &ArrayRef, weight: i64) -> Result<()> {
        let values = canonical_array(values);
        let nulls = values.logical_nulls();
        let rows = self.rows.convert_columns(std::slice::from_ref(&values))?;
        for row in (0..values.len()).filter(|row| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(*row))) {
            let value = rows.row(row).owned();
            let count = self.counts.entry(value.clone()).or_default();
            *count += weight;
            if *count == 0 {
                self.counts.remove(&value);
            }
        }
        Ok(())
    }

    fn count(&self, count: i64) -> i64 {
        if self.is_distinct { 1 } else { count }
    }

    fn chosen(&self) -> Option<&OwnedRow> {
        let Some(share) = self.share else {
            let most = self.counts.values().map(|count| self.count(*count)).max()?;
            return self.counts.iter().find(|(_, count)| self.count(**count) == most).map(|(value, _)| value);
        };
        let total: i64 = self.counts.values().map(|count| self.count(*count)).sum();
        let place = ((share * total as f64).ceil() as i64).max(1);
        let mut met = 0;
        let mut reaches = |(_, count): &(&OwnedRow, &i64)| {
            met += self.count(**count);
            met >= place
        };
        let found = match self.descends {
            true => self.counts.iter().rev().find(&mut reaches),
            false => self.counts.iter().find(&mut reaches),
        };
        found.map(|(value, _)| value)
    }
}

impl Accumulator for CountedValues {
    fn update_batch(&mut self, columns: &[ArrayRef]) -> Result<()> {
        self.add(&columns[0], 1)
    }

    fn retract_batch(&mut self, columns: &[ArrayRef]) -> Result<()> {
        self.add(&columns[0], -1)
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let lists = states[0].as_list::<i32>();
        (0..lists.len()).filter(|&list| lists.is_valid(list)).try_for_each(|list| self.add(&lists.value(list), 1))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let values = self.counts.iter().flat_map(|(value, count)| std::iter::repeat_n(value.row(), *count as usize));
        let values = self.rows.convert_rows(values)?.remove(0);
        let values = (0..values.len()).map(|row| ScalarValue::try_from_array(&values, row));
        let values = values.collect::<Result<Vec<_>>>()?;
        Ok(vec![ScalarValue::List(ScalarValue::new_list(&values, &self.data_type, true))])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        match self.chosen() {
            Some(value) => ScalarValue::try_from_array(&self.rows.convert_rows([value.row()])?.remove(0), 0),
            None => ScalarValue::try_from(&self.data_type),
        }
    }

    fn size(&self) -> usize {
        let bytes: usize = self.counts.keys().map(|value| value.row().data().len()).sum();
        // A node of the map has room for eleven entries and is half full at least.
        size_of_val(self) + bytes + self.counts.len() * 2 * size_of::<(OwnedRow, i64)>()
    }
}
