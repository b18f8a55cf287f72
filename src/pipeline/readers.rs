//! The tasks that read the sources and hand over to the loop what they report.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::intake::Intake;
use crate::progress::SourceName;
use crate::source::{Input, Source};

/// Opens a source where its intake stands. Of one that is paused or has halted it opens the end, of which nothing is read.
pub type OpenSource = Arc<dyn Fn(&SourceName, &Intake) -> Box<dyn Source> + Send + Sync>;

/// What one reader of a source has reported.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) source: SourceName,
    /// Which of the source's readers, in the order in which they began.
    pub(super) reader: u64,
    pub(super) input: Input,
}

/// The readers, one a source at the most.
pub(super) struct Readers {
    /// Where they run: not where the loop does, which they would delay.
    runtime: Handle,
    reports: mpsc::Sender<Report>,
    current: BTreeMap<SourceName, (u64, AbortHandle)>,
    begun: u64,
}

impl Readers {
    /// Call it within a tokio runtime, where the readers will run.
    pub(super) fn new() -> (Self, mpsc::Receiver<Report>) {
        let (reports, receiver) = mpsc::channel(1);
        (Self { runtime: Handle::current(), reports, current: BTreeMap::new(), begun: 0 }, receiver)
    }

    /// Reads a source from now on, in the place of the reader that it had.
    pub(super) fn begin(&mut self, name: SourceName, open: impl FnOnce() -> Box<dyn Source>) {
        self.end(&name);
        self.begun += 1;
        let source = {
            let _within = self.runtime.enter();
            open()
        };
        let task = self.runtime.spawn(forward(name.clone(), self.begun, source, self.reports.clone()));
        self.current.insert(name, (self.begun, task.abort_handle()));
    }

    /// Reads a source no more.
    pub(super) fn end(&mut self, name: &SourceName) {
        if let Some((_, task)) = self.current.remove(name) {
            task.abort();
        }
    }

    /// Whether a report is of the reader that its source has now. What an earlier one had read is read again.
    pub(super) fn is_current(&self, report: &Report) -> bool {
        self.current.get(&report.source).is_some_and(|(reader, _)| *reader == report.reader)
    }
}

/// Hands over what one source reports, until the loop ends.
async fn forward(source: SourceName, reader: u64, mut reading: Box<dyn Source>, reports: mpsc::Sender<Report>) {
    loop {
        let input = reading.next().await;
        let last = matches!(input, Input::Halted { .. } | Input::End);
        if reports.send(Report { source: source.clone(), reader, input }).await.is_err() || last {
            return;
        }
    }
}
