//! What an answer holds: rows, order, facets, snippets.

use super::*;

#[test]
fn a_hit_and_its_row_agree_when_the_table_has_moved_on() {
    let home = tempfile::tempdir().unwrap();
    let mut pair = Pair::with(home.path(), [(1, order("stop advice", "NEW", 100)), (2, order("other", "NEW", 5))]);
    let snapshot = pair.snapshot();
    pair.put([(1, order("gone elsewhere", "DONE", 200))]);
    pair.delete(&[2]);
    pair.commit(2);
    for (snapshot, query, status) in [(&snapshot, "advice", "NEW"), (&pair.snapshot(), "elsewhere", "DONE")] {
        let answer = snapshot.search(&request(query)).unwrap();
        assert_eq!(ids(&answer), [1]);
        assert_eq!(answer.rows.column(2).as_string::<i32>().value(0), status);
    }
    assert_eq!((snapshot.cut(), pair.snapshot().cut()), (&cut(1), &cut(2)));
    assert_eq!((find(&snapshot, "other"), find(&pair.snapshot(), "other")), (vec![2], vec![]));
}

#[test]
fn a_table_of_another_cut_is_noticed() {
    let home = tempfile::tempdir().unwrap();
    let pair = Pair::with(home.path(), [(1, order("a word", "NEW", 1))]);
    let result = pair.index.snapshot(table(&Model::new())).search(&request("word"));
    assert!(matches!(result, Err(SearchError::Internal { .. })), "{result:?}");
}

#[test]
fn order_is_by_score_then_key_or_by_a_field_with_nulls_last() {
    let home = tempfile::tempdir().unwrap();
    let mut orders: Vec<(i64, Order)> = [500, -3, 20, 20, 7]
        .map(|cents| order("word", "B", cents))
        .into_iter()
        .zip(1..)
        .map(|(order, id)| (id, order))
        .collect();
    orders[2].1.notes = Some("word word word".into());
    orders[4].1.cents = None;
    orders[0].1.status = Some("A".into());
    orders[1].1.status = None;
    let mut pair = Pair::new(home.path());
    // Several segments, the later keys first.
    for order in orders.into_iter().rev() {
        pair.put([order]);
        pair.commit(1);
    }
    let snapshot = pair.snapshot();
    let sorted_by = |sort: &[(&str, bool)], offset, limit| {
        let sort = sort.iter().map(|(name, descending)| ((*name).to_owned(), *descending)).collect();
        let answer = snapshot.search(&SearchRequest { sort, offset, limit, ..request("word") }).unwrap();
        assert_eq!(answer.total, 5);
        ids(&answer)
    };
    let sorted = |sort: Option<(&str, bool)>, offset, limit| sorted_by(sort.as_slice(), offset, limit);
    assert_eq!(sorted(None, 0, 10), [3, 1, 2, 4, 5]);
    assert_eq!(sorted_by(&[("status", false), ("amount", true)], 0, 10), [1, 3, 4, 5, 2]);
    assert_eq!(sorted_by(&[("status", true), ("amount", false)], 0, 10), [3, 4, 5, 1, 2]);
    assert_eq!(sorted_by(&[("status", true), ("amount", false)], 1, 2), [4, 5]);
    assert_eq!(sorted(None, 1, 2), [1, 2]);
    assert_eq!(sorted(None, 0, 0), [] as [i64; 0]);
    assert_eq!(sorted(Some(("amount", false)), 0, 10), [2, 3, 4, 1, 5]);
    assert_eq!(sorted(Some(("amount", true)), 0, 10), [1, 3, 4, 2, 5]);
    assert_eq!(sorted(Some(("amount", true)), 2, 2), [4, 2]);
    assert_eq!(sorted(Some(("status", false)), 0, 10), [1, 3, 4, 5, 2]);
    assert_eq!(sorted(Some(("status", true)), 0, 10), [3, 4, 5, 1, 2]);
}

#[test]
fn facets_count_documents_over_all_matches() {
    let home = tempfile::tempdir().unwrap();
    let tagged = |id: i64, status: &str, tags: &[&str]| {
        (id, Order { tags: tags.iter().map(|tag| (*tag).to_owned()).collect(), ..order("word", status, id) })
    };
    let mut pair = Pair::with(home.path(), [tagged(1, "NEW", &["red", "red", "blue"]), tagged(2, "NEW", &["blue"])]);
    pair.put([tagged(3, "DONE", &["green"]), tagged(4, "DONE", &[]), (5, order("other", "LOST", 5))]);
    pair.commit(2);
    pair.delete(&[4]);
    pair.commit(3);
    let facets = vec!["status".to_owned(), "tags".to_owned()];
    let mut counted = SearchRequest { facets, limit: 1, ..request("word") };
    let answer = pair.snapshot().search(&counted).unwrap();
    assert_eq!((answer.total, answer.hits.len()), (3, 1));
    let values = |counts: &[(&str, u64)]| counts.iter().map(|(v, n)| ((*v).to_owned(), *n)).collect::<Vec<_>>();
    assert_eq!(answer.facets["status"], values(&[("NEW", 2), ("DONE", 1)]));
    assert_eq!(answer.facets["tags"], values(&[("blue", 2), ("green", 1), ("red", 1)]));
    counted.filters = vec![SearchFilter::is("tags", "blue"), SearchFilter::is("tags", "red")];
    let answer = pair.snapshot().search(&counted).unwrap();
    assert_eq!(answer.facets["tags"], values(&[("blue", 1), ("red", 1)]));
}

#[test]
fn only_permitted_documents_are_found_counted_and_scored() {
    let home = tempfile::tempdir().unwrap();
    let mut pair =
        Pair::with(home.path(), (1..=4).map(|id| (id, order("rare word", if id < 3 { "A" } else { "B" }, id))));
    let own: Vec<[ScalarValue; 1]> = [2, 3, 77].map(|id: i64| [ScalarValue::from(id)]).into();
    let permitted = PermittedKeys::new(own.iter().map(|key| key.as_slice())).unwrap();
    let asked = SearchRequest { facets: vec!["status".into()], ..request("rare") };
    let before = pair.snapshot().search_permitted(&asked, &permitted).unwrap();
    assert_eq!((ids(&before), before.total), (vec![2, 3], 2));
    assert_eq!(before.facets["status"], [("A".to_owned(), 1), ("B".to_owned(), 1)]);
    pair.put((5..50).map(|id| (id, order("rare rare", "C", id))));
    pair.commit(2);
    let after = pair.snapshot().search_permitted(&asked, &permitted).unwrap();
    assert_eq!((before.hits, before.facets), (after.hits, after.facets), "others change nothing");
    let like = |id: i64| SearchRequest { like: Some(vec![id.to_string()]), limit: 10, ..SearchRequest::default() };
    assert_eq!(ids(&pair.snapshot().search_permitted(&like(2), &permitted).unwrap()), [3]);
    let refused = pair.snapshot().search_permitted(&like(1), &permitted).unwrap_err().to_string();
    assert_eq!(refused, "there is no document `1` that others could be like");
    let nobody = pair.snapshot().search_permitted(&asked, &PermittedKeys::default()).unwrap();
    assert_eq!((nobody.total, nobody.facets["status"].len()), (0, 0));
}

#[test]
fn scores_are_those_of_the_rows_alone() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let words = ["alpha", "beta", "gamma", "delta"];
    let home = tempfile::tempdir().unwrap();
    let mut pair = Pair::new(home.path());
    for position in 1..60 {
        let mut text = || (0..random.usize(1..9)).map(|_| words[random.usize(0..4)]).collect::<Vec<_>>().join(" ");
        pair.put([(position % 17, order(&text(), "NEW", 1)), (100 + position, order(&text(), "OLD", 1))]);
        pair.delete(&[100 + position - 3]);
        pair.commit(position as u64);
    }
    // The same rows in an index that nothing was deleted from, and in one that was restored.
    let other = tempfile::tempdir().unwrap();
    let fresh = Pair::with(other.path(), pair.model.clone());
    let copy = restored(&pair.index.pin().unwrap());
    let restarted = open(copy.path()).snapshot(table(&pair.committed));
    let typed = SearchRequest { text: Some("alpha bet".into()), limit: 1_000, ..SearchRequest::default() };
    for asked in [request("alpha"), request("alpha beta delta"), request("\"alpha beta\" gamm*"), typed] {
        let hits = pair.snapshot().search(&asked).unwrap().hits;
        assert!(!hits.is_empty(), "{asked:?}");
        assert_eq!(hits, fresh.snapshot().search(&asked).unwrap().hits, "{asked:?}");
        assert_eq!(hits, restarted.search(&asked).unwrap().hits, "{asked:?}");
    }
}

#[test]
fn snippets_mark_the_words_that_matched() {
    let home = tempfile::tempdir().unwrap();
    let notes = format!("{} we had STOPPED, then stop advice came", "lorem ipsum ".repeat(40));
    let pair = Pair::with(home.path(), [(1, order(&notes, "stop", 1)), (2, order("nothing", "stop", 1))]);
    let highlight = Some(Highlight { fields: vec!["notes".into()], max_chars: 60 });
    let answer = pair.snapshot().search(&SearchRequest { highlight, limit: 10, ..request("stop") }).unwrap();
    assert_eq!(ids(&answer), [1, 2]);
    let snippet = &answer.hits[0].snippets["notes"];
    let marked: Vec<&str> = snippet.marks.iter().map(|mark| &snippet.text[mark.clone()]).collect();
    assert_eq!(marked, ["STOPPED", "stop"]);
    assert!(snippet.text.len() <= 60 && notes.contains(&snippet.text), "{snippet:?}");
    assert!(answer.hits[1].snippets.is_empty(), "found by its status only");
}

#[test]
fn every_scalar_type_is_sorted_exactly_and_filtered_by_its_text() {
    let home = tempfile::tempdir().unwrap();
    let wide = DataType::Decimal128(38, 0);
    let types = [DataType::Boolean, DataType::Int64, DataType::Float64, DataType::Date32, timestamp(), wide];
    let mut fields = vec![Field::new("id", DataType::Utf8, false)];
    fields.extend((0..).zip(types).map(|(n, data_type)| Field::new(format!("a.{n}"), data_type, true)));
    let schema: SchemaRef = Arc::new(Schema::new(fields));
    // 2^53 and 2^53 + 1 are one float; the wide decimals differ in their last digit only.
    let (big, huge) = (1 << 53, 10_i128.pow(37));
    let rows = RecordBatch::try_new(
        schema.clone(),
        vec![
            Arc::new(StringArray::from(vec!["x", "y", "z"])),
            Arc::new(BooleanArray::from(vec![Some(true), Some(false), None])),
            Arc::new(Int64Array::from(vec![Some(big + 1), Some(big), None])),
            Arc::new(Float64Array::from(vec![Some(-1.5), Some(f64::NEG_INFINITY), None])),
            Arc::new(Date32Array::from(vec![Some(1), Some(-1), None])),
            Arc::new(
                TimestampMicrosecondArray::from(vec![Some(1_000_001), Some(1_000_000), None]).with_timezone("UTC"),
            ),
            Arc::new(
                Decimal128Array::from(vec![Some(huge + 1), Some(huge), None]).with_precision_and_scale(38, 0).unwrap(),
            ),
        ],
    )
    .unwrap();
    let keyword = |column| FieldSpec { sort: true, facet: true, ..field(column, FieldKind::Keyword) };
    let spec = SearchSpec {
        name: "types".into(),
        schema: schema.clone(),
        key: vec![0],
        fields: (1..7).map(keyword).collect(),
        synonyms: Vec::new(),
        stop_words: StopWords::None,
    };
    let mut index = SearchIndex::open(home.path(), spec, WriterSettings::default()).unwrap();
    let none = rows.slice(0, 0);
    index.apply(&rows, &none, &none.project(&[0]).unwrap()).unwrap();
    index.commit(&cut(1)).unwrap();
    let spec = TableSpec { name: "types".into(), schema, key: vec![0], key_proven: true, indexes: Vec::new() };
    let snapshot = index.snapshot(TableSnapshot::from_batches(Arc::new(spec), vec![rows]));
    let found = |request: SearchRequest| -> String {
        snapshot.search(&request).unwrap().hits.iter().map(|hit| hit.key[0].to_string()).collect()
    };
    let all = "\"true\" \"false\"";
    for column in 0..6 {
        let name = format!("a.{column}");
        let sorted = |descending| SearchRequest { sort: vec![(name.clone(), descending)], ..request(all) };
        assert_eq!((found(sorted(false)), found(sorted(true))), ("yx".into(), "xy".into()), "{name}");
    }
    let filtered = |column: usize, value: &str| {
        found(SearchRequest { filters: vec![SearchFilter::is(format!("a.{column}"), value)], ..request("") })
    };
    assert_eq!(filtered(0, "true"), "x");
    assert_eq!(filtered(1, "9007199254740992"), "y");
    assert_eq!(filtered(2, "-1.50"), "x");
    assert_eq!(filtered(3, "1970-01-02"), "x");
    assert_eq!(filtered(4, "1970-01-01T00:00:01Z"), "y");
    assert_eq!(filtered(4, "1970-01-01T01:00:01+01:00"), "y");
    assert_eq!(filtered(5, "10000000000000000000000000000000000001"), "x");
    let between = |column: usize, lower: Bound<&str>, upper: Bound<&str>| {
        let condition = Condition::Between(lower.map(str::to_owned), upper.map(str::to_owned));
        found(SearchRequest { filters: vec![SearchFilter { field: format!("a.{column}"), condition }], ..request("") })
    };
    use Bound::{Excluded, Included, Unbounded};
    assert_eq!(between(0, Included("true"), Unbounded), "x");
    assert_eq!(between(1, Excluded("9007199254740992"), Unbounded), "x");
    assert_eq!(between(1, Included("9007199254740992"), Included("9007199254740993")), "xy");
    assert_eq!(between(2, Unbounded, Excluded("-1.5")), "y");
    assert_eq!(between(3, Unbounded, Included("1970-01-01")), "y");
    assert_eq!(between(4, Included("1970-01-01T00:00:01.000001Z"), Unbounded), "x");
    assert_eq!(between(5, Excluded("10000000000000000000000000000000000000"), Unbounded), "x");
    assert_eq!(between(5, Unbounded, Excluded("9")), "");
    let wrong = SearchRequest { filters: vec![SearchFilter::is("a.1", "many")], ..request("") };
    assert!(refusal(&snapshot, &wrong).contains("`many` is no value of `a.1`"));
}
