//! `claim('tenant')`, `claim_list('tenants')` and `has_role('officer')`: in the SQL of policies and masks, what is known of the caller.
//!
//! They are never computed. Before anything is, each is replaced by the value that it has for the caller.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::claims::Claims;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Kind {
    /// The one value of a claim, as a text.
    One,
    /// All values of a claim.
    List,
    /// Whether the claim `roles` has this value. Who has no roles has none of them.
    Role,
}

const KINDS: [Kind; 3] = [Kind::One, Kind::List, Kind::Role];

#[derive(Debug, PartialEq, Eq, Hash)]
struct ClaimFunction {
    kind: Kind,
    signature: Signature,
}

/// Makes them known to a session.
///
/// # Errors
/// If it refuses them.
pub fn register_claims(registry: &mut dyn FunctionRegistry) -> Result<()> {
    for kind in KINDS {
        registry.register_udf(Arc::new(ScalarUDF::new_from_impl(ClaimFunction::new(kind))))?;
    }
    Ok(())
}

/// Whether a function is one of them.
pub fn is_claim(function: &ScalarUDF) -> bool {
    function.inner().is::<ClaimFunction>()
}

impl ClaimFunction {
    fn new(kind: Kind) -> Self {
        // Volatile, so that no simplification computes it.
        Self { kind, signature: Signature::exact(vec![DataType::Utf8], Volatility::Volatile) }
    }

    fn value(&self, claims: &Claims, name: &str) -> Option<ScalarValue> {
        match self.kind {
            Kind::One => claims.one(name).map(ScalarValue::from),
            Kind::List => {
                let values: Vec<ScalarValue> = claims.all(name)?.iter().map(|one| one.as_str().into()).collect();
                Some(ScalarValue::List(ScalarValue::new_list_nullable(&values, &DataType::Utf8)))
            }
            Kind::Role => Some(ScalarValue::Boolean(Some(claims.has_role(name)))),
        }
    }
}

impl ScalarUDFImpl for ClaimFunction {
    fn name(&self) -> &str {
        match self.kind {
            Kind::One => "claim",
            Kind::List => "claim_list",
            Kind::Role => "has_role",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(match self.kind {
            Kind::One => DataType::Utf8,
            Kind::List => DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true))),
            Kind::Role => DataType::Boolean,
        })
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        internal_err!("{}() is known only of a caller", self.name())
    }
}

/// The expression with all that is known of the caller in the place of the functions. What is not known stays.
pub(super) fn with_claims(expr: Expr, claims: &Claims) -> Result<Expr> {
    let known = expr.transform_up(|expr| {
        let value = named(&expr).and_then(|(function, name)| function.value(claims, name));
        Ok(value.map_or_else(|| Transformed::no(expr), |value| Transformed::yes(Expr::Literal(value, None))))
    });
    Ok(known?.data)
}

/// One of the functions with the name that it is called with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Asked {
    kind: Kind,
    name: String,
}

impl Asked {
    pub(super) fn size(&self) -> usize {
        size_of::<Self>() + self.name.len()
    }
}

/// All that an expression asks of a caller, each with what is known; nothing else of the claims decides what it is.
pub(super) fn asked(expr: &Expr, claims: &Claims, known: &mut BTreeMap<Asked, Option<ScalarValue>>) {
    // The closure never fails.
    let _ = expr.apply(|expr| {
        if let Some((function, name)) = named(expr) {
            let asked = Asked { kind: function.kind, name: name.to_owned() };
            known.insert(asked, function.value(claims, name));
        }
        Ok(TreeNodeRecursion::Continue)
    });
}

/// A claim that the expression still asks for.
pub(super) fn unknown_claim(expr: &Expr) -> Option<String> {
    let mut unknown = None;
    let _ = expr.apply(|expr| {
        if let Some((_, name)) = named(expr) {
            unknown = Some(name.to_owned());
        }
        Ok(TreeNodeRecursion::Continue)
    });
    unknown
}

fn named(expr: &Expr) -> Option<(&ClaimFunction, &str)> {
    let Expr::ScalarFunction(call) = expr else { return None };
    let function = call.func.inner().downcast_ref::<ClaimFunction>()?;
    match call.args.as_slice() {
        [Expr::Literal(ScalarValue::Utf8(Some(name)), _)] => Some((function, name)),
        _ => None,
    }
}
