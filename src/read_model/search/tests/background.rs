//! A table with its index, whose commits run beside what changes it.

use super::*;
use crate::circuit::ZBatch;
use crate::read_model::table::Table;

/// A table with its index, and a model of the rows, of those that are shown, and of those of a commit that was begun.
struct Shown {
    indexed: IndexedTable,
    model: Model,
    shown: Model,
    begun: Option<Model>,
    clock_us: i64,
}

impl Shown {
    fn new(directory: &Path) -> Self {
        let spec_of_table = TableSpec {
            name: "order_search".into(),
            schema: schema(),
            key: vec![0],
            key_proven: true,
            indexes: Vec::new(),
        };
        let table = Table::new(Arc::new(spec_of_table)).unwrap();
        let indexed = IndexedTable::new(table, open(directory), spec(), &Cut::default()).unwrap();
        Self { indexed, model: Model::new(), shown: Model::new(), begun: None, clock_us: 0 }
    }

    /// Puts rows in the place of those with their keys, at a time of its own.
    fn put(&mut self, orders: impl IntoIterator<Item = (i64, Order)>) {
        let orders: Model = orders.into_iter().collect();
        let gone: Model = orders.keys().filter_map(|id| Some((*id, self.model.get(id)?.clone()))).collect();
        self.apply(&gone, &orders);
        self.model.extend(orders);
    }

    fn delete(&mut self, ids: &[i64]) {
        let gone: Model = ids.iter().filter_map(|id| Some((*id, self.model.remove(id)?))).collect();
        self.apply(&gone, &Model::new());
    }

    fn apply(&mut self, gone: &Model, new: &Model) {
        let weights = gone.iter().map(|_| -1).chain(new.iter().map(|_| 1));
        let delta = ZBatch::new(rows(gone.iter().chain(new)), Int64Array::from_iter_values(weights));
        self.clock_us += 10;
        self.indexed.apply(&delta, self.clock_us).unwrap();
    }

    fn begin(&mut self, position: u64) {
        self.end();
        if self.indexed.uncommitted_since_us().is_some() {
            self.begun = Some(self.model.clone());
        }
        self.indexed.begin_commit(&cut(position), self.clock_us).unwrap();
    }

    fn end(&mut self) {
        self.indexed.end_commit().unwrap();
        if let Some(begun) = self.begun.take() {
            self.shown = begun;
        }
    }

    fn commit(&mut self, position: u64) {
        self.indexed.commit(&cut(position), self.clock_us).unwrap();
        (self.shown, self.begun) = (self.model.clone(), None);
    }

    fn found(&self, query: &str) -> Vec<i64> {
        find(&self.indexed.last_commit(), query)
    }

    /// What is published where the live cut is at `position`: the cut, and when that was the live one.
    fn published(&self, position: u64) -> (Cut, i64) {
        let published = self.indexed.published(&cut(position), self.clock_us);
        (published.cut, published.live_at_us)
    }
}

#[test]
fn a_commit_has_what_came_before_it_was_begun_and_is_seen_once_it_is_ended() {
    let home = tempfile::tempdir().unwrap();
    let mut shown = Shown::new(home.path());
    shown.put([(1, order("first", "NEW", 1))]);
    shown.begin(1);
    shown.put([(1, order("changed", "NEW", 1)), (2, order("second", "NEW", 2))]);
    assert_eq!(shown.found("first changed second"), Vec::<i64>::new());
    assert_eq!(shown.published(2), (Cut::default(), 10), "its cut was the live one until the first change");
    assert_eq!(shown.indexed.uncommitted_since_us(), Some(20));
    shown.end();
    assert_eq!((shown.found("first"), shown.found("changed second")), (vec![1], vec![]));
    assert_eq!(shown.published(2), (cut(1), 20));
    shown.commit(2);
    assert_eq!((shown.found("first"), shown.found("changed"), shown.found("second")), (vec![], vec![1], vec![2]));
    assert_eq!(shown.published(3), (cut(3), 20), "it stands for every cut at which nothing changed");
}

#[test]
fn a_commit_stands_for_the_cuts_that_come_while_it_runs_and_change_nothing() {
    let home = tempfile::tempdir().unwrap();
    let mut shown = Shown::new(home.path());
    shown.put([(1, order("first", "NEW", 1))]);
    shown.begin(1);
    shown.indexed.reach(&cut(4), 50);
    assert_eq!(shown.published(4), (Cut::default(), 10), "nothing of it is shown yet");
    shown.end();
    shown.put([(2, order("second", "NEW", 2))]);
    assert_eq!(shown.published(5), (cut(4), 20));
}

#[test]
fn a_commit_of_nothing_is_not_begun() {
    let home = tempfile::tempdir().unwrap();
    let mut shown = Shown::new(home.path());
    shown.begin(1);
    assert!(!shown.indexed.is_committing());
    shown.put([(1, order("first", "NEW", 1))]);
    shown.begin(2);
    assert!(shown.indexed.is_committing());
    shown.end();
    shown.begin(3);
    assert!(!shown.indexed.is_committing());
}

#[test]
fn what_is_pinned_has_what_was_kept_while_a_commit_ran() {
    let home = tempfile::tempdir().unwrap();
    let mut shown = Shown::new(home.path());
    shown.put([(1, order("first", "NEW", 1))]);
    shown.begin(1);
    shown.put([(2, order("second", "NEW", 2))]);
    // As for a checkpoint.
    shown.commit(2);
    let pin = shown.indexed.pin().unwrap().unwrap();
    assert_eq!(pin.cut, cut(2));
    let copy = restored(&pin);
    assert_equals_model(&open(copy.path()).snapshot(table(&shown.model)), &shown.model, &["first", "second"], &["NEW"]);
}

#[test]
fn a_commit_that_fails_is_told_and_the_index_is_built_again_with_all_that_came_since() {
    let home = tempfile::tempdir().unwrap();
    let (directory, aside) = (home.path().join("1"), home.path().join("aside"));
    let mut shown = Shown::new(&directory);
    shown.put([(1, order("first", "NEW", 1))]);
    shown.commit(1);
    fs::rename(&directory, &aside).unwrap();
    shown.put([(2, order("second", "NEW", 2))]);
    shown.indexed.begin_commit(&cut(2), 20).unwrap();
    assert!(matches!(shown.indexed.end_commit(), Err(IndexError::Tantivy { .. })));
    assert!(shown.indexed.failure().is_some());
    shown.put([(3, order("third", "NEW", 3))]);
    assert_eq!((shown.found("first"), shown.found("second third")), (vec![1], vec![]), "the last commit still serves");
    assert_eq!(shown.published(3), (cut(1), 20), "and says so");
    assert_eq!((shown.indexed.uncommitted_since_us(), shown.indexed.is_committing()), (None, false));
    assert!(shown.indexed.pin().unwrap().is_none(), "a checkpoint goes without it");

    shown.indexed.mend(&cut(3), 30).unwrap();
    assert_eq!((shown.indexed.failure(), shown.published(3)), (None, (cut(3), 30)));
    assert_equals_model(&shown.indexed.last_commit(), &shown.model, &["first", "second", "third"], &["NEW"]);
}

#[test]
fn a_row_that_cannot_be_indexed_fails_at_once_while_a_commit_runs() {
    let home = tempfile::tempdir().unwrap();
    let mut keyed = spec();
    keyed.key = vec![1];
    let spec_of_table = TableSpec {
        name: "order_search".into(),
        schema: schema(),
        key: vec![1],
        key_proven: true,
        indexes: Vec::new(),
    };
    let index = SearchIndex::open(home.path(), keyed.clone(), WriterSettings::default()).unwrap();
    let table = Table::new(Arc::new(spec_of_table)).unwrap();
    let mut indexed = IndexedTable::new(table, index, keyed, &Cut::default()).unwrap();
    indexed.apply(&ZBatch::inserts(rows([(&1, &order("short", "NEW", 1))])), 10).unwrap();
    indexed.begin_commit(&cut(1), 10).unwrap();
    let long = rows([(&2, &order(&"x".repeat(70_000), "NEW", 2))]);
    let error = indexed.apply(&ZBatch::inserts(long), 20).unwrap_err().to_string();
    assert!(error.contains("order_search") && error.contains("too long"), "{error}");
    indexed.end_commit().unwrap();
    assert_eq!(indexed.last_commit().num_documents(), 1);
}

#[test]
fn an_index_that_is_let_go_of_writes_no_more() {
    let home = tempfile::tempdir().unwrap();
    let mut shown = Shown::new(home.path());
    shown.put((0..200).map(|id| (id, order("many", "NEW", id))));
    shown.begin(1);
    drop(shown);
    fs::remove_dir_all(home.path()).unwrap();
    assert!(!home.path().exists());
}

#[test]
fn answers_equal_a_model_while_commits_run() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let words = ["alpha", "beta", "gamma", "delta"];
    let statuses = ["NEW", "READY"];
    let home = tempfile::tempdir().unwrap();
    let mut shown = Shown::new(home.path());
    for position in 1..80 {
        let changed: Model = (0..random.usize(0..6))
            .map(|_| {
                let notes = format!("{} {}", words[random.usize(..words.len())], words[random.usize(..words.len())]);
                (random.i64(0..40), order(&notes, statuses[random.usize(..statuses.len())], random.i64(0..99)))
            })
            .collect();
        shown.put(changed);
        let live: Vec<i64> = shown.model.keys().copied().collect();
        let gone: Vec<i64> = live.into_iter().filter(|_| random.u8(0..12) == 0).collect();
        shown.delete(&gone);
        match random.u8(0..8) {
            0..=2 => shown.begin(position),
            3 | 4 => shown.end(),
            5 => shown.commit(position),
            _ => {}
        }
        assert_equals_model(&shown.indexed.last_commit(), &shown.shown, &words, &statuses);
    }
}
