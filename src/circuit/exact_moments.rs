//! Exact first and second moments of floats, from which variance and standard deviation are rounded once.
//!
//! Those of pairs are in `exact_pairs`.

use num_bigint::{BigInt, BigUint, Sign};

use super::dyadic::{Dyadic, round_big};
use super::exact_sum::{Specials, decompose, read, read_i64, write};

/// Count, sum and sum of squares of a multiset of floats. Equal multisets give equal results and equal bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExactMoments {
    count: i64,
    sum: Dyadic,
    squares: Dyadic,
    specials: Specials,
}

/// What the squared deviations are divided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Spread {
    /// The count less one: of a sample. None for fewer than two values.
    Sample,
    /// The count: of a whole population. None for no values.
    Population,
}

impl ExactMoments {
    /// Adds `weight` copies of `x`, or takes them back if it is negative.
    pub fn add(&mut self, x: f64, weight: i64) {
        self.count += weight;
        if !x.is_finite() {
            return self.specials.add(x, weight);
        }
        let (mantissa, exponent) = decompose(x);
        self.sum.add(i128::from(mantissa) * i128::from(weight), exponent);
        let square = i128::from(mantissa) * i128::from(mantissa);
        if weight == 1 {
            return self.squares.add(square, 2 * exponent);
        }
        // 106 and 63 bits do not fit, so that the square is multiplied in halves.
        let (high, low) = (square >> 64, square & i128::from(u64::MAX));
        self.squares.add(high * i128::from(weight), 2 * exponent + 64);
        self.squares.add(low * i128::from(weight), 2 * exponent);
    }

    pub fn merge(&mut self, other: &ExactMoments) {
        self.count += other.count;
        self.sum.merge(&other.sum);
        self.squares.merge(&other.squares);
        self.specials.merge(&other.specials);
    }

    /// The variance, rounded to the nearest float; NaN if any value is NaN or infinite.
    pub fn variance(&self, spread: Spread) -> Option<f64> {
        self.evaluate(spread, |fraction| {
            let (quotient, rest, exponent) = fraction.divide(66);
            round_big(false, &quotient, rest, exponent)
        })
    }

    /// The square root of the exact variance, rounded to the nearest float.
    pub fn deviation(&self, spread: Spread) -> Option<f64> {
        self.evaluate(spread, |fraction| {
            let (quotient, rest, exponent) = fraction.divide(132);
            let root = quotient.sqrt();
            let rest = rest || &root * &root != quotient;
            round_big(false, &root, rest, exponent / 2)
        })
    }

    /// Bytes in memory.
    pub fn size(&self) -> usize {
        size_of::<Self>() + self.heap_bytes()
    }

    /// Bytes in memory beside the value itself.
    pub fn heap_bytes(&self) -> usize {
        self.sum.size() + self.squares.size() + self.specials.size()
    }

    /// The same bytes for equal multisets.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.count.to_le_bytes().to_vec();
        self.specials.write(&mut bytes);
        write(&self.sum, &mut bytes);
        write(&self.squares, &mut bytes);
        bytes
    }

    /// What `to_bytes` wrote; None for anything else.
    pub fn from_bytes(mut bytes: &[u8]) -> Option<Self> {
        let count = read_i64(&mut bytes)?;
        let specials = Specials::read(&mut bytes)?;
        let (sum, squares) = (read(&mut bytes)?, read(&mut bytes)?);
        bytes.is_empty().then_some(Self { count, sum, squares, specials })
    }

    fn evaluate(&self, spread: Spread, finish: impl Fn(Fraction) -> f64) -> Option<f64> {
        let count = u64::try_from(self.count).unwrap_or(0);
        let divisor = match spread {
            Spread::Sample => count.saturating_sub(1),
            Spread::Population => count,
        };
        if divisor == 0 {
            return None;
        }
        if self.specials.any() {
            return Some(f64::NAN);
        }
        let numerator = self.deviations(count);
        // No sum of squares is negative; only a multiset that never was could seem so.
        let Some(numerator) = numerator.0.to_biguint().map(|n| (n, numerator.1)) else { return Some(f64::NAN) };
        if numerator.0 == BigUint::ZERO {
            return Some(0.0);
        }
        let denominator = BigUint::from(count) * BigUint::from(divisor);
        Some(finish(Fraction { numerator: numerator.0, exponent: numerator.1, denominator }))
    }

    /// `n * sum of squares - square of the sum`, as an integer and an exponent.
    fn deviations(&self, count: u64) -> (BigInt, i32) {
        let (sum, squares) = (self.sum.parts(), self.squares.parts());
        let left = squares.integer() * BigInt::from(count);
        let right = BigInt::from_biguint(Sign::Plus, &sum.magnitude * &sum.magnitude);
        let exponent = squares.exponent.min(2 * sum.exponent);
        ((left << (squares.exponent - exponent) as u32) - (right << (2 * sum.exponent - exponent) as u32), exponent)
    }
}

/// `numerator * 2^exponent / denominator`, not 0.
pub(super) struct Fraction {
    pub(super) numerator: BigUint,
    pub(super) exponent: i32,
    pub(super) denominator: BigUint,
}

impl Fraction {
    /// The quotient to at least so many bits, whether it left a rest, and its exponent, which is even.
    pub(super) fn divide(self, bits: u64) -> (BigUint, bool, i32) {
        let wanted = (self.denominator.bits() + bits).saturating_sub(self.numerator.bits());
        let shift = wanted + u64::from((self.exponent - wanted as i32) % 2 != 0);
        let numerator = self.numerator << shift;
        let quotient = &numerator / &self.denominator;
        let rest = &quotient * &self.denominator != numerator;
        (quotient, rest, self.exponent - shift as i32)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::exact_sum::tests::random_floats;
    use super::*;

    /// Twice as many bits as any float needs: an integer number of 2^-1074, as floats are.
    fn units(x: f64) -> BigInt {
        let (mantissa, exponent) = decompose(x);
        BigInt::from(mantissa) << (exponent + 1074)
    }

    /// Sum of squared differences of all pairs: `n * sum of squares - square of the sum` by another way, in 2^-2148.
    fn pairs(values: &[f64]) -> BigInt {
        let mut total = BigInt::ZERO;
        for (index, x) in values.iter().enumerate() {
            for y in &values[..index] {
                let difference = units(*x) - units(*y);
                total += &difference * &difference;
            }
        }
        total
    }

    /// `rounded^power * denominator` against `numerator * 2^-2148`: is the float nearest among its neighbours?
    fn assert_nearest(rounded: f64, power: u32, numerator: &BigInt, denominator: u64) {
        if rounded.is_infinite() {
            return;
        }
        // The midpoints to the neighbours, in halves of 2^-1074, bracket the exact value.
        let exact: BigInt = numerator << 2;
        let scaled = |twice: BigInt| match power {
            1 => (twice << 1075) * BigInt::from(denominator),
            _ => &twice * &twice * BigInt::from(denominator),
        };
        let even = rounded.to_bits() & 1 == 0;
        let above = scaled(units(rounded) + units(rounded.next_up().min(f64::MAX)));
        assert!(exact < above || even && exact == above, "{rounded:e} is too low");
        if rounded > 0.0 {
            let below = scaled(units(rounded) + units(rounded.next_down()));
            assert!(exact > below || even && exact == below, "{rounded:e} is too high");
        }
    }

    #[test]
    fn variance_and_deviation_are_correctly_rounded_in_any_order_and_grouping() {
        for seed in 0..200 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let count = rng.usize(2..20);
            let mut values = random_floats(&mut rng, (seed % 5) as u8, count);
            let n = values.len() as u64;
            let mut moments = ExactMoments::default();
            values.iter().for_each(|x| moments.add(*x, 1));
            let exact = pairs(&values);
            for (spread, divisor) in [(Spread::Sample, n - 1), (Spread::Population, n)] {
                assert_nearest(moments.variance(spread).unwrap(), 1, &exact, n * divisor);
                assert_nearest(moments.deviation(spread).unwrap(), 2, &exact, n * divisor);
            }

            rng.shuffle(&mut values);
            let (left, right) = values.split_at(rng.usize(0..=values.len()));
            let [mut one, other] = [left, right].map(|part| {
                let mut moments = ExactMoments::default();
                part.iter().for_each(|x| moments.add(*x, 1));
                ExactMoments::from_bytes(&moments.to_bytes()).unwrap()
            });
            one.merge(&other);
            assert_eq!(one.to_bytes(), moments.to_bytes(), "seed {seed}");
            values.iter().for_each(|x| one.add(*x, -1));
            assert_eq!(one, ExactMoments::default(), "seed {seed}");
        }
    }

    #[test]
    fn weights_count_copies() {
        let (mut weighted, mut copies) = (ExactMoments::default(), ExactMoments::default());
        for (x, weight) in [(0.1, 3), (1e200, 2), (-7.25, 5)] {
            weighted.add(x, weight);
            (0..weight).for_each(|_| copies.add(x, 1));
        }
        assert_eq!(weighted, copies);
        weighted.add(0.1, i64::MAX / 4);
        weighted.add(0.1, -(i64::MAX / 4));
        assert_eq!(weighted, copies);
    }

    #[test]
    fn too_few_values_have_none_and_specials_are_nan() {
        let mut moments = ExactMoments::default();
        assert_eq!((moments.variance(Spread::Sample), moments.variance(Spread::Population)), (None, None));
        moments.add(2.0, 1);
        assert_eq!((moments.variance(Spread::Sample), moments.variance(Spread::Population)), (None, Some(0.0)));
        moments.add(4.0, 1);
        assert_eq!((moments.variance(Spread::Sample), moments.deviation(Spread::Population)), (Some(2.0), Some(1.0)));
        moments.add(f64::INFINITY, 1);
        assert!(moments.deviation(Spread::Sample).unwrap().is_nan());
        moments.add(f64::INFINITY, -1);
        assert_eq!(moments.variance(Spread::Population), Some(1.0));
    }

    #[test]
    fn deviation_survives_a_variance_beyond_the_floats() {
        let mut moments = ExactMoments::default();
        moments.add(1e200, 1);
        moments.add(-1e200, 1);
        assert_eq!(moments.variance(Spread::Population), Some(f64::INFINITY));
        assert_eq!(moments.deviation(Spread::Population), Some(1e200));
    }
}
