//! What stands behind a generation: one closed set of read models with one set of verbs.
//!
//! A new kind of read model is one more variant here and one more file below. The caller steps the circuit, gives each
//! delta to [`ReadModel::apply`], and asks when something has to be committed; time arrives as an argument.

use arrow::error::ArrowError;

use super::catalog::RelationData;
use super::search::{IndexError, IndexedTable, PinnedFiles, SearchSnapshot};
use super::table::{ApplyError, Table};
use crate::circuit::ZBatch;
use crate::progress::Cut;
use crate::state::{StateDelta, StoreShape};

/// The rows of a generation, in the form in which readers ask for them.
pub enum ReadModel {
    /// A SQL table. What is applied can be published at once.
    Table(Box<Table>),
    /// A SQL table with a full-text index over it, which commits less often.
    Search(Box<IndexedTable>),
}

/// Why a delta could not be taken. The read model stays as it was.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    #[error(transparent)]
    Table(#[from] ApplyError),
    #[error(transparent)]
    Index(#[from] IndexError),
}

/// What readers may see of a read model now.
pub struct Published {
    pub data: RelationData,
    /// The cut that this was computed at.
    pub cut: Cut,
    /// When that was the live cut, microseconds since the epoch.
    pub live_at_us: i64,
}

impl ReadModel {
    /// The rows, whatever else is kept of them.
    pub fn table(&self) -> &Table {
        match self {
            ReadModel::Table(table) => table,
            ReadModel::Search(indexed) => indexed.table(),
        }
    }

    fn table_mut(&mut self) -> &mut Table {
        match self {
            ReadModel::Table(table) => table,
            ReadModel::Search(indexed) => indexed.table_mut(),
        }
    }

    /// `table` or `search`, as the configuration calls it.
    pub fn kind(&self) -> &'static str {
        match self {
            ReadModel::Table(_) => "table",
            ReadModel::Search(_) => "search",
        }
    }

    /// Takes a change of the rows, at `now_us` microseconds since the epoch.
    ///
    /// # Errors
    /// Two live rows would have one key, or a row cannot be indexed. An index that cannot be written is no error here: it
    /// says so in [`ReadModel::failure`] and stays behind the rows until [`ReadModel::mend`].
    pub fn apply(&mut self, delta: &ZBatch, now_us: i64) -> Result<(), TakeError> {
        match self {
            _ if delta.is_empty() => Ok(()),
            ReadModel::Table(table) => Ok(table.apply(delta).map(drop)?),
            ReadModel::Search(indexed) => indexed.apply(delta, now_us),
        }
    }

    /// Since when there are changes that no reader sees before a commit, microseconds since the epoch.
    pub fn uncommitted_since_us(&self) -> Option<i64> {
        match self {
            ReadModel::Table(_) => None,
            ReadModel::Search(indexed) => indexed.uncommitted_since_us(),
        }
    }

    /// Makes what was applied visible, as the state at `cut`, which was the live cut at `live_at_us`. It waits for that.
    ///
    /// # Errors
    /// The index cannot be written; see [`ReadModel::failure`].
    pub fn commit(&mut self, cut: &Cut, live_at_us: i64) -> Result<(), IndexError> {
        match self {
            ReadModel::Table(_) => Ok(()),
            ReadModel::Search(indexed) => indexed.commit(cut, live_at_us),
        }
    }

    /// Begins to make visible what was applied, as [`commit`](Self::commit) does, and waits for nothing. What is applied
    /// meanwhile is no part of it.
    ///
    /// # Errors
    /// The index cannot be written; see [`ReadModel::failure`].
    pub fn begin_commit(&mut self, cut: &Cut, live_at_us: i64) -> Result<(), IndexError> {
        match self {
            ReadModel::Table(_) => Ok(()),
            ReadModel::Search(indexed) => indexed.begin_commit(cut, live_at_us),
        }
    }

    /// Whether a commit was begun that [`end_commit`](Self::end_commit) has yet to make visible.
    pub fn is_committing(&self) -> bool {
        match self {
            ReadModel::Table(_) => false,
            ReadModel::Search(indexed) => indexed.is_committing(),
        }
    }

    /// Whether a commit that was begun has come to its end, so that it need not be waited for.
    pub fn is_idle(&self) -> bool {
        match self {
            ReadModel::Table(_) => true,
            ReadModel::Search(indexed) => indexed.is_idle(),
        }
    }

    /// Makes visible what was begun, if anything was. It waits for that.
    ///
    /// # Errors
    /// The index cannot be written; see [`ReadModel::failure`].
    pub fn end_commit(&mut self) -> Result<(), IndexError> {
        match self {
            ReadModel::Table(_) => Ok(()),
            ReadModel::Search(indexed) => indexed.end_commit(),
        }
    }

    /// Records that the rows are those of `cut`, which was the live cut at `live_at_us`.
    pub fn reach(&mut self, cut: &Cut, live_at_us: i64) {
        match self {
            ReadModel::Table(_) => {}
            ReadModel::Search(indexed) => indexed.reach(cut, live_at_us),
        }
    }

    /// The last commit of a search index, with the rows of its own cut; none of a table.
    pub fn index(&self) -> Option<SearchSnapshot> {
        match self {
            ReadModel::Table(_) => None,
            ReadModel::Search(indexed) => Some(indexed.last_commit()),
        }
    }

    /// Why a part of it cannot be written. It is behind the rows until [`ReadModel::mend`] succeeds.
    pub fn failure(&self) -> Option<&str> {
        match self {
            ReadModel::Table(_) => None,
            ReadModel::Search(indexed) => indexed.failure(),
        }
    }

    /// Builds anew from the rows what could not be written, as the state at `cut`.
    ///
    /// # Errors
    /// It cannot be written yet; the old one is served until the next attempt.
    pub fn mend(&mut self, cut: &Cut, live_at_us: i64) -> Result<(), IndexError> {
        match self {
            ReadModel::Table(_) => Ok(()),
            ReadModel::Search(indexed) => indexed.mend(cut, live_at_us),
        }
    }

    /// The files of the last commit, kept as they are while the pin is held; none where there are no files, or where they
    /// are broken.
    ///
    /// # Errors
    /// The files cannot be linked; see [`ReadModel::failure`].
    pub fn pin(&mut self) -> Result<Option<PinnedFiles>, IndexError> {
        match self {
            ReadModel::Table(_) => Ok(None),
            ReadModel::Search(indexed) => indexed.pin(),
        }
    }

    /// What changed in the rows since the last call. It counts as written: the caller has to write it.
    ///
    /// # Errors
    /// Rows cannot be gathered.
    pub fn capture(&mut self) -> Result<Option<StateDelta>, ArrowError> {
        self.table_mut().capture()
    }

    /// What the store of the rows holds since the last capture.
    pub fn shape(&self) -> StoreShape {
        self.table().shape()
    }

    /// What readers may see, given that the rows are those of `cut`, which was the live cut at `live_at_us`.
    pub fn published(&self, cut: &Cut, live_at_us: i64) -> Published {
        match self {
            ReadModel::Table(table) => {
                Published { data: RelationData::table(table.snapshot()), cut: cut.clone(), live_at_us }
            }
            ReadModel::Search(indexed) => indexed.published(cut, live_at_us),
        }
    }
}
