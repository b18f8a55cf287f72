//! An exact binary fraction (an integer times a power of two): the ground that float sums and variances stand on.
//!
//! It only adds, and tells its value. What NaN and the infinities mean is decided by its users.

use num_bigint::{BigInt, BigUint, Sign};

/// A sum of integers times powers of two, exact whatever the order of additions. Almost all real sums stay narrow:
/// one 128-bit integer at a common exponent. Those that span more become limbs.
///
/// Two equal values may be held in different forms; [`Dyadic::parts`] is canonical, the form is not.
#[derive(Debug, Clone)]
pub(super) struct Dyadic(Form);

#[derive(Debug, Clone)]
enum Form {
    /// `value * 2^exponent`. The 128 bits are kept as two words, which spares the alignment of an `i128`.
    Narrow {
        high: i64,
        low: u64,
        exponent: i32,
    },
    Wide(Box<Limbs>),
}

/// A sign, an odd magnitude (or 0) and an exponent: the same for equal values.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Parts {
    pub(super) negative: bool,
    pub(super) magnitude: BigUint,
    pub(super) exponent: i32,
}

impl Default for Dyadic {
    fn default() -> Self {
        Dyadic::narrow(0, 0)
    }
}

impl PartialEq for Dyadic {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for Dyadic {}

impl Dyadic {
    /// Adds `value * 2^exponent`. The exponent is one of a product of two floats at most: between -2148 and 1942.
    pub(super) fn add(&mut self, value: i128, exponent: i32) {
        if value == 0 {
            return;
        }
        let zeros = value.trailing_zeros();
        let (value, exponent) = (value >> zeros, exponent + zeros as i32);
        if let Form::Narrow { high, low, exponent: own } = self.0 {
            if let Some(sum) = add_narrow((join(high, low), own), (value, exponent)) {
                *self = Dyadic::narrow(sum.0, sum.1);
                return;
            }
            self.widen();
        }
        if let Form::Wide(limbs) = &mut self.0 {
            limbs.add(value, exponent);
        }
    }

    /// Adds all that another sum holds.
    pub(super) fn merge(&mut self, other: &Dyadic) {
        match &other.0 {
            Form::Narrow { high, low, exponent } => self.add(join(*high, *low), *exponent),
            Form::Wide(limbs) => {
                for (index, limb) in limbs.limbs.iter().enumerate() {
                    self.add(i128::from(*limb), (limbs.lowest + index as i32) * LIMB_BITS);
                }
            }
        }
    }

    /// The value in its one canonical form.
    pub(super) fn parts(&self) -> Parts {
        let (negative, magnitude, exponent) = match &self.0 {
            Form::Narrow { high, low, exponent } => {
                let value = join(*high, *low);
                (value < 0, BigUint::from(value.unsigned_abs()), *exponent)
            }
            Form::Wide(limbs) => limbs.magnitude(),
        };
        match magnitude.trailing_zeros() {
            None => Parts { negative: false, magnitude, exponent: 0 },
            Some(zeros) => Parts { negative, magnitude: magnitude >> zeros, exponent: exponent + zeros as i32 },
        }
    }

    /// The nearest float, ties to even. A zero is positive.
    pub(super) fn round(&self) -> f64 {
        match &self.0 {
            Form::Narrow { high, low, exponent } => {
                let value = join(*high, *low);
                round(value < 0, value.unsigned_abs(), false, *exponent)
            }
            Form::Wide(_) => self.parts().round(),
        }
    }

    /// Bytes on the heap.
    pub(super) fn size(&self) -> usize {
        match &self.0 {
            Form::Narrow { .. } => 0,
            Form::Wide(limbs) => size_of::<Limbs>() + limbs.limbs.capacity() * size_of::<i64>(),
        }
    }

    fn narrow(value: i128, exponent: i32) -> Self {
        Dyadic(Form::Narrow { high: (value >> 64) as i64, low: value as u64, exponent })
    }

    fn widen(&mut self) {
        if let Form::Narrow { high, low, exponent } = self.0 {
            let mut limbs = Box::new(Limbs::default());
            limbs.add(join(high, low), exponent);
            self.0 = Form::Wide(limbs);
        }
    }
}

impl From<&Parts> for Dyadic {
    fn from(parts: &Parts) -> Self {
        let mut value = Dyadic::default();
        for (index, digit) in parts.magnitude.iter_u32_digits().enumerate() {
            let digit = if parts.negative { -i128::from(digit) } else { i128::from(digit) };
            value.add(digit, parts.exponent + index as i32 * LIMB_BITS);
        }
        value
    }
}

impl Parts {
    /// The nearest float, ties to even.
    pub(super) fn round(&self) -> f64 {
        round_big(self.negative, &self.magnitude, false, self.exponent)
    }

    /// The integer, without its exponent.
    pub(super) fn integer(&self) -> BigInt {
        BigInt::from_biguint(if self.negative { Sign::Minus } else { Sign::Plus }, self.magnitude.clone())
    }
}

/// Rounds `magnitude * 2^exponent`, to which a positive rest below `2^exponent` belongs if `rest`.
pub(super) fn round_big(negative: bool, magnitude: &BigUint, rest: bool, exponent: i32) -> f64 {
    let surplus = magnitude.bits().saturating_sub(128);
    let top = magnitude >> surplus;
    let mut words = top.iter_u64_digits();
    let low = u128::from(words.next().unwrap_or(0));
    let high = u128::from(words.next().unwrap_or(0));
    let rest = rest || magnitude.trailing_zeros().is_some_and(|zeros| zeros < surplus);
    round(negative, high << 64 | low, rest, exponent.saturating_add(surplus as i32))
}

const MANTISSA_BITS: i32 = 53;
/// The exponent of the smallest subnormal.
const LOWEST: i32 = -1074;
const LIMB_BITS: i32 = 32;

/// Rounds to nearest, ties to even. Each float is a multiple of the power of two that its last place stands for; the
/// biased exponent and the mantissa are read off that, and a carry out of the mantissa steps into the exponent.
fn round(negative: bool, magnitude: u128, rest: bool, exponent: i32) -> f64 {
    if magnitude == 0 {
        return 0.0;
    }
    let top = exponent + (127 - magnitude.leading_zeros() as i32);
    if top > 1023 {
        return if negative { f64::NEG_INFINITY } else { f64::INFINITY };
    }
    let last_place = (top - (MANTISSA_BITS - 1)).max(LOWEST);
    let drop = last_place - exponent;
    let kept = if drop <= 0 {
        magnitude << -drop
    } else if drop > 128 {
        0
    } else {
        let kept = magnitude.checked_shr(drop as u32).unwrap_or(0);
        let half = 1u128 << (drop - 1);
        let dropped = if drop == 128 { magnitude } else { magnitude & ((1u128 << drop) - 1) };
        let up = dropped > half || dropped == half && (rest || kept & 1 == 1);
        kept + u128::from(up)
    };
    if kept == 0 {
        return 0.0;
    }
    let bits = (((last_place - LOWEST) as u64) << (MANTISSA_BITS - 1)) + kept as u64;
    f64::from_bits(bits | u64::from(negative) << 63)
}

fn join(high: i64, low: u64) -> i128 {
    i128::from(high) << 64 | i128::from(low)
}

/// The sum of two narrow values at the lower of their exponents, if it fits.
fn add_narrow(left: (i128, i32), right: (i128, i32)) -> Option<(i128, i32)> {
    if left.0 == 0 {
        return Some(right);
    }
    let exponent = left.1.min(right.1);
    let value = shift_left(left.0, left.1 - exponent)?.checked_add(shift_left(right.0, right.1 - exponent)?)?;
    Some((value, if value == 0 { 0 } else { exponent }))
}

fn shift_left(value: i128, places: i32) -> Option<i128> {
    let spare = value.unsigned_abs().leading_zeros() as i32 - 1;
    (places < spare).then(|| value << places)
}

/// Base 2^32 digits with room for carries: limb `i` counts `2^(32 * (lowest + i))`.
#[derive(Debug, Clone, Default)]
struct Limbs {
    lowest: i32,
    limbs: Vec<i64>,
    /// Additions since carries were last spread. Each adds less than 2^32 to a limb.
    pending: u32,
}

/// Leaves the limbs far from overflow: 2^16 additions of less than 2^32 on top of a spread limb.
const PENDING_MAX: u32 = 1 << 16;

impl Limbs {
    fn add(&mut self, value: i128, exponent: i32) {
        let magnitude = value.unsigned_abs();
        for (word, exponent) in [(magnitude as u64, exponent), ((magnitude >> 64) as u64, exponent + 64)] {
            if word != 0 {
                self.add_word(word, exponent, value < 0);
            }
        }
    }

    fn add_word(&mut self, word: u64, exponent: i32, negative: bool) {
        let limb_exponent = exponent.div_euclid(LIMB_BITS);
        let shifted = u128::from(word) << exponent.rem_euclid(LIMB_BITS);
        let from = self.reach(limb_exponent);
        for (limb, digit) in self.limbs[from..from + 3].iter_mut().zip(0..) {
            let digit = (shifted >> (digit * LIMB_BITS)) as u32;
            *limb += if negative { -i64::from(digit) } else { i64::from(digit) };
        }
        self.pending += 1;
        if self.pending >= PENDING_MAX {
            self.spread();
        }
    }

    /// The index of the limb at `exponent`, with two more above it.
    fn reach(&mut self, exponent: i32) -> usize {
        if self.limbs.is_empty() {
            self.lowest = exponent;
        }
        if exponent < self.lowest {
            let missing = (self.lowest - exponent) as usize;
            self.limbs.splice(0..0, std::iter::repeat_n(0, missing));
            self.lowest = exponent;
        }
        let from = (exponent - self.lowest) as usize;
        if self.limbs.len() < from + 3 {
            self.limbs.resize(from + 3, 0);
        }
        from
    }

    /// Brings every limb but the highest into one digit. The highest keeps the sign.
    fn spread(&mut self) {
        self.pending = 0;
        let mut carry = 0;
        for limb in &mut self.limbs {
            let value = *limb + carry;
            *limb = value & 0xffff_ffff;
            carry = value >> LIMB_BITS;
        }
        match (carry, self.limbs.last_mut()) {
            (0, _) | (_, None) => {}
            // A borrow alone goes back to where it came from, lest each spreading of a negative sum grow by a limb.
            (-1, Some(highest)) => *highest -= 1 << LIMB_BITS,
            _ => self.limbs.push(carry),
        }
    }

    fn magnitude(&self) -> (bool, BigUint, i32) {
        let mut spread = self.clone();
        spread.spread();
        let negative = spread.limbs.iter().rev().find(|limb| **limb != 0).is_some_and(|limb| *limb < 0);
        if negative {
            spread.limbs.iter_mut().for_each(|limb| *limb = -*limb);
            spread.spread();
        }
        let digits = spread.limbs.iter().map(|limb| *limb as u32).collect();
        (negative, BigUint::new(digits), self.lowest * LIMB_BITS)
    }
}
