//! Arguments → run → rendered error → exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    readside::cli::main()
}
