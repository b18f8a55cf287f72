//! Errors with the codes of PostgreSQL, so that clients know which ones to try again.

use pgwire::error::{ErrorInfo, PgWireError};

use crate::query::{ErrorKind, QueryError};

/// Errors of freshness have a class of their own: PostgreSQL knows nothing like them.
fn code(kind: ErrorKind) -> &'static str {
    match kind {
        // syntax_error_or_access_rule_violation
        ErrorKind::Invalid => "42000",
        // undefined_table
        ErrorKind::UnknownRelation => "42P01",
        // insufficient_privilege
        ErrorKind::Denied => "42501",
        // no_data
        ErrorKind::NotFound => "02000",
        ErrorKind::Behind => "RS001",
        ErrorKind::Stale => "RS002",
        ErrorKind::Incomplete => "RS003",
        ErrorKind::MixedCuts => "RS004",
        // read_only_sql_transaction
        ErrorKind::ReadOnly => "25006",
        // program_limit_exceeded
        ErrorKind::NotIndexed | ErrorKind::TooLarge => "54000",
        // out_of_memory
        ErrorKind::OutOfMemory => "53200",
        // query_canceled
        ErrorKind::Timeout => "57014",
        // data_exception
        ErrorKind::Failed => "22000",
        // insufficient_resources
        ErrorKind::Overloaded => "53000",
        // cannot_connect_now: the relation comes, or comes back
        ErrorKind::Unavailable => "57P03",
        // internal_error
        ErrorKind::Internal => "XX000",
    }
}

/// The error as a client gets it: what it is, what to do, and how fresh an answer could be.
pub(super) fn of_query(error: QueryError) -> PgWireError {
    let mut info = ErrorInfo::new("ERROR".to_owned(), code(error.kind).to_owned(), told(error.detail));
    info.detail = error.freshness.and_then(|freshness| serde_json::to_string(&freshness).ok());
    info.hint = error.hint.map(told);
    PgWireError::UserError(Box::new(info))
}

/// An error of the conversation itself.
pub(super) fn error(code: &str, message: impl Into<String>) -> PgWireError {
    PgWireError::UserError(Box::new(ErrorInfo::new("ERROR".to_owned(), code.to_owned(), told(message.into()))))
}

/// An error that ends the connection.
pub(super) fn fatal(code: &str, message: impl Into<String>) -> PgWireError {
    PgWireError::UserError(Box::new(ErrorInfo::new("FATAL".to_owned(), code.to_owned(), told(message.into()))))
}

/// A text of the protocol ends with its first zero byte, which a value that an error quotes may have.
pub(super) fn told(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}
