//! Aggregates that are only names, arities and types here: `latest`, `earliest`, `collect`, `max_by`, `min_by`.
//!
//! The `rewrite` room turns each into built-in aggregates with an explicit order. None is ever executed.

use std::sync::Arc;

use arrow::array::new_empty_array;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::utils::SingleRowListArrayBuilder;
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::logical_expr::{Accumulator, AggregateUDFImpl, Signature, Volatility};

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Ordered {
    pick: Pick,
    signature: Signature,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Pick {
    /// The last non-null value.
    Latest,
    /// The first non-null value.
    Earliest,
    /// All non-null values, an empty list if there are none.
    Collect,
    /// The first argument where the second is greatest.
    MaxBy,
    /// The first argument where the second is least.
    MinBy,
}

impl Pick {
    /// As it is written in SQL.
    pub(super) fn name(self) -> &'static str {
        match self {
            Pick::Latest => "latest",
            Pick::Earliest => "earliest",
            Pick::Collect => "collect",
            Pick::MaxBy => "max_by",
            Pick::MinBy => "min_by",
        }
    }
}

impl Ordered {
    pub(super) fn new(pick: Pick) -> Self {
        let arity = if matches!(pick, Pick::MaxBy | Pick::MinBy) { 2 } else { 1 };
        Self { pick, signature: Signature::any(arity, Volatility::Immutable) }
    }
}

impl AggregateUDFImpl for Ordered {
    fn name(&self) -> &str {
        self.pick.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(match self.pick {
            Pick::Collect => DataType::List(Arc::new(Field::new_list_field(types[0].clone(), true))),
            _ => types[0].clone(),
        })
    }

    fn return_field(&self, arguments: &[FieldRef]) -> Result<FieldRef> {
        let data_type = self.return_type(&[arguments[0].data_type().clone()])?;
        let field = Field::new(self.name(), data_type, self.is_nullable());
        Ok(Arc::new(match self.pick {
            Pick::Collect => field,
            _ => field.with_metadata(arguments[0].metadata().clone()),
        }))
    }

    fn is_nullable(&self) -> bool {
        self.pick != Pick::Collect
    }

    fn default_value(&self, data_type: &DataType) -> Result<ScalarValue> {
        match (self.pick, data_type) {
            (Pick::Collect, DataType::List(item)) => {
                Ok(SingleRowListArrayBuilder::new(new_empty_array(item.data_type())).build_list_scalar())
            }
            _ => ScalarValue::try_from(data_type),
        }
    }

    fn supports_null_handling_clause(&self) -> bool {
        matches!(self.pick, Pick::Latest | Pick::Earliest)
    }

    fn accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        exec_err!("`{0}` must be planned by readside: only the SQL of a projection can use `{0}`", self.name())
    }
}
