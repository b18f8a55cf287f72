//! `readside token`: the bearer tokens of a daemon's readers.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::{failed, print};
use crate::serve::auth::{NewToken, Role};

#[derive(Debug, Args)]
pub(super) struct TokenArgs {
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Make a token: it is printed once, with the line for the file that `auth.tokens` names
    Create(CreateArgs),
}

#[derive(Debug, Args)]
#[command(
    after_help = "The token goes to who will send it (`Authorization: Bearer TOKEN`; Readside's own verbs take READSIDE_TOKEN), the line into the\nfile. A running daemon follows the file: a line that is taken out ends its token within seconds.\n\nExamples:\n  readside token create grafana\n  readside token create ada@ops --role admin\n  readside token create shop --claim tenant=acme --claim roles=officer\n  readside token create ci --line-to tokens > ci.token"
)]
struct CreateArgs {
    /// Who will have it: letters, digits, `.`, `_`, `-` and `@`.
    name: String,
    /// What it lets them do: `read`, or `admin`, which also decides over projections, sources and parked events.
    #[arg(long, default_value_t = Role::Read)]
    role: Role,
    /// What is known of them, for the policies of relations: `tenant=acme`. Of one name there may be several.
    #[arg(long = "claim", value_name = "NAME=VALUE")]
    claims: Vec<String>,
    /// Append the line to this file, and print the token alone.
    #[arg(long, value_name = "FILE")]
    line_to: Option<std::path::PathBuf>,
}

pub(super) fn token(args: &TokenArgs) -> ExitCode {
    let TokenCommand::Create(args) = &args.command;
    let made = match NewToken::create(&args.name, args.role, &args.claims) {
        Ok(made) => made,
        Err(error) => return failed(&error.to_string()),
    };
    match &args.line_to {
        None => {
            print::line(format_args!("token: {}", made.token));
            print::line(format_args!("line:  {}", made.line));
        }
        Some(path) => match append(path, &made.line) {
            Ok(()) => print::line(made.token),
            Err(error) => return failed(&format!("cannot write {}: {error}", path.display())),
        },
    }
    ExitCode::SUCCESS
}

/// Adds a line to a file that is whole before and after, and that only its owner can read if it is new.
fn append(path: &std::path::Path, line: &str) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let ends_openly = std::fs::read(path).is_ok_and(|text| text.last().is_some_and(|last| *last != b'\n'));
    let mut file = std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    file.write_all(format!("{}{line}\n", if ends_openly { "\n" } else { "" }).as_bytes())
}
