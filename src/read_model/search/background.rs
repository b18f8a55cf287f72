//! An index whose commits run on a thread of their own, so that whoever changes it need not wait for them (ADR 42).
//!
//! While a commit runs, its thread has the index. What changes meanwhile is kept as documents, and the index takes it
//! afterwards: so a commit has exactly what came before it. Every other verb waits for the end of the commit first.

use std::mem;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use super::document::DocumentChange;
use super::index::{IndexError, SearchIndex, document_changes};
use super::layout::IndexLayout;
use crate::progress::Cut;
use crate::read_model::table::Changes;

/// Documents that are kept while a commit runs, at most: as many as Tantivy lets wait for its threads.
const KEPT_MAX: usize = 10_000;

/// Bytes of the rows that these are made of, at most: about what an indexing thread takes.
const KEPT_BYTES_MAX: usize = 32 << 20;

/// An index, which is elsewhere while it is committed.
pub(super) struct BackgroundIndex {
    name: String,
    directory: PathBuf,
    state: State,
}

enum State {
    /// It takes changes.
    Open(Box<SearchIndex>),
    /// It takes what is kept once its commit has ended.
    Committing { commit: JoinHandle<Committed>, layout: Arc<IndexLayout>, kept: Vec<DocumentChange>, bytes: usize },
    /// Its commit could not begin, or ended in a panic.
    Lost,
}

/// An index after a commit, and what has become of that.
type Committed = (Box<SearchIndex>, Result<(), IndexError>);

impl BackgroundIndex {
    pub(super) fn new(index: SearchIndex) -> Self {
        let (name, directory) = (index.name().to_owned(), index.directory().to_owned());
        Self { name, directory, state: State::Open(Box::new(index)) }
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Takes a change of rows. It waits for the end of a commit only where much is kept already.
    ///
    /// # Errors
    /// A row cannot be indexed, or the index cannot be written, be it in the commit before.
    pub(super) fn apply(&mut self, changes: &Changes) -> Result<(), IndexError> {
        let Changes { inserted, updated, deleted_keys } = changes;
        let size = inserted.get_array_memory_size() + updated.get_array_memory_size();
        if let State::Committing { commit, layout, kept, bytes } = &mut self.state
            && !commit.is_finished()
            && kept.len() + changes.len() <= KEPT_MAX
            && *bytes + size <= KEPT_BYTES_MAX
        {
            *bytes += size;
            return document_changes(layout, inserted, updated, deleted_keys, |change| {
                kept.push(change);
                Ok(())
            });
        }
        self.open()?.apply(inserted, updated, deleted_keys)
    }

    /// Begins a commit of all that was taken so far, as the state at `cut`.
    ///
    /// # Errors
    /// The commit before has failed, or there is no thread for this one.
    pub(super) fn begin_commit(&mut self, cut: &Cut) -> Result<(), IndexError> {
        let layout = self.open()?.layout().clone();
        let State::Open(mut index) = mem::replace(&mut self.state, State::Lost) else { return Err(lost(&self.name)) };
        let cut = cut.clone();
        let begun = thread::Builder::new().name("index-commit".to_owned()).spawn(move || {
            let committed = index.commit(&cut);
            (index, committed)
        });
        let commit = begun.map_err(|cause| IndexError::Io { directory: self.directory.clone(), cause })?;
        self.state = State::Committing { commit, layout, kept: Vec::new(), bytes: 0 };
        Ok(())
    }

    /// Whether no commit runs.
    pub(super) fn is_idle(&self) -> bool {
        match &self.state {
            State::Committing { commit, .. } => commit.is_finished(),
            State::Open(_) | State::Lost => true,
        }
    }

    /// The index, once a commit that was begun has ended and what was kept meanwhile is taken.
    ///
    /// # Errors
    /// The commit has failed, or the index cannot be written.
    pub(super) fn open(&mut self) -> Result<&mut SearchIndex, IndexError> {
        match mem::replace(&mut self.state, State::Lost) {
            State::Committing { commit, kept, .. } => {
                let (mut index, committed) = commit.join().map_err(|_| lost(&self.name))?;
                let taken = committed.and_then(|()| index.take_changes(kept));
                self.state = State::Open(index);
                taken?;
            }
            state => self.state = state,
        }
        match &mut self.state {
            State::Open(index) => Ok(index),
            State::Committing { .. } | State::Lost => Err(lost(&self.name)),
        }
    }
}

impl Drop for BackgroundIndex {
    /// Nobody writes to the folder any more once this is gone.
    fn drop(&mut self) {
        if let State::Committing { commit, .. } = mem::replace(&mut self.state, State::Lost) {
            drop(commit.join());
        }
    }
}

fn lost(name: &str) -> IndexError {
    IndexError::Poisoned { name: name.to_owned(), cause: "a commit of it has come to no end".to_owned() }
}
