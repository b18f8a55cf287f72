//! From a SELECT to a program: the SQL as if it were declared as a table, with everything that it reads.

use std::collections::BTreeSet;

use crate::config::{Config, NodePath, OnStale, Problem, Projection, ProjectionKind, StopWords};
use crate::plan::{Program, Refusal, inputs, program};

/// The name under which a SELECT is computed. No projection can have it.
pub const THIS_SQL: &str = "this SQL";

/// Why a SELECT cannot be tried.
#[derive(Debug)]
pub enum Refused {
    /// Something that it reads is not right.
    Configuration(Vec<Problem>),
    /// It is not accepted itself; the place is within its text.
    Sql(Vec<Problem>),
}

/// Compiles a SELECT and what it reads of a configuration. Without a key it has the fewest columns that are proven to tell its
/// rows apart, or all of them.
///
/// # Errors
/// Why the SQL, or a projection that it reads, is not accepted.
pub fn tried(config: &Config, sql: &str, key: &[String]) -> Result<Program, Refused> {
    let projection = Projection {
        name: THIS_SQL.to_owned(),
        kind: ProjectionKind::Table,
        owner: None,
        sql: sql.to_owned(),
        key: (!key.is_empty()).then(|| key.to_vec()),
        duplicates: None,
        indexes: Vec::new(),
        columns: Default::default(),
        on_stale: OnStale::Mark,
        slo: None,
        fields: Default::default(),
        synonyms: Vec::new(),
        stop_words: StopWords::None,
        policies: Vec::new(),
        masks: Default::default(),
        is_public: false,
        state_limit: u64::MAX,
        promotion: None,
        keep: None,
        node: NodePath::default(),
        text: None,
    };
    let of_sql = |Refusal { code, message, hint, span }: Refusal| {
        Refused::Sql(vec![Problem { code, node: NodePath::default(), within: span, message, hint }])
    };
    let named = inputs(sql).map_err(of_sql)?;
    let mut program = program(&needed(config, named)).map_err(Refused::Configuration)?;
    program.add(&projection).map_err(Refused::Sql)?;
    let mut program = program.only([THIS_SQL.to_owned()]);
    let read = program.reads();
    program.sources.retain(|source| read.contains(&source.config.schema.source));
    Ok(program)
}

/// The configuration without projections that are not read, and without what hides rows from readers: who tries something has its events. If a name is nobody's, all stay, so that they can be told.
fn needed(config: &Config, named: Vec<String>) -> Config {
    let mut config = config.clone();
    config.queries.clear();
    config.policies.clear();
    config.required_policies.clear();
    config.sources.iter_mut().for_each(|source| source.sensitive.clear());
    let find = |name: &str| config.projections.iter().find(|projection| projection.name == name);
    let (mut needed, mut waiting) = (BTreeSet::new(), named);
    while let Some(name) = waiting.pop() {
        let Some(projection) = find(&name) else { return config };
        if needed.insert(name) {
            // What cannot be parsed says so when it is compiled.
            waiting.extend(inputs(&projection.sql).unwrap_or_default());
        }
    }
    config.projections.retain(|projection| needed.contains(&projection.name));
    config
}
