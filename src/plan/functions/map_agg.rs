//! `map_agg(key, value)`: one entry a key, with the last value in the order that the `rewrite` room supplies.
//!
//! Orders are compared as encoded rows: DataFusion's own comparison fails on lists of structs, which a tie between
//! derived rows comes down to. Keys are sorted. Rows whose key is NULL do not count. No rows give an empty map.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, MapArray, StructArray, new_empty_array};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, FieldRef, Fields};
use arrow::row::{OwnedRow, RowConverter, SortField};
use datafusion::common::utils::SingleRowListArrayBuilder;
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{Accumulator, AggregateUDFImpl, Signature, Volatility};

use super::canonical::canonical_array;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct MapAgg {
    signature: Signature,
}

impl Default for MapAgg {
    fn default() -> Self {
        Self { signature: Signature::any(2, Volatility::Immutable) }
    }
}

impl AggregateUDFImpl for MapAgg {
    fn name(&self) -> &str {
        "map_agg"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        if types[0].is_nested() {
            return plan_err!("keys of `map_agg` must be plain values, not {}", types[0]);
        }
        Ok(DataType::Map(entries(&types[0], &types[1]), false))
    }

    fn is_nullable(&self) -> bool {
        false
    }

    fn default_value(&self, data_type: &DataType) -> Result<ScalarValue> {
        map_scalar(data_type, vec![])
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        if args.order_bys.is_empty() {
            return exec_err!("`map_agg` must be planned by readside: it has no order here");
        }
        let order: Vec<FieldRef> =
            args.order_bys.iter().map(|sort| sort.expr.return_field(args.schema)).collect::<Result<_>>()?;
        let fields = order.iter().zip(args.order_bys);
        let fields = fields.map(|(field, sort)| SortField::new_with_options(field.data_type().clone(), sort.options));
        Ok(Box::new(MapAccumulator {
            map_type: args.return_field.data_type().clone(),
            ranks: RowConverter::new(fields.collect())?,
            state_type: state_type(args.return_field.data_type(), order)?,
            entries: HashMap::new(),
        }))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let item = state_type(args.return_type(), args.ordering_fields.to_vec())?;
        let name = format_state_name(args.name, "entries");
        Ok(vec![Field::new_list(name, Field::new_list_field(item, true), false).into()])
    }

    // The accumulator compares the order itself: sorted input would be of no use to it, and asks for no sort.
    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Beneficial
    }

    fn with_beneficial_ordering(self: Arc<Self>, _: bool) -> Result<Option<Arc<dyn AggregateUDFImpl>>> {
        Ok(Some(self))
    }
}

fn entries(key: &DataType, value: &DataType) -> FieldRef {
    let fields = vec![Field::new("key", key.clone(), false), Field::new("value", value.clone(), true)];
    Arc::new(Field::new("entries", DataType::Struct(Fields::from(fields)), false))
}

/// One entry of the state: key, value and the columns of the order.
fn state_type(map_type: &DataType, order: Vec<FieldRef>) -> Result<DataType> {
    let [key, value] = entry_types(map_type)?;
    let mut fields = vec![Field::new("key", key, true), Field::new("value", value, true)];
    let order = order.iter().enumerate();
    fields.extend(order.map(|(index, field)| Field::new(format!("order{index}"), field.data_type().clone(), true)));
    Ok(DataType::Struct(fields.into()))
}

fn entry_types(map_type: &DataType) -> Result<[DataType; 2]> {
    if let DataType::Map(entries, _) = map_type
        && let DataType::Struct(fields) = entries.data_type()
        && let [key, value] = &fields[..]
    {
        return Ok([key.data_type().clone(), value.data_type().clone()]);
    }
    plan_err!("{map_type} is not a map")
}

fn map_scalar(map_type: &DataType, entries: Vec<(ScalarValue, ScalarValue)>) -> Result<ScalarValue> {
    let types = entry_types(map_type)?;
    let (keys, values): (Vec<_>, Vec<_>) = entries.into_iter().unzip();
    let length = keys.len();
    let columns = [keys, values].into_iter().zip(&types).map(|(values, data_type)| match values.is_empty() {
        true => Ok(new_empty_array(data_type)),
        false => ScalarValue::iter_to_array(values),
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    let DataType::Map(field, sorted) = map_type else { return plan_err!("{map_type} is not a map") };
    let DataType::Struct(fields) = field.data_type() else { return plan_err!("{map_type} is not a map") };
    let entries = StructArray::try_new(fields.clone(), columns, None)?;
    let map = MapArray::try_new(field.clone(), OffsetBuffer::from_lengths([length]), entries, None, *sorted)?;
    Ok(ScalarValue::Map(Arc::new(map)))
}

#[derive(Debug)]
struct MapAccumulator {
    map_type: DataType,
    state_type: DataType,
    /// Encodes the columns of the order.
    ranks: RowConverter,
    entries: HashMap<ScalarValue, MapEntry>,
}

#[derive(Debug)]
struct MapEntry {
    rank: OwnedRow,
    /// What the rank encodes, for the state.
    order: Vec<ScalarValue>,
    value: ScalarValue,
}

impl MapAccumulator {
    /// Columns: key, value and the order.
    fn add(&mut self, columns: &[ArrayRef]) -> Result<()> {
        let keys = canonical_array(&columns[0]);
        let ranks = self.ranks.convert_columns(&columns[2..])?;
        for row in 0..keys.len() {
            let key = ScalarValue::try_from_array(&keys, row)?;
            if key.is_null() {
                continue;
            }
            let rank = ranks.row(row);
            if self.entries.get(&key).is_some_and(|known| rank < known.rank.row()) {
                continue;
            }
            let value = |column: &ArrayRef| ScalarValue::try_from_array(column, row);
            let order = columns[2..].iter().map(value).collect::<Result<Vec<_>>>()?;
            self.entries.insert(key, MapEntry { rank: rank.owned(), order, value: value(&columns[1])? });
        }
        Ok(())
    }
}

impl Accumulator for MapAccumulator {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.add(values)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for entries in states[0].as_list::<i32>().iter().flatten() {
            self.add(entries.as_struct().columns())?;
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let DataType::Struct(fields) = &self.state_type else { return plan_err!("state of `map_agg` is no struct") };
        let rows =
            self.entries.iter().map(|(key, entry)| [&[key.clone(), entry.value.clone()], &entry.order[..]].concat());
        let rows: Vec<Vec<ScalarValue>> = rows.collect();
        let columns = fields.iter().enumerate().map(|(index, field)| match rows.is_empty() {
            true => Ok(new_empty_array(field.data_type())),
            false => ScalarValue::iter_to_array(rows.iter().map(|row| row[index].clone())),
        });
        let entries = StructArray::try_new(fields.clone(), columns.collect::<Result<Vec<_>>>()?, None)?;
        Ok(vec![SingleRowListArrayBuilder::new(Arc::new(entries)).build_list_scalar()])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let mut entries: Vec<_> = self.entries.iter().map(|(key, entry)| (key.clone(), entry.value.clone())).collect();
        entries.sort_by(|(left, _), (right, _)| left.partial_cmp(right).unwrap_or(Ordering::Equal));
        map_scalar(&self.map_type, entries)
    }

    fn size(&self) -> usize {
        let entry = |(key, entry): (&ScalarValue, &MapEntry)| {
            let rank = entry.rank.row().data().len();
            key.size() + entry.value.size() + rank + ScalarValue::size_of_vec(&entry.order) + size_of::<u64>()
        };
        size_of_val(self) + self.entries.iter().map(entry).sum::<usize>()
    }
}
