//! Casts to texts of a length, as the standard has them: VARCHAR(n) keeps the first n characters. CHAR(n), whose blanks at the end
//! do not count in PostgreSQL, is refused. A cast to JSON is a function, which fails over what is none. A time that is written
//! without its seconds has none. A FLOAT is one of eight bytes.

use datafusion::common::{Result, plan_err};
use datafusion::sql::sqlparser::ast::{
    CastKind, CharacterLength, DataType, ExactNumberInfo, Expr, TypedString, Value, ValueWithSpan,
};

use super::{call, number};

/// # Errors
/// If the type is CHAR, or a cast to JSON should not fail.
pub(super) fn replace(expr: &mut Expr) -> Result<()> {
    complete_time(expr);
    let Expr::Cast { data_type, kind, expr: value, .. } = expr else { return Ok(()) };
    let length = match data_type {
        // As in PostgreSQL, and not in DuckDB: without digits it has eight bytes.
        DataType::Float(ExactNumberInfo::None) => {
            *data_type = DataType::Double(ExactNumberInfo::None);
            return Ok(());
        }
        DataType::JSON | DataType::JSONB if matches!(kind, CastKind::Cast | CastKind::DoubleColon) => {
            *expr = Expr::Function(call("json", vec![(**value).clone()]));
            return Ok(());
        }
        DataType::JSON | DataType::JSONB => {
            return plan_err!(
                "a text that may be no JSON is tested before: `CASE WHEN json_valid(x) THEN x::jsonb END`"
            );
        }
        DataType::Char(_) | DataType::Character(_) => {
            return plan_err!(
                "{data_type} fills texts with blanks that do not count: write VARCHAR(n) to cut a text, `rpad(x, n)` to fill it"
            );
        }
        DataType::Varchar(length)
        | DataType::CharacterVarying(length)
        | DataType::CharVarying(length)
        | DataType::Nvarchar(length) => length.take(),
        _ => return Ok(()),
    };
    let Some(CharacterLength::IntegerLength { length, .. }) = length else { return Ok(()) };
    if length == 0 {
        return plan_err!("VARCHAR(0) has no characters: write a length from 1");
    }
    let cut = call("left", vec![expr.clone(), number(usize::try_from(length).unwrap_or(usize::MAX))]);
    *expr = Expr::Function(cut);
    Ok(())
}

/// `TIMESTAMP '2024-05-01 10:30'` is at the full minute.
fn complete_time(expr: &mut Expr) {
    let (data_type, value) = match expr {
        Expr::TypedString(TypedString { data_type, value: ValueWithSpan { value, .. }, .. }) => (data_type, value),
        Expr::Cast { data_type, expr: value, .. } => match value.as_mut() {
            Expr::Value(ValueWithSpan { value, .. }) => (data_type, value),
            _ => return,
        },
        _ => return,
    };
    if let (DataType::Timestamp(..), Value::SingleQuotedString(text)) = (data_type, value) {
        const MINUTE: &str = "0000-00-00 00:00";
        let is_like = |(char, of): (char, char)| match of {
            '0' => char.is_ascii_digit(),
            ' ' => matches!(char, ' ' | 'T'),
            other => char == other,
        };
        let rest = text.get(MINUTE.len()..);
        let ends = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['+', '-', 'Z', ' ']));
        if ends && text.chars().zip(MINUTE.chars()).all(is_like) {
            text.insert_str(MINUTE.len(), ":00");
        }
    }
}
