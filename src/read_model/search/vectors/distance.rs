//! How far apart two vectors are. The same on every machine: sums are taken in lanes whose number is fixed.

use crate::read_model::search::spec::Distance;

/// Sums that grow side by side, so that a compiler can do several with one instruction.
const LANES: usize = 16;

/// A vector that others are compared with.
#[derive(Debug)]
pub(in crate::read_model::search) struct Measure<'a> {
    distance: Distance,
    from: &'a [f32],
    /// Its length.
    length: f64,
}

/// What is said of a row's vector.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Apart {
    By(f64),
    /// It has no direction, and cosines compare directions.
    NoDirection,
    /// A number of it is NaN or infinite.
    NotFinite,
}

impl<'a> Measure<'a> {
    /// None where the vector cannot be compared: with cosines one of zeros alone.
    pub(in crate::read_model::search) fn new(distance: Distance, from: &'a [f32]) -> Option<Self> {
        let length = exact(from, from, |a, b| a * b).sqrt();
        (distance != Distance::Cosine || length > 0.0).then_some(Self { distance, from, length })
    }

    /// How far away a vector of as many dimensions is; at least 0, but for a dot product.
    pub(super) fn to(&self, other: &[f32]) -> Apart {
        let apart = match self.distance {
            Distance::Dot => self.sum(other, |a, b| a * b, |a, b| a * b).map(|dot| -dot),
            Distance::L2 => {
                let square = |a: f64, b: f64| (a - b) * (a - b);
                self.sum(other, |a, b| (a - b) * (a - b), square).map(f64::sqrt)
            }
            Distance::Cosine => {
                let (dot, square) =
                    (self.sum(other, |a, b| a * b, |a, b| a * b), self.sum(other, |_, b| b * b, |_, b| b * b));
                match (dot, square) {
                    (Some(_), Some(0.0)) => return Apart::NoDirection,
                    (Some(dot), Some(square)) => Some(1.0 - (dot / (self.length * square.sqrt())).clamp(-1.0, 1.0)),
                    _ => None,
                }
            }
        };
        // One zero, so that equal distances are the same.
        apart.map_or(Apart::NotFinite, |apart| Apart::By(apart + 0.0))
    }

    /// How alike two vectors are that are so far apart; the greater, the nearer.
    pub(in crate::read_model::search) fn similarity(&self, apart: f64) -> f64 {
        match self.distance {
            Distance::Cosine => 1.0 - apart,
            Distance::L2 => 1.0 / (1.0 + apart),
            Distance::Dot => -apart,
        }
    }

    /// A sum over both vectors: in 32 bits, and in 64 where those overflow or vanish. None if a number is not finite.
    fn sum(&self, other: &[f32], term: impl Fn(f32, f32) -> f32, wide: impl Fn(f64, f64) -> f64) -> Option<f64> {
        let fast = in_lanes(self.from, other, term);
        if fast.is_normal() {
            return Some(f64::from(fast));
        }
        other.iter().all(|number| number.is_finite()).then(|| exact(self.from, other, wide))
    }
}

fn in_lanes(one: &[f32], other: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
    let (one_lanes, one_rest) = one.as_chunks::<LANES>();
    let (other_lanes, other_rest) = other.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (one, other) in one_lanes.iter().zip(other_lanes) {
        for lane in 0..LANES {
            sums[lane] += term(one[lane], other[lane]);
        }
    }
    for ((sum, one), other) in sums.iter_mut().zip(one_rest).zip(other_rest) {
        *sum += term(*one, *other);
    }
    sums.iter().sum()
}

/// Every 32-bit float has a square in 64 bits, and sums of 4,096 of them too.
fn exact(one: &[f32], other: &[f32], term: impl Fn(f64, f64) -> f64) -> f64 {
    one.iter().zip(other).map(|(one, other)| term(f64::from(*one), f64::from(*other))).sum()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check(distance: Distance, one: &[f32], other: &[f32], expected: Apart) {
        let apart = Measure::new(distance, one).unwrap().to(other);
        match (apart, expected) {
            (Apart::By(apart), Apart::By(expected)) => {
                assert!((apart - expected).abs() <= 1e-6 * expected.abs().max(1.0), "{apart} {expected}");
            }
            _ => assert_eq!(apart, expected),
        }
    }

    #[test]
    fn distances_are_those_of_the_textbook() {
        check(Distance::L2, &[1.0, 2.0], &[4.0, 6.0], Apart::By(5.0));
        check(Distance::Dot, &[1.0, 2.0], &[4.0, 6.0], Apart::By(-16.0));
        check(Distance::Cosine, &[1.0, 0.0], &[0.0, 5.0], Apart::By(1.0));
        check(Distance::Cosine, &[1.0, 1.0], &[3.0, 3.0], Apart::By(0.0));
        check(Distance::Cosine, &[1.0, 0.0], &[-2.0, 0.0], Apart::By(2.0));
        let long: Vec<f32> = (0..37).map(|n| n as f32).collect();
        check(Distance::L2, &[0.0; 37], &long, Apart::By(f64::from(16_206).sqrt()));
    }

    #[test]
    fn great_and_small_numbers_have_a_distance_and_those_that_are_none_have_not() {
        check(Distance::L2, &[3e30, 0.0], &[0.0, 4e30], Apart::By(5e30));
        check(Distance::Cosine, &[1e-30, 0.0], &[0.0, 1e-30], Apart::By(1.0));
        check(Distance::Cosine, &[1.0, 0.0], &[0.0, 0.0], Apart::NoDirection);
        for number in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for distance in [Distance::Cosine, Distance::L2, Distance::Dot] {
                check(distance, &[1.0, 0.0], &[1.0, number], Apart::NotFinite);
            }
        }
        assert!(Measure::new(Distance::Cosine, &[0.0, 0.0]).is_none());
    }
}
