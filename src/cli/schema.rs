//! `readside schema`: what editors need to know of the configuration's files.

use clap::Args;
use clap::builder::PossibleValuesParser;

use super::print;
use crate::config::{DocumentKind, schema};

#[derive(Debug, Args)]
pub(super) struct SchemaArgs {
    /// Only documents of this kind; all of them by default
    #[arg(value_parser = PossibleValuesParser::new(DocumentKind::ALL.map(DocumentKind::name)))]
    kind: Option<String>,
}

pub(super) fn print_schema(args: &SchemaArgs) -> Result<(), Box<dyn std::error::Error>> {
    let named = |name: &String| DocumentKind::ALL.into_iter().find(|kind| kind.name() == name);
    print::line(serde_json::to_string_pretty(&schema(args.kind.as_ref().and_then(named)))?);
    Ok(())
}
