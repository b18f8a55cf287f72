//! The index of a search projection: it takes deltas, commits them under a cut, and gives snapshots of the last one.
//!
//! Changes are buffered until a commit, which costs the writing of a segment, and no sync: an index lasts as long as its process,
//! and checkpoints make their own copies durable. The cut is the payload of Tantivy's own commit, so that index and cut cannot
//! part. A failed change or commit poisons the index until it is opened again.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use serde::{Deserialize, Serialize};
use tantivy::indexer::{IndexWriterOptions, UserOperation};
use tantivy::{Index, IndexReader, IndexSettings, IndexWriter, ReloadPolicy, Searcher, TantivyError};

use super::directory::UnsyncedDirectory;
use super::document::{DocumentChange, DocumentError, Documents, key_term};
use super::layout::{IndexLayout, LayoutError};
use super::merging::MergesOfEqualHalves;
use super::pin::{PINS, PinnedFiles};
use super::snapshot::SearchSnapshot;
use super::spec::SearchSpec;
use super::tokenizers::tokenizers;
use crate::progress::Cut;
use crate::read_model::table::TableSnapshot;

/// Of what is kept in an index: raised whenever the same rows would be kept otherwise.
const FORMAT: u32 = 4;

/// Least heap of an indexing thread that Tantivy accepts.
pub(super) const HEAP_BYTES_MIN: usize = 15_000_000;

/// How much an index may take while it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriterSettings {
    /// Indexing threads.
    pub threads: usize,
    /// Heap of each: what does not fit becomes a segment of its own.
    pub heap_bytes: usize,
}

impl Default for WriterSettings {
    fn default() -> Self {
        Self { threads: 1, heap_bytes: 32_000_000 }
    }
}

pub struct SearchIndex {
    directory: PathBuf,
    layout: Arc<IndexLayout>,
    index: Index,
    writer: IndexWriter,
    reader: IndexReader,
    committed: Cut,
    poisoned: Option<String>,
    pins: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The projection cannot be indexed as it is declared.
    #[error("search projection `{name}`: {problem}")]
    Spec { name: String, problem: LayoutError },
    /// The index on disk was written for another definition.
    #[error("the search index in {} was written for another definition ({difference})", .directory.display())]
    Unfit { directory: PathBuf, difference: &'static str },
    #[error("search index `{name}` is unusable after a failure ({cause}) until it is built again")]
    Poisoned { name: String, cause: String },
    #[error("search index `{name}`: cannot index a row: {cause}")]
    Row { name: String, cause: String },
    #[error("search index in {}: {cause}", .directory.display())]
    Tantivy { directory: PathBuf, cause: TantivyError },
    #[error("search index in {}: {cause}", .directory.display())]
    Io { directory: PathBuf, cause: io::Error },
}

/// What a commit says of itself.
#[derive(Serialize, Deserialize)]
struct Payload {
    format: u32,
    columns: Vec<String>,
    cut: Cut,
}

impl SearchIndex {
    /// Opens what is in `directory` if it was written for this `spec`, or creates an index there. Whatever had not
    /// been committed is gone; [`cut`](Self::cut) says from where to go on. The caller has put a checkpoint's files
    /// there, or emptied it.
    ///
    /// # Errors
    /// If the specification cannot be indexed, or the folder cannot be read and written.
    pub fn open(directory: &Path, spec: SearchSpec, settings: WriterSettings) -> Result<Self, IndexError> {
        let name = spec.name.clone();
        let layout = IndexLayout::new(spec).map_err(|problem| IndexError::Spec { name, problem })?;
        let at_io = |cause| IndexError::Io { directory: directory.to_owned(), cause };
        fs::create_dir_all(directory).map_err(at_io)?;
        // Pins do not outlive the process that holds them.
        match fs::remove_dir_all(directory.join(PINS)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at_io(error)),
            _ => {}
        }
        let (index, committed) = open_or_create(directory, &layout)?;
        let at = |cause| IndexError::Tantivy { directory: directory.to_owned(), cause };
        let options = IndexWriterOptions::builder()
            .num_worker_threads(settings.threads.clamp(1, 2))
            .memory_budget_per_thread(settings.heap_bytes.max(HEAP_BYTES_MIN))
            .num_merge_threads(1)
            .build();
        let writer = index.writer_with_options(options).map_err(at)?;
        writer.set_merge_policy(Box::new(MergesOfEqualHalves));
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into().map_err(at)?;
        Ok(Self {
            directory: directory.to_owned(),
            layout: Arc::new(layout),
            index,
            writer,
            reader,
            committed,
            poisoned: None,
            pins: 0,
        })
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    pub(super) fn name(&self) -> &str {
        &self.layout.spec.name
    }

    pub(super) fn layout(&self) -> &Arc<IndexLayout> {
        &self.layout
    }

    /// The cut of the last commit; the empty one before the first.
    pub fn cut(&self) -> &Cut {
        &self.committed
    }

    /// Documents as of the last commit.
    pub fn num_documents(&self) -> u64 {
        self.reader.searcher().num_docs()
    }

    /// Takes a delta: rows with keys that are new, rows that replace those of their keys, and the key columns (in the
    /// key's order) of rows that are gone. Nothing of it is seen before the next commit. Blocks while the indexing
    /// threads are behind.
    ///
    /// # Errors
    /// If the index cannot be written. It must then be opened anew from the last checkpoint.
    pub fn apply(
        &mut self,
        inserted: &RecordBatch,
        updated: &RecordBatch,
        deleted_keys: &RecordBatch,
    ) -> Result<(), IndexError> {
        self.refuse_poisoned()?;
        let result = document_changes(&self.layout, inserted, updated, deleted_keys, |change| self.change(change));
        self.poison(result)
    }

    /// Takes what was made of deltas.
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    pub(super) fn take_changes(&mut self, changes: Vec<DocumentChange>) -> Result<(), IndexError> {
        self.refuse_poisoned()?;
        let result = changes.into_iter().try_for_each(|change| self.change(change));
        self.poison(result)
    }

    /// Makes everything applied so far visible, as the state at `cut`.
    ///
    /// # Errors
    /// If the index cannot be written. It must then be opened anew from the last checkpoint.
    pub fn commit(&mut self, cut: &Cut) -> Result<(), IndexError> {
        self.refuse_poisoned()?;
        let result = self.write_commit(cut);
        self.poison(result)?;
        self.committed = cut.clone();
        Ok(())
    }

    /// The last commit for reading. `table` holds the projection's rows at exactly [`cut`](Self::cut).
    pub fn snapshot(&self, table: TableSnapshot) -> SearchSnapshot {
        SearchSnapshot::new(self.searcher(), self.committed.clone(), self.layout.clone(), table)
    }

    /// The files of the last commit, kept as they are for as long as the hold lives.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn pin(&mut self) -> Result<PinnedFiles, IndexError> {
        self.refuse_poisoned()?;
        self.pins += 1;
        let target = self.directory.join(PINS).join(self.pins.to_string());
        PinnedFiles::link(&self.index, &self.directory, target, self.committed.clone())
    }

    fn searcher(&self) -> Searcher {
        self.reader.searcher()
    }

    fn change(&self, change: DocumentChange) -> Result<(), IndexError> {
        let changed = match change {
            DocumentChange::Add(document) => self.writer.add_document(document),
            // One group, so that no commit can come between the two.
            DocumentChange::Replace(term, document) => {
                self.writer.run([UserOperation::Delete(term), UserOperation::Add(document)])
            }
            DocumentChange::Delete(term) => self.writer.run([UserOperation::Delete(term)]),
        };
        changed.map(drop).map_err(|cause| self.at(cause))
    }

    fn write_commit(&mut self, cut: &Cut) -> Result<(), IndexError> {
        let directory = &self.directory;
        let at = |cause| IndexError::Tantivy { directory: directory.clone(), cause };
        let payload = Payload { format: FORMAT, columns: self.layout.fingerprint(), cut: cut.clone() };
        let payload = serde_json::to_string(&payload)
            .map_err(|error| IndexError::Io { directory: directory.clone(), cause: error.into() })?;
        // 1. Everything buffered becomes segments in files, not yet part of the index.
        let mut prepared = self.writer.prepare_commit().map_err(at)?;
        // 2. The new list of segments replaces the old one atomically, with the cut in it.
        prepared.set_payload(&payload);
        prepared.commit().map_err(at)?;
        // 3. Readers move on. A merge may have ended in between: it changes files, not documents.
        self.reader.reload().map_err(at)
    }

    fn refuse_poisoned(&self) -> Result<(), IndexError> {
        match &self.poisoned {
            Some(cause) => Err(IndexError::Poisoned { name: self.name().to_owned(), cause: cause.clone() }),
            None => Ok(()),
        }
    }

    fn poison(&mut self, result: Result<(), IndexError>) -> Result<(), IndexError> {
        if let Err(error) = &result {
            self.poisoned = Some(error.to_string());
        }
        result
    }

    fn at(&self, cause: TantivyError) -> IndexError {
        IndexError::Tantivy { directory: self.directory.clone(), cause }
    }
}

/// Makes the documents of a delta, and gives each to `take`.
pub(super) fn document_changes(
    layout: &IndexLayout,
    inserted: &RecordBatch,
    updated: &RecordBatch,
    deleted_keys: &RecordBatch,
    mut take: impl FnMut(DocumentChange) -> Result<(), IndexError>,
) -> Result<(), IndexError> {
    let failed = |cause: DocumentError| IndexError::Row { name: layout.spec.name.clone(), cause: cause.to_string() };
    for row in 0..deleted_keys.num_rows() {
        take(DocumentChange::Delete(key_term(layout, deleted_keys, row).map_err(failed)?))?;
    }
    let documents = Documents::new(layout, updated).map_err(|error| failed(error.into()))?;
    for row in 0..updated.num_rows() {
        let (term, document) = documents.document(row).map_err(failed)?;
        take(DocumentChange::Replace(term, document))?;
    }
    let documents = Documents::new(layout, inserted).map_err(|error| failed(error.into()))?;
    for row in 0..inserted.num_rows() {
        let (_, document) = documents.document(row).map_err(failed)?;
        take(DocumentChange::Add(document))?;
    }
    Ok(())
}

fn open_or_create(directory: &Path, layout: &IndexLayout) -> Result<(Index, Cut), IndexError> {
    let at = |cause| IndexError::Tantivy { directory: directory.to_owned(), cause };
    let unfit = |difference| IndexError::Unfit { directory: directory.to_owned(), difference };
    let files = UnsyncedDirectory::open(directory).map_err(|error| at(error.into()))?;
    if !Index::exists(&files).map_err(|error| at(error.into()))? {
        let created = Index::create(files, layout.schema.clone(), IndexSettings::default());
        let mut index = created.map_err(at)?;
        index.set_tokenizers(tokenizers());
        return Ok((index, Cut::default()));
    }
    let mut index = Index::open(files).map_err(at)?;
    index.set_tokenizers(tokenizers());
    if index.schema() != layout.schema {
        return Err(unfit("its fields differ"));
    }
    let metas = index.load_metas().map_err(at)?;
    let committed = match &metas.payload {
        None if metas.segments.is_empty() => Cut::default(),
        None => return Err(unfit("it has no cut")),
        Some(payload) => {
            let payload: Payload = serde_json::from_str(payload).map_err(|_| unfit("its cut cannot be read"))?;
            if payload.format != FORMAT {
                return Err(unfit("its format differs"));
            }
            if payload.columns != layout.fingerprint() {
                return Err(unfit("its columns differ"));
            }
            payload.cut
        }
    };
    Ok((index, committed))
}
