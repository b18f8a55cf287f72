//! Copies that no function makes: CASE and casts give arrays of their own, which are counted as they pass.

use std::hash::{Hash, Hasher};

use arrow::datatypes::DataType;
use datafusion::common::{Result, internal_datafusion_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use super::Account;

/// Its first argument; what is new of it beside the others is counted.
#[derive(Debug)]
struct Copied {
    account: Account,
    signature: Signature,
}

pub(super) fn counted_copy(account: &Account) -> ScalarUDF {
    let signature = Signature::variadic_any(Volatility::Stable);
    ScalarUDF::from(Copied { account: account.clone(), signature })
}

/// It is the same function whatever the account is.
impl PartialEq for Copied {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Copied {}

impl Hash for Copied {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

impl ScalarUDFImpl for Copied {
    fn name(&self) -> &str {
        "copied"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        types.first().cloned().ok_or_else(|| internal_datafusion_err!("copied() has an argument"))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.account.check_time()?;
        let [copy, shared @ ..] = args.args.as_slice() else {
            return Err(internal_datafusion_err!("copied() has an argument"));
        };
        self.account.count(copy, shared)?;
        Ok(copy.clone())
    }
}
