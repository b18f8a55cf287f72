//! The incremental side: every projection's circuit, what its deltas add up to, and its table. Circuits share what they
//! compute alike. State can be captured, and taken up again by circuits compiled anew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use readside::circuit::{
    Circuit, CircuitError, Handles, Memo, OperatorStores, RowError, StepInput, Watermarks, ZBatch, share,
};
use readside::event::{Decoder, EventBatch, Message};
use readside::plan::Program;
use readside::progress::Watermark;
use readside::read_model::table::{Table, TableSpec};
use readside::state::{StateDelta, StoredSegment};

use super::admission::{Admission, Place, event_type, sequence, with};
use super::case::Case;
use super::met::Stepped;
use super::rows::{Bag, add};
use super::run::{Failure, Kind};
use super::setup::Messages;

/// All projections of a case, and how far each source has been read.
pub(super) struct Kept {
    decoders: Vec<Arc<Decoder>>,
    circuits: Vec<One>,
    progress: Progress,
}

/// What a checkpoint keeps beside the stores.
#[derive(Clone, Default)]
pub(super) struct Progress {
    /// Messages read, by source.
    positions: BTreeMap<String, usize>,
    watermarks: BTreeMap<String, Watermark>,
    /// Events read and not admitted.
    held: BTreeMap<Place, EventBatch>,
    /// By projection.
    bags: Vec<Bag>,
    parked: Vec<BTreeSet<Place>>,
    /// By projection: the changes that its table has yet to take, because it is in error.
    untaken: Vec<Vec<ZBatch>>,
    /// By projection: whether it is in error, or reads what is.
    in_error: Vec<bool>,
}

/// Captured state: segments by store.
#[derive(Default, Clone)]
pub(super) struct Captured {
    progress: Progress,
    stores: BTreeMap<String, BTreeMap<u64, StoredSegment>>,
    /// By projection: its operators with state, and what their stores must hold.
    operators: BTreeMap<String, Vec<OperatorStores>>,
}

struct One {
    name: String,
    reads: BTreeSet<String>,
    /// Projections that it reads.
    upstream: Vec<String>,
    circuit: Circuit,
    table: Option<Table>,
}

/// What the names of a projection's stores begin with.
fn prefix(projection: &str) -> String {
    format!("{projection}/")
}

/// The store of the circuit's errors.
fn errors_store(projection: &str) -> String {
    format!("{projection}/errors")
}

/// The store of the table's rows.
fn table_store(projection: &str) -> String {
    format!("{projection}/rows")
}

impl Kept {
    /// Circuits compiled anew, which go on from what was captured.
    pub(super) fn start(case: &Case, program: Program, captured: &Captured) -> Result<Self, Failure> {
        let mut circuits: Vec<One> = Vec::new();
        let (mut stores, mut shared) = (captured.stores(), Handles::default());
        for planned in program.projections {
            let name = planned.config.name;
            let failure = |kind, error: String| Failure::new(kind, &name, error);
            let rows = stores.remove(&table_store(&name)).unwrap_or_default();
            let schema = planned.compiled.schema;
            let spec = TableSpec {
                name: name.clone(),
                schema: schema.schema.clone(),
                key: schema.key.clone(),
                key_proven: schema.key_proven,
                indexes: Vec::new(),
            };
            let is_table = case.projections.iter().any(|declared| declared.name == name && declared.is_table);
            let table = match is_table {
                true => Some(
                    Table::restore(Arc::new(spec), rows).map_err(|error| failure(Kind::Restore, error.to_string()))?,
                ),
                false => None,
            };
            let mut circuit = planned.compiled.circuit;
            let operators = captured.operators.get(&name);
            let prefixes = operators.into_iter().flatten().map(|one| (one.identity, one.prefix.clone()));
            circuit.name_stores(&prefix(&name), &prefixes.collect());
            if let Some(operators) = operators {
                let same = circuit.stores().map_err(|error| failure(Kind::Restore, error.to_string()))?;
                let identities = |stores: &[OperatorStores]| stores.iter().map(|one| one.identity).collect::<Vec<_>>();
                if identities(&same) != identities(operators) {
                    return Err(failure(
                        Kind::Restore,
                        "compiled anew, its operators have other identities".to_owned(),
                    ));
                }
                let errors = stores.remove(&errors_store(&name)).unwrap_or_default();
                circuit.restore_errors(&errors).map_err(|error| failure(Kind::Restore, error.to_string()))?;
                if planned.compiled.upstream.is_empty() && circuit.errors().len() == 0 {
                    let bag = captured.progress.bags.get(circuits.len()).cloned().unwrap_or_default();
                    check_adopted(&circuit, operators, captured, &bag)
                        .map_err(|error| failure(Kind::Restore, error))?;
                }
                let restored = circuit.restore(&mut stores, &mut shared);
                restored.map_err(|error| failure(Kind::Restore, error.to_string()))?;
            }
            let reads = schema.reads.keys().map(|source| source.to_string()).collect();
            circuits.push(One { name, reads, upstream: planned.compiled.upstream, circuit, table });
        }
        share(&mut circuits.iter_mut().map(|one| (one.name.as_str(), &mut one.circuit)).collect::<Vec<_>>());
        let mut progress = captured.progress.clone();
        progress.bags.resize(circuits.len(), Bag::new());
        progress.parked.resize(circuits.len(), BTreeSet::new());
        progress.untaken.resize(circuits.len(), Vec::new());
        progress.in_error.resize(circuits.len(), false);
        Ok(Self { decoders: program.sources.into_iter().map(|source| source.decoder).collect(), circuits, progress })
    }

    /// Takes one step over everything admitted since the last one.
    pub(super) fn step(&mut self, messages: &Messages, to: &Admission) -> Result<Stepped, Failure> {
        let mut stepped = Stepped::default();
        let mut batches: Vec<(String, EventBatch)> = Vec::new();
        for decoder in &self.decoders {
            let source = &decoder.schema().source;
            let events = self.progress.events(decoder, &messages[source], to, &mut stepped);
            let events = events.map_err(|error| Failure::new(Kind::Step, source, error.to_string()))?;
            batches.extend(events.map(|events| (source.clone(), events)));
        }
        let watermarks = self.progress.watermarks.iter();
        let watermarks: Watermarks<'_> =
            watermarks.filter_map(|(source, watermark)| Some((source.as_str(), watermark.value_us()?))).collect();
        let memo = Memo::default();
        let mut outputs: BTreeMap<String, ZBatch> = BTreeMap::new();
        let mut in_error: BTreeSet<String> = BTreeSet::new();
        for (place, one) in self.circuits.iter_mut().enumerate() {
            let delta = one.step(&batches, &outputs, &mut self.progress.parked[place], &watermarks, &memo)?;
            let takes_back = (0..delta.len()).any(|row| delta.weight(row) < 0);
            if takes_back || one.upstream.iter().any(|name| stepped.retracted.contains(name)) {
                stepped.retracted.insert(one.name.clone());
            }
            let bag = &mut self.progress.bags[place];
            add(bag, &delta.rows, |row| delta.weight(row));
            if let Some((row, count)) = bag.iter().find(|(_, count)| **count < 0) {
                return Err(Failure::new(Kind::Rows, &one.name, format!("{count} times the row {row}")));
            }
            let is_in_error = one.circuit.errors().len() > 0 || one.upstream.iter().any(|name| in_error.contains(name));
            self.progress.in_error[place] = is_in_error;
            let untaken = &mut self.progress.untaken[place];
            untaken.push(delta.clone());
            if is_in_error {
                in_error.insert(one.name.clone());
            } else {
                one.keep(&std::mem::take(untaken), bag)?;
            }
            outputs.insert(one.name.clone(), delta);
        }
        Ok(stepped)
    }

    /// A projection's rows and its parked events.
    pub(super) fn state(&self, name: &str) -> Option<(&Bag, &BTreeSet<Place>)> {
        let place = self.circuits.iter().position(|one| one.name == name)?;
        Some((&self.progress.bags[place], &self.progress.parked[place]))
    }

    /// Whether a projection is in error, or reads what is.
    pub(super) fn is_in_error(&self, name: &str) -> bool {
        let place = self.circuits.iter().position(|one| one.name == name);
        place.is_some_and(|place| self.progress.in_error[place])
    }

    /// What cannot be computed of a projection.
    pub(super) fn errors(&self, name: &str) -> Vec<(&'static str, RowError)> {
        let of = self.circuits.iter().filter(|one| one.name == name);
        of.flat_map(|one| one.circuit.errors()).map(|(operator, error)| (operator, error.clone())).collect()
    }

    /// Checks that errors are those of another run over the same events.
    pub(super) fn has_errors_of(&self, other: &Kept) -> Result<(), Failure> {
        for One { name, .. } in &self.circuits {
            let (own, others) = (self.errors(name), other.errors(name));
            if own != others {
                let message = format!("commit by commit the errors are {own:?}, in one commit {others:?}");
                return Err(Failure::new(Kind::Step, name, message));
            }
        }
        Ok(())
    }

    /// Adds what changed since the last call to what was captured before.
    pub(super) fn capture(&mut self, captured: &mut Captured) -> Result<(), Failure> {
        for one in &mut self.circuits {
            let failure = |error: String| Failure::new(Kind::Capture, &one.name, error);
            let mut deltas = one.circuit.capture().map_err(|error| failure(error.to_string()))?;
            let errors = one.circuit.capture_errors().map_err(|error| failure(error.to_string()))?;
            deltas.extend(errors.map(|delta| (errors_store(&one.name), delta)));
            if let Some(table) = &mut one.table {
                let delta = table.capture().map_err(|error| failure(error.to_string()))?;
                deltas.extend(delta.map(|delta| (table_store(&one.name), delta)));
            }
            for (store, delta) in deltas {
                captured.write(store, delta).map_err(failure)?;
            }
            let operators = one.circuit.stores().map_err(|error| failure(error.to_string()))?;
            captured.operators.insert(one.name.clone(), operators);
        }
        captured.progress = self.progress.clone();
        captured.check_shapes()
    }
}

/// A circuit that takes over the state of all its operators at once, as a changed projection takes over that of those that
/// did not change, gives all rows in its next step, if it needs no event for it.
fn check_adopted(
    circuit: &Circuit,
    operators: &[OperatorStores],
    captured: &Captured,
    bag: &Bag,
) -> Result<(), String> {
    let adopted = || -> Result<Option<ZBatch>, CircuitError> {
        let mut twin = circuit.afresh()?;
        let adoptable = twin.adoptable()?;
        let there = operators.iter().filter(|operator| adoptable.contains(&operator.identity));
        let prefixes = there.map(|operator| (operator.identity, operator.prefix.clone())).collect();
        twin.adopt(&prefixes, &mut captured.stores(), &mut Handles::default())?;
        if twin.needs_events() {
            return Ok(None);
        }
        let held = twin.step(&StepInput::default())?.0;
        assert!(held.is_empty(), "what is held gives nothing");
        twin.release();
        Ok(Some(twin.step(&StepInput::default())?.0))
    };
    let Some(output) = adopted().map_err(|error| error.to_string())? else { return Ok(()) };
    let mut found = Bag::new();
    add(&mut found, &output.rows, |row| output.weight(row));
    (found == *bag).then_some(()).ok_or_else(|| format!("from adopted state {found:?}, by deltas {bag:?}"))
}

impl Progress {
    /// What a step reads of one source: the new events but for those held back, and the old ones that are so no more.
    fn events(
        &mut self,
        decoder: &Decoder,
        messages: &[Message],
        to: &Admission,
        stepped: &mut Stepped,
    ) -> Result<Option<EventBatch>, ArrowError> {
        let schema = decoder.schema();
        let source = &schema.source;
        let from = self.positions.insert(source.clone(), to.position(source)).unwrap_or(0);
        let watermark = self.watermarks.entry(source.clone());
        let watermark = watermark.or_insert_with(|| Watermark::new(schema.lateness_us, None));
        let decoded = decoder.decode(&messages[from..to.position(source)], watermark)?;
        let (admitted, held) = to.divided(source, decoded.batch)?;
        let is_back = |place: &Place| place.0 == *source && !to.held.contains(place);
        let back: Vec<EventBatch> = self.held.extract_if(.., |place, _| is_back(place)).map(|(_, one)| one).collect();
        self.held.extend(held);
        stepped.readmitted.extend(back.iter().map(|event| (source.clone(), event_type(event))));
        let events = if back.is_empty() { admitted } else { with(&admitted, back)? };
        Ok((from < to.position(source) || !events.is_empty()).then_some(events))
    }
}

impl One {
    fn step(
        &mut self,
        batches: &[(String, EventBatch)],
        outputs: &BTreeMap<String, ZBatch>,
        parked: &mut BTreeSet<Place>,
        watermarks: &Watermarks<'_>,
        memo: &Memo,
    ) -> Result<ZBatch, Failure> {
        let read = batches.iter().filter(|(source, _)| self.reads.contains(source));
        let input = StepInput {
            events: read.map(|(source, batch)| (source.as_str(), batch)).collect(),
            deltas: outputs.iter().map(|(name, delta)| (name.as_str(), delta)).collect(),
            watermarks: watermarks.clone(),
            memo: Some(memo),
        };
        let stepped = self.circuit.step(&input);
        let (delta, rejected) = stepped.map_err(|error| Failure::new(Kind::Step, &self.name, error.to_string()))?;
        for attributable in rejected {
            let source = attributable.source;
            if let Some((_, batch)) = batches.iter().find(|(name, _)| *name == source) {
                parked.insert((source, sequence(batch, attributable.row)));
            }
        }
        Ok(delta)
    }

    /// The table takes the deltas since it last did, and must then hold what all deltas add up to.
    fn keep(&mut self, deltas: &[ZBatch], bag: &Bag) -> Result<(), Failure> {
        let Some(table) = &mut self.table else { return Ok(()) };
        let failure = |error: String| Failure::new(Kind::Table, &self.name, error);
        let delta = ZBatch::concat(&table.spec().schema, deltas).map_err(|error| failure(error.to_string()))?;
        if !delta.is_empty() {
            table.apply(&delta).map_err(|error| failure(error.to_string()))?;
        }
        let mut rows = Bag::new();
        for batch in table.snapshot().scan() {
            add(&mut rows, &batch.map_err(|error| failure(error.to_string()))?, |_| 1);
        }
        if rows != *bag {
            return Err(failure(format!("the table holds {rows:?}, the deltas add up to {bag:?}")));
        }
        Ok(())
    }
}

impl Captured {
    pub(super) fn positions(&self) -> &BTreeMap<String, usize> {
        &self.progress.positions
    }

    /// Segments in ascending order.
    fn stores(&self) -> BTreeMap<String, Vec<StoredSegment>> {
        let stores = self.stores.iter();
        stores.map(|(store, segments)| (store.clone(), segments.values().cloned().collect())).collect()
    }

    /// Every store holds the columns and as many live rows as its operator says.
    fn check_shapes(&self) -> Result<(), Failure> {
        for (projection, operators) in &self.operators {
            for operator in operators {
                for (end, shape) in &operator.stores {
                    let segments = self.stores.get(&format!("{}{end}", operator.prefix)).into_iter().flatten();
                    let mut rows = 0;
                    for (_, segment) in segments {
                        rows += segment.live.iter().filter(|live| **live).count() as u64;
                        if segment.rows.schema() != shape.schema {
                            let columns =
                                format!("{} keeps {}, and says {}", operator.name, segment.rows.schema(), shape.schema);
                            return Err(Failure::new(Kind::Capture, projection, columns));
                        }
                    }
                    if rows != shape.rows {
                        let counts = format!("{} keeps {rows} rows, and says {}", operator.name, shape.rows);
                        return Err(Failure::new(Kind::Capture, projection, counts));
                    }
                }
            }
        }
        Ok(())
    }

    fn write(&mut self, store: String, delta: StateDelta) -> Result<(), String> {
        let segments = self.stores.entry(store).or_default();
        for id in delta.dropped {
            segments.remove(&id).ok_or_else(|| format!("segment {id} is dropped but was never written"))?;
        }
        let Some(segment) = delta.segment else { return Ok(()) };
        for dead in &segment.dead {
            if let Some(earlier) = segments.get_mut(&dead.segment) {
                earlier.live[dead.row as usize] = false;
            }
        }
        let rows = written_and_read(&segment.rows).map_err(|error| error.to_string())?;
        let live = vec![true; rows.num_rows()];
        segments.insert(segment.id, StoredSegment { id: segment.id, rows, live, dead: segment.dead });
        Ok(())
    }
}

/// The batch as a checkpoint gives it back.
fn written_and_read(rows: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let mut writer = StreamWriter::try_new(Vec::new(), &rows.schema())?;
    writer.write(rows)?;
    let bytes = writer.into_inner()?;
    let mut reader = StreamReader::try_new(bytes.as_slice(), None)?;
    reader.next().unwrap_or_else(|| Ok(RecordBatch::new_empty(rows.schema())))
}
