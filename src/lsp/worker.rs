//! The thread that looks at the configuration, one look after the other.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::analysis::{Analysis, analyse};
use super::workspace::Workspace;
use crate::plan::{OfferedFunction, offered_functions};

/// Planning goes as deep as SQL is nested.
const STACK_BYTES: usize = 64 << 20;

/// What comes of a look.
#[derive(Debug)]
pub(super) struct Looked {
    /// None if it failed, which is a fault of this program's.
    pub(super) analysis: Option<Box<Analysis>>,
    pub(super) functions: Arc<Vec<OfferedFunction>>,
}

/// Starts the thread. It ends when nobody hands it anything any more, and nothing waits for it.
///
/// # Errors
/// If the system gives no thread.
pub(super) fn start() -> std::io::Result<(Sender<Workspace>, Receiver<Looked>)> {
    let (sender, jobs) = unbounded::<Workspace>();
    let (results, receiver) = unbounded();
    let look = move || {
        let functions = Arc::new(offered_functions().unwrap_or_default());
        for workspace in jobs {
            // Whatever is written must not end the server.
            let analysis = catch_unwind(AssertUnwindSafe(|| Box::new(analyse(&workspace)))).ok();
            if results.send(Looked { analysis, functions: functions.clone() }).is_err() {
                return;
            }
        }
    };
    thread::Builder::new().name("analysis".to_owned()).stack_size(STACK_BYTES).spawn(look)?;
    Ok((sender, receiver))
}
