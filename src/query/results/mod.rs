//! Answers that are kept: a question that was answered is not computed again while everything that decides its rows is as it was
//! (ADR 37).
//!
//! What is kept are rows, below every protocol and without freshness: an answer says that of its own read point. Nothing is looked
//! up by time, and nothing is invalidated: a question names the versions of all that it reads, and one about other rows is another
//! question.

mod question;
mod rows;

use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use quick_cache::sync::{Cache, DefaultLifecycle, PlaceholderGuard};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};
use tokio::sync::oneshot;

pub(super) use self::question::{Asked, Question, is_steady, sorted};
use self::rows::Collected;
pub(super) use self::rows::KeptRows;
use super::ParsedQuery;

/// The part of all that is kept which one answer may have.
const SHARE: usize = 16;

/// The part of it for statements that were parsed, so that asking again takes no look at the text.
const STATEMENTS: usize = 16;

/// What a parsed statement takes for each byte of its text, at most and about.
const STATEMENT_BYTES_PER_BYTE: usize = 128;

/// What an answer may take at least in the mean: how many there may be is guessed by it, for tables that grow where the guess is bad.
const ANSWER_BYTES: usize = 16 << 10;

type Kept = Cache<Arc<Question>, Answer, Weights>;
type Statements = Cache<Arc<str>, ParsedQuery, Weights>;
type Guard<'a> =
    PlaceholderGuard<'a, Arc<Question>, Answer, Weights, DefaultHashBuilder, DefaultLifecycle<Arc<Question>, Answer>>;

/// Keeps answers within a bound in bytes. Shared by all protocols.
#[derive(Debug)]
pub(super) struct Results {
    /// None where nothing is kept.
    kept: Option<(Kept, Statements)>,
    /// Bytes that one answer may have.
    share: usize,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    hits: AtomicU64,
    misses: AtomicU64,
}

/// How often answers were found, and the bytes of all that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResultCounts {
    pub hits: u64,
    pub misses: u64,
    pub bytes: u64,
}

/// What is known of a question.
#[derive(Debug, Clone)]
enum Answer {
    Rows(Arc<KeptRows>),
    /// Whoever asks computes it: it is too large to be kept, or has another answer each time.
    NotKept,
}

#[derive(Debug, Clone, Copy)]
struct Weights;

impl Weighter<Arc<Question>, Answer> for Weights {
    fn weight(&self, question: &Arc<Question>, answer: &Answer) -> u64 {
        let rows = match answer {
            Answer::Rows(rows) => rows.bytes(),
            Answer::NotKept => 0,
        };
        (question.bytes() + rows) as u64
    }
}

impl Weighter<Arc<str>, ParsedQuery> for Weights {
    fn weight(&self, text: &Arc<str>, _: &ParsedQuery) -> u64 {
        (size_of::<ParsedQuery>() + text.len() * STATEMENT_BYTES_PER_BYTE) as u64
    }
}

/// What a look for an answer comes to.
pub(super) enum Found<'a> {
    Rows(Arc<KeptRows>),
    /// Nobody has computed it. Others who ask the same wait for what becomes of the place.
    Place(Place<'a>),
    /// It is to be computed, and not to be kept.
    Nothing,
}

/// Where the answer to a question goes. When it is dropped, as with a reader who went away, the next one who waits has it.
pub(super) struct Place<'a> {
    kept: &'a Kept,
    question: Arc<Question>,
    guard: Guard<'a>,
    share: usize,
}

/// Takes the rows of an answer along while it is computed, as long as they are few enough.
#[derive(Debug)]
pub(super) struct Keeping {
    collected: Collected,
    done: oneshot::Sender<Option<KeptRows>>,
}

/// Waits for what an answer came to: rows, none that are to be kept, or an error if there was no answer.
pub(super) type Outcome = oneshot::Receiver<Option<KeptRows>>;

impl Results {
    /// Keeps so many bytes; nothing if they are 0.
    pub(super) fn new(bytes: usize) -> Self {
        Self::counted(bytes, Arc::default())
    }

    /// Another one that counts on.
    pub(super) fn anew(&self, bytes: usize) -> Self {
        Self::counted(bytes, self.counts.clone())
    }

    fn counted(bytes: usize, counts: Arc<Counts>) -> Self {
        let statements = bytes / STATEMENTS;
        let answers = bytes - statements;
        Self { kept: within(answers).zip(within(statements)), share: answers / SHARE, counts }
    }

    pub(super) fn counts(&self) -> ResultCounts {
        let bytes = self.kept.as_ref().map_or(0, |(kept, statements)| kept.weight() + statements.weight());
        let Counts { hits, misses } = &*self.counts;
        ResultCounts { hits: hits.load(Ordering::Relaxed), misses: misses.load(Ordering::Relaxed), bytes }
    }

    /// Whether anything is kept, so that it is worth to make a question.
    pub(super) fn is_on(&self) -> bool {
        self.kept.is_some()
    }

    /// The statement of this text, if it was parsed lately.
    pub(super) fn parsed(&self, text: &str) -> Option<ParsedQuery> {
        self.kept.as_ref().and_then(|(_, statements)| statements.get(text))
    }

    /// Keeps a statement for those who send its text again.
    pub(super) fn keep_parsed(&self, parsed: &ParsedQuery) {
        if let Some((_, statements)) = &self.kept {
            statements.insert(parsed.text.clone(), parsed.clone());
        }
    }

    /// The answer to a question, or the place for it. While somebody else computes it, this waits.
    pub(super) async fn look(&self, question: Option<Question>) -> Found<'_> {
        let (Some((kept, _)), Some(question)) = (&self.kept, question) else { return Found::Nothing };
        let question = Arc::new(question);
        let found = match kept.get_value_or_guard_async(&question).await {
            Ok(Answer::Rows(rows)) => {
                self.counts.hits.fetch_add(1, Ordering::Relaxed);
                return Found::Rows(rows);
            }
            Ok(Answer::NotKept) => Found::Nothing,
            Err(guard) => Found::Place(Place { kept, question, guard, share: self.share }),
        };
        self.counts.misses.fetch_add(1, Ordering::Relaxed);
        found
    }
}

/// A map of so many bytes; none if they are 0.
///
/// It has one shard, so that the bound is one of all and not of each. Half is for what was asked for lately, because what was asked for often
/// stays only until its rows change.
fn within<K: Eq + Hash, V: Clone>(bytes: usize) -> Option<Cache<K, V, Weights>>
where
    Weights: Weighter<K, V>,
{
    let mut options = OptionsBuilder::new();
    options
        .shards(1)
        .hot_allocation(0.5)
        .weight_capacity(bytes as u64)
        .estimated_items_capacity((bytes / ANSWER_BYTES).max(16));
    let options = options.build().ok().filter(|_| bytes > 0)?;
    Some(Cache::with_options(options, Weights, DefaultHashBuilder::default(), DefaultLifecycle::default()))
}

impl<'a> Found<'a> {
    /// Where the answer goes, if it is to be kept.
    pub(super) fn place(self) -> Option<Place<'a>> {
        match self {
            Found::Place(place) => Some(place),
            Found::Rows(_) | Found::Nothing => None,
        }
    }
}

impl Place<'_> {
    /// What takes the rows along, and what waits for them.
    pub(super) fn keeping(&self) -> (Keeping, Outcome) {
        let (done, outcome) = oneshot::channel();
        (Keeping { collected: Collected::new(self.share), done }, outcome)
    }

    /// Answers those who wait, or lets them compute it themselves. What failed for one may succeed for another, so that an error is
    /// not remembered.
    pub(super) fn fill(self, outcome: Option<Option<KeptRows>>) {
        let (answer, is_remembered) = match outcome {
            Some(Some(rows)) => (Answer::Rows(Arc::new(rows)), true),
            Some(None) => (Answer::NotKept, true),
            None => (Answer::NotKept, false),
        };
        // An error means that nobody keeps it, which is no harm.
        let _ = self.guard.insert(answer);
        if !is_remembered {
            self.kept.remove_if(&self.question, |answer| matches!(answer, Answer::NotKept));
        }
    }
}

impl Keeping {
    /// The same, if the answer is one that holds for as long as what it is of.
    pub(super) fn of(self, repeatable: bool) -> Option<Self> {
        if repeatable {
            return Some(self);
        }
        self.decline();
        None
    }

    /// Takes a batch; none once there are too many rows to be kept.
    pub(super) fn taken(mut self, batch: &RecordBatch) -> Option<Self> {
        if self.collected.push(batch) {
            return Some(self);
        }
        self.decline();
        None
    }

    /// All batches were taken.
    pub(super) fn finish(self, schema: &SchemaRef) {
        // Nobody waits any more when the reader went away.
        let _ = self.done.send(self.collected.kept(schema));
    }

    /// The answer is not to be kept.
    pub(super) fn decline(self) {
        let _ = self.done.send(None);
    }
}

#[cfg(test)]
mod tests;
