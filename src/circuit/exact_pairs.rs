//! Exact moments of pairs of floats, from which covariance, correlation and linear regression are rounded once.

use num_bigint::{BigInt, BigUint, Sign};

use super::dyadic::{Dyadic, round_big};
use super::exact_moments::Fraction;
use super::exact_sum::{decompose, read, read_i64, write};

/// Count, sums, sums of squares and of products of a multiset of pairs. Equal multisets give equal results and equal bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExactPairs {
    count: i64,
    /// Pairs with a NaN or an infinity.
    specials: i64,
    x: Dyadic,
    y: Dyadic,
    xx: Dyadic,
    yy: Dyadic,
    xy: Dyadic,
}

/// What is computed of pairs, as the SQL standard has it: `y` is the dependent variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PairStatistic {
    Correlation,
    CovariancePopulation,
    CovarianceSample,
    Slope,
    Intercept,
    /// The square of the correlation.
    Determination,
    AverageX,
    AverageY,
    /// Sums of squared deviations, and of their products.
    DeviationsX,
    DeviationsY,
    DeviationsXy,
}

impl ExactPairs {
    /// Adds a pair.
    pub fn add(&mut self, x: f64, y: f64) {
        self.change(x, y, 1);
    }

    /// Takes a pair back.
    pub fn remove(&mut self, x: f64, y: f64) {
        self.change(x, y, -1);
    }

    fn change(&mut self, x: f64, y: f64, sign: i128) {
        self.count += sign as i64;
        if !x.is_finite() || !y.is_finite() {
            self.specials += sign as i64;
            return;
        }
        let ((x, x_exponent), (y, y_exponent)) = (decompose(x), decompose(y));
        let (x, y) = (i128::from(x), i128::from(y));
        self.x.add(sign * x, x_exponent);
        self.y.add(sign * y, y_exponent);
        self.xx.add(sign * x * x, 2 * x_exponent);
        self.yy.add(sign * y * y, 2 * y_exponent);
        self.xy.add(sign * x * y, x_exponent + y_exponent);
    }

    pub fn merge(&mut self, other: &ExactPairs) {
        self.count += other.count;
        self.specials += other.specials;
        for (sum, other) in self.sums_mut().into_iter().zip(other.sums()) {
            sum.merge(other);
        }
    }

    /// The statistic, rounded to the nearest float; NaN if there is a NaN or an infinity. None over too few pairs, or where
    /// the variable that it divides by does not vary.
    pub fn evaluate(&self, statistic: PairStatistic) -> Option<f64> {
        let count = BigInt::from(self.count.max(0));
        let too_few = self.count < if statistic == PairStatistic::CovarianceSample { 2 } else { 1 };
        if too_few {
            return None;
        }
        if self.specials > 0 {
            return Some(f64::NAN);
        }
        let whole = |number: BigInt| Scaled(number, 0);
        // Each is multiplied by the count.
        let deviations = |squares: &Dyadic, left: &Dyadic, right: &Dyadic| {
            Scaled::of(squares).times(&whole(count.clone())).minus(&Scaled::of(left).times(&Scaled::of(right)))
        };
        let xx = || deviations(&self.xx, &self.x, &self.x);
        let yy = || deviations(&self.yy, &self.y, &self.y);
        let xy = || deviations(&self.xy, &self.x, &self.y);
        match statistic {
            PairStatistic::CovariancePopulation => xy().over(&whole(&count * &count)),
            PairStatistic::CovarianceSample => xy().over(&whole(&count * (&count - BigInt::from(1)))),
            PairStatistic::AverageX => Scaled::of(&self.x).over(&whole(count.clone())),
            PairStatistic::AverageY => Scaled::of(&self.y).over(&whole(count.clone())),
            PairStatistic::DeviationsX => xx().over(&whole(count.clone())),
            PairStatistic::DeviationsY => yy().over(&whole(count.clone())),
            PairStatistic::DeviationsXy => xy().over(&whole(count.clone())),
            PairStatistic::Slope => xy().over(&xx()),
            PairStatistic::Intercept => {
                let left = Scaled::of(&self.y).times(&Scaled::of(&self.xx));
                left.minus(&Scaled::of(&self.x).times(&Scaled::of(&self.xy))).over(&xx())
            }
            PairStatistic::Determination if xx().is_zero() => None,
            PairStatistic::Determination if yy().is_zero() => Some(1.0),
            PairStatistic::Determination => xy().times(&xy()).over(&xx().times(&yy())),
            PairStatistic::Correlation => xy().over_root(&xx().times(&yy())),
        }
    }

    /// Bytes in memory.
    pub fn size(&self) -> usize {
        size_of::<Self>() + self.sums().iter().map(|sum| sum.size()).sum::<usize>()
    }

    /// The same bytes for equal multisets.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = [self.count.to_le_bytes(), self.specials.to_le_bytes()].concat();
        self.sums().iter().for_each(|sum| write(sum, &mut bytes));
        bytes
    }

    /// What `to_bytes` wrote; None for anything else.
    pub fn from_bytes(mut bytes: &[u8]) -> Option<Self> {
        let (count, specials) = (read_i64(&mut bytes)?, read_i64(&mut bytes)?);
        let mut pairs = Self { count, specials, ..Self::default() };
        for sum in pairs.sums_mut() {
            *sum = read(&mut bytes)?;
        }
        bytes.is_empty().then_some(pairs)
    }

    fn sums(&self) -> [&Dyadic; 5] {
        [&self.x, &self.y, &self.xx, &self.yy, &self.xy]
    }

    fn sums_mut(&mut self) -> [&mut Dyadic; 5] {
        [&mut self.x, &mut self.y, &mut self.xx, &mut self.yy, &mut self.xy]
    }
}

/// An integer times a power of two.
struct Scaled(BigInt, i32);

impl Scaled {
    fn of(sum: &Dyadic) -> Self {
        let parts = sum.parts();
        Scaled(parts.integer(), parts.exponent)
    }

    fn times(&self, other: &Scaled) -> Self {
        Scaled(&self.0 * &other.0, self.1 + other.1)
    }

    fn minus(&self, other: &Scaled) -> Self {
        let exponent = self.1.min(other.1);
        Scaled((&self.0 << (self.1 - exponent) as u32) - (&other.0 << (other.1 - exponent) as u32), exponent)
    }

    fn is_zero(&self) -> bool {
        self.0.sign() == Sign::NoSign
    }

    /// The quotient, rounded; None for one by 0.
    fn over(&self, divisor: &Scaled) -> Option<f64> {
        if divisor.is_zero() || self.is_zero() {
            return (!divisor.is_zero()).then_some(0.0);
        }
        let negative = (self.0.sign() == Sign::Minus) != (divisor.0.sign() == Sign::Minus);
        let (quotient, rest, exponent) = fraction(self.0.magnitude().clone(), self.1, divisor).divide(66);
        Some(round_big(negative, &quotient, rest, exponent))
    }

    /// The quotient by a square root, rounded; None for one by 0.
    fn over_root(&self, divisor: &Scaled) -> Option<f64> {
        if divisor.is_zero() || self.is_zero() {
            return (!divisor.is_zero()).then_some(0.0);
        }
        let square = self.0.magnitude() * self.0.magnitude();
        let (quotient, rest, exponent) = fraction(square, 2 * self.1, divisor).divide(132);
        let root = quotient.sqrt();
        let rest = rest || &root * &root != quotient;
        Some(round_big(self.0.sign() == Sign::Minus, &root, rest, exponent / 2))
    }
}

fn fraction(numerator: BigUint, exponent: i32, divisor: &Scaled) -> Fraction {
    Fraction { numerator, exponent: exponent - divisor.1, denominator: divisor.0.magnitude().clone() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const ALL: [PairStatistic; 11] = [
        PairStatistic::Correlation,
        PairStatistic::CovariancePopulation,
        PairStatistic::CovarianceSample,
        PairStatistic::Slope,
        PairStatistic::Intercept,
        PairStatistic::Determination,
        PairStatistic::AverageX,
        PairStatistic::AverageY,
        PairStatistic::DeviationsX,
        PairStatistic::DeviationsY,
        PairStatistic::DeviationsXy,
    ];

    /// Of the pairs (1, 2), (2, 4.5), (3, 5.5) and (5, 11).
    const POSTGRESQL: [f64; 11] =
        [0.9895406770037736, 4.8125, 6.416666666666667, 2.2, -0.3, 0.9791907514450867, 2.75, 5.75, 8.75, 43.25, 19.25];

    fn of(pairs: &[(f64, f64)]) -> ExactPairs {
        let mut exact = ExactPairs::default();
        pairs.iter().for_each(|(x, y)| exact.add(*x, *y));
        exact
    }

    fn assert_close(found: Option<f64>, expected: Option<f64>, statistic: PairStatistic) {
        match (found, expected) {
            (Some(found), Some(expected)) => {
                assert!((found - expected).abs() <= expected.abs() * 1e-14, "{statistic:?}: {found} {expected}");
            }
            _ => assert_eq!(found, expected, "{statistic:?}"),
        }
    }

    /// What PostgreSQL 15 gives, but for the last digits that it loses.
    #[test]
    fn the_statistics_are_those_of_postgresql() {
        let exact = of(&[(1.0, 2.0), (2.0, 4.5), (3.0, 5.5), (5.0, 11.0)]);
        for (statistic, expected) in ALL.into_iter().zip(POSTGRESQL) {
            assert_close(exact.evaluate(statistic), Some(expected), statistic);
        }
        let flat = of(&[(1.0, 2.0), (1.0, 3.0)]);
        assert_eq!(flat.evaluate(PairStatistic::Correlation), None);
        assert_eq!(flat.evaluate(PairStatistic::Slope), None);
        assert_eq!(flat.evaluate(PairStatistic::Determination), None);
        assert_eq!(of(&[(1.0, 2.0), (3.0, 2.0)]).evaluate(PairStatistic::Determination), Some(1.0));
        assert_eq!(of(&[(1.0, 2.0)]).evaluate(PairStatistic::CovarianceSample), None);
        assert_eq!(of(&[(1.0, 2.0)]).evaluate(PairStatistic::CovariancePopulation), Some(0.0));
        assert_eq!(ExactPairs::default().evaluate(PairStatistic::AverageX), None);
        assert!(of(&[(f64::NAN, 2.0)]).evaluate(PairStatistic::AverageX).unwrap().is_nan());
    }

    #[test]
    fn what_lies_far_from_0_loses_nothing() {
        let near = of(&[(1.0, 2.0), (2.0, 4.0), (3.0, 7.0)]);
        let far = of(&[(1e15 + 1.0, 1e15 + 2.0), (1e15 + 2.0, 1e15 + 4.0), (1e15 + 3.0, 1e15 + 7.0)]);
        for statistic in [PairStatistic::Correlation, PairStatistic::Slope, PairStatistic::CovarianceSample] {
            assert_eq!(near.evaluate(statistic), far.evaluate(statistic), "{statistic:?}");
        }
    }

    #[test]
    fn pairs_are_taken_back_and_merged_in_any_order() {
        for seed in 0..100 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let mut number = || (rng.f64() - 0.5) * 10_f64.powi(rng.i32(-200..200));
            let pairs: Vec<(f64, f64)> = (0..12).map(|_| (number(), number())).collect();
            let all = of(&pairs);
            let (left, right) = pairs.split_at(5);
            let mut merged = ExactPairs::from_bytes(&of(right).to_bytes()).unwrap();
            merged.merge(&of(left));
            assert_eq!(merged.to_bytes(), all.to_bytes(), "seed {seed}");
            pairs.iter().for_each(|(x, y)| merged.remove(*x, *y));
            assert_eq!(merged, ExactPairs::default(), "seed {seed}");
        }
    }
}
