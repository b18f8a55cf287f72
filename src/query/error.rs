//! Why a read was refused or failed, in terms that every protocol can render.

use datafusion::common::DataFusionError;

use super::account::TimeIsUp;
use crate::plan::Refusal;
use crate::progress::Freshness;
use crate::sql::cause;

/// Closed: each protocol maps it to its own codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request itself is wrong.
    Invalid,
    UnknownRelation,
    /// The caller may see nothing of a relation.
    Denied,
    /// No such row.
    NotFound,
    /// The demanded position was not reached in time.
    Behind,
    /// The lag is longer than the reader takes.
    Stale,
    /// An event that may belong to the answer is parked or vanished, and the reader does not take that.
    Incomplete,
    /// The relations of one query stand at different cuts.
    MixedCuts,
    /// Something else than reading was asked for.
    ReadOnly,
    /// No index serves the filter, and the table is too large to scan.
    NotIndexed,
    /// More rows or bytes than an answer may have.
    TooLarge,
    OutOfMemory,
    Timeout,
    /// The query is right, but a value in the data made it fail.
    Failed,
    /// Too many queries at once.
    Overloaded,
    /// The relation has nothing to serve yet, or has failed.
    Unavailable,
    /// A bug.
    Internal,
}

impl ErrorKind {
    /// For metrics and problem types.
    pub fn label(self) -> &'static str {
        match self {
            ErrorKind::Invalid => "invalid-request",
            ErrorKind::UnknownRelation => "unknown-relation",
            ErrorKind::Denied => "denied",
            ErrorKind::NotFound => "not-found",
            ErrorKind::Behind => "position-not-reached",
            ErrorKind::Stale => "too-old",
            ErrorKind::Incomplete => "incomplete",
            ErrorKind::MixedCuts => "mixed-cuts",
            ErrorKind::ReadOnly => "read-only",
            ErrorKind::NotIndexed => "not-indexed",
            ErrorKind::TooLarge => "answer-too-large",
            ErrorKind::OutOfMemory => "out-of-memory",
            ErrorKind::Timeout => "timeout",
            ErrorKind::Failed => "query-failed",
            ErrorKind::Overloaded => "overloaded",
            ErrorKind::Unavailable => "unavailable",
            ErrorKind::Internal => "internal",
        }
    }
}

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{detail}")]
pub struct QueryError {
    pub kind: ErrorKind,
    pub detail: String,
    /// What to do next.
    pub hint: Option<String>,
    pub freshness: Option<Box<Freshness>>,
    /// Of which a policy denies the caller all, if it is that.
    pub relation: Option<String>,
}

impl QueryError {
    pub fn new(kind: ErrorKind, detail: impl Into<String>) -> Self {
        QueryError { kind, detail: detail.into(), hint: None, freshness: None, relation: None }
    }

    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, detail)
    }

    pub fn hint(self, hint: impl Into<String>) -> Self {
        QueryError { hint: Some(hint.into()), ..self }
    }

    /// With a hint if something near was found.
    pub fn near(self, meant: Option<&str>) -> Self {
        match meant {
            Some(meant) => self.hint(format!("did you mean `{meant}`?")),
            None => self,
        }
    }

    pub fn with_freshness(self, freshness: Freshness) -> Self {
        QueryError { freshness: Some(Box::new(freshness)), ..self }
    }

    /// An error of parsing or planning: the text is to blame.
    pub(super) fn planning(error: DataFusionError) -> Self {
        match error.find_root() {
            DataFusionError::ResourcesExhausted(_) | DataFusionError::Internal(_) => Self::running(error),
            DataFusionError::ArrowError(..) | DataFusionError::Execution(_) | DataFusionError::External(_) => {
                Self::running(error)
            }
            _ => Self::invalid(cause(&error)),
        }
    }

    pub(super) fn timed_out(cause: &dyn std::error::Error) -> Self {
        Self::new(ErrorKind::Timeout, cause.to_string()).hint("read less: filter by the key or an index, or fewer rows")
    }

    /// SQL that has no one answer.
    pub(super) fn refused(error: impl Into<Refusal>) -> Self {
        let error = error.into();
        let refused = Self::invalid(error.message);
        match error.hint {
            Some(hint) => refused.hint(hint),
            None => refused,
        }
    }

    /// An error while the query ran: the data, a limit, or a bug is to blame.
    pub fn running(error: DataFusionError) -> Self {
        match error.find_root() {
            DataFusionError::ResourcesExhausted(_) => {
                Self::new(ErrorKind::OutOfMemory, "the query needs more memory than one query may use")
                    .hint("read fewer rows, or group and sort by less")
            }
            DataFusionError::External(cause) if cause.is::<TimeIsUp>() => Self::timed_out(&**cause),
            DataFusionError::Internal(_) => {
                tracing::error!(%error, "a query failed inside the engine");
                Self::new(ErrorKind::Internal, "the query failed inside the engine; the log has the reason")
            }
            _ => Self::new(ErrorKind::Failed, cause(&error)),
        }
    }
}
