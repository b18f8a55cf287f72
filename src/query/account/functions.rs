//! Functions of a reader's SQL, metered: a call that may make much of little is reserved for before it is made, or made in parts,
//! and none begins after the time limit.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::compute::concat;
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result, ScalarValue, resources_datafusion_err};
use datafusion::logical_expr::interval_arithmetic::Interval;
use datafusion::logical_expr::preimage::PreimageResult;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ExpressionPlacement, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, StructFieldMapping, Volatility,
};

use super::Account;
use super::amounts::{Amounts, amounts};

/// A call within these is made at once.
const PART: Amounts = Amounts { bytes: 4 << 20, steps: 32 << 20 };
/// A constant of more bytes is refused: the optimiser writes constants into the plan, and names, compares and copies them there.
const CONSTANT_BYTES_MAX: usize = 64 << 10;
/// A single row that may take more steps is refused: nothing could stop it.
const ROW_STEPS_MAX: usize = 256 << 20;

/// A function with an account. It is the same function whatever the account is.
#[derive(Debug, Clone)]
pub(super) struct Metered {
    inner: Arc<ScalarUDF>,
    account: Account,
}

impl PartialEq for Metered {
    fn eq(&self, other: &Self) -> bool {
        self.inner == other.inner
    }
}

impl Eq for Metered {}

impl Hash for Metered {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.hash(state);
    }
}

/// Functions that rules of the optimiser know, and that only hand on what they are given.
const HANDING_ON: [&str; 4] = ["canonical_float", "coalesce", "get_field", "now"];

/// The function under its own name, metered.
pub(super) fn metered(inner: &Arc<ScalarUDF>, account: &Account) -> Arc<ScalarUDF> {
    if inner.inner().is::<Metered>() || HANDING_ON.contains(&inner.name()) {
        return inner.clone();
    }
    Arc::new(ScalarUDF::new_from_impl(Metered { inner: inner.clone(), account: account.clone() }))
}

impl Metered {
    fn call(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.account.check_time()?;
        let inputs = args.args.clone();
        let result = self.inner.invoke_with_args(args)?;
        self.account.count(&result, &inputs)?;
        Ok(result)
    }

    /// Calls the function for halves of the rows, and halves of these, until each part is small.
    fn call_in_parts(&self, args: &ScalarFunctionArgs, parts: &mut Vec<ArrayRef>) -> Result<()> {
        let cost = self.cost(args);
        if args.number_rows > 1 && exceeds(cost, PART) {
            let half = args.number_rows / 2;
            self.call_in_parts(&slice(args, 0, half), parts)?;
            return self.call_in_parts(&slice(args, half, args.number_rows - half), parts);
        }
        let _held = self.reserve(cost)?;
        parts.push(self.call(args.clone())?.into_array(args.number_rows)?);
        Ok(())
    }

    fn cost(&self, args: &ScalarFunctionArgs) -> Amounts {
        amounts(self.inner.name(), &args.args, args.number_rows)
    }

    /// What a call that cannot be made smaller takes.
    fn reserve(&self, cost: Amounts) -> Result<Option<datafusion::execution::memory_pool::MemoryReservation>> {
        if cost.steps > ROW_STEPS_MAX {
            return Err(resources_datafusion_err!("{}() has too much to compare in one row", self.inner.name()));
        }
        let is_large = cost.bytes > PART.bytes;
        is_large.then(|| self.account.reserve(self.inner.name(), cost.bytes)).transpose()
    }
}

fn exceeds(cost: Amounts, limit: Amounts) -> bool {
    cost.bytes > limit.bytes || cost.steps > limit.steps
}

fn slice(args: &ScalarFunctionArgs, offset: usize, length: usize) -> ScalarFunctionArgs {
    let slice = |arg: &ColumnarValue| match arg {
        ColumnarValue::Array(array) => ColumnarValue::Array(array.slice(offset, length)),
        scalar => scalar.clone(),
    };
    ScalarFunctionArgs { args: args.args.iter().map(slice).collect(), number_rows: length, ..args.clone() }
}

impl ScalarUDFImpl for Metered {
    fn invoke_with_args(&self, mut args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let has_rows = args.args.iter().any(|arg| matches!(arg, ColumnarValue::Array(_)));
        if !has_rows && self.signature().volatility == Volatility::Immutable {
            // One value stands for all rows.
            args.number_rows = 1;
            let bytes = self.cost(&args).bytes;
            if bytes > CONSTANT_BYTES_MAX {
                return Err(resources_datafusion_err!(
                    "{}() makes a constant of up to {bytes} bytes",
                    self.inner.name()
                ));
            }
        }
        let cost = self.cost(&args);
        if args.number_rows <= 1 || !exceeds(cost, PART) {
            let _held = self.reserve(cost)?;
            return self.call(args);
        }
        let mut parts = Vec::new();
        self.call_in_parts(&args, &mut parts)?;
        let bytes = parts.iter().map(|part| part.get_array_memory_size()).sum();
        let _held = self.account.reserve(self.inner.name(), bytes)?;
        let whole = concat(&parts.iter().map(|part| &**part).collect::<Vec<&dyn Array>>())?;
        drop(parts);
        let whole = ColumnarValue::Array(whole);
        self.account.count(&whole, &args.args)?;
        Ok(whole)
    }

    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        self.inner.schema_name(args)
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn is_strict(&self) -> bool {
        self.inner.is_strict()
    }

    fn with_updated_config(&self, config: &datafusion::common::config::ConfigOptions) -> Option<ScalarUDF> {
        let inner = self.inner.inner().with_updated_config(config)?;
        Some(ScalarUDF::new_from_impl(Metered { inner: Arc::new(inner), account: self.account.clone() }))
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        self.inner.simplify(args, info)
    }

    fn preimage(&self, args: &[Expr], literal: &Expr, info: &SimplifyContext) -> Result<PreimageResult> {
        self.inner.preimage(args, literal, info)
    }

    fn short_circuits(&self) -> bool {
        self.inner.short_circuits()
    }

    fn conditional_arguments<'a>(&self, args: &'a [Expr]) -> Option<(Vec<&'a Expr>, Vec<&'a Expr>)> {
        self.inner.conditional_arguments(args)
    }

    fn evaluate_bounds(&self, inputs: &[&Interval]) -> Result<Interval> {
        self.inner.evaluate_bounds(inputs)
    }

    fn propagate_constraints(&self, interval: &Interval, inputs: &[&Interval]) -> Result<Option<Vec<Interval>>> {
        self.inner.propagate_constraints(interval, inputs)
    }

    fn output_ordering(&self, inputs: &[ExprProperties]) -> Result<SortProperties> {
        self.inner.output_ordering(inputs)
    }

    fn preserves_lex_ordering(&self, inputs: &[ExprProperties]) -> Result<bool> {
        self.inner.preserves_lex_ordering(inputs)
    }

    fn strictly_order_preserving(&self, inputs: &[ExprProperties]) -> Result<bool> {
        self.inner.strictly_order_preserving(inputs)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(types)
    }

    fn struct_field_mapping(&self, literals: &[Option<ScalarValue>]) -> Option<StructFieldMapping> {
        self.inner.struct_field_mapping(literals)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }

    fn placement(&self, args: &[ExpressionPlacement]) -> ExpressionPlacement {
        self.inner.placement(args)
    }
}
