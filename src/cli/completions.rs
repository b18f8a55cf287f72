//! `readside completions` and `readside man`: what a shell and `man` need to know of the verbs.

use std::io;
use std::path::PathBuf;

use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};

use super::{Cli, print};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  readside completions bash > /etc/bash_completion.d/readside\n  readside completions zsh > \"${fpath[1]}/_readside\"\n  readside completions fish > ~/.config/fish/completions/readside.fish"
)]
pub(super) struct CompletionsArgs {
    /// The shell that completes.
    shell: Shell,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  readside man --out /usr/local/share/man/man1")]
pub(super) struct ManArgs {
    /// The folder that gets a page for each verb; it is made if it is not there.
    #[arg(long)]
    out: PathBuf,
}

pub(super) fn completions(args: &CompletionsArgs) {
    let mut script = Vec::new();
    let mut command = Cli::command();
    let name = command.get_name().to_owned();
    generate(args.shell, &mut command, name, &mut script);
    print::line(String::from_utf8_lossy(&script).trim_end());
}

/// # Errors
/// If the folder cannot be written.
pub(super) fn man(args: &ManArgs) -> io::Result<()> {
    std::fs::create_dir_all(&args.out)?;
    clap_mangen::generate_to(Cli::command(), &args.out)
}
