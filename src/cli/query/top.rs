//! `readside top`: sources and projections of a daemon, shown again and again.

use std::io::{IsTerminal, Write};
use std::thread::sleep;
use std::time::Duration;

use clap::Args;

use super::admin::show_sources;
use super::client::{Client, ClientError};
use super::show::show_projections;
use super::{NO_QUERY, printable};

/// Moves to the corner of the terminal and clears what is there.
const CLEAR: &str = "\x1b[H\x1b[2J";

/// `readside top`
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  readside top --interval 5")]
pub struct TopArgs {
    /// The daemon's address.
    #[arg(long, env = "READSIDE_URL", default_value = "http://127.0.0.1:8080")]
    url: String,
    /// Seconds between two looks.
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=3600))]
    interval: u64,
    /// Show it once, as it is done where the output is no terminal.
    #[arg(long)]
    once: bool,
}

/// Shows it until the program is stopped. A daemon that does not answer is waited for.
///
/// # Errors
/// If it is shown once and the daemon does not answer, or the output cannot be written.
pub fn top(args: &TopArgs, out: &mut dyn Write) -> Result<(), ClientError> {
    let client = Client::new(&args.url);
    if args.once || !std::io::stdout().is_terminal() {
        let shown = look(&client)?;
        return Ok(out.write_all(&shown)?);
    }
    loop {
        let shown = match look(&client) {
            Ok(shown) => shown,
            Err(error) => error.to_string().lines().map(|line| printable(line) + "\n").collect::<String>().into_bytes(),
        };
        // In one piece, so that nothing flickers.
        out.write_all(&[CLEAR.as_bytes(), args.url.as_bytes(), b"\n\n", &shown].concat())?;
        out.flush()?;
        sleep(Duration::from_secs(args.interval));
    }
}

fn look(client: &Client) -> Result<Vec<u8>, ClientError> {
    let mut shown = Vec::new();
    show_sources(&client.get(&["v1", "sources"], NO_QUERY)?, &mut shown)?;
    shown.push(b'\n');
    show_projections(&client.get(&["v1", "projections"], NO_QUERY)?, &mut shown)?;
    Ok(shown)
}
