//! Exact numbers from their decimal text. Nothing here passes through a float.

/// Why a text is not a number of the wanted kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NumberFault {
    NotANumber,
    /// It has digits below the scale.
    Inexact,
    /// More digits than 38, or than the wanted type holds.
    TooLarge,
}

/// An integer. `1.0` and `1e3` are integers too: what counts is the value, which must be whole.
#[inline]
pub(super) fn integer(text: &str) -> Result<i64, NumberFault> {
    let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
    if !(1..=18).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return i64::try_from(scaled(text, 0)?).map_err(|_| NumberFault::TooLarge);
    }
    let value = digits.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0'));
    Ok(if digits.len() < text.len() { -value } else { value })
}

/// The value times 10^scale, if it is whole and within the precision. Zeros below the scale lose nothing and are
/// accepted.
pub(super) fn decimal(text: &str, precision: u8, scale: i8) -> Result<i128, NumberFault> {
    let value = scaled(text, scale.into())?;
    let limit = 10_i128.checked_pow(precision.into()).unwrap_or(i128::MAX);
    if value.abs() < limit { Ok(value) } else { Err(NumberFault::TooLarge) }
}

/// The value times 10^scale of a plain number of at most 18 digits, the common case.
#[inline]
fn short(text: &str, scale: i8) -> Option<i128> {
    let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
    if digits.len() > 19 {
        return None;
    }
    let (mut value, mut point) = (0_i64, None);
    for (index, byte) in digits.iter().enumerate() {
        match byte {
            b'0'..=b'9' => value = value.checked_mul(10)?.checked_add(i64::from(byte - b'0'))?,
            b'.' if point.is_none() && index > 0 => point = Some(index),
            _ => return None,
        }
    }
    let fraction = match point {
        Some(point) => digits.len() - point - 1,
        None => 0,
    };
    let shift = u32::try_from(i64::from(scale) - i64::try_from(fraction).ok()?).ok()?;
    if digits.is_empty() || point.is_some() && fraction == 0 || shift > 18 {
        return None;
    }
    let value = i128::from(if digits.len() < text.len() { -value } else { value });
    Some(value * 10_i128.pow(shift))
}

/// The value of a number in JSON's notation (leading zeros allowed) times 10^scale.
#[inline]
pub(super) fn scaled(text: &str, scale: i64) -> Result<i128, NumberFault> {
    match i8::try_from(scale).ok().and_then(|scale| short(text, scale)) {
        Some(value) => Ok(value),
        None => scaled_at_length(text, scale),
    }
}

fn scaled_at_length(text: &str, scale: i64) -> Result<i128, NumberFault> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (digits, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, parse_exponent(exponent)?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    if [whole, fraction].iter().any(|part| part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_digit())) {
        return Err(NumberFault::NotANumber);
    }
    // Zeros at the end are counted, not multiplied, so that the mantissa ends in another digit.
    let (mut mantissa, mut zeros) = (0_i128, 0_u32);
    for digit in whole.bytes().chain(fraction.bytes()) {
        if digit == b'0' {
            zeros += 1;
            continue;
        }
        if mantissa != 0 {
            mantissa = times_power_of_ten(mantissa, i64::from(zeros) + 1)?;
        }
        mantissa = mantissa.checked_add((digit - b'0').into()).ok_or(NumberFault::TooLarge)?;
        zeros = 0;
    }
    if mantissa == 0 {
        return Ok(0);
    }
    let below_point = i64::try_from(fraction.len()).map_err(|_| NumberFault::TooLarge)?;
    let shift = exponent.saturating_add(i64::from(zeros) - below_point).saturating_add(scale);
    if shift < 0 {
        return Err(NumberFault::Inexact);
    }
    let value = times_power_of_ten(mantissa, shift)?;
    Ok(if negative { -value } else { value })
}

fn times_power_of_ten(value: i128, power: i64) -> Result<i128, NumberFault> {
    let factor = u32::try_from(power).ok().and_then(|power| 10_i128.checked_pow(power));
    factor.and_then(|factor| value.checked_mul(factor)).ok_or(NumberFault::TooLarge)
}

fn parse_exponent(text: &str) -> Result<i64, NumberFault> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NumberFault::NotANumber);
    }
    let value = digits.parse().unwrap_or(i64::MAX / 2);
    Ok(if text.starts_with('-') { -value } else { value })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::NumberFault::{Inexact, NotANumber, TooLarge};
    use super::*;

    #[test]
    fn integers_are_read_by_value() {
        let cases = [
            ("0", Ok(0)),
            ("-0", Ok(0)),
            ("-12", Ok(-12)),
            ("9223372036854775807", Ok(i64::MAX)),
            ("-9223372036854775808", Ok(i64::MIN)),
            ("9223372036854775808", Err(TooLarge)),
            ("1.0", Ok(1)),
            ("1.50", Err(Inexact)),
            ("1e3", Ok(1000)),
            ("1500e-2", Ok(15)),
            ("1501e-2", Err(Inexact)),
            ("1e400", Err(TooLarge)),
            ("1e-400", Err(Inexact)),
            ("0e99999999999999999999", Ok(0)),
            ("1e99999999999999999999", Err(TooLarge)),
            ("", Err(NotANumber)),
            ("-", Err(NotANumber)),
            ("1 ", Err(NotANumber)),
        ];
        for (text, expected) in cases {
            assert_eq!(integer(text), expected, "{text:?}");
        }
    }

    #[test]
    fn decimals_keep_every_digit_or_fail() {
        let cases = [
            ("12.34", Ok(1234)),
            ("-12.34", Ok(-1234)),
            ("12", Ok(1200)),
            ("12.340000", Ok(1234)),
            ("12.345", Err(Inexact)),
            ("0.1e1", Ok(100)),
            ("123456789012345678.9", Err(TooLarge)),
            ("9999999999999999.99", Ok(999_999_999_999_999_999)),
            ("10000000000000000", Err(TooLarge)),
            ("1.", Err(NotANumber)),
            (".5", Err(NotANumber)),
            ("+1", Err(NotANumber)),
            ("1e", Err(NotANumber)),
            ("1.2.3", Err(NotANumber)),
            ("NaN", Err(NotANumber)),
        ];
        for (text, expected) in cases {
            assert_eq!(decimal(text, 18, 2), expected, "{text:?}");
        }
        assert_eq!(decimal("99999999999999999999999999999999999999", 38, 0), Ok(10_i128.pow(38) - 1));
        assert_eq!(decimal("1200", 5, -2), Ok(12));
        assert_eq!(decimal("1250", 5, -2), Err(Inexact));
    }

    #[test]
    fn the_short_way_agrees_with_the_long_one() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..20_000 {
            let mut text = if random.bool() { String::from("-") } else { String::new() };
            let limit = 10_u64.pow(random.u32(1..18));
            text += &random.u64(..limit).to_string();
            if random.bool() {
                text += &format!(".{:0width$}", random.u32(..100), width = random.usize(1..6));
            }
            if let Some(value) = short(&text, 4) {
                assert_eq!(Ok(value), scaled_at_length(&text, 4), "{text}");
            }
        }
    }
}
