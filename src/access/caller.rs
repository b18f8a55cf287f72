//! The side that a request comes from.

use std::sync::Arc;

use super::claims::Claims;

/// Who reads. Cheap to clone.
#[derive(Debug, Clone)]
pub enum Caller {
    /// The daemon itself, for its metrics, its notices and its log: no policy holds for it, and nothing of it reaches a reader.
    Daemon,
    Reader {
        claims: Arc<Claims>,
        /// Whether they decide over projections and parked events, and so have to see what is wrong with them.
        administers: bool,
    },
}

impl Caller {
    /// Somebody of whom nothing is known.
    pub fn anonymous() -> Self {
        Self::Reader { claims: Arc::default(), administers: false }
    }

    /// Whether they may see what the daemon says of its work, in which values of rows and of events stand.
    pub fn sees_operations(&self) -> bool {
        match self {
            Caller::Daemon => true,
            Caller::Reader { administers, .. } => *administers,
        }
    }
}
