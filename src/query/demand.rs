//! What a reader demands of an answer's freshness: positions that it contains, a longest lag, and that nothing is missing.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{QueryError, did_you_mean};
use crate::progress::{Freshness, Position, SourceName};

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
    /// How old the answer may be; any age if it is not said.
    pub max_lag: Option<Duration>,
    /// Whether an answer is refused to which an event may belong that is parked or vanished.
    pub complete: bool,
    /// Whether an answer is refused that is known or feared to miss something which is stored.
    pub not_stale: bool,
    /// How long to wait until all of that holds.
    pub wait: Duration,
}

/// The same as it is written; what is left out is not demanded.
#[derive(Debug, Clone, Copy, Default)]
pub struct DemandTexts<'a> {
    /// `orders:802711,PAYMENTS:17`
    pub min_position: Option<&'a str>,
    /// `5s`
    pub max_lag: Option<&'a str>,
    /// `fail` or `mark`
    pub on_incomplete: Option<&'a str>,
    /// `2s`
    pub wait: Option<&'a str>,
}

/// What a relation promises by `on_stale: refuse`: no stale answer, and none older than its `slo`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promise {
    pub max_lag: Option<Duration>,
}

/// What of a demand an answer does not keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unmet {
    Position,
    Lag,
    Stale,
    Complete,
}

impl Demand {
    /// # Errors
    /// Where a source or stream is unknown, a text is written in another way, or the wait is longer than `longest`.
    pub fn parse(texts: DemandTexts<'_>, streams: &Streams, longest: Duration) -> Result<Self, QueryError> {
        let mut demand = Demand::default();
        for part in texts.min_position.into_iter().flat_map(|text| text.split(',')) {
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
        demand.max_lag = texts.max_lag.map(|text| time("maxLag", text)).transpose()?;
        demand.complete = match texts.on_incomplete {
            None | Some("mark") => false,
            Some("fail") => true,
            Some(other) => {
                let error = QueryError::invalid(format!("onIncomplete is `{other}`; `fail` and `mark` are possible"));
                return Err(error.near(did_you_mean(other, ["fail", "mark"])));
            }
        };
        if let Some(text) = texts.wait {
            demand.wait = time("wait", text)?;
            if demand.wait > longest {
                return Err(QueryError::invalid(format!("wait is {text}; at most {} s", longest.as_secs())));
            }
        }
        Ok(demand)
    }

    /// The same, with what the relations themselves promise of their answers.
    pub(super) fn and<'a>(&self, promises: impl IntoIterator<Item = &'a Promise>) -> Self {
        let mut demand = self.clone();
        for Promise { max_lag } in promises {
            demand.not_stale = true;
            demand.max_lag = demand.max_lag.into_iter().chain(*max_lag).min();
        }
        demand
    }

    /// What an answer of this freshness does not keep.
    pub(super) fn unmet(&self, freshness: &Freshness) -> Option<Unmet> {
        // What nothing was heard of yet may be any time behind.
        let lag_s = freshness.lag_seconds.unwrap_or(f64::INFINITY);
        if !freshness.caught_up_to_requested_position {
            Some(Unmet::Position)
        } else if self.max_lag.is_some_and(|most| lag_s > most.as_secs_f64()) {
            Some(Unmet::Lag)
        } else if self.not_stale && freshness.is_stale() {
            Some(Unmet::Stale)
        } else if self.complete && freshness.incomplete {
            Some(Unmet::Complete)
        } else {
            None
        }
    }
}

fn time(name: &str, text: &str) -> Result<Duration, QueryError> {
    let wrong = || QueryError::invalid(format!("{name} is `{text}`")).hint(format!("write {name}=2s or {name}=500ms"));
    duration(text).ok_or_else(wrong)
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
    use crate::progress::{AnswerState, Basis, SourceState};

    fn streams() -> Streams {
        let stream = |name: &str| Some(name.to_owned());
        let pairs = [("orders", stream("SHOP")), ("payments", stream("SHOP")), ("audit", stream("AUDIT"))];
        Streams(pairs.into_iter().map(|(name, stream)| (name.into(), stream)).collect())
    }

    fn parse(min_position: &str, wait: &str) -> Result<Demand, String> {
        let texts = DemandTexts { min_position: Some(min_position), wait: Some(wait), ..DemandTexts::default() };
        Demand::parse(texts, &streams(), Duration::from_secs(60)).map_err(|e| e.detail)
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
        let parse = |texts| Demand::parse(texts, &streams(), Duration::from_secs(60)).map_err(|error| error.detail);
        let lag = DemandTexts { max_lag: Some("2"), ..DemandTexts::default() };
        assert_eq!(parse(lag).unwrap_err(), "maxLag is `2`");
        let incomplete = DemandTexts { on_incomplete: Some("refuse"), ..DemandTexts::default() };
        assert_eq!(parse(incomplete).unwrap_err(), "onIncomplete is `refuse`; `fail` and `mark` are possible");
    }

    #[test]
    fn an_answer_keeps_a_demand_or_not() {
        let fresh = Freshness::of(&Basis::default(), &BTreeMap::new(), &BTreeMap::new(), 0);
        let of = |reached, lag_seconds, incomplete| Freshness {
            caught_up_to_requested_position: reached,
            lag_seconds,
            incomplete,
            ..fresh.clone()
        };
        let all = Demand { max_lag: Some(Duration::from_secs(2)), complete: true, ..Demand::default() };
        let cases = [
            (of(true, Some(2.0), false), None),
            (of(true, Some(2.1), false), Some(Unmet::Lag)),
            (of(true, None, false), Some(Unmet::Lag)),
            (of(true, Some(0.0), true), Some(Unmet::Complete)),
            (of(false, None, true), Some(Unmet::Position)),
        ];
        for (freshness, expected) in cases {
            assert_eq!(all.unmet(&freshness), expected, "{freshness:?}");
        }
        let promised = all.and([&Promise { max_lag: Some(Duration::from_secs(1)) }, &Promise { max_lag: None }]);
        assert_eq!(promised, Demand { not_stale: true, max_lag: Some(Duration::from_secs(1)), ..all.clone() });
        let lost = AnswerState::Source(SourceState::Disconnected);
        let stale = Freshness { state: lost, ..of(true, Some(0.5), false) };
        assert_eq!((promised.unmet(&stale), all.unmet(&stale)), (Some(Unmet::Stale), None));
        assert_eq!(Demand::default().unmet(&of(true, None, true)), None, "nothing is demanded");
    }
}
