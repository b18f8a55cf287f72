//! What is promised of a projection's freshness: its service level objective.

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::freshness::Freshness;

/// In a share `objective` of the time, nothing that was stored more than `lag` ago is missing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slo {
    pub lag: Duration,
    /// Above 0 and below 1.
    pub objective: f64,
}

impl Slo {
    /// Whether an answer of this freshness is within it. While nobody knows the lag it is not.
    pub fn is_kept(&self, freshness: &Freshness) -> bool {
        freshness.lag_seconds.is_some_and(|lag| lag <= self.lag.as_secs_f64())
    }
}

/// `{"lagSeconds": 3.0, "objective": 0.99}`
impl Serialize for Slo {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Written {
            lag_seconds: f64,
            objective: f64,
        }
        Written { lag_seconds: self.lag.as_secs_f64(), objective: self.objective }.serialize(serializer)
    }
}
