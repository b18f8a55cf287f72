//! Random questions over tables that change: with answers that are kept and without, the rows are the same.

use fastrand::Rng;

use super::*;

const STEPS: usize = 250;

fn question(random: &mut Rng) -> (String, Vec<i64>) {
    let table = ["orders", "refunds"][random.usize(..2)];
    let (id, total) = (random.i64(1..6), random.i64(0..4) * 100);
    match random.usize(..10) {
        0 => (format!("SELECT * FROM {table} ORDER BY id"), vec![]),
        1 => (format!("SELECT * FROM {table} WHERE id = {id}"), vec![]),
        2 => (format!("SELECT tenant, total FROM {table} WHERE id = $1"), vec![id]),
        3 => (format!("SELECT tenant, sum(total), count(*) FROM {table} GROUP BY tenant ORDER BY tenant"), vec![]),
        4 => (format!("SELECT id FROM {table} WHERE total >= $1 ORDER BY id"), vec![total]),
        5 => ("SELECT o.id, r.total FROM orders AS o JOIN refunds AS r USING (id) ORDER BY o.id".to_owned(), vec![]),
        6 => ("SELECT * FROM large ORDER BY id".to_owned(), vec![]),
        7 => ("SELECT n, (SELECT max(id) FROM refunds) FROM above".to_owned(), vec![]),
        8 => (format!("SELECT id FROM large WHERE total < {total} UNION SELECT id FROM {table} ORDER BY id"), vec![]),
        _ => (format!("SELECT 100 / (total - {total}) FROM {table} ORDER BY id"), vec![]),
    }
}

async fn check(seed: u64, bytes: usize) {
    let mut random = Rng::with_seed(seed);
    let mut world = World::within(Limits { result_cache_bytes: bytes, ..limits() });
    let plain = service(&world.catalog, Limits { result_cache_bytes: 0, ..limits() });
    let tenants = ["a", "b", "c"];
    let callers = [
        Caller::anonymous(),
        reader(&[("tenant", "a")]),
        reader(&[("tenant", "b"), ("roles", "clerk")]),
        reader(&[("tenant", "a"), ("tenant", "b")]),
        Caller::Daemon,
    ];
    for step in 0..STEPS {
        match random.usize(..20) {
            0 => {
                let table = ["orders", "refunds"][random.usize(..2)];
                let row = random.bool().then(|| (tenants[random.usize(..3)], random.i64(0..5) * 100));
                world.set(table, random.i64(1..6), row);
            }
            1 if random.bool() => {
                let policies = if random.bool() { own_tenant() } else { Policies::default() };
                let rules = Rules { policies, ..Rules::default() };
                world.service.rule(rules.clone());
                plain.rule(rules);
            }
            2 if random.bool() => {
                let least = ["SELECT id, total FROM orders WHERE total >= 100", "SELECT id, total FROM refunds"];
                world.views.insert("large", least[random.usize(..2)]);
                world.commit();
            }
            _ => {
                let ((sql, params), caller) = (question(&mut random), &callers[random.usize(..callers.len())]);
                let kept = answer(&world.service, caller, &sql, &params).await.map(|(_, rows)| rows);
                let computed = answer(&plain, caller, &sql, &params).await.map(|(_, rows)| rows);
                assert_eq!(kept, computed, "seed {seed}, {bytes} bytes, step {step}: {sql} {params:?} as {caller:?}");
            }
        }
    }
    let ResultCounts { hits, misses, .. } = world.service.result_counts();
    assert!(hits > 10 && misses > 10, "{hits} of {misses}, seed {seed}");
}

#[tokio::test]
async fn kept_answers_are_those_that_are_computed() {
    for seed in [3, 7] {
        check(seed, 8 << 20).await;
    }
}

#[tokio::test]
async fn kept_answers_are_those_that_are_computed_where_they_must_make_room() {
    check(17, 64 << 10).await;
}
