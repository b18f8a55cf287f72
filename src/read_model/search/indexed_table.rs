//! A table with a full-text index over its rows: the index follows the table, commits less often, and is built again
//! from the rows where it cannot be written.
//!
//! A commit can be waited for, or begun and ended later. What was begun is seen by nobody before it is ended.

use std::path::{Path, PathBuf};

use super::background::BackgroundIndex;
use super::index::{IndexError, SearchIndex, WriterSettings};
use super::pin::PinnedFiles;
use super::snapshot::SearchSnapshot;
use super::spec::SearchSpec;
use crate::circuit::ZBatch;
use crate::progress::Cut;
use crate::read_model::catalog::RelationData;
use crate::read_model::model::{Published, TakeError};
use crate::read_model::table::{Table, TableSnapshot};

/// Rows, and the index that finds them.
pub struct IndexedTable {
    table: Table,
    index: BackgroundIndex,
    spec: SearchSpec,
    /// The last commit, with the table of its own cut.
    published: SearchSnapshot,
    /// The last cut that it stands for: nothing has changed between the last commit's and this.
    cut: Cut,
    /// When that was the live cut, microseconds since the epoch.
    live_at_us: i64,
    /// The commit that was begun, until it is ended.
    committing: Option<Committing>,
    /// When the first change came that neither the last commit has nor the one that was begun, microseconds since the epoch.
    uncommitted_since_us: Option<i64>,
    /// Why the index cannot be written. It is behind the rows until it is built again from them.
    broken: Option<String>,
}

/// A commit that was begun.
struct Committing {
    /// The rows that it is of.
    table: TableSnapshot,
    /// The last cut that it stands for: nothing has changed between its own and this.
    cut: Cut,
    /// When that was the live cut, microseconds since the epoch.
    live_at_us: i64,
    /// When the first change came that it has and the one before has not, microseconds since the epoch.
    changed_since_us: i64,
}

impl IndexedTable {
    /// Pairs rows at `cut` with an index. One that is not at `cut` has to be empty: it is built from the rows.
    ///
    /// # Errors
    /// The rows cannot be indexed, or the index cannot be written.
    pub fn new(table: Table, mut index: SearchIndex, spec: SearchSpec, cut: &Cut) -> Result<Self, IndexError> {
        if index.cut() != cut {
            fill(&mut index, &table, cut)?;
        }
        Ok(Self {
            published: index.snapshot(table.snapshot()),
            table,
            index: BackgroundIndex::new(index),
            spec,
            cut: cut.clone(),
            live_at_us: 0,
            committing: None,
            uncommitted_since_us: None,
            broken: None,
        })
    }

    pub(in crate::read_model) fn table(&self) -> &Table {
        &self.table
    }

    /// The last commit, with the rows that it is of.
    pub(in crate::read_model) fn last_commit(&self) -> SearchSnapshot {
        self.published.clone()
    }

    pub(in crate::read_model) fn table_mut(&mut self) -> &mut Table {
        &mut self.table
    }

    pub(in crate::read_model) fn uncommitted_since_us(&self) -> Option<i64> {
        self.uncommitted_since_us.filter(|_| self.broken.is_none())
    }

    pub(in crate::read_model) fn failure(&self) -> Option<&str> {
        self.broken.as_deref()
    }

    pub(in crate::read_model) fn apply(&mut self, delta: &ZBatch, now_us: i64) -> Result<(), TakeError> {
        let changes = self.table.apply(delta)?;
        if changes.is_empty() {
            return Ok(());
        }
        if self.uncommitted_since_us.is_none() {
            self.uncommitted_since_us = Some(now_us);
            // Until now the last commit, or the one that was begun, had all that there was.
            match &mut self.committing {
                Some(committing) => committing.live_at_us = now_us,
                None => self.live_at_us = now_us,
            }
        }
        if self.broken.is_some() {
            return Ok(());
        }
        match self.index.apply(&changes) {
            Err(error @ IndexError::Row { .. }) => Err(error.into()),
            applied => {
                // It is behind the rows from now on, which are right.
                let _ = self.noting(applied);
                Ok(())
            }
        }
    }

    pub(in crate::read_model) fn commit(&mut self, cut: &Cut, live_at_us: i64) -> Result<(), IndexError> {
        self.end_commit()?;
        if self.broken.is_some() {
            return Ok(());
        }
        let (is_unchanged, rows) = (self.uncommitted_since_us.is_none(), self.table.snapshot());
        let committed = self.index.open().and_then(|index| {
            if is_unchanged && index.cut() == cut {
                return Ok(None);
            }
            index.commit(cut)?;
            Ok(Some(index.snapshot(rows)))
        });
        if let Some(published) = self.noting(committed)? {
            self.publish(published, cut, live_at_us);
        }
        Ok(())
    }

    /// Begins to commit what has changed, if anything has.
    pub(in crate::read_model) fn begin_commit(&mut self, cut: &Cut, live_at_us: i64) -> Result<(), IndexError> {
        self.end_commit()?;
        let Some(changed_since_us) = self.uncommitted_since_us() else { return Ok(()) };
        let begun = self.index.begin_commit(cut);
        self.noting(begun)?;
        let (table, cut) = (self.table.snapshot(), cut.clone());
        self.committing = Some(Committing { table, cut, live_at_us, changed_since_us });
        self.uncommitted_since_us = None;
        Ok(())
    }

    pub(in crate::read_model) fn is_committing(&self) -> bool {
        self.committing.is_some()
    }

    /// Whether [`end_commit`](Self::end_commit) has nothing to wait for.
    pub(in crate::read_model) fn is_idle(&self) -> bool {
        self.index.is_idle()
    }

    /// Publishes the commit that was begun, if there is one.
    pub(in crate::read_model) fn end_commit(&mut self) -> Result<(), IndexError> {
        let Some(Committing { table, .. }) = &self.committing else { return Ok(()) };
        let table = table.clone();
        let ended = self.index.open().map(|index| index.snapshot(table));
        let published = self.noting(ended)?;
        if let Some(Committing { cut, live_at_us, .. }) = self.committing.take() {
            (self.published, self.cut, self.live_at_us) = (published, cut, live_at_us);
        }
        Ok(())
    }

    /// Builds the index beside the old one, which is searched until then.
    pub(in crate::read_model) fn mend(&mut self, cut: &Cut, live_at_us: i64) -> Result<(), IndexError> {
        let old = self.index.directory().to_owned();
        let directory = beside(&old);
        let built =
            SearchIndex::open(&directory, self.spec.clone(), WriterSettings::default()).and_then(|mut index| {
                fill(&mut index, &self.table, cut)?;
                Ok(index)
            });
        // What cannot be removed now is removed at the next start.
        match built {
            Ok(index) => {
                let published = index.snapshot(self.table.snapshot());
                self.index = BackgroundIndex::new(index);
                self.broken = None;
                self.publish(published, cut, live_at_us);
                let _ = std::fs::remove_dir_all(old);
                Ok(())
            }
            Err(error) => {
                let _ = std::fs::remove_dir_all(directory);
                Err(error)
            }
        }
    }

    pub(in crate::read_model) fn pin(&mut self) -> Result<Option<PinnedFiles>, IndexError> {
        if self.broken.is_some() {
            return Ok(None);
        }
        let pinned = self.index.open().and_then(SearchIndex::pin);
        self.noting(pinned).map(Some)
    }

    pub(in crate::read_model) fn published(&self, cut: &Cut, live_at_us: i64) -> Published {
        let data = RelationData::search(self.published.clone());
        match (self.uncommitted_since_us, &self.committing) {
            // Nothing has changed since the index's last commit, so that it stands for the present cut too.
            (None, None) => Published { data, cut: cut.clone(), live_at_us },
            _ => Published { data, cut: self.cut.clone(), live_at_us: self.live_at_us },
        }
    }

    /// Records that the rows are those of `cut`, which is the live one.
    pub(in crate::read_model) fn reach(&mut self, cut: &Cut, live_at_us: i64) {
        if self.uncommitted_since_us.is_some() {
            return;
        }
        match &mut self.committing {
            Some(committing) => (committing.cut, committing.live_at_us) = (cut.clone(), live_at_us),
            None => (self.cut, self.live_at_us) = (cut.clone(), live_at_us),
        }
    }

    fn publish(&mut self, published: SearchSnapshot, cut: &Cut, live_at_us: i64) {
        (self.published, self.cut, self.live_at_us) = (published, cut.clone(), live_at_us);
        self.uncommitted_since_us = None;
    }

    /// Leaves the index as it is after a failure: the rows are right, and the last commit can be searched.
    fn noting<T>(&mut self, outcome: Result<T, IndexError>) -> Result<T, IndexError> {
        if let Err(error) = &outcome {
            self.broken = Some(error.to_string());
            // What a commit that was begun would have shown is not committed.
            let changed_since_us = self.committing.take().map(|committing| committing.changed_since_us);
            self.uncommitted_since_us = changed_since_us.or(self.uncommitted_since_us);
        }
        outcome
    }
}

/// Puts all rows into an empty index, as the state at `cut`.
fn fill(index: &mut SearchIndex, table: &Table, cut: &Cut) -> Result<(), IndexError> {
    let snapshot = table.snapshot();
    let failed =
        |error: arrow::error::ArrowError| IndexError::Row { name: table.spec().name.clone(), cause: error.to_string() };
    for batch in snapshot.scan() {
        let rows = batch.map_err(failed)?;
        let nothing = rows.slice(0, 0);
        let no_keys = nothing.project(&table.spec().key).map_err(failed)?;
        index.apply(&rows, &nothing, &no_keys)?;
    }
    index.commit(cut)
}

/// A directory of another name for the same index: `3`, `3-1`, `3-2`.
fn beside(directory: &Path) -> PathBuf {
    let name = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let (base, number) = name.rsplit_once('-').unwrap_or((&name, "0"));
    let number: u64 = number.parse().unwrap_or(0);
    directory.with_file_name(format!("{base}-{}", number + 1))
}
