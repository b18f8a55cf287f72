//! What commits, crashes, pins and failures leave behind.

use super::*;

#[test]
fn a_crash_leaves_the_last_commit_and_its_cut() {
    let home = tempfile::tempdir().unwrap();
    let mut pair = Pair::with(home.path(), [(1, order("first", "NEW", 1)), (2, order("second", "NEW", 2))]);
    pair.commit(7);
    pair.put([(2, order("changed", "NEW", 2)), (3, order("third", "NEW", 3))]);
    pair.delete(&[1]);
    let committed = pair.committed.clone();
    drop(pair);
    let index = open(home.path());
    assert_eq!(index.cut(), &cut(7));
    let snapshot = index.snapshot(table(&committed));
    assert_eq!((find(&snapshot, "first"), find(&snapshot, "second")), (vec![1], vec![2]));
    assert_eq!((find(&snapshot, "changed"), find(&snapshot, "third")), (vec![], vec![]));
}

#[test]
fn a_new_index_is_at_the_empty_cut() {
    let home = tempfile::tempdir().unwrap();
    let index = open(home.path());
    assert_eq!(index.cut(), &Cut::default());
    assert_eq!(index.snapshot(table(&Model::new())).search(&request("anything")).unwrap().total, 0);
}

#[test]
fn a_pin_is_one_cut_whatever_comes_after() {
    let home = tempfile::tempdir().unwrap();
    let mut pair = Pair::new(home.path());
    for id in 0..6 {
        pair.put([(id, order("early", "NEW", id))]);
        pair.delete(&[id - 3]);
        pair.commit(id as u64 + 1);
    }
    pair.put([(99, order("uncommitted", "NEW", 1))]);
    let pin = pair.index.pin().unwrap();
    let pinned = pair.committed.clone();
    // Enough commits and deletions for segments to be merged and collected.
    for id in 0..30 {
        pair.put([(id, order("late", "NEW", id))]);
        pair.commit(100 + id as u64);
    }
    let copy = restored(&pin);
    let mut index = open(copy.path());
    assert_eq!((&pin.cut, index.cut()), (&cut(6), &cut(6)));
    let snapshot = index.snapshot(table(&pinned));
    assert_eq!(find(&snapshot, "early"), [3, 4, 5]);
    assert_eq!((find(&snapshot, "late"), find(&snapshot, "uncommitted")), (vec![], vec![]));
    // It goes on from there, and what merges leave behind is collected.
    let none = rows(&Model::new());
    for position in 7..40 {
        index.apply(&none, &rows([(&4, &order("onwards", "NEW", 4))]), &keys(&[])).unwrap();
        index.commit(&cut(position)).unwrap();
    }
    assert_eq!(find(&index.snapshot(table(&Model::from([(4, order("onwards", "NEW", 4))]))), "onwards"), [4]);
    let left = pin.files.iter().filter(|(name, _)| name.ends_with(".term") && copy.path().join(name).exists()).count();
    let pinned_segments = pin.files.iter().filter(|(name, _)| name.ends_with(".term")).count();
    assert!(left < pinned_segments, "{left} of {pinned_segments} restored segments are still there");
    let first = pin.files[0].1.clone();
    drop(pin);
    assert!(!first.exists(), "a dropped hold frees its files");
}

#[test]
fn pins_do_not_outlive_their_process() {
    let home = tempfile::tempdir().unwrap();
    let mut pair = Pair::with(home.path(), [(1, order("a", "NEW", 1))]);
    let pin = pair.index.pin().unwrap();
    let file = pin.files[0].1.clone();
    std::mem::forget(pin.hold);
    drop(pair);
    assert!(file.exists());
    drop(open(home.path()));
    assert!(!file.exists());
}

#[test]
fn an_index_whose_files_are_gone_cannot_be_pinned() {
    let home = tempfile::tempdir().unwrap();
    let mut pair = Pair::with(home.path(), [(1, order("first", "NEW", 1))]);
    pair.commit(1);
    let entries = fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().path());
    let terms = entries.filter(|path| path.extension().is_some_and(|extension| extension == "term"));
    terms.for_each(|path| fs::remove_file(path).unwrap());
    let error = pair.index.pin().unwrap_err().to_string();
    assert!(error.contains(".term is missing"), "{error}");
}

#[test]
fn a_definition_that_cannot_be_indexed_is_refused() {
    let text = FieldKind::Text { tokenizer: Tokenizer::Default };
    let cases = [
        (vec![field(2, FieldKind::Stored)], vec![0], "no column can be searched"),
        (vec![field(3, text)], vec![0], "column `amount` of type Decimal128(18, 2) is not text"),
        (vec![FieldSpec { facet: true, ..field(1, text) }], vec![0], "column `notes` cannot be a facet"),
        (vec![FieldSpec { sort: true, ..field(4, FieldKind::Keyword) }], vec![0], "column `tags` of type"),
        (vec![field(1, text), field(1, FieldKind::Keyword)], vec![0], "column `notes` is declared twice"),
        (vec![field(9, text)], vec![0], "it has no column 9"),
        (vec![field(1, text)], vec![], "it has no key"),
        (vec![field(1, text)], vec![4], "key column `tags`"),
    ];
    for (fields, key, expected) in cases {
        let home = tempfile::tempdir().unwrap();
        let result = SearchIndex::open(home.path(), SearchSpec { fields, key, ..spec() }, WriterSettings::default());
        let message = result.err().unwrap().to_string();
        assert!(message.starts_with("search projection `order_search`: ") && message.contains(expected), "{message}");
    }
}

#[test]
fn an_index_of_another_definition_is_not_used() {
    let home = tempfile::tempdir().unwrap();
    drop(Pair::with(home.path(), [(1, order("a", "NEW", 1))]));
    let mut other = spec();
    other.fields[0].kind = FieldKind::Text { tokenizer: Tokenizer::Simple };
    let mut renamed = spec();
    let fields: Vec<Field> =
        schema().fields().iter().map(|f| f.as_ref().clone().with_name(format!("new_{}", f.name()))).collect();
    renamed.schema = Arc::new(Schema::new(fields));
    for spec in [other, renamed] {
        let result = SearchIndex::open(home.path(), spec, WriterSettings::default());
        assert!(matches!(result, Err(IndexError::Unfit { .. })));
    }
    assert_eq!(open(home.path()).cut(), &cut(1));
}

#[test]
fn a_failed_commit_poisons_until_the_index_is_opened_again() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("index");
    let mut pair = Pair::with(&directory, [(1, order("before", "NEW", 1))]);
    let aside = home.path().join("aside");
    fs::rename(&directory, &aside).unwrap();
    pair.index.apply(&rows([(&2, &order("lost", "NEW", 2))]), &rows(&Model::new()), &keys(&[])).unwrap();
    assert!(matches!(pair.index.commit(&cut(2)), Err(IndexError::Tantivy { .. })));
    fs::rename(&aside, &directory).unwrap();
    assert!(matches!(pair.index.commit(&cut(2)), Err(IndexError::Poisoned { .. })));
    let none = rows(&Model::new());
    assert!(matches!(pair.index.apply(&none, &none, &keys(&[])), Err(IndexError::Poisoned { .. })));
    assert!(matches!(pair.index.pin(), Err(IndexError::Poisoned { .. })));
    assert_eq!(
        (find(&pair.snapshot(), "before"), pair.index.cut()),
        (vec![1], &cut(1)),
        "the last commit still serves"
    );
    let committed = pair.committed.clone();
    drop(pair);
    let index = open(&directory);
    assert_eq!((find(&index.snapshot(table(&committed)), "before"), index.cut()), (vec![1], &cut(1)));
}

#[test]
fn a_key_that_is_too_long_fails_by_name() {
    let home = tempfile::tempdir().unwrap();
    let mut keyed = spec();
    keyed.key = vec![1];
    let mut index = SearchIndex::open(home.path(), keyed, WriterSettings::default()).unwrap();
    let long = rows([(&1, &order(&"x".repeat(70_000), "NEW", 1))]);
    let none = long.slice(0, 0);
    let error = index.apply(&long, &none, &none.project(&[1]).unwrap()).unwrap_err().to_string();
    assert!(error.contains("order_search") && error.contains("too long"), "{error}");
}

#[test]
fn snapshots_can_be_shared_between_threads_and_an_index_moved() {
    fn shared<T: Clone + Send + Sync + 'static>() {}
    fn moved<T: Send + 'static>() {}
    shared::<SearchSnapshot>();
    moved::<SearchIndex>();
    moved::<PinnedFiles>();
}
