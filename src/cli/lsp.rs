//! `readside lsp`: the language server at standard input and output.

use std::process::ExitCode;

use clap::Args;

use super::files::{list, read};
use super::{chain, failed};
use crate::lsp::{Disk, Ended, serve};

#[derive(Debug, Args)]
#[command(
    after_help = "An editor starts it. Neovim:\n  vim.lsp.config('readside', {cmd = {'readside', 'lsp'}, filetypes = {'yaml'}})\n  vim.lsp.enable('readside')"
)]
pub(super) struct LspArgs {
    /// The configuration's root file, relative to the workspace; else config/readside.yaml of it, or readside.yaml.
    #[arg(long, env = "READSIDE_CONFIG")]
    config: Option<String>,
    /// Speak over standard input and output. It always does: some editors say so to every server.
    #[arg(long)]
    stdio: bool,
}

pub(super) fn lsp(args: LspArgs) -> ExitCode {
    let LspArgs { config, stdio: _ } = args;
    let disk = Disk { list, read, env: |name| std::env::var(name).ok() };
    match serve(disk, config) {
        Ok(Ended::InOrder) => ExitCode::SUCCESS,
        Ok(Ended::Abruptly) => ExitCode::FAILURE,
        Err(error) => failed(&chain(&error)),
    }
}
