//! Arithmetic of integers and decimals that fails where the result does not fit its type.
//!
//! DataFusion's over integers wraps around: the greatest integer plus one is the least one. It has an operator that fails, and
//! its planner never makes one. Over decimals it gives as many digits as 128 bits have, which may be one more than the type says,
//! and whoever reads such a number by its type reads another.

use arrow::array::{Array, ArrayRef, AsArray, Datum, Scalar};
use arrow::compute::kernels::numeric::{add, div, mul, neg, sub};
use arrow::datatypes::{
    DECIMAL128_MAX_PRECISION, DECIMAL256_MAX_PRECISION, DataType, Decimal128Type, Decimal256Type, Field, FieldRef,
};
use arrow::error::ArrowError;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result, ScalarValue, plan_err};
use datafusion::logical_expr::expr::BinaryExpr;
use datafusion::logical_expr::type_coercion::binary::BinaryTypeCoercer;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, Operator, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility, binary_expr,
};

/// What is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Operation {
    Add,
    Subtract,
    Multiply,
    /// Of decimals: the quotient of two integers fits, or DataFusion's fails.
    Divide,
    Negate,
}

/// The same, failing where it does not fit; None for what always fits, and for what fails without this.
pub(super) fn failing(expression: &Expr, schema: &DFSchema) -> Option<Expr> {
    match expression {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let operation = Operation::of(*op)?;
            operation.operands(&[left.get_type(schema).ok()?, right.get_type(schema).ok()?])?;
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
            Operator::Divide => Some(Operation::Divide),
            _ => None,
        }
    }

    fn operator(self) -> Option<Operator> {
        match self {
            Operation::Add => Some(Operator::Plus),
            Operation::Subtract => Some(Operator::Minus),
            Operation::Multiply => Some(Operator::Multiply),
            Operation::Divide => Some(Operator::Divide),
            Operation::Negate => None,
        }
    }

    /// The types that operands of such types are cast to, and that of the result; None if it is not one that may not fit.
    fn operands(self, types: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
        let (left, operator, right) = match (self.operator(), types) {
            (Some(operator), [left, right]) => (left, operator, right),
            (None, [of]) if of.is_signed_integer() => return Some((vec![of.clone()], of.clone())),
            _ => return None,
        };
        if !(left.is_integer() || left.is_decimal()) || !(right.is_integer() || right.is_decimal()) {
            return None;
        }
        let coercer = BinaryTypeCoercer::new(left, &operator, right);
        let (left, right) = coercer.get_input_types().ok()?;
        let result = coercer.get_result_type().ok()?;
        let may_not_fit = match result {
            // Of fewer digits is a type only where every result has them.
            DataType::Decimal128(precision, _) => precision == DECIMAL128_MAX_PRECISION,
            DataType::Decimal256(precision, _) => precision == DECIMAL256_MAX_PRECISION,
            _ => left == right && left.is_integer() && self != Operation::Divide,
        };
        may_not_fit.then(|| (vec![left, right], result))
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
            Operation::Divide => "divide",
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
            Some((operands, _)) => Ok(operands),
            None => plan_err!("`{}` takes integers or decimals", self.name()),
        }
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match self.operation.operands(types) {
            Some((_, result)) => Ok(result),
            None => plan_err!("`{}` takes integers or decimals", self.name()),
        }
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let types: Vec<DataType> = args.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        let may_be_null = args.arg_fields.iter().any(|field| field.is_nullable());
        Ok(Field::new(self.name(), self.return_type(&types)?, may_be_null).into())
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_scalar = args.args.iter().all(|operand| matches!(operand, ColumnarValue::Scalar(_)));
        let operands = args.args.iter().map(datum).collect::<Result<Vec<_>>>()?;
        let result = match (self.operation, operands.as_slice()) {
            (Operation::Add, [left, right]) => add(&**left, &**right)?,
            (Operation::Subtract, [left, right]) => sub(&**left, &**right)?,
            (Operation::Multiply, [left, right]) => mul(&**left, &**right)?,
            (Operation::Divide, [left, right]) => div(&**left, &**right)?,
            (Operation::Negate, [of]) => neg(of.get().0)?,
            (_, operands) => return plan_err!("`{}` takes no {} operands", self.name(), operands.len()),
        };
        check_digits(&result)?;
        match is_scalar {
            true => Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?)),
            false => Ok(ColumnarValue::Array(result)),
        }
    }
}

fn datum(operand: &ColumnarValue) -> Result<Box<dyn Datum>> {
    Ok(match operand {
        ColumnarValue::Array(values) => Box::new(values.clone()),
        ColumnarValue::Scalar(value) => Box::new(Scalar::new(value.to_array()?)),
    })
}

/// An error if a decimal has more digits than its type.
fn check_digits(results: &ArrayRef) -> Result<(), ArrowError> {
    let (precision, scale, checked) = match *results.data_type() {
        DataType::Decimal128(precision, scale) => {
            (precision, scale, results.as_primitive::<Decimal128Type>().validate_decimal_precision(precision))
        }
        DataType::Decimal256(precision, scale) => {
            (precision, scale, results.as_primitive::<Decimal256Type>().validate_decimal_precision(precision))
        }
        _ => return Ok(()),
    };
    checked.map_err(|_| {
        ArrowError::ArithmeticOverflow(format!("a result has more digits than decimal({precision},{scale})"))
    })
}
