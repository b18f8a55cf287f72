//! Sums of integers and decimals are added up in a wider type than theirs, and are an error where they do not fit it.
//!
//! Added up in their own type they would wrap around, and so would a sum that fits in the end and not on the way there.

use arrow::datatypes::{Decimal128Type, Decimal256Type, DecimalType, i256};
use arrow::error::ArrowError;

/// A sum of integers or durations of 64 bits.
///
/// # Errors
/// The sum has more than 64 bits.
pub fn fitted_integer<T: TryFrom<i128>>(sum: i128) -> Result<T, ArrowError> {
    T::try_from(sum).map_err(|_| ArrowError::ArithmeticOverflow(format!("a sum has more than 64 bits: {sum}")))
}

/// A sum of decimals, as a multiple of their last digit.
///
/// # Errors
/// The sum has more digits than `precision`, which is at most 38.
pub fn fitted_decimal(sum: i256, precision: u8, scale: i8) -> Result<i128, ArrowError> {
    let fitted = sum.to_i128().filter(|sum| Decimal128Type::is_valid_decimal_precision(*sum, precision));
    fitted.ok_or_else(|| {
        let sum = Decimal256Type::format_decimal(sum, Decimal256Type::MAX_PRECISION, scale);
        ArrowError::ArithmeticOverflow(format!("a sum has more digits than decimal({precision},{scale}): {sum}"))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_does_not_fit_is_told() {
        assert_eq!(fitted_integer::<i64>(i64::MIN.into()).unwrap(), i64::MIN);
        assert_eq!(fitted_integer::<u64>(u64::MAX.into()).unwrap(), u64::MAX);
        let told = fitted_integer::<i64>(i128::from(i64::MAX) + 1).unwrap_err().to_string();
        assert_eq!(told, "Arithmetic overflow: a sum has more than 64 bits: 9223372036854775808");
        assert!(fitted_integer::<u64>(-1).is_err());
    }

    #[test]
    fn a_decimal_has_as_many_digits_as_its_type() {
        let nines = 10_i128.pow(38) - 1;
        assert_eq!(fitted_decimal(i256::from_i128(-nines), 38, 2).unwrap(), -nines);
        let told = fitted_decimal(i256::from_i128(nines) + i256::ONE, 38, 36).unwrap_err().to_string();
        assert_eq!(
            told,
            format!("Arithmetic overflow: a sum has more digits than decimal(38,36): 100.{}", "0".repeat(36))
        );
        assert!(fitted_decimal(i256::from_i128(1_000), 3, 0).is_err());
    }
}
