//! Decimal numbers as they are written in JSON, scaled to whole ones without binary floats.

/// A scaled number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scaled {
    /// The number, rounded to the nearest whole one.
    pub(super) whole: u64,
    /// Whether rounding changed it.
    pub(super) rounded: bool,
}

/// The number `text` times ten to the power of `power`; nothing if it is no decimal of at
/// least 0 or has no room in the type.
pub(super) fn scaled(text: &str, power: i32) -> Option<Scaled> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u128 = digits.parse().ok()?;
    let exponent: i32 = exponent.parse().ok()?;
    let shift = exponent.checked_add(power)?.checked_sub(i32::try_from(fraction.len()).ok()?)?;
    if number == 0 {
        return Some(Scaled { whole: 0, rounded: false });
    }
    let factor = 10_u128.checked_pow(shift.unsigned_abs());
    let (whole, rounded) = match factor {
        Some(factor) if shift >= 0 => (number.checked_mul(factor)?, false),
        Some(factor) => ((number + factor / 2) / factor, !number.is_multiple_of(factor)),
        None if shift < 0 => (0, true),
        None => return None,
    };
    Some(Scaled { whole: u64::try_from(whole).ok()?, rounded })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_scaled_exactly() {
        for (text, whole) in [
            ("1.1e-06", 1_100_000_000),
            ("7.167e-05", 71_670_000_000),
            ("0.0000002", 200_000_000),
            ("2E-7", 200_000_000),
            ("0", 0),
            ("0.0", 0),
            ("3", 3_000_000_000_000_000),
            ("1e+2", 100_000_000_000_000_000),
            ("1e-15", 1),
        ] {
            assert_eq!(scaled(text, 15), Some(Scaled { whole, rounded: false }), "{text}");
        }
    }

    #[test]
    fn the_trace_of_a_binary_float_is_rounded_away_and_told() {
        for (text, whole) in [
            ("2.0000000000000002E-7", 200_000_000),
            ("9.499999999999999e-07", 950_000_000),
            ("1e-99", 0),
        ] {
            assert_eq!(scaled(text, 15), Some(Scaled { whole, rounded: true }), "{text}");
        }
    }

    #[test]
    fn what_is_no_price_is_none() {
        for text in ["", "-1", "+1", "1e", "e5", "NaN", "\"1\"", "null", "1e99", "1e9", "1.2.3"] {
            assert_eq!(scaled(text, 15), None, "{text}");
        }
    }
}
