//! Who has the processor first: intake, point reads and health take little of it at a time, and nobody should see by them that
//! somebody else's query is long, or that something is built.

/// What is added to the niceness of threads that give way: beside busy others they have a tenth of the processor. With 5, a quarter,
/// point reads beside four long queries were seen to take up to three times as long as undisturbed, with 10 up to 1.3 times (two
/// processors).
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// Lets this thread give way to others, for good.
pub fn give_way() {
    // On Linux it is this thread's own; elsewhere it would be the whole process's.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICE) {
        tracing::warn!(%error, "a thread that should give way has the priority of everything else");
    }
}
