//! A cut: what an answer was computed from.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub type SourceName = Arc<str>;

/// A consistent place over all sources.
///
/// `positions` are covered stream sequences, 0 before the first. `revision` counts changes to the admitted set that
/// positions do not show: replays, discards and accepted gaps.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Cut {
    pub positions: BTreeMap<SourceName, u64>,
    pub revision: u64,
}

impl Cut {
    pub fn position(&self, source: &str) -> u64 {
        self.positions.get(source).copied().unwrap_or(0)
    }
}

/// The form used in ETags and page tokens: `orders:802711,payments:17;r0`.
impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (source, position)) in self.positions.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            write!(f, "{comma}{source}:{position}")?;
        }
        write!(f, ";r{}", self.revision)
    }
}
