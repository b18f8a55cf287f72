//! The bytes of an answer while it is rendered, whatever its format: limited, and counted in parts until each part is taken.

use bytes::Bytes;

use super::byte_budget::{ByteBudget, Reserved};
use crate::query::{ErrorKind, QueryError};

/// Rendered rows are counted in parts of about this size.
const PART_BYTES: usize = 256 * 1024;
/// So much is always answered: a row by its key does not wait for those who take large answers slowly.
const ALWAYS_BYTES: usize = 16 * 1024;

/// What an answer may have.
#[derive(Debug, Clone)]
pub(crate) struct AnswerLimits {
    /// Of one answer.
    pub(crate) bytes: usize,
    /// Of all together.
    pub(crate) budget: ByteBudget,
}

impl AnswerLimits {
    /// # Errors
    /// Where an answer has more bytes than it may have.
    pub(crate) fn check(&self, bytes: usize) -> Result<(), QueryError> {
        if bytes <= self.bytes {
            return Ok(());
        }
        let detail = format!("the answer is larger than {} bytes", self.bytes);
        Err(QueryError::new(ErrorKind::TooLarge, detail).hint("select fewer columns or rows"))
    }

    /// # Errors
    /// Where too many bytes of other answers wait for their readers.
    pub(crate) fn reserve(&self, bytes: usize) -> Result<Option<Reserved>, QueryError> {
        if bytes <= ALWAYS_BYTES {
            return Ok(None);
        }
        let reserved = self.budget.reserve(bytes);
        let crowded = || {
            QueryError::new(ErrorKind::Overloaded, "too many bytes of answers wait for their readers to take them")
                .hint("try again later, or read less at once")
        };
        reserved.map(Some).ok_or_else(crowded)
    }

    /// The bytes, which are counted until the last part of them is gone.
    ///
    /// # Errors
    /// As [`AnswerLimits::reserve`].
    pub(crate) fn hold(&self, bytes: Vec<u8>) -> Result<Bytes, QueryError> {
        Ok(match self.reserve(bytes.len())? {
            Some(reserved) => reserved.hold(bytes),
            None => Bytes::from(bytes),
        })
    }
}

/// Takes what is rendered, row by row.
#[derive(Debug)]
pub(crate) struct AnswerBytes {
    limits: AnswerLimits,
    parts: Vec<Bytes>,
    /// Bytes in `parts`.
    rendered: usize,
    out: Vec<u8>,
}

impl AnswerBytes {
    pub(crate) fn new(limits: AnswerLimits) -> Self {
        AnswerBytes { limits, parts: Vec::new(), rendered: 0, out: Vec::new() }
    }

    /// Where the next row goes; [`AnswerBytes::advance`] has to follow.
    pub(crate) fn out(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// Counts what was written.
    ///
    /// # Errors
    /// Where there are too many bytes of this answer or of all.
    pub(crate) fn advance(&mut self) -> Result<(), QueryError> {
        self.limits.check(self.rendered + self.out.len())?;
        if self.out.len() >= PART_BYTES { self.seal() } else { Ok(()) }
    }

    /// # Errors
    /// Where too many bytes of other answers wait for their readers.
    pub(crate) fn finish(mut self) -> Result<Vec<Bytes>, QueryError> {
        self.seal()?;
        Ok(self.parts)
    }

    fn seal(&mut self) -> Result<(), QueryError> {
        let mut part = std::mem::take(&mut self.out);
        part.shrink_to_fit();
        self.rendered += part.len();
        self.parts.push(self.limits.hold(part)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn rendered(rows: usize, limits: &AnswerLimits) -> Result<Vec<Bytes>, QueryError> {
        let mut bytes = AnswerBytes::new(limits.clone());
        for _ in 0..rows {
            bytes.out().extend_from_slice(&[b'x'; 1000]);
            bytes.advance()?;
        }
        bytes.finish()
    }

    #[test]
    fn bytes_are_limited() {
        let limits = AnswerLimits { bytes: 1500, budget: ByteBudget::new(1 << 20) };
        assert_eq!(rendered(2, &limits).unwrap_err().kind, ErrorKind::TooLarge);
        assert_eq!(rendered(1, &limits).unwrap().concat().len(), 1000);
    }

    #[test]
    fn all_answers_together_are_limited_and_small_ones_always_go() {
        let limits = AnswerLimits { bytes: 1 << 20, budget: ByteBudget::new(1 << 20) };
        let waiting = rendered(700, &limits).unwrap();
        assert!(waiting.len() > 1, "a large answer goes in parts");
        assert_eq!(rendered(700, &limits).unwrap_err().kind, ErrorKind::Overloaded);
        assert_eq!(rendered(10, &limits).unwrap().concat().len(), 10_000);
        drop(waiting);
        assert!(rendered(700, &limits).is_ok());
    }
}
