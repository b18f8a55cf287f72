//! A random case from a seed, in a form that can be made smaller.

use std::collections::BTreeSet;

use super::case::{Case, Declaration, Entry};
use super::expressions::Column;
use super::logs::log;
use super::queries::{Known, Queries};
use super::syntax::Query;
use super::types::{EventType, Type, event_types};

/// A case whose queries are still trees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RandomCase {
    pub(super) types: Vec<super::case::TypeDeclaration>,
    /// Whether all sources drop late events.
    pub(super) drops_late: bool,
    pub(super) projections: Vec<RandomProjection>,
    pub(super) log: Vec<Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RandomProjection {
    pub(super) name: String,
    /// As in a case's declaration.
    pub(super) key: Vec<String>,
    pub(super) is_table: bool,
    pub(super) query: Query,
    /// What it is made of, for the report.
    pub(super) features: BTreeSet<String>,
}

const EVENTS_MAX: usize = 40;

/// The case of a seed.
pub(super) fn random_case(seed: u64) -> RandomCase {
    let mut random = fastrand::Rng::with_seed(seed);
    let types = event_types(&mut random);
    let mut known: Vec<Known> = Vec::new();
    let mut projections = Vec::new();
    let may_fail = random.u8(..5) == 0;
    for place in 0..[1, 2, 3, 3][random.usize(..4)] {
        let levels = random.usize(..3);
        let mut queries = Queries::new(&mut random, &types, &known, may_fail);
        let made = queries.query(levels);
        let mut features = queries.features;
        let name = format!("p{place}");
        let (mut columns, mut append_only) = (made.columns, made.append_only);
        let told_apart = made.key.is_none() && random.u8(..3) == 0;
        let is_table = made.key.is_some() || told_apart;
        let mut key = made.key.unwrap_or_else(|| vec!["c0".to_owned()]);
        if told_apart {
            let how = ["count", "number"][random.usize(..2)];
            features.insert(format!("duplicates: {how}"));
            key = vec![format!("{how} copies")];
            columns.push(Column { sql: "copies".to_owned(), column_type: Type::Int });
            append_only = false;
        }
        known.push(Known { name: name.clone(), columns, append_only });
        projections.push(RandomProjection { name, key, is_table, query: made.query, features });
    }
    let declarations = types.iter().map(EventType::declaration).collect();
    // What nothing reads occurs, but is not most of a log.
    let queries: String =
        projections.iter().map(|projection: &RandomProjection| projection.query.to_string()).collect();
    let is_read =
        |of: &EventType| [&of.name, "events"].iter().any(|table| queries.contains(&format!("{}.{table}", of.source)));
    let read: Vec<EventType> = types.iter().filter(|of| is_read(of)).cloned().collect();
    let log = log(&mut random, &[vec![read; 8].concat(), types].concat(), EVENTS_MAX);
    // What is admitted later than it came has no place in a window that was closed meanwhile.
    let nothing_comes_back = !log.iter().any(|entry| matches!(entry, Entry::Readmit(_)));
    let drops_late = nothing_comes_back && random.u8(..3) > 0;
    RandomCase { types: declarations, drops_late, projections, log }
}

impl RandomCase {
    pub(super) fn case(&self) -> Case {
        let projections = self.projections.iter().map(|projection| Declaration {
            name: projection.name.clone(),
            key: projection.key.clone(),
            is_table: projection.is_table,
            sql: projection.query.to_string(),
            plan: Vec::new(),
        });
        let mut case = Case { types: self.types.clone(), log: self.log.clone(), ..Case::default() };
        case.projections = projections.collect();
        if self.drops_late {
            case.dropping = case.sources().into_iter().map(str::to_owned).collect();
        }
        case
    }
}
