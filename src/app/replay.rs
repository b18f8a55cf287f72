//! Which sources can be read in another way in place, because every event that was admitted so far is the same in the new way.

use std::collections::BTreeMap;

use super::earlier::compiled;
use crate::config::Config;
use crate::identity::Identity;
use crate::pipeline::{Definition, Facts, Reading, Replays};
use crate::plan::{Program, program, program_over};
use crate::progress::SourceName;

/// Sources that are declared in another way than they are read.
#[derive(Default)]
pub(super) struct InPlace {
    /// How they are read, as identities.
    pub(super) identities: BTreeMap<String, Identity>,
    /// Why they have to be read again from their first message; none if what was admitted is the same in the new way.
    pub(super) refused: Option<String>,
}

impl InPlace {
    /// Compares what is declared with what is read.
    pub(super) fn of(facts: &Facts, config: &Config) -> Self {
        let mut found = Self::default();
        for source in &config.sources {
            let name: SourceName = source.schema.source.as_str().into();
            let Some(known) = facts.sources.get(&name) else { continue };
            let (Some(identity), declared) = (known.identity, source.identity()) else { continue };
            if identity == declared || facts.rolled_back.sources.get(&name) == Some(&declared) {
                continue;
            }
            found.identities.insert(source.schema.source.clone(), identity);
            let earlier = known.definition.as_deref().and_then(|text| compiled(std::iter::once(text), config));
            let checked = match earlier.as_ref().and_then(|(earlier, _)| earlier.sources.first()) {
                None => Err("nothing tells how it was declared".to_owned()),
                Some(earlier) if earlier.identity_but_types() != source.identity_but_types() => {
                    Err("more than its event types is declared in another way".to_owned())
                }
                Some(earlier) => earlier.schema.check_admitted(&source.schema, &known.admitted),
            };
            if let Err(why) = checked {
                found.refused.get_or_insert(format!("source `{name}`: {why}"));
            }
        }
        found
    }

    /// Whether anything is declared in another way, and what was admitted is the same.
    pub(super) fn is_possible(&self) -> bool {
        self.refused.is_none() && !self.identities.is_empty()
    }

    /// What has to be done for it. As error, why it cannot be done in place.
    pub(super) fn replays(&self, facts: &Facts, config: &Config) -> Result<Replays, String> {
        let not_compiled = |_| "the configuration does not compile".to_owned();
        // As if the sources were read as they are: what is the same then computes the same.
        let alike = program_over(config, &self.identities).map_err(not_compiled)?;
        let fresh = program(config).map_err(not_compiled)?;
        let mut replays = Replays::default();
        for (alike, fresh) in alike.projections.into_iter().zip(fresh.projections) {
            let is_affected = alike.compiled.schema.identity != fresh.compiled.schema.identity;
            let running = facts.projections.get(&fresh.config.name).filter(|running| running.steps && is_affected);
            let Some(running) = running else { continue };
            if !running.is_kept_as(&Definition::of(&alike).facts()) {
                return Err(format!("`{}` is declared in another way too", fresh.config.name));
            }
            replays.projections.push(fresh);
        }
        let changed = |name: &str| self.identities.contains_key(name);
        for source in fresh.sources.into_iter().filter(|source| changed(&source.config.schema.source)) {
            let name = source.config.schema.source.as_str().into();
            let (identity, text) = (source.identity, source.config.text);
            replays.readings.insert(name, Reading { decoder: source.decoder, identity, text });
        }
        Ok(replays)
    }
}

/// What is declared, compiled as if sources were read as they are where that can be gone on with: the sources that can.
pub(super) fn program_in_place(
    facts: &Facts,
    config: &Config,
    program: Program,
) -> (Program, BTreeMap<String, Identity>) {
    let in_place = InPlace::of(facts, config);
    if !in_place.is_possible() || in_place.replays(facts, config).is_err() {
        return (program, BTreeMap::new());
    }
    match program_over(config, &in_place.identities) {
        Ok(alike) => (alike, in_place.identities),
        Err(_) => (program, BTreeMap::new()),
    }
}
