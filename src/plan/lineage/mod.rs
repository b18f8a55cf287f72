//! Which sensitive fields the values of columns are computed from, by the plan as its author has written it.
//!
//! What decides which rows there are, in which order or in which group, shows no value: WHERE, ON, GROUP BY and ORDER BY are not followed,
//! nor is what is counted. Where a value's way is not known, it is taken to be computed from all that goes in.

mod columns;
mod expressions;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

pub(in crate::plan) use self::columns::columns;

/// A field of an event that is declared as sensitive.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SensitiveField {
    pub source: String,
    pub event_type: String,
    /// Its name, or its path with dots.
    pub field: String,
}

/// From a value to one within it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::plan) enum Step {
    /// To a field of a struct.
    Field(String),
    /// To any item of a list, or any value of a map.
    Item,
}

/// What one column has of sensitive fields: where in its value each of them is, and by way of which projections it came, in the order in
/// which it passed them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::plan) struct Lineage(BTreeMap<(Vec<Step>, SensitiveField), Vec<String>>);

impl Lineage {
    /// A field at this place in the value.
    pub(in crate::plan) fn of(place: Vec<Step>, field: SensitiveField) -> Self {
        Self(BTreeMap::from([((place, field), Vec::new())]))
    }

    /// Each field once, with the shortest way by which it came.
    pub(in crate::plan) fn fields(&self) -> BTreeMap<&SensitiveField, &[String]> {
        let mut fields: BTreeMap<&SensitiveField, &[String]> = BTreeMap::new();
        for ((_, field), way) in &self.0 {
            let known = fields.entry(field).or_insert(way);
            if way.len() < known.len() {
                *known = way;
            }
        }
        fields
    }

    pub(in crate::plan) fn add(&mut self, other: Lineage) {
        for (key, way) in other.0 {
            match self.0.entry(key) {
                Entry::Vacant(entry) => {
                    entry.insert(way);
                }
                Entry::Occupied(mut entry) if way.len() < entry.get().len() => {
                    entry.insert(way);
                }
                Entry::Occupied(_) => {}
            }
        }
    }

    /// The same in a relation that reads this projection.
    pub(in crate::plan) fn by_way_of(&self, projection: &str) -> Self {
        let longer = |way: &Vec<String>| way.iter().cloned().chain([projection.to_owned()]).collect();
        Self(self.0.iter().map(|(key, way)| (key.clone(), longer(way))).collect())
    }

    /// Of a value that is computed from this one in a way that is not followed.
    fn whole(self) -> Self {
        self.moved(|_| Some(Vec::new()))
    }

    /// Of this field of the struct, or of the value under this key of the map.
    fn field(self, name: &str) -> Self {
        self.moved(|place| match place {
            [] => Some(Vec::new()),
            [Step::Field(field), within @ ..] => (field == name).then(|| within.to_vec()),
            [Step::Item, within @ ..] => Some(within.to_vec()),
        })
    }

    /// Of an item of the list.
    fn item(self) -> Self {
        self.moved(|place| match place {
            [Step::Item, within @ ..] => Some(within.to_vec()),
            _ => Some(Vec::new()),
        })
    }

    /// Of a value that this one is in.
    fn within(self, step: &Step) -> Self {
        self.moved(|place| Some(std::iter::once(step.clone()).chain(place.iter().cloned()).collect()))
    }

    /// At other places; none for what is left behind.
    fn moved(self, place: impl Fn(&[Step]) -> Option<Vec<Step>>) -> Self {
        let mut moved = Self::default();
        for ((from, field), way) in self.0 {
            if let Some(to) = place(&from) {
                moved.add(Self(BTreeMap::from([((to, field), way)])));
            }
        }
        moved
    }
}

/// What any of several has.
fn all(lineages: impl IntoIterator<Item = Lineage>) -> Lineage {
    let mut all = Lineage::default();
    lineages.into_iter().for_each(|lineage| all.add(lineage));
    all
}
