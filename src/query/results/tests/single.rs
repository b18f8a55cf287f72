//! One question after the other: what is another question, and what is never kept.

use super::How::{Apart, Computed, Kept};
use super::*;
use crate::query::{ListRequest, NamedRequest, Page};

const SUM: &str = "SELECT sum(total) AS total FROM orders";

fn is(how: How, rows: &str) -> (How, String) {
    (how, rows.to_owned())
}

#[tokio::test]
async fn a_question_is_computed_once() {
    let world = World::new();
    assert_eq!(world.ask(SUM).await, is(Computed, "550"));
    assert_eq!(world.ask(SUM).await, is(Kept, "550"));
    assert_eq!(world.ask("SELECT sum(total) AS total FROM  orders").await, is(Computed, "550"), "another text");
    assert!(world.service.result_counts().bytes > 0);
}

#[tokio::test]
async fn rows_that_changed_make_another_question_and_other_rows_do_not() {
    let mut world = World::new();
    let questions = [SUM, "SELECT count(*) FROM large", "SELECT n FROM above", "SELECT count(*) FROM refunds"];
    for sql in questions {
        assert_eq!(world.ask(sql).await.0, Computed, "{sql}");
    }
    world.set("refunds", 1, Some(("a", 6)));
    assert_eq!(world.ask(SUM).await, is(Kept, "550"));
    assert_eq!(world.ask(questions[1]).await, is(Kept, "2"));
    assert_eq!(world.ask(questions[2]).await, is(Kept, "2"), "a view over a view");
    assert_eq!(world.ask(questions[3]).await, is(Computed, "1"));
    world.set("orders", 4, Some(("b", 400)));
    assert_eq!(world.ask(SUM).await, is(Computed, "910"));
    assert_eq!(world.ask(questions[1]).await, is(Computed, "3"));
    assert_eq!(world.ask(questions[2]).await, is(Computed, "3"));
    world.set("orders", 4, Some(("b", 400)));
    assert_eq!(world.ask(SUM).await, is(Kept, "910"), "the row is the same as before");
    world.set("orders", 4, None);
    assert_eq!(world.ask(SUM).await, is(Computed, "510"));
}

#[tokio::test]
async fn an_answer_is_as_fresh_as_what_it_is_read_from() {
    let mut world = World::new();
    let position = async |world: &World| {
        let (at, _) = answer(&world.service, &Caller::anonymous(), SUM, &[]).await.unwrap();
        at.cut().position("events").sequence()
    };
    assert_eq!(position(&world).await, world.position);
    world.set("refunds", 9, Some(("a", 1)));
    assert_eq!(position(&world).await, world.position);
    assert_eq!(world.service.result_counts().hits, 1);
}

#[tokio::test]
async fn parameters_are_a_part_of_the_question() {
    let (world, anybody) = (World::new(), Caller::anonymous());
    let sql = "SELECT id FROM orders WHERE total = $1";
    assert_eq!(world.ask_as(&anybody, sql, &[200]).await, is(Computed, "2"));
    assert_eq!(world.ask_as(&anybody, sql, &[40]).await, is(Computed, "4"));
    assert_eq!(world.ask_as(&anybody, sql, &[200]).await, is(Kept, "2"));
}

#[tokio::test]
async fn callers_share_what_their_claims_let_them_see_alike_and_nothing_else() {
    let world = World::new();
    assert_eq!(world.ask(SUM).await, is(Computed, "550"));
    world.hide();
    let [a, again, b, nobody] = [
        reader(&[("tenant", "a"), ("sub", "1")]),
        reader(&[("tenant", "a"), ("sub", "2")]),
        reader(&[("tenant", "b"), ("sub", "1")]),
        reader(&[("sub", "1")]),
    ];
    for sql in [
        SUM,
        "SELECT sum(total) AS total FROM (SELECT * FROM large UNION ALL SELECT id, total FROM orders WHERE total < 100)",
    ] {
        assert_eq!(world.ask_as(&a, sql, &[]).await, is(Computed, "210"));
        assert_eq!(world.ask_as(&b, sql, &[]).await, is(Computed, "340"));
        assert_eq!(world.ask_as(&again, sql, &[]).await, is(Kept, "210"));
        assert_eq!(world.ask_as(&b, sql, &[]).await, is(Kept, "340"));
        let (how, denied) = world.ask_as(&nobody, sql, &[]).await;
        assert!(how == Apart && denied.contains("the claim `tenant`"), "{how:?} {denied}");
    }
    assert_eq!(world.ask_as(&Caller::Daemon, SUM, &[]).await, is(Kept, "550"), "whoever sees all of it");
    world.hide();
    assert_eq!(world.ask_as(&a, SUM, &[]).await, is(Computed, "210"), "the policies were declared again");
    let unguarded = "SELECT count(*) FROM refunds";
    assert_eq!(world.ask_as(&a, unguarded, &[]).await, is(Computed, "1"));
    assert_eq!(world.ask_as(&nobody, unguarded, &[]).await, is(Kept, "1"));
    world.service.rule(Rules::default());
    assert_eq!(world.ask_as(&a, SUM, &[]).await, is(Kept, "550"), "nothing is hidden any more");
}

#[tokio::test]
async fn other_definitions_and_other_limits_are_other_questions() {
    let mut world = World::new();
    let large = "SELECT count(*) FROM large";
    assert_eq!(world.ask(large).await, is(Computed, "2"));
    world.views.insert("large", "SELECT id, total FROM orders WHERE total >= 300");
    world.commit();
    assert_eq!(world.ask(large).await, is(Computed, "1"));
    let changed = |world: &World, limits| world.service.changed(limits, queries(SUM), Streams::default()).unwrap();
    world.service = changed(&world, limits());
    assert_eq!(world.ask(large).await, is(Kept, "1"), "nothing has changed");
    world.service = changed(&world, Limits { max_rows: 3, ..limits() });
    assert_eq!(world.ask(large).await, is(Computed, "1"));
    assert_eq!(world.service.result_counts().hits, 1, "counting goes on");
    assert_eq!(world.ask("SELECT id FROM orders").await.1, "the answer has more than 3 rows");
}

#[tokio::test]
async fn what_has_another_answer_each_time_is_not_kept() {
    let world = World::new();
    for sql in [
        "SELECT now() FROM orders",
        "SELECT CURRENT_DATE, count(*) FROM orders",
        "SELECT current_timestamp FROM orders",
        "SELECT id, RANDOM() FROM orders",
        "SELECT uuid() FROM refunds",
        "SELECT id FROM orders WHERE total > (SELECT extract(epoch FROM now()) % 10)",
        "SELECT * FROM clock",
        "SELECT count(*) FROM (SELECT * FROM clock)",
        "SELECT table_name FROM information_schema.tables",
        "SELECT column_name FROM information_schema.columns, orders",
        "SHOW TABLES",
        "EXPLAIN SELECT * FROM orders",
        "EXPLAIN ANALYZE SELECT * FROM orders",
    ] {
        for _ in 0..2 {
            assert_eq!(world.ask(sql).await.0, Apart, "{sql}");
        }
    }
    for wrong in ["SELECT 1 / (total - total) FROM orders", "SELECT wrong FROM orders"] {
        for _ in 0..2 {
            assert_eq!(world.ask(wrong).await.0, Computed, "{wrong}");
        }
    }
    assert_eq!(world.ask("SELECT count(*) FROM nowhere").await.0, Apart);
}

#[tokio::test]
async fn what_is_kept_is_bounded() {
    let bytes = 256 << 10;
    let mut world = World::within(Limits { result_cache_bytes: bytes, ..limits() });
    for id in 10..800 {
        world.set("orders", id, Some(("c", id)));
    }
    let wide = "SELECT id, tenant, total, total AS b, total AS c, total AS d, total AS e FROM orders";
    for _ in 0..2 {
        assert_eq!(world.ask(wide).await.0, Computed, "a sixteenth is as much as one answer may have");
    }
    let ids = |least: i64| format!("SELECT id FROM orders WHERE id >= {least} AND id < {least} + 100");
    for least in 0..250 {
        world.ask(&ids(least)).await;
        assert!(world.service.result_counts().bytes <= bytes as u64);
    }
    assert!(world.service.result_counts().bytes > bytes as u64 / 2, "{:?}", world.service.result_counts());
    assert_eq!(world.ask(&ids(249)).await.0, Kept);
    assert_eq!(world.ask(&ids(120)).await.0, Computed, "it made room for others");
}

#[tokio::test]
async fn none_of_it_is_kept_where_it_is_off() {
    let world = World::within(Limits { result_cache_bytes: 0, ..limits() });
    for _ in 0..2 {
        assert_eq!(world.ask(SUM).await, is(Apart, "550"));
    }
    assert_eq!(world.service.result_counts(), ResultCounts { hits: 0, misses: 0, bytes: 0 });
}

async fn list(world: &World, name: &str, token: Option<String>) -> (How, Vec<String>, Page) {
    let before = world.service.result_counts();
    let at = world.service.at_relation(Caller::anonymous(), name, &Demand::default()).await.unwrap();
    let parameters = format!("2 {token:?}");
    let request =
        move |_: &Schema| Ok(ListRequest { filters: Vec::new(), sort: Vec::new(), page_size: 2, page_token: token });
    let page = world.service.list(&at, name, parameters, request, Ok).await.unwrap();
    (how(before, world.service.result_counts()), shown(&page.rows), page)
}

#[tokio::test]
async fn pages_are_kept_and_lead_on_from_the_present_cut() {
    let mut world = World::new();
    let (how, rows, first) = list(&world, "orders", None).await;
    assert_eq!((how, rows), (Computed, vec!["1:a:10".to_owned(), "2:a:200".to_owned()]));
    let (how, rows, again) = list(&world, "orders", None).await;
    assert_eq!((how, rows.len(), &again.next_token), (Kept, 2, &first.next_token));
    let (how, rows, last) = list(&world, "orders", first.next_token.clone()).await;
    assert_eq!((how, rows), (Computed, vec!["3:b:300".to_owned(), "4:b:40".to_owned()]));
    assert!(!last.cut_changed && last.next_token.is_none());
    world.set("refunds", 1, None);
    let (how, _, last) = list(&world, "orders", first.next_token.clone()).await;
    assert!(how == Kept && last.cut_changed, "the page before was read at another cut");
    let (how, _, anew) = list(&world, "orders", None).await;
    assert!(how == Kept && anew.next_token != first.next_token, "the token tells of the present cut");
    assert!(!list(&world, "orders", anew.next_token).await.2.cut_changed);
    for (name, expected) in [("large", [Computed, Kept]), ("clock", [Apart, Apart])] {
        for expected in expected {
            assert_eq!(list(&world, name, None).await.0, expected, "{name}");
        }
    }
    world.set("orders", 1, None);
    assert_eq!(list(&world, "orders", None).await.1, ["2:a:200", "3:b:300"]);
}

async fn declared(world: &World, token: Option<String>) -> (How, Vec<String>, Option<String>) {
    let before = world.service.result_counts();
    let query = world.service.query("totals").unwrap();
    let request = NamedRequest::new(&query, |_, _| Ok(None), 3, token).unwrap();
    let parsed = world.service.parse_declared(&query).await.unwrap();
    let at = world.service.at_sql(Caller::anonymous(), &parsed, false, &Demand::default()).await.unwrap();
    let render = |page: Page, repeatable: bool| {
        assert!(repeatable);
        Ok(page)
    };
    let page = world.service.named(&at, query, request, render).await.unwrap();
    (how(before, world.service.result_counts()), shown(&page.rows), page.next_token)
}

#[tokio::test]
async fn declared_queries_are_kept_page_by_page() {
    let mut world = World::new();
    let (how, rows, next) = declared(&world, None).await;
    assert_eq!((how, rows.join(" ")), (Computed, "3:300 2:200 4:40".to_owned()));
    assert_eq!(declared(&world, None).await, (Kept, rows, next.clone()));
    assert_eq!(declared(&world, next.clone()).await, (Computed, vec!["1:10".to_owned()], None));
    assert_eq!(declared(&world, next).await.0, Kept);
    world.service =
        world.service.changed(limits(), queries("SELECT id, -total AS total FROM orders"), Streams::default()).unwrap();
    let (how, rows, _) = declared(&world, None).await;
    assert_eq!((how, rows.join(" ")), (Computed, "1:-10 4:-40 2:-200".to_owned()));
}
