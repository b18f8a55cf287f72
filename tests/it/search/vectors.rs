//! Vectors: what is nearest equals a search through all rows by hand, whatever was replaced, deleted, filtered and restarted.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write as _;

use super::*;

mod hybrid;
mod random;

const CONFIG: &str = r#"
data_dir: ./data
sources: sources.yaml
projections: projections.yaml
http: {listen: "127.0.0.1:0"}
metrics: {listen: "127.0.0.1:0"}
"#;
const SOURCE: &str = r#"
source: shop
file: {path: events.ndjson, follow: true}
envelope: {type: body:/type, key: body:/id}
events:
  Put: {fields: {id: string!, title: string, status: string, gone: bool!, near: list<float32>, wide: list<float64>}}
"#;
/// Rows come, change and go.
const SQL: &str = "
sql: |
  SELECT id, latest(title) RESPECT NULLS AS title, latest(status) RESPECT NULLS AS status,
    latest(near) RESPECT NULLS AS near, latest(wide) RESPECT NULLS AS wide
  FROM shop.put GROUP BY id HAVING NOT latest(gone)
key: [id]
promotion: auto
keep: 0s
";
const FIELDS: &str = "
  title: text
  status: {type: keyword, facet: true}
  near: {type: vector, dimensions: 3, distance: l2}
  wide: {type: vector, dimensions: 3, distance: cosine}
";
/// No vectors here.
const PLAIN: &str = "---\nprojection: plain\nkind: search\nkey: [id]\nfields: {title: text}
sql: SELECT id, latest(title) AS title FROM shop.put GROUP BY id\n";

#[derive(Debug, Clone, PartialEq, Default)]
struct Product {
    title: Option<String>,
    status: Option<String>,
    near: Option<Vec<f64>>,
    wide: Option<Vec<f64>>,
}

/// A daemon over products, and what must be in it.
struct Store {
    home: TempDir,
    daemon: Option<Daemon>,
    products: BTreeMap<String, Product>,
    events: usize,
}

impl Store {
    fn open() -> Self {
        let home = tempfile::tempdir().unwrap();
        for (name, text) in [("readside.yaml", CONFIG), ("sources.yaml", SOURCE), ("events.ndjson", "")] {
            std::fs::write(home.path().join(name), text).unwrap();
        }
        let mut store = Self { home, daemon: None, products: BTreeMap::new(), events: 0 };
        store.declare(FIELDS);
        store.start();
        store
    }

    fn declare(&self, fields: &str) {
        let text = format!("projection: items\nkind: search{SQL}fields:{fields}{PLAIN}");
        std::fs::write(self.home.path().join("projections.yaml"), text).unwrap();
    }

    fn start(&mut self) {
        let daemon = Daemon::start(&self.home.path().join("readside.yaml"));
        daemon.wait("index", DEADLINE, |daemon| (daemon.get("/v1/search/items").0 == 200).then_some(()));
        self.daemon = Some(daemon);
    }

    /// As on a deployment: what the last checkpoint has is read from there.
    fn restart(&mut self) {
        assert!(self.daemon.take().unwrap().terminate().0.success());
        self.start();
    }

    fn daemon(&self) -> &Daemon {
        self.daemon.as_ref().unwrap()
    }

    fn put(&mut self, id: &str, product: &Product) {
        let Product { title, status, near, wide } = product;
        self.write(&json!({"id": id, "title": title, "status": status, "gone": false, "near": near, "wide": wide}));
        self.products.insert(id.to_owned(), product.clone());
    }

    fn delete(&mut self, id: &str) {
        self.write(&json!({"id": id, "gone": true}));
        self.products.remove(id);
    }

    fn write(&mut self, event: &Value) {
        let mut event = event.clone();
        event["type"] = json!("Put");
        let mut file = OpenOptions::new().append(true).open(self.home.path().join("events.ndjson")).unwrap();
        writeln!(file, "{event}").unwrap();
        self.events += 1;
    }

    /// The answer to a search by body, of all events.
    fn asked(&self, index: &str, body: &Value) -> (u16, Value) {
        let mut body = body.clone();
        body["minPosition"] = json!(format!("shop:{}", self.events));
        body["wait"] = json!("30s");
        self.daemon().post(&format!("/v1/search/{index}"), &body)
    }

    fn answer(&self, body: &Value) -> Value {
        let (status, answer) = self.asked("items", body);
        assert_eq!(status, 200, "{body}: {answer}");
        answer
    }

    /// The ids of what is found, in order.
    fn ids(&self, body: &Value) -> String {
        ids(&self.answer(body))
    }

    fn refusal(&self, index: &str, body: &Value) -> String {
        let (status, answer) = self.asked(index, body);
        assert_eq!(status, 400, "{body}: {answer}");
        answer["detail"].as_str().unwrap().to_owned()
    }
}

fn ids(answer: &Value) -> String {
    let items = answer["items"].as_array().unwrap();
    items.iter().map(|hit| hit["item"]["id"].as_str().unwrap()).collect::<Vec<_>>().join(" ")
}

fn product(title: &str, near: Option<&[f64]>) -> Product {
    Product { title: Some(title.to_owned()), near: near.map(<[f64]>::to_vec), ..Product::default() }
}

#[test]
fn what_has_no_vector_that_fits_is_found_by_its_words_alone() {
    let mut store = Store::open();
    store.put("a", &product("red shoes", None));
    store.put("b", &product("red boots", Some(&[1.0, 2.0])));
    store.put("c", &product("red hat", Some(&[1.0, 0.0, 0.0])));
    store.put("d", &product("green hat", Some(&[0.0, 1.0, 0.0])));
    store.put("e", &product("green coat", Some(&[0.0, 0.0, 9.0])));
    // Equally near ones are in the order of their keys.
    let answer = store.answer(&json!({"vector": [0, 0, 0], "vectorField": "near"}));
    assert_eq!(ids(&answer), "c d e");
    let parts: Vec<&Value> = answer["items"].as_array().unwrap().iter().map(|hit| &hit["parts"]).collect();
    assert_eq!(parts[0], &json!({"vector": {"rank": 1, "distance": 1.0}}));
    assert_eq!(parts[2], &json!({"vector": {"rank": 3, "distance": 9.0}}));
    assert_eq!(answer["items"][2]["score"], json!(0.1), "one by one more than the distance");
    assert_eq!((&answer["total"], &answer["unfitVectors"]), (&json!(3), &json!(1)), "b is told, and not lost");
    // Vectors are long, and nobody reads them.
    assert_eq!(answer["items"][0]["item"], json!({"id": "c", "title": "red hat", "status": null}));
    let (_, row) = store.daemon().get("/v1/tables/items/c");
    assert_eq!(row["item"]["near"], json!([1.0, 0.0, 0.0]));
    assert_eq!(store.ids(&json!({"text": "red "})), "a b c");
    // Once it fits, it is found.
    store.put("b", &product("red boots", Some(&[0.0, 0.5, 0.0])));
    let answer = store.answer(&json!({"vector": [0, 0, 0], "vectorField": "near", "k": 2}));
    assert_eq!((ids(&answer).as_str(), &answer["unfitVectors"]), ("b c", &Value::Null));
    // A number of 32 bits has a range: what is beyond is parked, as for any type.
    store.write(&json!({"id": "f", "gone": false, "near": [3.5e38, 0, 0]}));
    assert_eq!(store.answer(&json!({"vector": [0, 0, 0], "vectorField": "near"}))["total"], json!(4));
    let (_, parked) = store.daemon().get("/v1/parked");
    assert_eq!(parked["items"].as_array().unwrap().len(), 1, "{parked}");
    assert!(parked.to_string().contains("does not fit float32"), "{parked}");
}

#[test]
fn what_cannot_be_asked_is_explained() {
    let mut store = Store::open();
    store.put("a", &product("red shoes", Some(&[1.0, 0.0, 0.0])));
    let near = |vector: Value| json!({"vector": vector, "vectorField": "near"});
    let with = |name: &str, value: Value| {
        let mut body = near(json!([1, 0, 0]));
        body[name] = value;
        body
    };
    let cases = [
        (near(json!([1, 0])), "the vector has 2 numbers, and those of `near` have 3"),
        (near(json!([1, 0, 1e39])), "the vector's number 3, is no number of 32 bits"),
        (near(json!("1,NaN,0")), "the vector's number 2, is no number of 32 bits"),
        (json!({"vector": [1, 0, 0]}), "say which with `vectorField`: `near`, `wide`"),
        (json!({"vector": [1, 0, 0], "vectorField": "title"}), "`title` is no field of vectors in `items`"),
        (json!({"vector": [0, 0, 0], "vectorField": "wide"}), "a vector of zeros has no direction"),
        (with("sort", json!("id")), "leave `sort` out"),
        (with("k", json!(0)), "k is `0`; a number from 1 to 1000"),
        (with("k", json!(1001)), "k is `1001`; a number from 1 to 1000"),
        (with("rankConstant", json!(10)), "add `text`, `q` or `like`"),
        (with("pageSize", json!(0)), "pageSize is `0`"),
        (with("filter", json!("NOT red")), "only says what to leave out"),
        (with("filter", json!("size:3")), "`size` is no field"),
        (json!({"k": 5}), "`k` belongs to a search with `vector`"),
        (json!({"text": {"a": 1}}), "`text` in the body is a text"),
    ];
    for (body, expected) in cases {
        let refusal = store.refusal("items", &body);
        assert!(refusal.contains(expected), "{body}: {refusal}");
    }
    let refusal = store.refusal("plain", &json!({"vector": [1, 0, 0]}));
    assert!(refusal.contains("`plain` has no field of vectors"), "{refusal}");
    assert_eq!(store.daemon().post("/v1/search/items?k=1", &json!({})).0, 400);
}

#[test]
fn another_distance_is_another_build() {
    let mut store = Store::open();
    store.put("a", &product("long", Some(&[9.0, 9.0, 0.0])));
    store.put("b", &product("short", Some(&[1.0, 0.0, 0.0])));
    let asked = json!({"vector": [1, 0, 0], "vectorField": "near"});
    assert_eq!(store.ids(&asked), "b a");
    let generation = |store: &Store| store.daemon().get("/v1/projections/items").1["item"]["generation"].as_u64();
    let before = generation(&store);
    store.declare(&FIELDS.replace("l2", "dot"));
    let (status, reloaded) = store.daemon().post("/v1/admin/reload", &json!({"actor": "test"}));
    assert_eq!(status, 200, "{reloaded}");
    store.daemon().wait("another build", DEADLINE, |_| (generation(&store) > before).then_some(()));
    assert_eq!(store.ids(&asked), "a b");
    // It is the declaration's after a start too, and one of other dimensions does not compare what it cannot.
    store.declare(&FIELDS.replacen("dimensions: 3, distance: l2", "dimensions: 2, distance: l2", 1));
    store.restart();
    store.daemon().wait("two dimensions", DEADLINE, |_| {
        (store.asked("items", &json!({"vector": [1, 0], "vectorField": "near"})).0 == 200).then_some(())
    });
    let answer = store.answer(&json!({"vector": [1, 0], "vectorField": "near"}));
    assert_eq!((&answer["total"], &answer["unfitVectors"]), (&json!(0), &json!(2)));
}
