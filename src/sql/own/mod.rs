//! Scalar functions of this crate: what one takes and gives, and how it is computed, without what DataFusion wants to know of it
//! beside that.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, StringArray};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// A scalar function.
#[derive(Debug)]
pub(in crate::sql) struct Function {
    pub(in crate::sql) name: &'static str,
    /// How it is called, for whoever calls it otherwise.
    pub(in crate::sql) usage: &'static str,
    /// The types that arguments of such types are cast to; None if it takes none of them.
    pub(in crate::sql) takes: fn(&[DataType]) -> Option<Vec<DataType>>,
    /// The result for arguments of the types that it takes; its name does not matter.
    pub(in crate::sql) gives: fn(&[FieldRef]) -> Result<Field>,
    /// The result for arguments of one length.
    pub(in crate::sql) compute: fn(&Call<'_>) -> Result<ArrayRef>,
}

/// Arguments, all of one length.
#[derive(Debug)]
pub(in crate::sql) struct Call<'a> {
    pub(in crate::sql) arguments: Vec<ArrayRef>,
    pub(in crate::sql) fields: &'a [FieldRef],
    /// Of the result.
    pub(in crate::sql) gives: &'a DataType,
    pub(in crate::sql) rows: usize,
}

impl Call<'_> {
    /// An argument that is text.
    pub(in crate::sql) fn text(&self, index: usize) -> &StringArray {
        self.arguments[index].as_string()
    }
}

impl Function {
    /// As an expression calls it.
    pub(in crate::sql) fn udf(&'static self) -> ScalarUDF {
        ScalarUDF::from(Own { function: self, signature: Signature::user_defined(Volatility::Immutable) })
    }
}

/// Registers functions over those of the same names.
///
/// # Errors
/// If the registry refuses one.
pub(in crate::sql) fn register(
    registry: &mut dyn FunctionRegistry,
    functions: impl IntoIterator<Item = &'static Function>,
) -> Result<()> {
    functions.into_iter().try_for_each(|function| registry.register_udf(Arc::new(function.udf())).map(|_| ()))
}

/// A nullable result of a type.
pub(in crate::sql) fn of_type(data_type: DataType) -> Result<Field> {
    Ok(Field::new("", data_type, true))
}

/// Whether a value can be taken as text: a text, or NULL.
pub(in crate::sql) fn is_text(data_type: &DataType) -> bool {
    data_type.is_string() || data_type.is_null()
}

/// Texts, as many as there are arguments.
pub(in crate::sql) fn all_texts(types: &[DataType]) -> Option<Vec<DataType>> {
    types.iter().all(is_text).then(|| vec![DataType::Utf8; types.len()])
}

#[derive(Debug)]
struct Own {
    function: &'static Function,
    signature: Signature,
}

impl PartialEq for Own {
    fn eq(&self, other: &Self) -> bool {
        self.function.name == other.function.name
    }
}

impl Eq for Own {}

impl Hash for Own {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.function.name.hash(state);
    }
}

impl ScalarUDFImpl for Own {
    fn name(&self) -> &str {
        self.function.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        if let Some(types) = (self.function.takes)(types) {
            return Ok(types);
        }
        let given: Vec<String> = types.iter().map(ToString::to_string).collect();
        plan_err!("`{}` takes other arguments than {}: write {}", self.name(), listed(&given), self.function.usage)
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let fields: Vec<FieldRef> = types.iter().map(|of| Arc::new(Field::new("", of.clone(), true))).collect();
        Ok((self.function.gives)(&fields)?.data_type().clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        Ok(Arc::new((self.function.gives)(args.arg_fields)?.with_name(self.name())))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_scalar = args.args.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        let rows = if is_scalar { 1 } else { args.number_rows };
        let arguments = args.args.iter().map(|argument| argument.to_array(rows)).collect::<Result<_>>()?;
        let call = Call { arguments, fields: &args.arg_fields, gives: args.return_field.data_type(), rows };
        let result = (self.function.compute)(&call)?;
        match is_scalar {
            true => Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?)),
            false => Ok(ColumnarValue::Array(result)),
        }
    }
}

fn listed(types: &[String]) -> String {
    if types.is_empty() { "none".to_owned() } else { types.join(", ") }
}
