//! Which columns tell the rows of a table apart: said by the author, or proven by the query.

use super::Workshop;

const ROOT: &str = "data_dir: data\nsources: source.yaml\nprojections: projections.yaml\n";
const SOURCE: &str = "source: shop\nfile: {path: events.ndjson}\nenvelope: {type: const:Placed, data: body}\n\
                      events: {Placed: {fields: {id: int64!, customer: string!, n: int64}}}\n";

fn validated(projections: &str) -> (i32, String, String) {
    let workshop =
        Workshop::new(&[("readside.yaml", ROOT), ("source.yaml", SOURCE), ("projections.yaml", projections)]);
    let said = workshop.run(&["validate"]);
    (said.code, said.out, said.error)
}

#[test]
fn a_key_may_be_left_out_where_the_query_proves_one() {
    let (code, out, error) = validated(
        "projection: totals\nsql: SELECT customer, sum(n) AS n FROM shop.placed GROUP BY customer\n---\n\
         projection: whole\nsql: SELECT count(*) AS n FROM shop.placed\n---\n\
         projection: latest\nkey: [id]\nsql: SELECT id, customer, n FROM shop.placed\n---\n\
         projection: named\nsql: SELECT t.customer, t.n, l.id, l.n FROM totals t JOIN latest l USING (customer)\n",
    );
    assert_eq!((code, error.as_str()), (0, ""), "{out}");
    for line in [
        "  totals: a row for each customer; its GROUP BY or DISTINCT proves it\n",
        "  whole: one row; the query gives one row at most\n",
        "  latest: a row for each id; checked with every commit\n",
        "  named: a row for each id; its join proves it\n",
    ] {
        assert!(out.contains(line), "{line}{out}");
    }
}

#[test]
fn a_query_that_proves_none_says_what_to_write() {
    let (code, _, error) = validated("projection: rows\nsql: SELECT id, n FROM shop.placed\n");
    assert_eq!(code, 1);
    assert!(error.contains("nothing in this query says which columns tell its rows apart"), "{error}");
    assert!(error.contains("write `key: […]` with some of id, n; `key: []` for a table of one row"), "{error}");
}
