//! Runs DataFusion's own operators to their end, on the thread that takes the step.
//!
//! Their streams spend the budget of the tokio task in which they are polled, and once it is used up they wait for the task to
//! yield. A step does not yield, so it would wait forever: they run without a budget.

use futures::executor::block_on;
use tokio::task::unconstrained;

/// The outcome of `work`, which waits for nothing outside of itself.
pub(super) fn run<T>(work: impl Future<Output = T>) -> T {
    block_on(unconstrained(work))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_never_yields_does_not_use_up_its_budget() {
        for _ in 0..1_000 {
            run(tokio::task::coop::consume_budget());
        }
    }
}
