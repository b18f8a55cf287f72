//! JSON for all protocols that speak it: rows and columns out, parameters of SQL in. Envelopes are each protocol's own.

mod column;
mod parameters;
mod rows;
mod values;

pub(super) use column::ColumnJson;
pub(crate) use column::type_name;
pub(super) use parameters::JsonParams;
pub(super) use rows::JsonRows;
pub(super) use values::JsonValues;
pub(crate) use values::objects;

pub(super) use super::answer_bytes::AnswerLimits;
