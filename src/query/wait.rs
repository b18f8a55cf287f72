//! Waiting for a position: what a writer's publish ack returned, a reader may demand (DESIGN: P5).

use std::collections::BTreeMap;
use std::time::Duration;

use super::limits::Admission;
use super::{ErrorKind, QueryError, did_you_mean, now_us};
use crate::progress::{Basis, Freshness, Position, SourceName};
use crate::read_model::catalog::Catalog;
use crate::read_model::{Caller, ReadView};

/// The stream that each source reads; none for a source that reads a file.
#[derive(Debug, Clone, Default)]
pub struct Streams(pub BTreeMap<SourceName, Option<String>>);

impl Streams {
    /// The sources that are meant by a source's or a stream's name. Several may read one stream, each its own subjects.
    fn resolve(&self, name: &str) -> Result<Vec<SourceName>, QueryError> {
        if let Some((source, _)) = self.0.get_key_value(name) {
            return Ok(vec![source.clone()]);
        }
        let reads = |stream: &Option<String>| stream.as_deref() == Some(name);
        let sources: Vec<_> = self.0.iter().filter(|(_, stream)| reads(stream)).map(|(name, _)| name.clone()).collect();
        if sources.is_empty() {
            let names = self.0.iter().flat_map(|(source, stream)| [Some(&**source), stream.as_deref()]).flatten();
            return Err(QueryError::invalid(format!("`{name}` in minPosition is neither a source nor a stream"))
                .near(did_you_mean(name, names)));
        }
        Ok(sources)
    }
}

/// What a reader demands of an answer's freshness.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Demand {
    pub positions: BTreeMap<SourceName, Position>,
    pub wait: Duration,
}

impl Demand {
    /// Reads `orders:802711,PAYMENTS:17` and `2s`.
    ///
    /// # Errors
    /// Where a source or stream is unknown, a text is written in another way, or the wait is longer than `longest`.
    pub fn parse(
        min_position: Option<&str>,
        wait: Option<&str>,
        streams: &Streams,
        longest: Duration,
    ) -> Result<Self, QueryError> {
        let mut demand = Demand::default();
        for part in min_position.into_iter().flat_map(|text| text.split(',')) {
            let position = part.trim().rsplit_once(':').and_then(|(name, seq)| Some((name, seq.parse::<u64>().ok()?)));
            let Some((name, seq)) = position else {
                return Err(QueryError::invalid(format!("minPosition has `{part}`, which is not `source:sequence`"))
                    .hint("write minPosition=orders:802711"));
            };
            for source in streams.resolve(name)? {
                let demanded = demand.positions.entry(source).or_default();
                *demanded = Position::from(seq).max(*demanded);
            }
        }
        if let Some(text) = wait {
            demand.wait = duration(text)
                .ok_or_else(|| QueryError::invalid(format!("wait is `{text}`")).hint("write wait=2s or wait=500ms"))?;
            if demand.wait > longest {
                return Err(QueryError::invalid(format!("wait is {text}; at most {} s", longest.as_secs())));
            }
        }
        Ok(demand)
    }
}

/// The first snapshot, as the caller reads it, at which `basis` reaches what is demanded, at once or within the demanded time.
pub(super) async fn wait(
    catalog: &Catalog,
    caller: Caller,
    admission: &Admission,
    demand: &Demand,
    basis: impl Fn(&ReadView) -> Result<Basis, QueryError>,
) -> Result<(ReadView, Basis), QueryError> {
    let mut receiver = catalog.subscribe();
    let deadline = tokio::time::Instant::now() + demand.wait;
    loop {
        let view = ReadView::new(receiver.borrow_and_update().clone(), caller);
        let reached = basis(&view)?;
        if reached.reaches(&demand.positions) {
            return Ok((view, reached));
        }
        // A catalog that is gone publishes nothing more: the answer is the same as at the deadline.
        let changed = admission.wait(tokio::time::timeout_at(deadline, receiver.changed())).await?;
        if !matches!(changed, Ok(Ok(()))) {
            return Err(behind(&view, &reached, demand));
        }
    }
}

fn behind(view: &ReadView, basis: &Basis, demand: &Demand) -> QueryError {
    let missing = demand.positions.iter().filter(|(name, _)| basis.reads.contains_key(*name));
    let missing = missing.filter(|(name, position)| basis.cut.position(name) < **position);
    let missing = missing.map(|(name, position)| format!("{name} is at {}, not {position}", basis.cut.position(name)));
    let missing: Vec<String> = missing.collect();
    let waited = if demand.wait.is_zero() { String::new() } else { format!(" after {} ms", demand.wait.as_millis()) };
    let error = QueryError::new(ErrorKind::Behind, format!("position not reached{waited}: {}", missing.join(", ")));
    let error = if demand.wait.is_zero() { error.hint("say how long to wait for it: wait=2s") } else { error };
    error.with_freshness(Freshness::of(basis, view.sources(), &demand.positions, now_us()))
}

fn duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let number: u64 = text[..digits].parse().ok()?;
    match &text[digits..] {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_secs(number.checked_mul(60)?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn streams() -> Streams {
        let stream = |name: &str| Some(name.to_owned());
        let pairs = [("orders", stream("SHOP")), ("payments", stream("SHOP")), ("audit", stream("AUDIT"))];
        Streams(pairs.into_iter().map(|(name, stream)| (name.into(), stream)).collect())
    }

    fn parse(min_position: &str, wait: &str) -> Result<Demand, String> {
        Demand::parse(Some(min_position), Some(wait), &streams(), Duration::from_secs(60)).map_err(|e| e.detail)
    }

    #[test]
    fn a_stream_stands_for_every_source_that_reads_it() {
        let demand = parse("SHOP:7,audit:3,orders:9", "500ms").unwrap();
        let positions: Vec<_> = demand.positions.iter().map(|(name, seq)| (&**name, seq.sequence())).collect();
        assert_eq!(positions, [("audit", 3), ("orders", 9), ("payments", 7)]);
        assert_eq!(demand.wait, Duration::from_millis(500));
    }

    #[test]
    fn what_cannot_be_understood_is_refused() {
        assert_eq!(parse("order:1", "1s").unwrap_err(), "`order` in minPosition is neither a source nor a stream");
        assert_eq!(parse("orders", "1s").unwrap_err(), "minPosition has `orders`, which is not `source:sequence`");
        assert_eq!(
            parse("orders:-1", "1s").unwrap_err(),
            "minPosition has `orders:-1`, which is not `source:sequence`"
        );
        assert_eq!(parse("orders:1", "2").unwrap_err(), "wait is `2`");
        assert_eq!(parse("orders:1", "2m").unwrap_err(), "wait is 2m; at most 60 s");
    }
}
