//! Numbers as Go reads and prints them.

use std::{fmt::LowerExp, str::FromStr};

use serde_json::Number;

use super::{Node, YamlError};

/// The number that text is, if it is one.
///
/// Underscores count for nothing; only after a leading point must they stand between digits.
pub(super) fn parse(text: &str) -> Option<Node> {
    if text.starts_with('.') && !only_separates(text) {
        return None;
    }
    let digits = text.replace('_', "");
    parse_int(&digits).or_else(|| parse_float(&digits).map(Node::Float))
}

/// A JSON number. A whole one is written without point, as Go does: with no more digits than tell it from other floats.
pub(super) fn from_float(float: f64) -> Result<Number, YamlError> {
    if float.fract() == 0.0 && float.abs() < U64_BOUND {
        let digits = float.to_string();
        if let Ok(int) = digits.parse::<i64>() {
            return Ok(Number::from(int));
        }
        if let Ok(int) = digits.parse::<u64>() {
            return Ok(Number::from(int));
        }
    }
    Number::from_f64(float).ok_or(YamlError::NotFinite)
}

/// As Helm prints a number where text belongs: in single precision.
pub(super) fn print_single(float: f64) -> String {
    if float.is_nan() {
        return "NaN".to_owned();
    }
    let single = float as f32;
    if single.is_infinite() {
        return if single > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    general(&shortest(single))
}

/// As Helm prints a number that is a key.
pub(super) fn print_key(float: f64) -> String {
    match print_single(float).as_str() {
        "NaN" => ".nan".to_owned(),
        "+Inf" => ".inf".to_owned(),
        "-Inf" => "-.inf".to_owned(),
        printed => printed.to_owned(),
    }
}

/// As Helm prints a number that is a value: a whole one in full if there is an integer type for it.
pub(super) fn print_value(float: f64) -> String {
    match from_float(float) {
        Ok(whole) if !whole.is_f64() => whole.to_string(),
        _ => general(&shortest(float)),
    }
}

/// The fewest digits that tell a number from others, with their exponent. Of two that are equally close it is the even
/// one, as in Go; Rust leaves that open.
fn shortest<F: LowerExp + FromStr + PartialEq>(float: F) -> String {
    let shortest = format!("{float:e}");
    let digits = shortest
        .bytes()
        .take_while(|byte| *byte != b'e')
        .filter(u8::is_ascii_digit)
        .count();
    let even = format!("{float:.precision$e}", precision = digits.saturating_sub(1));
    match even.parse::<F>() {
        Ok(parsed) if parsed == float => even,
        _ => shortest,
    }
}

/// Go's format `g` out of the shortest digits and their exponent: a small exponent is written out.
fn general(scientific: &str) -> String {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(mantissa) => ("-", mantissa),
        None => ("", mantissa),
    };
    if !(-4..6).contains(&exponent) {
        let exponent_sign = if exponent < 0 { '-' } else { '+' };
        return format!(
            "{sign}{mantissa}e{exponent_sign}{:02}",
            exponent.unsigned_abs()
        );
    }
    let digits = mantissa.replace('.', "");
    let Ok(whole) = usize::try_from(exponent) else {
        let zeros = "0".repeat(exponent.unsigned_abs() as usize - 1);
        return format!("{sign}0.{zeros}{digits}");
    };
    match digits.split_at_checked(whole + 1) {
        Some((whole, "")) => format!("{sign}{whole}"),
        Some((whole, fraction)) => format!("{sign}{whole}.{fraction}"),
        None => format!("{sign}{digits:0<width$}", width = whole + 1),
    }
}

/// Decimal, `0x`, `0b`, `0o`, and octal with a mere `0`.
fn parse_int(text: &str) -> Option<Node> {
    let (negative, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (radix, digits) = match unsigned.as_bytes() {
        [b'0', b'x' | b'X', _, ..] => (16, &unsigned[2..]),
        [b'0', b'b' | b'B', _, ..] => (2, &unsigned[2..]),
        [b'0', b'o' | b'O', _, ..] => (8, &unsigned[2..]),
        [b'0', _, ..] => (8, &unsigned[1..]),
        _ => (10, unsigned),
    };
    if !digits.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    if negative {
        0_i64.checked_sub_unsigned(magnitude).map(Node::Int)
    } else if let Ok(int) = i64::try_from(magnitude) {
        Some(Node::Int(int))
    } else if unsigned.len() == text.len() {
        Some(Node::Uint(magnitude))
    } else {
        // Go reads no sign before numbers of this size.
        None
    }
}

/// Whether underscores stand between digits only.
fn only_separates(text: &str) -> bool {
    let is_digit = |at: Option<usize>| {
        at.and_then(|at| text.as_bytes().get(at))
            .is_some_and(u8::is_ascii_digit)
    };
    text.match_indices('_')
        .all(|(at, _)| is_digit(at.checked_sub(1)) && is_digit(at.checked_add(1)))
}

/// Decimal, within the range of floats.
fn parse_float(text: &str) -> Option<f64> {
    let numeric =
        |byte: u8| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E');
    if !text.bytes().all(numeric) {
        return None;
    }
    text.parse().ok().filter(|float: &f64| float.is_finite())
}

const U64_BOUND: f64 = 18_446_744_073_709_551_616.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_print_as_go_prints_them() {
        for (float, single, value) in [
            (1.1, "1.1", "1.1"),
            (1.0, "1", "1"),
            (0.0, "0", "0"),
            (-0.0, "-0", "0"),
            (20_200_101.1, "2.0200102e+07", "2.02001011e+07"),
            (100_000.0, "100000", "100000"),
            (1_000_000.0, "1e+06", "1000000"),
            (123_456.7, "123456.7", "123456.7"),
            (0.0001, "0.0001", "0.0001"),
            (0.000_012, "1.2e-05", "1.2e-05"),
            (-3.25, "-3.25", "-3.25"),
            (1e21, "1e+21", "1e+21"),
            (1e100, "+Inf", "1e+100"),
            (0.1 + 0.2, "0.3", "0.30000000000000004"),
            (
                280_467_081_711_669.63,
                "2.8046709e+14",
                "2.8046708171166962e+14",
            ),
        ] {
            assert_eq!(print_single(float), single);
            assert_eq!(print_value(float), value);
        }
    }

    #[test]
    fn whole_numbers_have_no_point_in_json() {
        for (float, expected) in [
            (1.0, "1"),
            (-0.0, "0"),
            (1e18, "1000000000000000000"),
            (1e19, "10000000000000000000"),
            (1.5, "1.5"),
            (9_223_372_036_854_775_808.0, "9223372036854776000"),
            (100_000_000_000_000_016.0, "100000000000000020"),
            // Beyond the integers once it is rounded.
            (-9_223_372_036_854_775_808.0, "-9.223372036854776e+18"),
        ] {
            assert_eq!(from_float(float).expect("a number").to_string(), expected);
        }
        assert_eq!(from_float(f64::NAN), Err(YamlError::NotFinite));
        assert_eq!(from_float(f64::INFINITY), Err(YamlError::NotFinite));
    }
}
