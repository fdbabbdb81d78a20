//! The order of keys.
//!
//! It is the natural one, more or less: `a2` before `a10`, and where two keys begin to differ, letters after all
//! else. With leading zeros go-yaml's comparison runs in circles: `0001` < `000a` < `001` < `0001`. Then go-yaml's
//! order is one of chance; here it is always the same.

use icu_properties::{
    CodePointMapData,
    props::{GeneralCategory, GeneralCategoryGroup},
};
use serde_json::{Map, Value};

/// Entries in the order of their keys.
pub(super) fn sorted(entries: &Map<String, Value>) -> Vec<(&str, &Value)> {
    let mut entries: Vec<_> = entries
        .iter()
        .map(|(key, value)| (key.as_str(), value))
        .collect();
    // Makes the result the same for every order that the map may have.
    entries.sort_unstable_by_key(|(key, _)| *key);
    merge_sort(entries)
}

/// The standard library's sorting may panic where a comparison runs in circles.
fn merge_sort<'v>(mut entries: Vec<(&'v str, &'v Value)>) -> Vec<(&'v str, &'v Value)> {
    if entries.len() < 2 {
        return entries;
    }
    let second = entries.split_off(entries.len() / 2);
    let len = entries.len() + second.len();
    let mut first = merge_sort(entries).into_iter().peekable();
    let mut second = merge_sort(second).into_iter().peekable();
    let mut merged = Vec::with_capacity(len);
    while let (Some((one, _)), Some((other, _))) = (first.peek(), second.peek()) {
        merged.extend(if is_less(other, one) {
            second.next()
        } else {
            first.next()
        });
    }
    merged.extend(first);
    merged.extend(second);
    merged
}

fn is_less(one: &str, other: &str) -> bool {
    let same = common_prefix(one, other);
    let (before, one) = one.split_at(same);
    let (_, other) = other.split_at(same);
    let (Some(a), Some(b)) = (one.chars().next(), other.chars().next()) else {
        return one.is_empty() && !other.is_empty();
    };
    match (is_letter(a), is_letter(b)) {
        (true, true) => a < b,
        (false, false) => {
            // A zero within a number counts, a leading one does not.
            let start = (a == '0' || b == '0') && ends_in_number(before);
            (number(one, start), a) < (number(other, start), b)
        }
        (_, b_is_letter) => b_is_letter,
    }
}

/// The bytes of the characters with which both begin.
fn common_prefix(one: &str, other: &str) -> usize {
    one.chars()
        .zip(other.chars())
        .take_while(|(a, b)| a == b)
        .map(|(a, _)| a.len_utf8())
        .sum()
}

/// Whether there are digits at the end that are not all zeros.
fn ends_in_number(text: &str) -> bool {
    text.chars()
        .rev()
        .take_while(|c| is_digit(*c))
        .any(|c| c != '0')
}

/// The value of the digits at the start, and how many they are. Numbers of any size are welcome, and wrap.
fn number(text: &str, start: bool) -> (i64, usize) {
    let zero = i64::from(u32::from('0'));
    text.chars().take_while(|c| is_digit(*c)).fold(
        (i64::from(start), 0),
        |(value, count), digit| {
            let digit = i64::from(u32::from(digit)).wrapping_sub(zero);
            (value.wrapping_mul(10).wrapping_add(digit), count + 1)
        },
    )
}

fn is_letter(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_alphabetic();
    }
    GeneralCategoryGroup::Letter.contains(CodePointMapData::<GeneralCategory>::new().get(c))
}

fn is_digit(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_digit();
    }
    CodePointMapData::<GeneralCategory>::new().get(c) == GeneralCategory::DecimalNumber
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn order(keys: &[&str]) -> Vec<String> {
        let entries = keys
            .iter()
            .map(|key| ((*key).to_owned(), json!(0)))
            .collect();
        sorted(&entries)
            .into_iter()
            .map(|(key, _)| key.to_owned())
            .collect()
    }

    #[test]
    fn numbers_count_as_such() {
        assert_eq!(
            order(&[
                "a10", "a2", "a1", "a", "A", "é", "b", "_", "1", "10", "9", "", "a_"
            ]),
            [
                "", "_", "1", "9", "10", "A", "a", "a_", "a1", "a2", "a10", "b", "é"
            ]
        );
        assert_eq!(
            order(&["a012", "a10", "a1", "a01"]),
            ["a1", "a01", "a10", "a012"]
        );
    }

    #[test]
    fn circles_have_one_order_too() {
        let keys = ["0001", "000a", "001"];
        assert!(
            is_less(keys[0], keys[1]) && is_less(keys[1], keys[2]) && is_less(keys[2], keys[0])
        );
        let expected = order(&keys);
        assert_eq!(order(&[keys[2], keys[0], keys[1]]), expected);
    }

    #[test]
    fn numbers_of_any_size_are_compared() {
        let long = "9".repeat(1000);
        assert_eq!(order(&[&long, "1"]).len(), 2);
    }
}
