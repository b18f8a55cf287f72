//! Output to a terminal or a pipe. A reader that is gone, as behind `| head -1`, or a full disk ends no work and is no error.

use std::fmt::Display;
use std::io::Write;

/// Writes a line to standard output.
pub(super) fn line(text: impl Display) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Writes a line to standard error.
pub(super) fn error_line(text: impl Display) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
