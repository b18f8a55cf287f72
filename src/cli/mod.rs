//! The command line, one file a verb group: arguments → run → exit code.

mod access;
mod check;
mod checkpoint;
mod completions;
mod demo;
pub mod events;
mod explain;
pub mod files;
mod generate;
mod graph;
mod infer;
mod lsp;
mod plan;
mod print;
mod print_config;
pub mod query;
mod run;
mod schema;
mod tap;
mod test;
mod token;
mod trial;
mod validate;

use std::error::Error;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// The read side of CQRS as a sidecar: JetStream events become SQL tables and search indexes.
#[derive(Debug, Parser)]
#[command(name = "readside", version, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the daemon
    Run(run::RunArgs),
    /// Check the configuration and say everything that is wrong with it
    Validate(validate::ValidateArgs),
    /// Look at what a daemon needs of its surroundings: NATS, streams, permissions, events, clock, disk, memory, addresses
    Check(check::CheckArgs),
    /// Print the configuration as it counts: all files in one, with defaults, without secrets
    PrintConfig(print_config::PrintConfigArgs),
    /// Say what the code of a problem means, with an example, and how it is mended
    Explain(explain::ExplainArgs),
    /// Print the JSON Schema of the configuration's files, for editors
    Schema(schema::SchemaArgs),
    /// Write what a daemon is watched with: Prometheus rules, a Grafana dashboard, a runbook
    Generate(generate::GenerateArgs),
    /// Print what a shell completes the verbs with
    Completions(completions::CompletionsArgs),
    /// Write a manual page for each verb
    Man(completions::ManArgs),
    /// Serve an editor, in the Language Server Protocol: problems, completion and explanations while the configuration is written
    Lsp(lsp::LspArgs),
    /// Draw what reads what: sources, event types, projections, views and queries
    Graph(graph::GraphArgs),
    /// Say what a reload or a start with the configuration would do
    Plan(plan::PlanArgs),
    /// Write a first source file from the events of a stream or a file
    Infer(infer::InferArgs),
    /// Compute a projection's SELECT over the newest events of its sources, or over those of a file, without a daemon
    Try(trial::TryArgs),
    /// Print the events of a source as they come, decoded and at their current versions
    Tap(tap::TapArgs),
    /// Run the cases beside the projections, each in all ways in which its events can come
    Test(test::TestArgs),
    /// Ask a running daemon in SQL
    Query(query::QueryArgs),
    /// Search an index of a running daemon
    Search(query::SearchArgs),
    /// Projections of a running daemon
    Projection(ProjectionArgs),
    /// Sources and projections of a running daemon, again and again
    Top(query::TopArgs),
    /// Events that are not in some read models of a running daemon, and why
    Parked(query::ParkedArgs),
    /// Sources of a running daemon: what stops them, and how they go on
    Source(query::SourceArgs),
    /// Have a running daemon read its configuration again; what changed is built beside
    Reload(query::ReloadArgs),
    /// What was done to a running daemon: reloads, builds, and what people decided
    History(query::HistoryArgs),
    /// Bearer tokens of who may ask a daemon
    Token(token::TokenArgs),
    /// Who sees what, by policies and masks
    Access(access::AccessArgs),
    /// Checkpoints of a data directory: list, verify, and copies of them
    Checkpoint(checkpoint::CheckpointArgs),
    /// JetStream as the event store
    Events(EventStoreArgs),
    /// Show the main job on a small shop: orders and customers through JetStream
    Demo(demo::DemoArgs),
}

#[derive(Debug, Args)]
struct ProjectionArgs {
    #[command(subcommand)]
    command: ProjectionCommand,
}

#[derive(Debug, Subcommand)]
enum ProjectionCommand {
    /// All projections with their state and lag
    List(query::ListArgs),
    /// One projection in detail
    Status(query::StatusArgs),
    /// Build one again from the start of its sources, with all that reads it, while readers see what is there
    Rebuild(query::RebuildArgs),
    /// Recompute one in batch over the very cut that is served, and compare: exit code 0 equal, 2 different, 3 not verifiable
    Verify(query::VerifyArgs),
    /// End the build of one; what is there goes on
    Abort(query::ProjectionVerbArgs),
    /// Stop one for a while, with all that reads it: their rows are served as they are
    Pause(query::ProjectionVerbArgs),
    /// Let a paused one go on from where it stopped
    Resume(query::ProjectionVerbArgs),
    /// Let what was built of one take the place of what serves, which is kept for a while
    Promote(query::PromoteArgs),
    /// Let what was replaced serve again, at the current cut
    Rollback(query::ProjectionVerbArgs),
    /// Keep what was replaced no more
    Retire(query::ProjectionVerbArgs),
}

#[derive(Debug, Args)]
struct EventStoreArgs {
    #[command(flatten)]
    connection: NatsArgs,
    #[command(flatten)]
    events: events::EventsArgs,
}

/// Where JetStream is.
#[derive(Debug, Clone, Args)]
struct NatsArgs {
    /// NATS server.
    #[arg(long, global = true, env = "NATS_URL", default_value = "nats://127.0.0.1:4222")]
    nats: String,
}

/// Which configuration.
#[derive(Debug, Clone, Args)]
struct ConfigArgs {
    /// The configuration's root file.
    #[arg(long, env = "READSIDE_CONFIG", default_value = "config/readside.yaml")]
    config: String,
}

/// Exit codes: 0 fine, 1 error, 2 wrong arguments, or findings of the verbs that say so.
pub fn main() -> ExitCode {
    let result: Result<(), Box<dyn Error>> = match Cli::parse().command {
        Verb::Run(args) => return run::run(args),
        Verb::Validate(args) => return validate::validate(&args),
        Verb::Projection(ProjectionArgs { command: ProjectionCommand::Verify(args) }) => {
            match query::verify(&args, &mut std::io::stdout()) {
                Ok(query::Verdict::Equal) => Ok(()),
                Ok(query::Verdict::Different) => return ExitCode::from(2),
                Ok(query::Verdict::NotVerifiable) => return ExitCode::from(3),
                Err(error) => Err(error.into()),
            }
        }
        Verb::Check(args) => return check::run(&args),
        Verb::Checkpoint(args) => return checkpoint::checkpoint(&args),
        Verb::PrintConfig(args) => return print_config::print_config(&args),
        Verb::Explain(args) => explain::explain(&args),
        Verb::Schema(args) => schema::print_schema(&args),
        Verb::Generate(args) => return generate::generate(&args),
        Verb::Completions(args) => {
            completions::completions(&args);
            Ok(())
        }
        Verb::Man(args) => completions::man(&args).map_err(Into::into),
        Verb::Lsp(args) => return lsp::lsp(args),
        Verb::Graph(args) => return graph::graph(&args),
        Verb::Plan(args) => return plan::plan(&args),
        Verb::Infer(args) => return infer::run(&args),
        Verb::Try(args) => return trial::attempt(&args),
        Verb::Tap(args) => return tap::tap(&args),
        Verb::Test(args) => return test::test(&args),
        Verb::Demo(args) => return demo::demo(&args),
        Verb::Query(args) => query::query(&args, &mut std::io::stdout()).map_err(Into::into),
        Verb::Search(args) => query::search(&args, &mut std::io::stdout()).map_err(Into::into),
        Verb::Projection(ProjectionArgs { command: ProjectionCommand::List(args) }) => {
            query::projection_list(&args, &mut std::io::stdout()).map_err(Into::into)
        }
        Verb::Projection(ProjectionArgs { command: ProjectionCommand::Status(args) }) => {
            query::projection_status(&args, &mut std::io::stdout()).map_err(Into::into)
        }
        Verb::Projection(ProjectionArgs { command: ProjectionCommand::Rebuild(args) }) => {
            match query::rebuild(&args, &mut std::io::stdout()) {
                Ok(query::Rollout::Waits) => return ExitCode::from(2),
                rebuilt => rebuilt.map(drop).map_err(Into::into),
            }
        }
        Verb::Projection(ProjectionArgs { command: ProjectionCommand::Abort(args) }) => {
            query::decide_projection(&args, "abort", &mut std::io::stdout()).map_err(Into::into)
        }
        Verb::Projection(ProjectionArgs { command: ProjectionCommand::Pause(args) }) => {
            query::decide_projection(&args, "pause", &mut std::io::stdout()).map_err(Into::into)
        }
        Verb::Projection(ProjectionArgs { command: ProjectionCommand::Resume(args) }) => {
            query::decide_projection(&args, "resume", &mut std::io::stdout()).map_err(Into::into)
        }
        Verb::Projection(ProjectionArgs { command: ProjectionCommand::Promote(args) }) => {
            match query::promote(&args, &mut std::io::stdout()) {
                Ok(query::Verdict::Equal) => Ok(()),
                Ok(query::Verdict::Different) => return ExitCode::from(2),
                Ok(query::Verdict::NotVerifiable) => return ExitCode::from(3),
                Err(error) => Err(error.into()),
            }
        }
        Verb::Projection(ProjectionArgs { command: ProjectionCommand::Rollback(args) }) => {
            query::decide_projection(&args, "rollback", &mut std::io::stdout()).map_err(Into::into)
        }
        Verb::Projection(ProjectionArgs { command: ProjectionCommand::Retire(args) }) => {
            query::decide_projection(&args, "retire", &mut std::io::stdout()).map_err(Into::into)
        }
        Verb::Top(args) => query::top(&args, &mut std::io::stdout()).map_err(Into::into),
        Verb::Parked(args) => query::parked(&args, &mut std::io::stdout()).map_err(Into::into),
        Verb::Source(args) => query::source(&args, &mut std::io::stdout()).map_err(Into::into),
        Verb::Reload(args) => match query::reload(&args, &mut std::io::stdout()) {
            Ok(query::Rollout::Waits) => return ExitCode::from(2),
            reloaded => reloaded.map(drop).map_err(Into::into),
        },
        Verb::History(args) => query::history(&args, &mut std::io::stdout()).map_err(Into::into),
        Verb::Token(args) => return token::token(&args),
        Verb::Access(args) => return access::access(&args),
        Verb::Events(args) => run_events(args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.downcast_ref().is_some_and(query::ClientError::is_closed_pipe) => ExitCode::SUCCESS,
        Err(error) => failed(&chain(&*error)),
    }
}

fn run_events(args: EventStoreArgs) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let nats = crate::config::Nats::at(&args.connection.nats);
    Ok(runtime.block_on(events::run(args.events, &nats))?)
}

fn failed(error: &str) -> ExitCode {
    print::error_line(format_args!("error: {error}"));
    ExitCode::FAILURE
}

/// An error with all its causes, in one line. A cause that an error ends with already, as those of the client of NATS do, is said once.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let part = error.to_string();
        if !text.ends_with(&part) {
            text = format!("{text}: {part}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::{Cli, chain};

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Told {
        text: &'static str,
        source: Option<Box<Told>>,
    }

    #[test]
    fn a_cause_is_said_once() {
        let told = |text, source: Option<Told>| Told { text, source: source.map(Box::new) };
        let refused = || told("refused (os error 111)", None);
        let repeated = told("IO error: refused (os error 111)", Some(refused()));
        let outer = told("cannot connect", Some(repeated));
        assert_eq!(chain(&outer), "cannot connect: IO error: refused (os error 111)");
        let inner = told("refused (os error 111), IO error", Some(refused()));
        assert_eq!(chain(&inner), "refused (os error 111), IO error: refused (os error 111)");
    }

    #[test]
    fn all_verbs_are_well_formed() {
        Cli::command().debug_assert();
    }
}
