//! The batch side: what DataFusion makes of the same SQL over the same admitted prefix.
//!
//! An event that fails evaluated alone counts for its projection as if it were not there, also if DataFusion need not compute
//! what fails, because the other side of a join has no rows. What fails beyond single events puts the projection in error, and
//! all that read it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use arrow::array::RecordBatch;
use readside::circuit::{Circuit, CircuitError, StepInput, ZBatch};
use readside::event::{Decoder, EventBatch};
use readside::plan::{Batch, Program, Scope, Selected};
use readside::progress::Watermark;
use readside::read_model::table::{Table, TableSpec};

use super::admission::{Admission, Place, sequence};
use super::rows::{Bag, add};
use super::run::{Failure, Kind};
use super::setup::Messages;
use super::shares::Shares;

/// The batch results of one case.
pub(super) struct Truth {
    scope: Scope,
    decoders: Vec<Decoder>,
    /// Each after those that it reads.
    projections: Vec<Projection>,
    /// What the circuit makes of an event alone, by projection.
    alone: RefCell<HashMap<(String, Place), Alone>>,
    /// Whether the batch agrees that it fails.
    fails: RefCell<HashMap<(String, Place), bool>>,
}

/// What becomes of an event that a circuit takes before any other.
#[derive(Clone, Copy)]
enum Alone {
    Parked,
    /// A group or a pair of it fails, which is the projection's fault and not the event's.
    InError,
    Taken,
}

struct Projection {
    name: String,
    query: Batch,
    /// Of its joins.
    sides: Vec<Batch>,
    /// Until they were looked at, at the first cut that has rows.
    shares: RefCell<Option<Shares>>,
    /// Projections that it reads.
    upstream: Vec<String>,
    /// Has taken nothing.
    circuit: Circuit,
}

/// What a projection must be at a cut.
pub(super) struct Expected {
    pub(super) rows: Bag,
    /// Whether a row's first column or key is NULL.
    pub(super) null_key: bool,
    result: RecordBatch,
    pub(super) parked: BTreeSet<Place>,
    /// Why the batch failed over all events, if it did.
    pub(super) error: Option<String>,
    /// Why there is no result, also without the parked events. The rows say nothing then.
    pub(super) in_error: Option<String>,
}

/// The events of each source, whole or in parts.
type Events = BTreeMap<String, Vec<EventBatch>>;

impl Truth {
    pub(super) fn new(program: &Program) -> Result<Self, String> {
        let scope = program.scope();
        let decoders = program.sources.iter().map(|source| Decoder::new(source.decoder.schema().clone()));
        let decoders = decoders.collect::<Result<_, _>>().map_err(|problems| format!("{problems:?}"))?;
        let projections = program.projections.iter().map(|planned| {
            let query = Batch::new(&planned.config, &scope).map_err(|refusal| refusal.message)?;
            let sides = query.sides().map_err(|refusal| refusal.message)?;
            let (name, upstream) = (planned.config.name.clone(), planned.compiled.upstream.clone());
            let circuit = planned.compiled.circuit.afresh().map_err(|error| error.to_string())?;
            let shares = RefCell::new(Some(Shares::of(Selected::from(&planned.config), &scope, &name)?));
            Ok(Projection { name, query, sides, shares, upstream, circuit })
        });
        let projections = projections.collect::<Result<_, String>>()?;
        Ok(Self { scope, decoders, projections, alone: RefCell::default(), fails: RefCell::default() })
    }

    /// What every projection must be over what is admitted.
    pub(super) fn at(&self, messages: &Messages, admission: &Admission) -> Result<BTreeMap<String, Expected>, Failure> {
        let events = self.admitted(messages, admission)?;
        let mut expected = BTreeMap::new();
        let mut results: BTreeMap<String, RecordBatch> = BTreeMap::new();
        for projection in &self.projections {
            let name = &projection.name;
            let of_input = projection
                .upstream
                .iter()
                .find(|input| expected.get(*input).is_some_and(|input: &Expected| input.in_error.is_some()));
            let one = match of_input {
                Some(input) => self.in_error(name, BTreeSet::new(), format!("reads `{input}`")),
                None => self.projection(projection, &events, &results)?,
            };
            results.insert(name.clone(), one.result.clone());
            expected.insert(name.clone(), one);
        }
        Ok(expected)
    }

    fn in_error(&self, name: &str, parked: BTreeSet<Place>, error: String) -> Expected {
        let result = RecordBatch::new_empty(self.scope.projections[name].schema.clone());
        let (rows, in_error) = (Bag::new(), Some(error));
        Expected { rows, null_key: false, result, parked, error: in_error.clone(), in_error }
    }

    /// Whether a projection fails whatever there is, over a constant.
    pub(super) fn fails_over_nothing(&self, messages: &Messages, name: &str) -> bool {
        let expected = self.at(messages, &Admission::default());
        expected.is_ok_and(|expected| expected[name].in_error.is_some())
    }

    /// Whether the rows can be kept under the projection's key at all.
    pub(super) fn fits_key(&self, name: &str, expected: &Expected) -> bool {
        let schema = &self.scope.projections[name];
        let spec = TableSpec {
            name: name.to_owned(),
            schema: schema.schema.clone(),
            key: schema.key.clone(),
            key_proven: false,
            indexes: Vec::new(),
        };
        let table = Table::new(Arc::new(spec));
        table.is_ok_and(|mut table| table.apply(&ZBatch::inserts(expected.result.clone())).is_ok())
    }

    /// Decodes the prefix at once, however it was cut, and leaves out what is held back.
    fn admitted(&self, messages: &Messages, admission: &Admission) -> Result<Events, Failure> {
        let mut events = Events::new();
        for decoder in &self.decoders {
            let schema = decoder.schema();
            let name = &schema.source;
            let mut watermark = Watermark::new(schema.lateness_us, None);
            let decoded = decoder.decode(&messages[name][..admission.position(name)], &mut watermark);
            let admitted = decoded.and_then(|decoded| admission.divided(name, decoded.batch));
            let (admitted, _) = admitted.map_err(|error| Failure::new(Kind::Batch, name, error.to_string()))?;
            events.insert(name.clone(), vec![admitted]);
        }
        Ok(events)
    }

    fn projection(
        &self,
        projection: &Projection,
        events: &Events,
        results: &BTreeMap<String, RecordBatch>,
    ) -> Result<Expected, Failure> {
        let Projection { name, query, .. } = projection;
        let whole = self.batch(query, events, results);
        let error = whole.as_ref().err().cloned();
        let (passed, parked) = self.parked(projection, events, error.is_some())?;
        let result = if parked.is_empty() { whole } else { self.batch(query, &passed, results) };
        let result = match result {
            Ok(result) => result,
            Err(error) => return Ok(self.in_error(name, parked, error)),
        };
        if let Some(shares) = projection.shares.borrow_mut().take_if(|_| result.num_rows() > 1) {
            let checked = shares.check(&|source, table| self.rows(source, table, &passed, results), &result);
            checked.map_err(|error| Failure::new(Kind::Batch, name, error))?;
        }
        Ok(self.expected(name, result, parked, error))
    }

    /// The events without those that fail alone, and where these are. Whether the batch fails over all of them says whether
    /// one that the circuit takes may be among these.
    fn parked(
        &self,
        projection: &Projection,
        events: &Events,
        fails: bool,
    ) -> Result<(Events, BTreeSet<Place>), Failure> {
        let mut passed = Events::new();
        let mut parked = BTreeSet::new();
        for (source, batches) in events {
            let mut kept = Vec::new();
            for batch in batches {
                for row in 0..batch.len() {
                    let (place, alone) = ((source.clone(), sequence(batch, row)), batch.slice(row, 1));
                    if self.fails_alone(projection, &place, &alone, fails)? {
                        parked.insert(place);
                    } else {
                        kept.push(alone);
                    }
                }
            }
            passed.insert(source.clone(), kept);
        }
        Ok((passed, parked))
    }

    fn expected(&self, name: &str, result: RecordBatch, parked: BTreeSet<Place>, error: Option<String>) -> Expected {
        let mut rows = Bag::new();
        add(&mut rows, &result, |_| 1);
        let key = self.scope.projections[name].key.iter();
        let null_key = key.chain([&0]).any(|&place| result.column(place).null_count() > 0);
        Expected { rows, null_key, result, parked, error, in_error: None }
    }

    /// Whether an event fails evaluated alone, before it meets others: a group or a pair of one event alone may fail too, and
    /// that is the projection's fault.
    fn fails_alone(
        &self,
        projection: &Projection,
        place: &Place,
        alone: &EventBatch,
        fails: bool,
    ) -> Result<bool, Failure> {
        let Projection { name, query, sides, .. } = projection;
        let key = (name.clone(), place.clone());
        let known = self.alone.borrow().get(&key).copied();
        let made = known.map_or_else(|| alone_in(projection, place, alone), Ok)?;
        self.alone.borrow_mut().insert(key.clone(), made);
        let sides = match made {
            Alone::InError => return Ok(false),
            Alone::Taken if !fails => return Ok(false),
            Alone::Taken => &[],
            Alone::Parked => sides.as_slice(),
        };
        let known = self.fails.borrow().get(&key).copied();
        let fails = known.unwrap_or_else(|| {
            let only = Events::from([(place.0.clone(), vec![alone.clone()])]);
            [query].into_iter().chain(sides).any(|part| self.batch(part, &only, &BTreeMap::new()).is_err())
        });
        self.fails.borrow_mut().insert(key, fails);
        Ok(fails)
    }

    fn batch(
        &self,
        query: &Batch,
        events: &Events,
        results: &BTreeMap<String, RecordBatch>,
    ) -> Result<RecordBatch, String> {
        let rows = |source: Option<&str>, table: &str| self.rows(source, table, events, results);
        query.run(&rows).map_err(|refusal| refusal.message)
    }

    /// The rows of a relation.
    fn rows(
        &self,
        source: Option<&str>,
        table: &str,
        events: &Events,
        results: &BTreeMap<String, RecordBatch>,
    ) -> Vec<RecordBatch> {
        let Some(source) = source else { return results.get(table).cloned().into_iter().collect() };
        let schema = &self.scope.sources[source].schema;
        let Some(relation) = schema.relation(table) else { return Vec::new() };
        let full = schema.relation_schema(relation);
        let all: Vec<usize> = (0..full.fields().len()).collect();
        let batches = events.get(source).into_iter().flatten();
        batches.filter_map(|batch| batch.relation(relation, &full, &all).ok()).collect()
    }
}

/// What the circuit of a projection makes of an event alone.
fn alone_in(projection: &Projection, place: &Place, alone: &EventBatch) -> Result<Alone, Failure> {
    let failure = |error: CircuitError| Failure::new(Kind::Step, &projection.name, error.to_string());
    let mut circuit = projection.circuit.afresh().map_err(failure)?;
    let input = StepInput { events: vec![(&place.0, alone)], ..StepInput::default() };
    let (_, rejected) = circuit.step(&input).map_err(failure)?;
    Ok(match (rejected.is_empty(), circuit.errors().len()) {
        (false, _) => Alone::Parked,
        (true, 0) => Alone::Taken,
        (true, _) => Alone::InError,
    })
}
