//! What is parked by now and was not before. Pure.

use std::sync::Arc;

use crate::lifecycle::Parked;

/// The events that are parked by now and were not before, or for another reason. Both lists are in the order of their places.
///
/// Another generation of a projection that parks the same event for the same reason says nothing new.
pub(super) fn newly_parked<'a>(before: &[Arc<Parked>], now: &'a [Arc<Parked>]) -> Vec<&'a Parked> {
    let mut new = Vec::new();
    let mut earlier = before.iter().peekable();
    for parked in now {
        while earlier.next_if(|known| known.place() < parked.place()).is_some() {}
        // Most are the very same.
        if earlier.next_if(|known| Arc::ptr_eq(known, parked)).is_none() && !is_known(before, parked) {
            new.push(&**parked);
        }
    }
    new
}

/// Whether any generation of the projection has parked it for the same reason.
fn is_known(before: &[Arc<Parked>], parked: &Parked) -> bool {
    let (source, sequence, projection, _) = parked.place();
    let of_any = (source, sequence, projection);
    let begin = before.partition_point(|known| known.place() < (source, sequence, projection, 0));
    let same = before[begin..].iter().take_while(|known| {
        let (source, sequence, projection, _) = known.place();
        (source, sequence, projection) == of_any
    });
    let fault = |parked: &Parked| (parked.rejected.reason, parked.rejected.pointer.clone());
    same.into_iter().any(|known| fault(known) == fault(parked))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Headers, Message, Reason, Rejected};
    use crate::lifecycle::GenerationId;

    /// Sequence, generation (0 where no projection has it), and the pointer of the fault.
    fn parked(sequence: u64, generation: u64, pointer: &str) -> Arc<Parked> {
        let message = Message {
            seq: sequence,
            subject: "orders.1".to_owned(),
            headers: Headers::default(),
            payload: bytes::Bytes::new(),
            published_at_us: 0,
            unreadable: None,
        };
        let rejected = Rejected {
            message,
            reason: Reason::WrongType,
            pointer: Some(pointer.to_owned()),
            detail: String::new(),
            event_type: None,
            undeclared_type: None,
            late: None,
        };
        let generation = (generation > 0).then(|| GenerationId::new("totals", generation));
        Arc::new(Parked { source: "orders".into(), generation, rejected })
    }

    fn new(before: &[Arc<Parked>], now: &[Arc<Parked>]) -> Vec<u64> {
        newly_parked(before, now).into_iter().map(|parked| parked.rejected.message.seq).collect()
    }

    #[test]
    fn only_what_was_not_parked_before_is_new() {
        let all: Vec<_> = (1..=5).map(|sequence| parked(sequence, 0, "/a")).collect();
        assert_eq!(new(&[], &all), [1, 2, 3, 4, 5]);
        assert_eq!(new(&all, &all), [0; 0]);
        assert_eq!(new(&[all[1].clone(), all[3].clone()], &all), [1, 3, 5]);
        assert_eq!(new(&all, &all[2..4]), [0; 0]);
    }

    #[test]
    fn the_same_fault_is_told_once_and_another_one_again() {
        let before = [parked(1, 0, "/a"), parked(1, 1, "/a"), parked(2, 1, "/a")];
        assert_eq!(new(&before, &[parked(1, 0, "/a"), parked(1, 2, "/a"), parked(2, 2, "/a")]), [0; 0]);
        assert_eq!(new(&before, &[parked(1, 0, "/b"), parked(1, 2, "/a"), parked(2, 2, "/b")]), [1, 2]);
    }
}
