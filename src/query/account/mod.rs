//! What one query may still take of memory and time, counted where DataFusion's pool and its time limit do not look: in kernels
//! that make much of little, in windows, and in loops that do not yield (ADR 19).

mod amounts;
mod constants;
mod copies;
mod functions;
mod operators;
mod pairing;
mod plans;
mod window_aggregates;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{Array, ArrayData, RecordBatch};
use datafusion::common::{DataFusionError, Result, resources_datafusion_err};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::arrow::ArrowMemoryPool;
use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryConsumer, MemoryPool, MemoryReservation};
use datafusion::logical_expr::ColumnarValue;
use futures::TryStreamExt;

pub(in crate::query) use self::amounts::batch_bytes;
pub(super) use self::operators::bounded;
pub(super) use self::plans::{Stage, metered};

/// Buffers of fewer bytes are not worth counting one by one.
const COUNTED_MIN: usize = 64 * 1024;

/// The query has run for as long as it may.
#[derive(Debug, thiserror::Error)]
#[error("the query took longer than {} ms and was stopped", .0.as_millis())]
pub(super) struct TimeIsUp(pub(super) Duration);

/// One query's account. Cheap to clone; all clones are one.
#[derive(Debug, Clone)]
pub(super) struct Account {
    memory: Arc<dyn MemoryPool>,
    /// Counts Arrow's buffers in `memory` for as long as they live.
    buffers: Arc<ArrowMemoryPool>,
    memory_bytes: usize,
    time: Duration,
    deadline: Instant,
}

impl Account {
    pub(super) fn new(memory_bytes: usize, time: Duration) -> Self {
        let memory: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(memory_bytes));
        let buffers = Arc::new(ArrowMemoryPool::new(memory.clone(), MemoryConsumer::new("kernels")));
        Account { memory, buffers, memory_bytes, time, deadline: Instant::now() + time }
    }

    /// To be DataFusion's too, so that both count together.
    pub(super) fn memory(&self) -> Arc<dyn MemoryPool> {
        self.memory.clone()
    }

    fn check_time(&self) -> Result<()> {
        if Instant::now() < self.deadline {
            return Ok(());
        }
        Err(DataFusionError::External(Box::new(TimeIsUp(self.time))))
    }

    /// An empty reservation that is given back when it is dropped.
    fn reservation(&self, of: &str) -> MemoryReservation {
        MemoryConsumer::new(of).register(&self.memory)
    }

    fn reserve(&self, of: &str, bytes: usize) -> Result<MemoryReservation> {
        let reservation = self.reservation(of);
        reservation.try_grow(bytes)?;
        Ok(reservation)
    }

    /// All batches, which are to become one.
    pub(super) async fn collect(&self, mut stream: SendableRecordBatchStream) -> Result<Vec<RecordBatch>> {
        let mut gathered = self.gather();
        while let Some(batch) = stream.try_next().await? {
            gathered.push(batch)?;
        }
        Ok(gathered.batches)
    }

    pub(super) fn gather(&self) -> Gathered {
        Gathered { kept: self.reservation("page"), batches: Vec::new() }
    }

    /// Counts the buffers of a result for as long as they live. What it shares with its inputs is counted already, or belongs
    /// to the snapshot.
    fn count(&self, result: &ColumnarValue, inputs: &[ColumnarValue]) -> Result<()> {
        let ColumnarValue::Array(array) = result else { return Ok(()) };
        if array.get_buffer_memory_size() < COUNTED_MIN {
            return Ok(());
        }
        let mut shared = HashSet::new();
        for input in inputs {
            if let ColumnarValue::Array(input) = input {
                for_each_buffer(&input.to_data(), &mut |buffer| {
                    shared.insert(buffer.data_ptr());
                });
            }
        }
        for_each_buffer(&array.to_data(), &mut |buffer| {
            if !shared.contains(&buffer.data_ptr()) {
                buffer.claim(&*self.buffers);
            }
        });
        if self.memory.reserved() > self.memory_bytes {
            return Err(resources_datafusion_err!("{} bytes are more than the query may use", self.memory.reserved()));
        }
        Ok(())
    }
}

/// Batches that are to become one, of which there are two copies then.
#[derive(Debug)]
pub(super) struct Gathered {
    kept: MemoryReservation,
    pub(super) batches: Vec<RecordBatch>,
}

impl Gathered {
    pub(super) fn push(&mut self, batch: RecordBatch) -> Result<()> {
        self.kept.try_grow(2 * batch_bytes(&batch))?;
        self.batches.push(batch);
        Ok(())
    }
}

fn for_each_buffer(data: &ArrayData, visit: &mut impl FnMut(&arrow::buffer::Buffer)) {
    data.buffers().iter().for_each(&mut *visit);
    data.child_data().iter().for_each(|child| for_each_buffer(child, visit));
}
