//! An object store that fails on purpose, for tests and the simulator: in front of another one, by a seed.
//!
//! It is harsher than real ones: a torn write leaves a part of the object visible, and a create may take effect although
//! it reports a failure. After a crash nothing gets through any more; what the store behind it holds then is what a new
//! process would find.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::FutureExt;
use futures::stream::{self, BoxStream, StreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};

/// What goes wrong, each in how many of 1000 operations, and when the process dies.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// Nothing happens, and an error is returned.
    pub failed: u32,
    /// A write leaves a part of the object, and an error is returned.
    pub torn: u32,
    /// A write takes effect, but an error is returned.
    pub unacknowledged: u32,
    /// The operation waits for `delay` first, or if that is zero lets other tasks go before it a few times.
    pub slow: u32,
    pub delay: Duration,
    /// The operation, from 0, at which the process dies.
    pub crash_at: Option<u64>,
}

/// What a fault does to one operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum InjectedFault {
    None,
    Failed,
    Torn,
    Unacknowledged,
}

/// The store. Clones share the count of operations.
#[derive(Debug, Clone)]
pub struct FaultyStore {
    inner: Arc<dyn ObjectStore>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    faults: Faults,
    random: u64,
    operations: u64,
    crashed: bool,
}

impl FaultyStore {
    pub fn new(inner: Arc<dyn ObjectStore>, seed: u64, faults: Faults) -> Self {
        let state = State { faults, random: seed, operations: 0, crashed: false };
        Self { inner, state: Arc::new(Mutex::new(state)) }
    }

    /// Operations so far.
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    pub fn has_crashed(&self) -> bool {
        self.state().crashed
    }

    /// From the next operation on, other faults.
    pub fn set_faults(&self, faults: Faults) {
        self.state().faults = faults;
    }

    /// Lets the process die now.
    pub fn crash(&self) {
        self.state().crashed = true;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an operation and draws what happens to it.
    async fn next(&self) -> InjectedFault {
        let (fault, delay, turns) = self.state().draw();
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
        // The process may have died meanwhile.
        if self.has_crashed() && fault == InjectedFault::None { InjectedFault::Failed } else { fault }
    }

    /// For operations that only read or delete: they happen or not.
    async fn allowed(&self) -> Result<()> {
        if self.next().await == InjectedFault::None { Ok(()) } else { Err(self.injected()) }
    }

    fn injected(&self) -> Error {
        let what = if self.has_crashed() { "the process has crashed" } else { "injected failure" };
        Error::Generic { store: "faulty", source: what.into() }
    }

    /// Writes an object as the fault has it.
    async fn put_with(
        &self,
        fault: InjectedFault,
        path: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        match fault {
            InjectedFault::None => return self.inner.put_opts(path, payload, options).await,
            InjectedFault::Failed => {}
            InjectedFault::Unacknowledged => drop(self.inner.put_opts(path, payload, options).await),
            InjectedFault::Torn => drop(self.inner.put_opts(path, self.part(payload), options).await),
        }
        Err(self.injected())
    }

    fn part(&self, payload: PutPayload) -> PutPayload {
        let bytes: Vec<u8> = payload.iter().flatten().copied().collect();
        let length = self.state().below(bytes.len() as u64) as usize;
        PutPayload::from(Bytes::from(bytes).slice(..length))
    }
}

impl State {
    fn draw(&mut self) -> (InjectedFault, Duration, u64) {
        let operation = self.operations;
        self.operations += 1;
        if self.crashed {
            return (InjectedFault::Failed, Duration::ZERO, 0);
        }
        if self.faults.crash_at.is_some_and(|at| operation >= at) {
            self.crashed = true;
            // A write that was under way is lost, torn, or done without anybody having heard of it.
            return (
                [InjectedFault::Failed, InjectedFault::Torn, InjectedFault::Unacknowledged][self.below(3) as usize],
                Duration::ZERO,
                0,
            );
        }
        let slow = self.below(1000) < u64::from(self.faults.slow);
        let turns = if slow && self.faults.delay.is_zero() { 1 + self.below(8) } else { 0 };
        let delay = if slow { self.faults.delay } else { Duration::ZERO };
        let (draw, Faults { failed, torn, unacknowledged, .. }) = (self.below(1000) as u32, self.faults);
        let fault = match draw {
            draw if draw < failed => InjectedFault::Failed,
            draw if draw < failed + torn => InjectedFault::Torn,
            draw if draw < failed + torn + unacknowledged => InjectedFault::Unacknowledged,
            _ => InjectedFault::None,
        };
        (fault, delay, turns)
    }

    /// SplitMix64, below `limit`; 0 if that is 0.
    fn below(&mut self, limit: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)).checked_rem(limit).unwrap_or(0)
    }
}

impl fmt::Display for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FaultyStore({})", self.inner)
    }
}

#[async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let fault = self.next().await;
        self.put_with(fault, location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        _options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.allowed().await?;
        Ok(Box::new(FaultyUpload { store: self.clone(), location: location.clone(), parts: Vec::new() }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.allowed().await?;
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        let deleted = locations.then(move |location| {
            let store = store.clone();
            async move {
                store.allowed().await?;
                let mut deleted = store.inner.delete_stream(stream::iter([location]).boxed());
                deleted.next().await.unwrap_or_else(|| Err(store.injected()))
            }
        });
        deleted.boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (store, prefix) = (self.clone(), prefix.cloned());
        let listed = async move {
            match store.allowed().await {
                Ok(()) => store.inner.list(prefix.as_ref()),
                Err(error) => stream::iter([Err(error)]).boxed(),
            }
        };
        stream::once(listed).flatten().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.allowed().await?;
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.allowed().await?;
        self.inner.copy_opts(from, to, options).await
    }
}

/// Collects the parts, so that completing can tear the object.
#[derive(Debug)]
struct FaultyUpload {
    store: FaultyStore,
    location: Path,
    parts: Vec<Bytes>,
}

#[async_trait]
impl MultipartUpload for FaultyUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.parts.extend(data);
        let store = self.store.clone();
        async move { store.allowed().await }.boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let payload = PutPayload::from_iter(self.parts.drain(..));
        let fault = self.store.next().await;
        self.store.put_with(fault, &self.location, payload, PutMode::Overwrite.into()).await
    }

    async fn abort(&mut self) -> Result<()> {
        self.parts.clear();
        Ok(())
    }
}
