//! `readside explain CODE`: what a problem means, with an example that has it, and the same mended.

use std::error::Error;

use clap::Args;

use super::print;
use crate::config::page;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  readside explain RS0101")]
pub(super) struct ExplainArgs {
    /// The code of a problem, as `readside validate` prints it.
    code: String,
}

pub(super) fn explain(args: &ExplainArgs) -> Result<(), Box<dyn Error>> {
    let code = args.code.to_ascii_uppercase();
    match page(&code) {
        Some(page) => print::line(page),
        None => {
            return Err(format!(
                "there is no code `{}`: `readside validate` prints them, as in `error[RS0101]`",
                args.code
            )
            .into());
        }
    }
    Ok(())
}
