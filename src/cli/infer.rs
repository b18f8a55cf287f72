//! `readside infer`: a first source file from the events of a stream or a file.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;

use clap::{ArgGroup, Args};

use super::{NatsArgs, chain, failed, print};
use crate::config::{self, LineFormat, SourceKind};
use crate::event::Message;
use crate::infer::{Inferred, Origin, are_cloud_events, infer, source_name};
use crate::source::last_of;

/// `readside infer`
#[derive(Debug, Args)]
#[command(
    group(ArgGroup::new("events").required(true).args(["stream", "file"])),
    after_help = "Example:\n  readside infer --stream ORDERS --out config/sources/orders.yaml --root config/readside.yaml"
)]
pub(super) struct InferArgs {
    /// Infer it from the newest events of this stream.
    #[arg(long)]
    stream: Option<String>,
    /// Infer it from the newest lines of this NDJSON file.
    #[arg(long)]
    file: Option<PathBuf>,
    #[command(flatten)]
    connection: NatsArgs,
    /// Of a stream only subjects that match, which the source then reads alone; may be repeated.
    #[arg(long = "filter", value_name = "SUBJECT", conflicts_with = "file")]
    filter_subjects: Vec<String>,
    /// How many events are read, the newest ones.
    #[arg(long, value_name = "COUNT", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,
    /// The source's name [default: that of the stream or file, as SQL takes it].
    #[arg(long)]
    name: Option<String>,
    /// Write the source file here instead of to standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write a root file too, which names the source file.
    #[arg(long, value_name = "FILE", requires = "out")]
    root: Option<PathBuf>,
    /// Write over files that are there.
    #[arg(long, requires = "out")]
    force: bool,
}

/// Exit codes: 0 nothing that was seen would be parked, 1 error, 2 some of it would be, whatever is declared.
pub(super) fn run(args: &InferArgs) -> ExitCode {
    match inferred(args) {
        Ok(inferred) if inferred.unreadable.is_empty() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(2),
        Err(error) => failed(&error),
    }
}

fn inferred(args: &InferArgs) -> Result<Inferred, String> {
    // Before anything is read, so that nobody waits for a refusal.
    let mut written = args.out.iter().chain(&args.root);
    if let Some(path) = written.find(|path| !args.force && path.exists()) {
        return Err(there_already(path));
    }
    let (messages, origin, name) = read(args)?;
    let name = args.name.clone().unwrap_or_else(|| source_name(&name));
    let inferred = infer(&messages, &name, &origin).map_err(|error| chain(&error))?;
    match &args.out {
        None => std::io::stdout().write_all(inferred.text.as_bytes()).map_err(|error| error.to_string())?,
        Some(path) => write(path, &inferred.text, args.force)?,
    }
    if let (Some(root), Some(out)) = (&args.root, &args.out) {
        write(root, &root_text(args, root, out)?, args.force)?;
    }
    inferred.doubts.iter().for_each(|doubt| print::error_line(format_args!("warning: {doubt}")));
    inferred.unreadable.iter().for_each(|some| print::error_line(format_args!("warning: {some}")));
    let parked =
        if inferred.unreadable.is_empty() { "nothing would be parked" } else { "no declaration reads all of them" };
    let types = if inferred.types == 1 { "event type" } else { "event types" };
    print::error_line(format_args!("{} {types} from {} events: {parked}", inferred.types, messages.len()));
    Ok(inferred)
}

/// The events, where they come from as the source file says it, and the name of that.
fn read(args: &InferArgs) -> Result<(Vec<Message>, Origin, String), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let count = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let nats = config::Nats::at(&args.connection.nats);
    let last = |input: &SourceKind| runtime.block_on(last_of("infer", input, Some(&nats), count));
    let Some(path) = &args.file else {
        let stream = args.stream.clone().unwrap_or_default();
        let filter_subjects = args.filter_subjects.clone();
        let input = SourceKind::JetStream { stream: stream.clone(), filter_subjects: filter_subjects.clone() };
        let messages = last(&input).map_err(|why| format!("stream {stream}: {why}"))?;
        return Ok((messages, Origin::Stream { stream: stream.clone(), filter_subjects }, stream));
    };
    let of_lines = |lines: LineFormat| {
        let written = path.display().to_string();
        last(&SourceKind::File { path: path.clone(), written, follow: false, lines })
    };
    let (mut messages, mut lines) = (of_lines(LineFormat::Auto)?, LineFormat::Auto);
    if are_cloud_events(&messages) {
        (messages, lines) = (of_lines(LineFormat::CloudEvents)?, LineFormat::CloudEvents);
    }
    let folder = args.root.as_deref().and_then(Path::parent).unwrap_or(Path::new(""));
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Ok((messages, Origin::File { path: from_folder(folder, path)?, lines }, name))
}

/// A root file with which a daemon starts here, and elsewhere by the variables that the shipped one knows too.
fn root_text(args: &InferArgs, root: &Path, out: &Path) -> Result<String, String> {
    let mut settings = serde_yaml::Mapping::new();
    let mut set = |key: &str, value: serde_yaml::Value| drop(settings.insert(key.into(), value));
    let section = |key: &str, value: String| serde_yaml::Mapping::from_iter([(key.into(), value.into())]).into();
    if args.stream.is_some() {
        set("nats", section("url", server(&args.connection.nats)));
    }
    let folder = root.parent().unwrap_or(Path::new(""));
    // A folder of configuration is for files that people write, and may be read-only.
    let is_here = folder.components().all(|part| part == Component::CurDir);
    let data = if is_here { "./data" } else { "../data" };
    set("data_dir", format!("${{READSIDE_DATA_DIR:-{data}}}").into());
    set("sources", from_folder(folder, out)?.replace("${", "$${").into());
    set("projections", "projections/*.yaml".into());
    set("http", section("listen", "${READSIDE_HTTP:-127.0.0.1:8080}".to_owned()));
    set("metrics", section("listen", "${READSIDE_METRICS:-127.0.0.1:9464}".to_owned()));
    let text = serde_yaml::to_string(&settings).map_err(|error| error.to_string())?;
    Ok(format!("# `${{NAME:-…}}` is an environment variable, or else what follows. Paths begin at this file.\n{text}"))
}

/// The server as a root file names it: the one that was asked, unless the environment of a daemon says another one. It does not where
/// that of this program says another one already.
fn server(asked: &str) -> String {
    let says_another = std::env::var("NATS_URL").is_ok_and(|url| !url.is_empty() && url != asked);
    if says_another || asked.contains(['{', '}']) {
        return asked.replace("${", "$${");
    }
    format!("${{NATS_URL:-{asked}}}")
}

/// A path as it is written in a file of `folder`.
fn from_folder(folder: &Path, path: &Path) -> Result<String, String> {
    let written =
        |path: &Path| path.to_str().map(str::to_owned).ok_or_else(|| format!("{} is not Unicode", path.display()));
    if folder.as_os_str().is_empty() || path.is_absolute() {
        return written(path);
    }
    let whole = |path: &Path| std::path::absolute(path).map_err(|error| format!("{}: {error}", path.display()));
    let (folder, path) = (whole(folder)?, whole(path)?);
    let shared = folder.components().zip(path.components()).take_while(|(one, other)| one == other).count();
    let up = folder.components().skip(shared).map(|_| Component::ParentDir);
    written(&up.chain(path.components().skip(shared)).collect::<PathBuf>())
}

fn write(path: &Path, text: &str, force: bool) -> Result<(), String> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    }
    let mut options = OpenOptions::new();
    options.write(true).truncate(force).create(force).create_new(!force);
    let written = options.open(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => there_already(path),
        _ => format!("cannot write {}: {error}", path.display()),
    })
}

fn there_already(path: &Path) -> String {
    format!("{} is there already; name another file, or write over it with --force", path.display())
}
