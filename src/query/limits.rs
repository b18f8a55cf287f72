//! Admission: the one place where queries of all protocols are let in, on threads of their own, apart from intake.
//!
//! A query is bounded in time, memory, rows and bytes; all together in number. A query that finds the queue full is
//! refused at once: waiting longer would only make the overload longer.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::account::TimeIsUp;
use super::{ErrorKind, QueryError};
use crate::config::QueryLimits;
use crate::priority::give_way;

/// Longest time a query waits for its turn.
const QUEUE_WAIT: Duration = Duration::from_secs(1);

/// Stack of a query thread. Planning recurses over what is nested in the SQL, whose depth is limited (`sql_limits`); only
/// what is used of it takes memory.
const STACK_BYTES: usize = 256 << 20;

/// The time after its time-out that a query may take to yield before the reader gets the error.
const GRACE: Duration = Duration::from_millis(250);

/// What one query may use, and how many may run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    pub max_rows: usize,
    /// Of one answer, as it is rendered.
    pub max_bytes: usize,
    /// Of one query; all together use at most this times `concurrency`.
    pub memory_bytes: usize,
    /// From the start of the query to the end of its answer.
    pub timeout: Duration,
    pub concurrency: usize,
    /// Queries that wait for their turn.
    pub queue: usize,
    /// Requests that wait for a position. They hold no thread.
    pub waiters: usize,
    /// Longest `wait` for a position.
    pub wait: Duration,
    pub scan_limit: usize,
    /// Of all answers that are kept; 0 keeps none.
    pub result_cache_bytes: usize,
}

#[cfg(test)]
impl Limits {
    /// Enough for small tables; no answer is kept.
    pub(super) fn of_tests() -> Self {
        Limits {
            max_rows: 1000,
            max_bytes: 1 << 20,
            memory_bytes: 64 << 20,
            timeout: Duration::from_secs(60),
            concurrency: 4,
            queue: 64,
            waiters: 10,
            wait: Duration::from_secs(1),
            scan_limit: 1000,
            result_cache_bytes: 0,
        }
    }
}

impl From<&QueryLimits> for Limits {
    fn from(config: &QueryLimits) -> Self {
        Limits {
            max_rows: config.max_rows,
            max_bytes: (config.memory_bytes / 4).max(1 << 20),
            memory_bytes: config.memory_bytes,
            timeout: config.timeout,
            concurrency: config.concurrency.max(1),
            queue: config.concurrency.max(1) * 4,
            waiters: 1024,
            wait: Duration::from_secs(60),
            scan_limit: config.scan_limit,
            result_cache_bytes: config.result_cache_bytes,
        }
    }
}

/// Lets queries in. One for all protocols.
#[derive(Debug)]
pub struct Admission {
    limits: Limits,
    running: Arc<Semaphore>,
    queue: Semaphore,
    waiters: Semaphore,
    threads: Threads,
}

impl Admission {
    /// Starts the threads that queries run on.
    pub(super) fn new(limits: Limits) -> io::Result<Self> {
        let threads = std::thread::available_parallelism().map_or(2, |threads| threads.get().max(2));
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads)
            .max_blocking_threads(threads)
            .thread_name("query")
            .thread_stack_size(STACK_BYTES)
            .on_thread_start(give_way)
            .enable_time()
            .build()?;
        Ok(Admission {
            running: Arc::new(Semaphore::new(limits.concurrency)),
            queue: Semaphore::new(limits.queue),
            waiters: Semaphore::new(limits.waiters),
            threads: Threads(Some(runtime)),
            limits,
        })
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Queries that run now.
    pub fn running(&self) -> usize {
        self.limits.concurrency.saturating_sub(self.running.available_permits())
    }

    /// Queries that wait for their turn now.
    pub fn queued(&self) -> usize {
        self.limits.queue.saturating_sub(self.queue.available_permits())
    }

    /// Requests that wait for a position now.
    pub fn waiting(&self) -> usize {
        self.limits.waiters.saturating_sub(self.waiters.available_permits())
    }

    /// Runs a query on the query threads. Dropping the returned future, as a closed connection does, cancels it.
    pub(super) async fn run<T, W>(&self, work: W) -> Result<T, QueryError>
    where
        T: Send + 'static,
        W: Future<Output = Result<T, QueryError>> + Send + 'static,
    {
        self.run_since(Instant::now(), work).await
    }

    /// As [`Admission::run`], for a query whose time has begun before, as it may have waited for the answer of another one.
    pub(super) async fn run_since<T, W>(&self, started: Instant, work: W) -> Result<T, QueryError>
    where
        T: Send + 'static,
        W: Future<Output = Result<T, QueryError>> + Send + 'static,
    {
        let waited = started.elapsed();
        let permit = self.enter().await?;
        self.spawn(Some(permit), self.limits.timeout.saturating_sub(waited), work).await
    }

    /// Runs what is little beside a query, as to render or to compress rows that are there, on the query threads. It takes no turn.
    pub(super) async fn run_beside<T, W>(&self, work: W) -> Result<T, QueryError>
    where
        T: Send + 'static,
        W: Future<Output = Result<T, QueryError>> + Send + 'static,
    {
        self.spawn(None, self.limits.timeout, work).await
    }

    /// Waits for the answer of an equal query, as long as a query may take.
    pub(super) async fn wait_for_answer<T>(&self, answer: impl Future<Output = T>) -> Result<T, QueryError> {
        let limit = self.limits.timeout;
        timeout(limit, answer).await.map_err(|_| QueryError::timed_out(&TimeIsUp(limit)))
    }

    async fn spawn<T, W>(&self, permit: Option<OwnedSemaphorePermit>, limit: Duration, work: W) -> Result<T, QueryError>
    where
        T: Send + 'static,
        W: Future<Output = Result<T, QueryError>> + Send + 'static,
    {
        let task = self.threads.spawn(async move {
            // The permit stays with the work: a query that cannot be stopped at once still counts as running.
            let _permit = permit;
            timeout(limit, work).await
        })?;
        let mut task = Cancel(task);
        match timeout(limit + GRACE, &mut task.0).await {
            Ok(Ok(Ok(result))) => result,
            Ok(Ok(Err(_))) | Err(_) => Err(QueryError::timed_out(&TimeIsUp(self.limits.timeout))),
            Ok(Err(failure)) => {
                tracing::error!(error = %failure, "a query ended without an answer");
                Err(QueryError::new(ErrorKind::Internal, "the query ended without an answer; the log has the reason"))
            }
        }
    }

    /// Counts as one of the requests that wait for a position while `waiting` lasts.
    pub(super) async fn wait<T>(&self, waiting: impl Future<Output = T>) -> Result<T, QueryError> {
        let _permit = self.waiters.try_acquire().map_err(|_| {
            QueryError::new(ErrorKind::Overloaded, "too many requests wait for a position").hint("try again later")
        })?;
        Ok(waiting.await)
    }

    async fn enter(&self) -> Result<OwnedSemaphorePermit, QueryError> {
        if let Ok(permit) = self.running.clone().try_acquire_owned() {
            return Ok(permit);
        }
        let overloaded = || {
            let running = self.limits.concurrency;
            QueryError::new(ErrorKind::Overloaded, format!("{running} queries are running and more are waiting"))
                .hint("try again later")
        };
        let _permit = self.queue.try_acquire().map_err(|_| overloaded())?;
        match timeout(QUEUE_WAIT, self.running.clone().acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(overloaded()),
        }
    }
}

/// The query threads. A runtime must not be dropped where waiting is forbidden, so it is let go in the background.
#[derive(Debug)]
struct Threads(Option<Runtime>);

impl Threads {
    fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<JoinHandle<T>, QueryError> {
        let runtime = self.0.as_ref().ok_or_else(|| QueryError::new(ErrorKind::Unavailable, "shutting down"))?;
        Ok(runtime.spawn(work))
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Cancels the task when the future that waits for it is dropped.
struct Cancel<T>(JoinHandle<T>);

impl<T> Drop for Cancel<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tokio::sync::oneshot;

    use super::*;

    fn limits() -> Limits {
        Limits {
            max_rows: 10,
            max_bytes: 1000,
            memory_bytes: 1 << 20,
            timeout: Duration::from_secs(5),
            concurrency: 1,
            queue: 1,
            waiters: 1,
            wait: Duration::from_secs(1),
            scan_limit: 10,
            result_cache_bytes: 0,
        }
    }

    #[tokio::test]
    async fn beyond_the_queue_is_refused_at_once() {
        let admission = Arc::new(Admission::new(limits()).unwrap());
        let (finish, finished) = oneshot::channel::<()>();
        let first = tokio::spawn({
            let admission = admission.clone();
            async move { admission.run(async move { Ok(finished.await.is_ok()) }).await }
        });
        while admission.running() == 0 {
            tokio::task::yield_now().await;
        }
        let second = tokio::spawn({
            let admission = admission.clone();
            async move { admission.run(async { Ok(2) }).await }
        });
        while admission.queued() == 0 {
            tokio::task::yield_now().await;
        }
        let third = admission.run(async { Ok(3) }).await;
        assert_eq!(third.unwrap_err().kind, ErrorKind::Overloaded);
        finish.send(()).unwrap();
        assert!(first.await.unwrap().unwrap());
        assert_eq!(second.await.unwrap().unwrap(), 2);
    }

    #[tokio::test]
    async fn a_query_that_takes_too_long_is_stopped() {
        let admission = Admission::new(Limits { timeout: Duration::from_millis(20), ..limits() }).unwrap();
        let (gone, mut is_gone) = oneshot::channel::<()>();
        let endless = admission.run(async move {
            let _gone = gone;
            std::future::pending::<Result<(), QueryError>>().await
        });
        assert_eq!(endless.await.unwrap_err().kind, ErrorKind::Timeout);
        assert!(is_gone.try_recv().is_err(), "the work was dropped");
    }

    #[tokio::test]
    async fn a_reader_who_goes_away_cancels_the_query() {
        let admission = Arc::new(Admission::new(limits()).unwrap());
        let (gone, is_gone) = oneshot::channel::<()>();
        let reader = tokio::spawn({
            let admission = admission.clone();
            async move {
                let work = async move {
                    let _gone = gone;
                    std::future::pending::<Result<(), QueryError>>().await
                };
                admission.run(work).await
            }
        });
        while admission.running() == 0 {
            tokio::task::yield_now().await;
        }
        reader.abort();
        assert!(timeout(Duration::from_secs(5), is_gone).await.unwrap().is_err());
    }
}
