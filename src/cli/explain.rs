//! `readside explain CODE`: what a problem means, with an example that has it, and the same mended.

use std::error::Error;

use clap::Args;

use super::print;

/// The pages of all codes, each below a heading `## RS0101: …`.
const PAGES: &str = include_str!("../../docs/errors.md");

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  readside explain RS0101")]
pub(super) struct ExplainArgs {
    /// The code of a problem, as `readside validate` prints it.
    code: String,
}

pub(super) fn explain(args: &ExplainArgs) -> Result<(), Box<dyn Error>> {
    let code = args.code.to_ascii_uppercase();
    let page = PAGES.split("\n## ").skip(1).find(|page| page.split(':').next() == Some(&code));
    match page {
        Some(page) => print::line(page.trim_end()),
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
