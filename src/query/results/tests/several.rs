//! Equal questions at once: one is computed, the others wait for it and depend on it in nothing else.

use std::future::pending;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;
use crate::query::ErrorKind;

const PAIRS: &str = "SELECT count(*) FROM orders AS a, orders AS b, orders AS c WHERE a.id + b.id >= c.id";

/// Asks, and renders as it is told.
fn asks<W: Future<Output = Result<Vec<String>, QueryError>> + Send + 'static>(
    world: &Arc<World>,
    render: impl FnOnce(RowBatches) -> W + Send + 'static,
) -> JoinHandle<Result<Vec<String>, QueryError>> {
    let world = world.clone();
    tokio::spawn(async move {
        let parsed = world.service.parse(PAIRS.to_owned()).await?;
        let at = world.service.at_sql(Caller::anonymous(), &parsed, false, &Demand::default()).await?;
        world.service.sql(&at, SqlRequest { parsed, params: Params::Positional(Vec::new()) }, render).await
    })
}

/// Takes its time, and the rows with it.
async fn never<T>(batches: RowBatches) -> T {
    let _held = batches;
    pending().await
}

async fn until(world: &World, misses: u64) {
    while world.service.result_counts().misses < misses {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_is_computed_for_all() {
    let world = Arc::new(World::new());
    let all: Vec<_> = (0..32).map(|_| asks(&world, all_rows)).collect();
    for one in all {
        assert_eq!(one.await.unwrap().unwrap(), ["60"]);
    }
    let ResultCounts { hits, misses, .. } = world.service.result_counts();
    assert_eq!((hits, misses), (31, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_one_goes_away_another_takes_its_place() {
    let world = Arc::new(World::new());
    let gone = asks(&world, never);
    until(&world, 1).await;
    let others: Vec<_> = (0..4).map(|_| asks(&world, all_rows)).collect();
    tokio::task::yield_now().await;
    gone.abort();
    for other in others {
        assert_eq!(other.await.unwrap().unwrap(), ["60"]);
    }
    assert_eq!(world.service.result_counts().misses, 2, "one of the others was computed for all of them");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_is_that_of_one_alone() {
    let world = Arc::new(World::new());
    let (fail, failing) = oneshot::channel::<()>();
    let fails = asks(&world, async move |batches: RowBatches| {
        let _ = failing.await;
        drop(batches);
        Err(QueryError::new(ErrorKind::TooLarge, "too much"))
    });
    until(&world, 1).await;
    let others: Vec<_> = (0..4).map(|_| asks(&world, all_rows)).collect();
    tokio::task::yield_now().await;
    fail.send(()).unwrap();
    assert_eq!(fails.await.unwrap().unwrap_err().kind, ErrorKind::TooLarge);
    for other in others {
        assert_eq!(other.await.unwrap().unwrap(), ["60"]);
    }
    assert_eq!(asks(&world, all_rows).await.unwrap().unwrap(), ["60"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_for_longer_than_a_query_may_take() {
    let world = Arc::new(World::within(Limits { timeout: Duration::from_secs(2), ..limits() }));
    let slow = asks(&world, never);
    until(&world, 1).await;
    let other = asks(&world, all_rows).await.unwrap();
    assert!(slow.await.unwrap().is_err_and(|error| error.kind == ErrorKind::Timeout));
    // It waited until the other one was stopped, and had some time left or none.
    assert!(other.is_ok() || other.is_err_and(|error| error.kind == ErrorKind::Timeout));
}

/// A hit takes no turn: it is answered while as many queries run as may.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_kept_is_answered_while_all_are_busy() {
    let world = Arc::new(World::within(Limits { concurrency: 1, queue: 0, ..limits() }));
    assert_eq!(asks(&world, all_rows).await.unwrap().unwrap(), ["60"]);
    let other = "SELECT count(*) FROM orders";
    let busy = tokio::spawn({
        let world = world.clone();
        async move {
            let parsed = world.service.parse(other.to_owned()).await?;
            let at = world.service.at_sql(Caller::anonymous(), &parsed, false, &Demand::default()).await?;
            let request = SqlRequest { parsed, params: Params::Positional(Vec::new()) };
            world.service.sql(&at, request, never::<Result<(), QueryError>>).await
        }
    });
    while world.service.admission().running() == 0 || world.service.result_counts().misses < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(asks(&world, all_rows).await.unwrap().unwrap(), ["60"]);
    assert!(world.ask("SELECT max(id) FROM orders").await.1.contains("queries are running"));
    busy.abort();
}
