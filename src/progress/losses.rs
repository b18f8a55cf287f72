//! Messages that vanished from a stream before they were read: how many, and in which sequences.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::cut::SourceName;

/// More ranges than these become fewer, wider ones.
const RANGES_MAX: usize = 16;

/// Sequences among which messages are lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// The first and the last sequence, both inclusive. Between them messages may lie that were read.
    pub first: u64,
    pub last: u64,
    /// How many messages are lost among them. Where a filter leaves out subjects, some may have been of those.
    pub messages: u64,
}

/// The losses of a source, in ascending order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Losses(Vec<Loss>);

impl Loss {
    /// Every message of these sequences is lost.
    pub fn whole(first: u64, last: u64) -> Self {
        Self { first, last, messages: last.saturating_sub(first).saturating_add(1) }
    }
}

impl Losses {
    /// Adds a loss behind all others.
    pub fn push(&mut self, loss: Loss) {
        match self.0.last_mut() {
            Some(last) if loss.first <= last.last.saturating_add(1) => last.absorb(loss),
            _ => self.0.push(loss),
        }
        if self.0.len() > RANGES_MAX {
            // The two with the least between them become one.
            let distance = |pair: &[Loss]| pair[1].first - pair[0].last;
            let nearest = self.0.windows(2).enumerate().min_by_key(|(_, pair)| distance(pair)).map(|(index, _)| index);
            if let Some(index) = nearest {
                let later = self.0.remove(index + 1);
                self.0[index].absorb(later);
            }
        }
    }

    /// Adds other losses, all of them behind these.
    pub fn extend(&mut self, later: Losses) {
        later.0.into_iter().for_each(|loss| self.push(loss));
    }

    /// Takes out the losses in the sequences up to `through`. One that goes on behind it, and of which it is not known which
    /// of its messages lie where, stays.
    pub fn split_through(&mut self, through: u64) -> Losses {
        let end = self.0.partition_point(|loss| loss.last <= through);
        let mut later = self.0.split_off(end);
        if let Some(loss) = later.first_mut().filter(|loss| loss.first <= through && loss.is_whole()) {
            self.0.push(Loss::whole(loss.first, through));
            *loss = Loss::whole(through + 1, loss.last);
        }
        Losses(std::mem::replace(&mut self.0, later))
    }

    /// Messages in all.
    pub fn messages(&self) -> u64 {
        self.0.iter().map(|loss| loss.messages).sum()
    }

    pub fn ranges(&self) -> &[Loss] {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Keeps for a source the losses of the relation that lacks more messages.
pub fn keep_most(lost: &mut BTreeMap<SourceName, Losses>, source: &SourceName, other: &Losses) {
    let known = lost.entry(source.clone()).or_default();
    if other.messages() > known.messages() {
        known.clone_from(other);
    }
}

impl Loss {
    /// Whether every message of its sequences is lost.
    fn is_whole(self) -> bool {
        self == Self::whole(self.first, self.last)
    }

    fn absorb(&mut self, later: Loss) {
        self.last = self.last.max(later.last);
        self.messages += later.messages;
    }
}

impl std::fmt::Display for Losses {
    /// `3 messages in 7 to 9` or `4 messages in 7 to 9 and 12`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let messages = self.messages();
        write!(f, "{messages} {} in ", if messages == 1 { "message" } else { "messages" })?;
        for (index, loss) in self.0.iter().enumerate() {
            let before = match index {
                0 => "",
                _ if index + 1 == self.0.len() => " and ",
                _ => ", ",
            };
            match loss.first == loss.last {
                true => write!(f, "{before}{}", loss.first)?,
                false => write!(f, "{before}{} to {}", loss.first, loss.last)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn losses(ranges: &[(u64, u64)]) -> Losses {
        let mut losses = Losses::default();
        ranges.iter().for_each(|(first, last)| losses.push(Loss::whole(*first, *last)));
        losses
    }

    #[test]
    fn adjacent_losses_are_one() {
        assert_eq!(losses(&[(3, 4), (5, 5), (7, 9)]).to_string(), "6 messages in 3 to 5 and 7 to 9");
        assert_eq!(losses(&[(3, 3)]).to_string(), "1 message in 3");
    }

    #[test]
    fn many_ranges_become_fewer_and_no_message_is_forgotten() {
        let mut many = losses(&[(1, 1), (3, 3)]);
        (1..100).for_each(|n| many.push(Loss::whole(n * 10, n * 10 + 1)));
        assert_eq!((many.ranges().len(), many.messages()), (RANGES_MAX, 200));
        let ends = (many.ranges()[0].first, many.ranges()[RANGES_MAX - 1].last);
        assert_eq!(ends, (1, 991));
    }

    #[test]
    fn what_is_covered_is_taken_out() {
        let mut all = losses(&[(3, 4), (7, 9)]);
        assert_eq!(all.split_through(8), losses(&[(3, 4), (7, 8)]));
        assert_eq!(all, losses(&[(9, 9)]));
        let part = Loss { first: 3, last: 9, messages: 2 };
        let mut all = Losses(vec![part]);
        assert_eq!((all.split_through(8), all), (Losses::default(), Losses(vec![part])));
    }
}
