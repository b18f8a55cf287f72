//! An exact sum of floats: independent of order and grouping, retractable, rounded once.
//!
//! Counts the values too, so that a sum over nothing is NULL even after everything was taken back. Sums of integers
//! and decimals are not done here.

use num_bigint::BigUint;

use super::dyadic::{Dyadic, Parts};

/// The sum of a multiset of floats. Equal multisets give equal results and equal bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExactSum {
    count: i64,
    finite: Dyadic,
    specials: Specials,
}

impl ExactSum {
    /// Adds `weight` copies of `x`, or takes them back if it is negative.
    pub fn add(&mut self, x: f64, weight: i64) {
        self.count += weight;
        if !x.is_finite() {
            return self.specials.add(x, weight);
        }
        let (mantissa, exponent) = decompose(x);
        // 53 and 63 bits: the product fits.
        self.finite.add(i128::from(mantissa) * i128::from(weight), exponent);
    }

    pub fn merge(&mut self, other: &ExactSum) {
        self.count += other.count;
        self.finite.merge(&other.finite);
        self.specials.merge(&other.specials);
    }

    /// The true sum, rounded to the nearest float, ties to even; never -0.0. NaN if a NaN or both infinities are among
    /// the values, infinite also where the true sum is beyond the floats. None for no values.
    pub fn value(&self) -> Option<f64> {
        (self.count != 0).then(|| self.specials.value().unwrap_or_else(|| self.finite.round()))
    }

    /// The rounded sum divided by the count.
    pub fn mean(&self) -> Option<f64> {
        self.value().map(|sum| canonical(sum / self.count as f64))
    }

    /// Bytes in memory.
    pub fn size(&self) -> usize {
        size_of::<Self>() + self.heap_bytes()
    }

    /// Bytes in memory beside the value itself.
    pub fn heap_bytes(&self) -> usize {
        self.finite.size() + self.specials.size()
    }

    /// The same bytes for equal multisets.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.count.to_le_bytes().to_vec();
        self.specials.write(&mut bytes);
        write(&self.finite, &mut bytes);
        bytes
    }

    /// What `to_bytes` wrote; None for anything else.
    pub fn from_bytes(mut bytes: &[u8]) -> Option<Self> {
        let count = read_i64(&mut bytes)?;
        let specials = Specials::read(&mut bytes)?;
        let finite = read(&mut bytes)?;
        bytes.is_empty().then_some(Self { count, finite, specials })
    }
}

/// How many NaN and infinities are among the values. Almost always none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Specials(Option<Box<SpecialCounts>>);

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct SpecialCounts {
    nan: i64,
    positive: i64,
    negative: i64,
}

impl Specials {
    pub(super) fn add(&mut self, x: f64, weight: i64) {
        let counts = match x {
            f64::INFINITY => SpecialCounts { positive: weight, ..SpecialCounts::default() },
            f64::NEG_INFINITY => SpecialCounts { negative: weight, ..SpecialCounts::default() },
            _ => SpecialCounts { nan: weight, ..SpecialCounts::default() },
        };
        self.add_counts(&counts);
    }

    pub(super) fn merge(&mut self, other: &Specials) {
        if let Some(counts) = &other.0 {
            self.add_counts(counts);
        }
    }

    fn add_counts(&mut self, other: &SpecialCounts) {
        let counts = self.0.get_or_insert_default();
        counts.nan += other.nan;
        counts.positive += other.positive;
        counts.negative += other.negative;
        if **counts == SpecialCounts::default() {
            self.0 = None;
        }
    }

    /// What the sum is because of them, if there are any.
    fn value(&self) -> Option<f64> {
        let SpecialCounts { nan, positive, negative } = **self.0.as_ref()?;
        Some(match (nan != 0, positive != 0, negative != 0) {
            (false, true, false) => f64::INFINITY,
            (false, false, true) => f64::NEG_INFINITY,
            _ => f64::NAN,
        })
    }

    pub(super) fn any(&self) -> bool {
        self.0.is_some()
    }

    pub(super) fn size(&self) -> usize {
        self.0.as_ref().map_or(0, |_| size_of::<SpecialCounts>())
    }

    pub(super) fn write(&self, bytes: &mut Vec<u8>) {
        bytes.push(u8::from(self.0.is_some()));
        if let Some(counts) = &self.0 {
            [counts.nan, counts.positive, counts.negative].iter().for_each(|count| bytes.extend(count.to_le_bytes()));
        }
    }

    pub(super) fn read(bytes: &mut &[u8]) -> Option<Self> {
        match take::<1>(bytes)? {
            [0] => Some(Self(None)),
            [1] => {
                let (nan, positive, negative) = (read_i64(bytes)?, read_i64(bytes)?, read_i64(bytes)?);
                Some(Self(Some(Box::new(SpecialCounts { nan, positive, negative }))))
            }
            _ => None,
        }
    }
}

/// NaN and -0.0 in the one form that this crate knows.
pub fn canonical(x: f64) -> f64 {
    if x.is_nan() { f64::NAN } else { x + 0.0 }
}

/// A finite float as `mantissa * 2^exponent`.
pub(super) fn decompose(x: f64) -> (i64, i32) {
    let bits = x.to_bits();
    let fraction = (bits & ((1 << 52) - 1)) as i64;
    let (mantissa, exponent) = match (bits >> 52 & 0x7ff) as i32 {
        0 => (fraction, -1074),
        biased => (fraction | 1 << 52, biased - 1075),
    };
    (if x.is_sign_negative() { -mantissa } else { mantissa }, exponent)
}

/// Sign, exponent, length of the magnitude, magnitude: little-endian.
pub(super) fn write(value: &Dyadic, bytes: &mut Vec<u8>) {
    let parts = value.parts();
    let magnitude = if parts.magnitude == BigUint::ZERO { Vec::new() } else { parts.magnitude.to_bytes_le() };
    bytes.push(u8::from(parts.negative));
    bytes.extend((parts.exponent as i16).to_le_bytes());
    bytes.extend((magnitude.len() as u16).to_le_bytes());
    bytes.extend(magnitude);
}

pub(super) fn read(bytes: &mut &[u8]) -> Option<Dyadic> {
    let [negative] = take::<1>(bytes)?;
    let exponent = i32::from(i16::from_le_bytes(take(bytes)?));
    let length = usize::from(u16::from_le_bytes(take(bytes)?));
    let (magnitude, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(Dyadic::from(&Parts { negative: negative == 1, magnitude: BigUint::from_bytes_le(magnitude), exponent }))
}

pub(super) fn read_i64(bytes: &mut &[u8]) -> Option<i64> {
    take(bytes).map(i64::from_le_bytes)
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*head)
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]

    use num_bigint::{BigInt, Sign};

    use super::*;

    /// Floats of every kind, many of them near each other so that sums cancel and ties happen.
    pub(in crate::circuit) fn random_floats(rng: &mut fastrand::Rng, kind: u8, count: usize) -> Vec<f64> {
        (0..count)
            .map(|_| match kind {
                0 => f64::from_bits(rng.u64(..)),
                1 => f64::from(rng.i32(-100_000..100_000)) / 100.0,
                2 => f64::from_bits(rng.u64(0..1 << 53)) * if rng.bool() { 1.0 } else { -1.0 },
                3 => f64::from(rng.i8(..)) * 2f64.powi(rng.i32(-60..60)),
                _ => rng.choice([1e308, -1e308, 1e-308, 5e-324, -5e-324, 1.0, -1.0, 0.0, -0.0, 1e16]).unwrap(),
            })
            .map(|x| if kind == 0 && !x.is_finite() { 1.5 } else { x })
            .collect()
    }

    /// The sum as an integer number of the smallest subnormals.
    fn reference(values: &[f64]) -> BigInt {
        values.iter().map(|x| smallest_units(*x)).sum()
    }

    fn smallest_units(x: f64) -> BigInt {
        let (mantissa, exponent) = decompose(x);
        BigInt::from(mantissa) << (exponent + 1074)
    }

    /// Checks that `rounded` is the nearest float by its neighbours, without any rounding code.
    fn assert_nearest(rounded: f64, exact: &BigInt) {
        if rounded.is_infinite() {
            // Halfway between the greatest float and 2^1024 and beyond rounds to infinity.
            let limit: BigInt = (BigInt::from(1) << (1024 + 1074)) - (BigInt::from(1) << (970 + 1074));
            assert!(exact.magnitude() >= limit.magnitude());
            assert_eq!(rounded > 0.0, exact.sign() == Sign::Plus);
            return;
        }
        let error = |x: f64| (smallest_units(x) - exact).magnitude().clone();
        let own = error(rounded);
        for neighbour in [rounded.next_down(), rounded.next_up()].into_iter().filter(|x| x.is_finite()) {
            let other = error(neighbour);
            assert!(own < other || own == other && rounded.to_bits() & 1 == 0, "{rounded:e} is not nearest to {exact}");
        }
        assert!(!(rounded == 0.0 && rounded.is_sign_negative()));
    }

    #[test]
    fn sums_are_correctly_rounded_in_any_order_and_grouping() {
        for seed in 0..400 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let count = rng.usize(1..60);
            let mut values = random_floats(&mut rng, (seed % 5) as u8, count);
            let mut sum = ExactSum::default();
            values.iter().for_each(|x| sum.add(*x, 1));
            assert_nearest(sum.value().unwrap(), &reference(&values));

            rng.shuffle(&mut values);
            let (left, right) = values.split_at(rng.usize(0..=values.len()));
            let [mut one, mut other] = [left, right].map(|part| {
                let mut sum = ExactSum::default();
                part.iter().for_each(|x| sum.add(*x, 1));
                ExactSum::from_bytes(&sum.to_bytes()).unwrap()
            });
            one.merge(&other);
            assert_eq!((one.to_bytes(), one.value()), (sum.to_bytes(), sum.value()), "seed {seed}");
            other.merge(&sum);
            left.iter().chain(right).for_each(|x| other.add(*x, -1));
            let mut only_right = ExactSum::default();
            right.iter().for_each(|x| only_right.add(*x, 1));
            assert_eq!(other, only_right, "seed {seed}");
        }
    }

    #[test]
    fn taking_everything_back_leaves_nothing() {
        for seed in 0..100 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let mut values = random_floats(&mut rng, (seed % 5) as u8, 40);
            values.extend([f64::NAN, f64::INFINITY, f64::NEG_INFINITY]);
            let mut sum = ExactSum::default();
            values.iter().for_each(|x| sum.add(*x, 3));
            rng.shuffle(&mut values);
            values.iter().for_each(|x| sum.add(*x, -3));
            assert_eq!((sum.value(), sum.to_bytes()), (None, ExactSum::default().to_bytes()), "seed {seed}");
        }
    }

    #[test]
    fn weights_count_copies() {
        for weight in [2, 1_000_003, i64::from(i32::MAX), i64::MAX / 2] {
            let mut sum = ExactSum::default();
            sum.add(0.1, weight);
            sum.add(-1e-300, 1);
            sum.add(1e-300, 1);
            assert_nearest(sum.value().unwrap(), &(smallest_units(0.1) * weight));
        }
    }

    #[test]
    fn many_additions_to_limbs_spread_their_carries() {
        let mut sum = ExactSum::default();
        sum.add(1e300, 1);
        sum.add(-1e-300, 1);
        for _ in 0..100_000 {
            sum.add(-f64::MAX, 1_000_000);
            sum.add(f64::MAX, 1_000_000);
        }
        sum.add(-1e300, 1);
        assert_eq!(sum.value(), Some(-1e-300));
    }

    #[test]
    fn specials_follow_ieee_whatever_the_order() {
        let sum = |values: &[f64]| {
            let mut sum = ExactSum::default();
            values.iter().for_each(|x| sum.add(*x, 1));
            format!("{:?}", ExactSum::from_bytes(&sum.to_bytes()).unwrap().value())
        };
        assert_eq!(sum(&[]), "None");
        assert_eq!(sum(&[-0.0]), "Some(0.0)");
        assert_eq!(sum(&[1.0, f64::NAN, f64::INFINITY]), "Some(NaN)");
        assert_eq!(sum(&[f64::NEG_INFINITY, 1.0, f64::INFINITY]), "Some(NaN)");
        assert_eq!(sum(&[f64::NEG_INFINITY, 1.0]), "Some(-inf)");
        assert_eq!(sum(&[f64::MAX, f64::MAX, -f64::MAX]), format!("Some({:?})", f64::MAX));
        assert_eq!(sum(&[f64::MAX, f64::MAX]), "Some(inf)");
    }

    #[test]
    fn a_million_groups_cost_forty_bytes_each() {
        let mut sum = ExactSum::default();
        (0..10_000).for_each(|cents| sum.add(f64::from(cents) / 100.0, 1));
        assert_eq!((sum.size(), sum.value()), (40, Some(499_950.0)));
    }

    #[test]
    fn foreign_bytes_are_refused() {
        let mut sum = ExactSum::default();
        sum.add(1.5, 1);
        let bytes = sum.to_bytes();
        assert!((0..bytes.len()).all(|length| ExactSum::from_bytes(&bytes[..length]).is_none()));
        assert!(ExactSum::from_bytes(&[&bytes[..], &[0]].concat()).is_none());
    }
}
