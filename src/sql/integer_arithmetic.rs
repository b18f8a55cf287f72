//! Sums, differences and products of integers that fail where they do not fit their type.
//!
//! DataFusion's wrap around: the greatest integer plus one is the least one. It has an operator that fails, and its planner never
//! makes one.

use arrow::compute::kernels::numeric::{add, mul, neg, sub};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result, ScalarValue, plan_err};
use datafusion::logical_expr::expr::BinaryExpr;
use datafusion::logical_expr::type_coercion::binary::BinaryTypeCoercer;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, Operator, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility, binary_expr,
};

/// What is computed. Its result has the type of its operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Operation {
    Add,
    Subtract,
    Multiply,
    Negate,
}

/// The same over integers, failing where it does not fit; None for anything else.
pub(super) fn failing(expression: &Expr, schema: &DFSchema) -> Option<Expr> {
    let is_integer = |side: &Expr| side.get_type(schema).is_ok_and(|of| of.is_integer());
    match expression {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let operation = Operation::of(*op).filter(|_| is_integer(left) && is_integer(right))?;
            let types = [left.get_type(schema).ok()?, right.get_type(schema).ok()?];
            operation.operands(&types)?;
            Some(operation.udf().call(vec![left.as_ref().clone(), right.as_ref().clone()]))
        }
        // A literal is what its author wrote.
        Expr::Negative(inner) if !matches!(**inner, Expr::Literal(..)) => {
            Operation::Negate.operands(&[inner.get_type(schema).ok()?])?;
            Some(Operation::Negate.udf().call(vec![inner.as_ref().clone()]))
        }
        _ => None,
    }
}

/// The expression with the operators that its author wrote, to be shown.
pub(super) fn as_written(expression: Expr) -> Expr {
    let written = expression.transform_up(|part| {
        let Expr::ScalarFunction(call) = &part else { return Ok(Transformed::no(part)) };
        let operator = call.func.inner().downcast_ref::<Failing>().map(|failing| failing.operation.operator());
        Ok(match (operator, call.args.as_slice()) {
            (Some(Some(operator)), [left, right]) => {
                Transformed::yes(binary_expr(left.clone(), operator, right.clone()))
            }
            (Some(None), [of]) => Transformed::yes(Expr::Negative(Box::new(of.clone()))),
            _ => Transformed::no(part),
        })
    });
    // The closure never fails.
    written.map(|written| written.data).unwrap_or_default()
}

impl Operation {
    fn of(operator: Operator) -> Option<Self> {
        match operator {
            Operator::Plus => Some(Operation::Add),
            Operator::Minus => Some(Operation::Subtract),
            Operator::Multiply => Some(Operation::Multiply),
            _ => None,
        }
    }

    fn operator(self) -> Option<Operator> {
        match self {
            Operation::Add => Some(Operator::Plus),
            Operation::Subtract => Some(Operator::Minus),
            Operation::Multiply => Some(Operator::Multiply),
            Operation::Negate => None,
        }
    }

    /// The types that operands of such types are cast to; None if their result is no integer.
    fn operands(self, types: &[DataType]) -> Option<Vec<DataType>> {
        match (self.operator(), types) {
            (Some(operator), [left, right]) => {
                let (left, right) = BinaryTypeCoercer::new(left, &operator, right).get_input_types().ok()?;
                (left == right && left.is_integer()).then(|| vec![left, right])
            }
            (None, [of]) => of.is_signed_integer().then(|| vec![of.clone()]),
            _ => None,
        }
    }

    fn udf(self) -> ScalarUDF {
        ScalarUDF::from(Failing { operation: self, signature: Signature::user_defined(Volatility::Immutable) })
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Failing {
    operation: Operation,
    signature: Signature,
}

impl ScalarUDFImpl for Failing {
    fn name(&self) -> &str {
        match self.operation {
            Operation::Add => "add",
            Operation::Subtract => "subtract",
            Operation::Multiply => "multiply",
            Operation::Negate => "negate",
        }
    }

    /// A column is called as it would be without this function.
    fn schema_name(&self, operands: &[Expr]) -> Result<String> {
        let names = operands.iter().map(|operand| Ok(operand.schema_name().to_string())).collect::<Result<Vec<_>>>()?;
        match (self.operation.operator(), names.as_slice()) {
            (Some(operator), [left, right]) => Ok(format!("{left} {operator} {right}")),
            (_, names) => Ok(format!("(- {})", names.join(","))),
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match self.operation.operands(types) {
            Some(types) => Ok(types),
            None => plan_err!("`{}` takes integers", self.name()),
        }
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(types[0].clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let may_be_null = args.arg_fields.iter().any(|field| field.is_nullable());
        Ok(Field::new(self.name(), args.arg_fields[0].data_type().clone(), may_be_null).into())
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_scalar = args.args.iter().all(|operand| matches!(operand, ColumnarValue::Scalar(_)));
        let rows = if is_scalar { 1 } else { args.number_rows };
        let operands = args.args.iter().map(|operand| operand.to_array(rows)).collect::<Result<Vec<_>>>()?;
        let result = match (self.operation, operands.as_slice()) {
            (Operation::Add, [left, right]) => add(left, right)?,
            (Operation::Subtract, [left, right]) => sub(left, right)?,
            (Operation::Multiply, [left, right]) => mul(left, right)?,
            (Operation::Negate, [of]) => neg(of)?,
            (_, operands) => return plan_err!("`{}` takes no {} operands", self.name(), operands.len()),
        };
        match is_scalar {
            true => Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?)),
            false => Ok(ColumnarValue::Array(result)),
        }
    }
}
