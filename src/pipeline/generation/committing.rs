//! How what a generation's rows have taken becomes visible, where that takes a commit: that of a search index. What is done where
//! the index cannot be written is here too.

use super::Generation;
use crate::read_model::search::PinnedFiles;

impl Generation {
    /// Since when there are changes that no reader sees before a commit, microseconds since the epoch.
    pub(in crate::pipeline) fn uncommitted_since_us(&self) -> Option<i64> {
        self.rows.uncommitted_since_us().filter(|_| self.state.steps())
    }

    /// Makes what was applied visible, as the state at the generation's cut, and waits for that.
    pub(in crate::pipeline) fn commit(&mut self) {
        if let Some(at) = self.rows_cut.as_ref().filter(|_| self.state.steps())
            && let Err(error) = self.rows.commit(&at.cut, at.live_at_us)
        {
            self.tell_broken_index(&error.to_string());
        }
    }

    /// Begins to make visible what was applied, as the state at the generation's cut, and waits for nothing.
    pub(in crate::pipeline) fn begin_commit(&mut self) {
        if let Some(at) = self.rows_cut.as_ref().filter(|_| self.state.steps())
            && let Err(error) = self.rows.begin_commit(&at.cut, at.live_at_us)
        {
            self.tell_broken_index(&error.to_string());
        }
    }

    /// Whether a commit was begun that is not visible yet.
    pub(in crate::pipeline) fn is_committing(&self) -> bool {
        self.rows.is_committing()
    }

    /// Whether a commit that was begun has come to its end.
    pub(in crate::pipeline) fn is_idle(&self) -> bool {
        self.rows.is_idle()
    }

    /// Makes visible what was begun, whatever has become of the generation since: its rows were right at that cut.
    pub(in crate::pipeline) fn end_commit(&mut self) {
        if let Err(error) = self.rows.end_commit() {
            self.tell_broken_index(&error.to_string());
        }
    }

    /// Whether a part of the read model has to be built again.
    pub(in crate::pipeline) fn awaits_mending(&self) -> bool {
        self.state.steps() && self.rows.failure().is_some()
    }

    /// Builds again what could not be written, as on a full disk.
    pub(in crate::pipeline) fn mend(&mut self) {
        let Some(at) = self.rows_cut.as_ref().filter(|_| self.awaits_mending()) else { return };
        match self.rows.mend(&at.cut, at.live_at_us) {
            Ok(()) => tracing::info!(projection = self.projection(), "search index was built again"),
            Err(error) => {
                tracing::warn!(projection = self.projection(), %error, "search index cannot be built again yet");
            }
        }
    }

    /// The files of the last commit, if there are any.
    pub(in crate::pipeline) fn pin(&mut self) -> Option<PinnedFiles> {
        if !self.state.steps() {
            return None;
        }
        self.rows.pin().unwrap_or_else(|error| {
            self.tell_broken_index(&error.to_string());
            None
        })
    }

    pub(super) fn tell_broken_index(&self, error: &str) {
        tracing::error!(projection = self.projection(), %error, "search index cannot be written; it will be built again");
    }
}
