//! The rows once more from nothing, in batch, as `verify` recomputes them of what is served.

use super::super::given::{Arrival, by_time};
use super::stand::Stand;
use super::{CaseError, Finding, by_source};
use crate::config::Config;
use crate::pipeline::{Intake, Means, RowDifference, RowFault, Subject, Verified};
use crate::plan::{Program, Selected};
use crate::progress::SourceName;
use crate::source::{MemorySource, Source, Start};
use crate::state::KeyShare;

/// What the batch result of a projection differs in. What is in error has none.
pub(super) async fn differences(
    program: &Program,
    config: &Config,
    given: &[Arrival],
    clock_us: i64,
) -> Result<Vec<Finding>, CaseError> {
    let mut stand = Stand::start(program, config, clock_us).await?;
    let messages = by_source(given);
    stand.commit(&by_time(messages.clone()))?;
    let scope = program.scope();
    let open = |name: &SourceName, intake: &Intake| -> Result<Box<dyn Source>, String> {
        let start = Start { after: intake.progress.covered().sequence(), ..Start::default() };
        let of_source = messages.get(name).cloned().unwrap_or_default();
        Ok(Box::new(MemorySource::new(of_source, &start, 1_000)))
    };
    let mut findings = Vec::new();
    for planned in &program.projections {
        let Ok(subject) = Subject::of(stand.settled(), &planned.config.name) else { continue };
        let means = Means {
            selected: Selected::from(&planned.config),
            scope: &scope,
            open: &open,
            bytes_max: config.verify.memory_bytes,
        };
        let lines = match subject.verify(&means, KeyShare::ALL).await {
            Verified::Equal { .. } => continue,
            Verified::Different { differences, .. } => differences.iter().map(told).collect(),
            Verified::NotVerifiable { reason } => vec![reason],
        };
        findings.push(Finding { about: format!("{}, recomputed in batch", planned.config.name), lines });
    }
    Ok(findings)
}

fn told(RowDifference { key, fault, columns }: &RowDifference) -> String {
    let what = match fault {
        RowFault::Extra => "the batch does not give it".to_owned(),
        RowFault::Missing => "the batch gives it, and it is not there".to_owned(),
        RowFault::Otherwise => format!("the batch gives other values of {}", columns.join(", ")),
        RowFault::NotIndexed => "it is not indexed".to_owned(),
        RowFault::IndexedWithoutRow => "it is indexed and not there".to_owned(),
        RowFault::IndexedTwice => "it is indexed twice".to_owned(),
        RowFault::IndexedOtherwise => "it is indexed otherwise than it is".to_owned(),
    };
    format!("{key}: {what}")
}
