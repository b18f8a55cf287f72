//! A random case from a seed, in a form that can be made smaller.

use std::collections::BTreeSet;

use super::case::{Case, Declaration, Entry};
use super::logs::log;
use super::queries::{Known, Made, Queries};
use super::syntax::Query;
use super::types::{EventType, event_types};

/// A case whose queries are still trees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RandomCase {
    pub(super) types: Vec<super::case::TypeDeclaration>,
    pub(super) projections: Vec<RandomProjection>,
    pub(super) log: Vec<Entry>,
    pub(super) features: BTreeSet<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RandomProjection {
    pub(super) name: String,
    pub(super) key: Vec<String>,
    pub(super) is_table: bool,
    pub(super) query: Query,
}

const EVENTS_MAX: usize = 40;

/// The case of a seed.
pub(super) fn random_case(seed: u64) -> RandomCase {
    let mut random = fastrand::Rng::with_seed(seed);
    let types = event_types(&mut random);
    let mut known: Vec<Known> = Vec::new();
    let mut projections = Vec::new();
    let mut features = BTreeSet::new();
    let may_fail = random.u8(..5) == 0;
    for place in 0..[1, 1, 2, 3][random.usize(..4)] {
        let levels = random.usize(..3);
        let mut queries = Queries::new(&mut random, &types, &known, may_fail);
        let made = queries.query(levels);
        features.append(&mut queries.features);
        if place > 0 {
            features.insert("projection over projection".to_owned());
        }
        let name = format!("p{place}");
        let (projection, columns) = projection(&name, made);
        projections.push(projection);
        known.push(Known { name, columns });
    }
    let log = log(&mut random, &types, EVENTS_MAX);
    RandomCase { types: types.iter().map(EventType::declaration).collect(), projections, log, features }
}

fn projection(name: &str, made: Made) -> (RandomProjection, Vec<super::expressions::Column>) {
    let is_table = made.key.is_some();
    let key = made.key.unwrap_or_else(|| vec!["c0".to_owned()]);
    (RandomProjection { name: name.to_owned(), key, is_table, query: made.query }, made.columns)
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
        Case { about: Vec::new(), types: self.types.clone(), projections: projections.collect(), log: self.log.clone() }
    }
}
