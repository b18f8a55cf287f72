//! A cut: what an answer was computed from.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::position::Position;

pub type SourceName = Arc<str>;

/// A position in every source, all of one commit.
///
/// `positions` are covered stream sequences. `revision` counts changes to the admitted set that positions do not show:
/// replays, discards and accepted gaps.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Cut {
    pub positions: BTreeMap<SourceName, Position>,
    pub revision: u64,
}

impl Cut {
    /// Of a source that it does not name, the start.
    pub fn position(&self, source: &str) -> Position {
        self.positions.get(source).copied().unwrap_or_default()
    }
}

/// The form used in ETags and page tokens: `orders:802711,payments:17;r0`.
impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (source, position)) in self.positions.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{source}:{position}")?;
        }
        write!(f, ";r{}", self.revision)
    }
}
