//! Fields that a Tiller is too old for.
//!
//! Tiller ignores what it does not know. A request with a field that came after the oldest Tiller served
//! here is therefore preceded by a question for the version, and refused if the field would be lost.

use client::{Failure, Relay, Tiller};
use rest::problem::{Code, Problem};
use tiller_api::{
    Method,
    version::{FIELDS, TillerVersion},
};

use crate::version;

/// The oldest Tiller served without a question: the first that waits, times out and runs tests. What is as
/// old as it is not asked for.
pub(crate) const BASELINE: TillerVersion = TillerVersion::new(2, 2, 0);

/// Refuses fields that this Tiller would ignore; `used` are those set, by their names in REST.
pub(crate) async fn check<R: Relay>(
    tiller: &Tiller<R>,
    method: Method,
    used: &[&str],
) -> Result<(), Failure> {
    let newer: Vec<_> = FIELDS
        .iter()
        .filter(|field| field.method == method && field.since > BASELINE)
        .filter(|field| used.contains(&field.name))
        .collect();
    if newer.is_empty() {
        return Ok(());
    }
    let version = version::read(tiller).await?.sem_ver;
    // A version that cannot be read is that of a build from source, and new.
    let Some(parsed) = TillerVersion::parse(&version) else {
        return Ok(());
    };
    match newer.iter().find(|field| parsed < field.since) {
        None => Ok(()),
        Some(field) => Err(Problem::new(
            Code::TillerTooOld,
            format!(
                "field `{}` needs Tiller {}, and this one is {version}",
                field.name, field.since
            ),
        )
        .into()),
    }
}
