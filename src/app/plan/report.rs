//! What a plan says, for people and as JSON.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::progress::SourceName;

/// What would be done.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    pub verdict: Verdict,
    /// Settings of the root file that are others.
    pub settings: Vec<SettingPlan>,
    /// Why a reload refuses all of it, and only a restart takes it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub needs_restart: Vec<String>,
    pub sources: Vec<SourcePlan>,
    pub projections: Vec<ProjectionPlan>,
    pub views: Vec<ViewPlan>,
    pub queries: Vec<QueryPlan>,
    /// What is built, each together.
    pub builds: Vec<BuildPlan>,
    /// What could not be compared.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
}

/// A setting with another value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SettingPlan {
    /// Its key in the root file.
    pub name: String,
    pub before: String,
    pub now: String,
    /// Whether a reload refuses it.
    pub needs_restart: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ViewPlan {
    pub name: String,
    pub change: DeclaredChange,
    /// Why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// Views and queries that read it, directly or through others.
    pub readers: Vec<String>,
    /// Whether a reader of today may miss something.
    pub breaking: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QueryPlan {
    pub name: String,
    pub change: DeclaredChange,
    /// Whether a reader of today may miss something.
    pub breaking: bool,
}

/// What becomes of something for which nothing is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeclaredChange {
    NoOp,
    New,
    Changed,
    Removed,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Nothing would change.
    #[default]
    InSync,
    Deployable,
    /// Readers of today may miss something, which somebody has to allow.
    Breaking,
    /// A reload refuses all of it; a restart takes it.
    NeedsRestart,
    /// Something cannot be built.
    Blocked,
}

impl Plan {
    /// Allows that readers of today may miss something.
    pub fn allow_breaking(&mut self) {
        if self.verdict == Verdict::Breaking {
            self.verdict = Verdict::Deployable;
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SourcePlan {
    pub name: SourceName,
    pub change: SourceChange,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceChange {
    NoOp,
    New,
    /// Its messages are read again from the first, in another way.
    ReadAgain,
    /// What was admitted is the same in the new way, and only what is parked is looked at again.
    InPlace,
    /// The same lines are read from another file, or followed no more, or from now on.
    Moved,
    /// It reads something else than before, which a reload refuses.
    Replaced,
    /// It was rolled back from, and is read as before.
    RolledBack,
    Removed,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProjectionPlan {
    pub name: String,
    pub change: ProjectionChange,
    /// Why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// Whether a reader of today may miss something.
    pub breaking: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProjectionChange {
    NoOp,
    /// What nothing has to be built for, such as its owner.
    Settings,
    /// The same rows, kept in another way.
    IndexOnly,
    Build,
    New,
    /// It was rolled back from, and is not built by itself.
    RolledBack,
    /// A person has stopped it, and nothing has changed of it.
    Paused,
    /// It is built once what it reads is resumed.
    Waits,
    Removed,
}

/// One build.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BuildPlan {
    pub projections: Vec<String>,
    /// When it takes the place of what serves.
    pub promotion: PromotionPlan,
    /// Sequences that have to be read, by source, or null where nobody knows how many; none of it where what is there already is
    /// enough to go on from.
    pub reads: BTreeMap<SourceName, Option<u64>>,
    /// Sequences that need not be read, because of that.
    pub avoids: u64,
    /// As fast as what was measured; none if nothing was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// What it takes beside what is there, until it has joined: an estimate.
    pub estimate: Estimate,
    /// For how long what it replaces is kept from then on, which takes as much as it does now; none if it is not kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_seconds: Option<u64>,
    /// Why it cannot be built, and the ways out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocked: Option<String>,
    /// What could not be found out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
}

/// As much as the generations that are replaced take now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Estimate {
    /// In memory; none if none of them was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// In checkpoints; none if none of them was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_bytes: Option<u64>,
    /// Projections that it does not contain, because nothing of them is there yet.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PromotionPlan {
    Auto,
    WhenEqual,
    Manual,
    /// By hand, and only with a word that readers of today may miss something.
    Breaking,
}
