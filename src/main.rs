//! Arguments → run → rendered error → exit code.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// Requests and commits make many small things on several threads. With the system's allocator a daemon with a million rows held half as
/// much memory again, and took an eighth less in (ADR 43).
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    readside::cli::main()
}
