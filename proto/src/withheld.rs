//! A release without what shows its values.
//!
//! It is done to the encoded message: what stays is named here, byte for byte as Tiller sent it, and everything else is
//! left out, fields of a later Tiller included. A part that comes more than once is treated alike each time, so that
//! merging what is left is the same as leaving out after merging.

use prost::DecodeError;
use prost::encoding::WireType;

use crate::wire::{Field, fields, put};

/// What becomes of a field.
enum Fate {
    Keep,
    /// It is a message, of which so much stays.
    Reduce(Rule),
}

/// The fate of a field; none if it is left out.
type Rule = fn(&Field<'_>) -> Option<Fate>;

/// The `hapi.release.Release` without values, manifest, notes, the hooks' manifests, and of the chart anything but its
/// metadata.
///
/// # Errors
///
/// When it is no message.
pub fn release(encoded: &[u8]) -> Result<Vec<u8>, DecodeError> {
    reduced(encoded, in_release)
}

/// The `hapi.services.tiller.GetReleaseStatusResponse` without notes.
///
/// # Errors
///
/// When it is no message.
pub fn status(encoded: &[u8]) -> Result<Vec<u8>, DecodeError> {
    reduced(encoded, in_status_answer)
}

fn reduced(message: &[u8], rule: Rule) -> Result<Vec<u8>, DecodeError> {
    let mut kept = Vec::new();
    for field in fields(message) {
        let field = field?;
        match rule(&field) {
            None => (),
            Some(Fate::Keep) => kept.extend_from_slice(field.whole),
            Some(Fate::Reduce(rule)) => {
                put(&mut kept, field.number, &reduced(field.value, rule)?);
            }
        }
    }
    Ok(kept)
}

fn in_release(field: &Field<'_>) -> Option<Fate> {
    use WireType::{LengthDelimited, Varint};
    match (field.number, field.kind) {
        // name, namespace, version
        (1 | 8, LengthDelimited) | (7, Varint) => Some(Fate::Keep),
        (2, LengthDelimited) => Some(Fate::Reduce(in_info)),
        (3, LengthDelimited) => Some(Fate::Reduce(in_chart)),
        (6, LengthDelimited) => Some(Fate::Reduce(in_hook)),
        _ => None,
    }
}

fn in_status_answer(field: &Field<'_>) -> Option<Fate> {
    match (field.number, field.kind) {
        // name, namespace
        (1 | 3, WireType::LengthDelimited) => Some(Fate::Keep),
        (2, WireType::LengthDelimited) => Some(Fate::Reduce(in_info)),
        _ => None,
    }
}

fn in_info(field: &Field<'_>) -> Option<Fate> {
    match (field.number, field.kind) {
        (1, WireType::LengthDelimited) => Some(Fate::Reduce(in_status)),
        // first_deployed, last_deployed, deleted, Description
        (2..=5, WireType::LengthDelimited) => Some(Fate::Keep),
        _ => None,
    }
}

fn in_status(field: &Field<'_>) -> Option<Fate> {
    match (field.number, field.kind) {
        // code, resources, last_test_suite_run
        (1, WireType::Varint) | (3 | 5, WireType::LengthDelimited) => Some(Fate::Keep),
        _ => None,
    }
}

fn in_chart(field: &Field<'_>) -> Option<Fate> {
    field.is_delimited(1).then_some(Fate::Keep)
}

fn in_hook(field: &Field<'_>) -> Option<Fate> {
    use WireType::{LengthDelimited, Varint};
    match (field.number, field.kind) {
        // name, kind, path, last_run
        (1..=3 | 6, LengthDelimited)
        // events and delete_policies, which may be packed or not
        | (5 | 8, LengthDelimited | Varint)
        // weight, delete_timeout
        | (7 | 9, Varint) => Some(Fate::Keep),
        _ => None,
    }
}
