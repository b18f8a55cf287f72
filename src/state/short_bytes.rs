//! Byte strings that lie where they are kept while they are short.

use std::ops::Deref;

/// Bytes that need no allocation of their own.
const INLINE: usize = 30;

/// A byte string in half a cache line. Only a long one is on the heap, so that looking at a key among a million waits for
/// memory once.
#[derive(Debug, Clone)]
#[repr(align(32))]
pub struct ShortBytes(Repr);

#[derive(Debug, Clone)]
enum Repr {
    Inline { length: u8, bytes: [u8; INLINE] },
    Heap(Box<[u8]>),
}

impl ShortBytes {
    /// Bytes in memory beside the string itself.
    pub fn heap_bytes(&self) -> usize {
        match &self.0 {
            Repr::Inline { .. } => 0,
            Repr::Heap(bytes) => bytes.len(),
        }
    }
}

impl From<&[u8]> for ShortBytes {
    fn from(from: &[u8]) -> Self {
        let mut bytes = [0; INLINE];
        match bytes.get_mut(..from.len()) {
            Some(front) => {
                front.copy_from_slice(from);
                Self(Repr::Inline { length: from.len() as u8, bytes })
            }
            None => Self(Repr::Heap(from.into())),
        }
    }
}

impl Default for ShortBytes {
    fn default() -> Self {
        Self(Repr::Inline { length: 0, bytes: [0; INLINE] })
    }
}

impl Deref for ShortBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline { length, bytes } => &bytes[..usize::from(*length)],
            Repr::Heap(bytes) => bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_of_any_length_is_what_was_put_in() {
        assert_eq!(size_of::<Option<ShortBytes>>(), 32);
        for length in 0..100 {
            let bytes: Vec<u8> = (0..length).collect();
            let short = ShortBytes::from(bytes.as_slice());
            assert_eq!(*short, *bytes);
            assert_eq!(short.heap_bytes(), if bytes.len() <= INLINE { 0 } else { bytes.len() });
        }
        assert!(ShortBytes::default().is_empty());
    }
}
