//! What is declared and was rolled back from: a reload leaves it alone until it is declared otherwise, or a person wants it built.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::identity::Identity;
use crate::progress::SourceName;

/// Definitions that were rolled back from, as identities of what they compute.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolledBack {
    pub projections: BTreeMap<String, Identity>,
    pub sources: BTreeMap<SourceName, Identity>,
}

impl RolledBack {
    pub fn is_empty(&self) -> bool {
        self.projections.is_empty() && self.sources.is_empty()
    }
}
