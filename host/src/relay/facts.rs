//! What a call asks for, read from the message that is to be sent and from nothing else.
//!
//! The message is read as Tiller will read it. What cannot be read is not relayed: Tiller would refuse it or, worse, read
//! something that was not judged.

use bytes::Bytes;
use prost::{DecodeError, Message};
use sha2::{Digest, Sha256};
use tiller_api::wire::fields;
use tiller_api::{Method, request};
use tokio::task::spawn_blocking;

use super::{NotACall, RelayError};
use crate::grants::Action;

/// Where releases go whose record names no namespace.
const DEFAULT_NAMESPACE: &str = "default";

/// From this size on, digests are made where they hold nothing else up, in bytes.
pub(super) const LARGE: usize = 256 << 10;

/// What a call asks for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Facts {
    /// What it does to releases; none if nothing.
    pub(super) action: Option<Action>,
    /// Whether it is only asked what a mutation would do.
    pub(super) dry_run: bool,
    /// The release; none if it is all of them, or one whose name Tiller makes up.
    pub(super) release: Option<String>,
    /// The namespace that the message names.
    pub(super) namespace: Option<String>,
    /// The revision that it is about, as Tiller takes it.
    pub(super) revision: i32,
    /// The chart, where one is sent.
    pub(super) chart: Option<Chart>,
    /// Whether a release of that name may be replaced.
    pub(super) replaces: bool,
    /// Whether all records of the release go.
    pub(super) purges: bool,
    /// The SHA-256 of the values, as `sha256:` and hex.
    pub(super) values_digest: Option<String>,
}

/// The chart in a message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Chart {
    pub(super) name: String,
    pub(super) version: String,
    /// The number of its field in the message.
    pub(super) field: u32,
    /// The SHA-256 of the field, as `sha256:` and hex.
    pub(super) digest: String,
}

impl Facts {
    /// Reads `message`, which goes to `method`.
    ///
    /// # Errors
    ///
    /// When Tiller would not take it for the method's request.
    pub(super) async fn read(method: Method, message: Bytes) -> Result<Self, RelayError> {
        let facts = if message.len() < LARGE {
            read(method, &message)
        } else {
            match spawn_blocking(move || read(method, &message)).await {
                Ok(facts) => facts,
                Err(_) => return Err(RelayError::Ending),
            }
        };
        facts.map_err(|error| RelayError::NotACall(NotACall::Undecodable(error)))
    }

    /// Whether the call changes a cluster.
    pub(super) fn changes(&self) -> bool {
        !self.dry_run && self.action.is_some_and(Action::is_mutation)
    }
}

/// The namespace of a release; a record without one is that of the default namespace.
pub(super) fn namespace_or_default(namespace: &str) -> &str {
    if namespace.is_empty() {
        DEFAULT_NAMESPACE
    } else {
        namespace
    }
}

fn read(method: Method, message: &Bytes) -> Result<Facts, DecodeError> {
    Ok(match method {
        Method::GetVersion => {
            fields(message).try_for_each(|field| field.map(drop))?;
            Facts::default()
        }
        Method::ListReleases => {
            let request: request::ListReleases = decode(message)?;
            Facts {
                action: Some(Action::Read),
                namespace: named(request.namespace),
                ..Facts::default()
            }
        }
        Method::GetHistory => {
            let request: request::GetHistory = decode(message)?;
            Facts::about(Action::Read, request.name)
        }
        Method::GetReleaseContent | Method::GetReleaseStatus => {
            let request: request::GetRelease = decode(message)?;
            Facts {
                revision: request.version,
                ..Facts::about(Action::Read, request.name)
            }
        }
        Method::InstallRelease => {
            let request: request::InstallRelease = decode(message)?;
            Facts {
                dry_run: request.dry_run,
                namespace: Some(namespace_or_default(&request.namespace).to_owned()),
                chart: chart(message, 1, request.chart)?,
                replaces: request.reuse_name,
                values_digest: values(request.values),
                ..Facts::about(Action::Install, request.name)
            }
        }
        Method::UpdateRelease => {
            let request: request::UpdateRelease = decode(message)?;
            Facts {
                dry_run: request.dry_run,
                chart: chart(message, 2, request.chart)?,
                values_digest: values(request.values),
                ..Facts::about(Action::Upgrade, request.name)
            }
        }
        Method::RollbackRelease => {
            let request: request::RollbackRelease = decode(message)?;
            Facts {
                dry_run: request.dry_run,
                revision: request.version,
                ..Facts::about(Action::Rollback, request.name)
            }
        }
        Method::UninstallRelease => {
            let request: request::UninstallRelease = decode(message)?;
            Facts {
                purges: request.purge,
                ..Facts::about(Action::Uninstall, request.name)
            }
        }
        Method::RunReleaseTest => {
            let request: request::RunReleaseTest = decode(message)?;
            Facts::about(Action::Test, request.name)
        }
    })
}

impl Facts {
    fn about(action: Action, release: String) -> Self {
        Self {
            action: Some(action),
            release: named(release),
            ..Self::default()
        }
    }
}

fn named(name: String) -> Option<String> {
    (!name.is_empty()).then_some(name)
}

fn decode<M: Message + Default>(message: &Bytes) -> Result<M, DecodeError> {
    M::decode(message.clone())
}

fn chart(
    message: &[u8],
    field: u32,
    chart: Option<request::Chart>,
) -> Result<Option<Chart>, DecodeError> {
    let Some(chart) = chart else { return Ok(None) };
    let metadata = chart.metadata.unwrap_or_default();
    // What comes in several parts is merged, which is what reading the parts as one does.
    let mut digest = Sha256::new();
    for part in fields(message) {
        let part = part?;
        if part.is_delimited(field) {
            digest.update(part.value);
        }
    }
    Ok(Some(Chart {
        name: metadata.name,
        version: metadata.version,
        field,
        digest: format!("sha256:{:x}", digest.finalize()),
    }))
}

fn values(config: Option<request::Config>) -> Option<String> {
    config.map(|config| format!("sha256:{:x}", Sha256::digest(&config.raw)))
}

#[cfg(test)]
mod oracle;

#[cfg(test)]
mod tests {
    use tiller_api::hapi::chart::{Chart as WholeChart, Config, Metadata};
    use tiller_api::hapi::services::tiller::{
        InstallReleaseRequest, RollbackReleaseRequest, UpdateReleaseRequest,
    };

    use super::*;

    fn install() -> InstallReleaseRequest {
        InstallReleaseRequest {
            chart: Some(WholeChart {
                metadata: Some(Metadata {
                    name: "web".into(),
                    version: "1.2.3".into(),
                    ..Metadata::default()
                }),
                ..WholeChart::default()
            }),
            values: Some(Config {
                raw: "a: 1\n".into(),
                ..Config::default()
            }),
            name: "shop".into(),
            namespace: "a".into(),
            ..InstallReleaseRequest::default()
        }
    }

    fn facts(method: Method, message: &[u8]) -> Facts {
        read(method, &Bytes::copy_from_slice(message)).unwrap()
    }

    #[test]
    fn an_install_says_where_and_what() {
        let message = install();
        let facts = facts(Method::InstallRelease, &message.encode_to_vec());
        assert_eq!(facts.action, Some(Action::Install));
        assert_eq!(facts.release.as_deref(), Some("shop"));
        assert_eq!(facts.namespace.as_deref(), Some("a"));
        let chart = facts.chart.clone().unwrap();
        assert_eq!((&*chart.name, &*chart.version), ("web", "1.2.3"));
        let encoded = message.chart.unwrap().encode_to_vec();
        assert_eq!(
            chart.digest,
            format!("sha256:{:x}", Sha256::digest(encoded))
        );
        let values = format!("sha256:{:x}", Sha256::digest("a: 1\n"));
        assert_eq!(facts.values_digest, Some(values));
        assert!(facts.changes());
    }

    #[test]
    fn of_a_field_that_comes_twice_the_last_counts_as_in_tiller() {
        let mut message = install().encode_to_vec();
        let second = InstallReleaseRequest {
            name: "other".into(),
            namespace: "b".into(),
            dry_run: true,
            ..InstallReleaseRequest::default()
        };
        message.extend(second.encode_to_vec());
        let facts = facts(Method::InstallRelease, &message);
        assert_eq!(facts.release.as_deref(), Some("other"));
        assert_eq!(facts.namespace.as_deref(), Some("b"));
        assert!(facts.dry_run && !facts.changes());
        assert_eq!(facts.chart.unwrap().name, "web");
    }

    #[test]
    fn a_chart_in_parts_is_one_chart() {
        let mut message = install().encode_to_vec();
        let second = InstallReleaseRequest {
            chart: Some(WholeChart {
                metadata: Some(Metadata {
                    version: "9".into(),
                    ..Metadata::default()
                }),
                ..WholeChart::default()
            }),
            ..InstallReleaseRequest::default()
        };
        message.extend(second.encode_to_vec());
        let chart = facts(Method::InstallRelease, &message).chart.unwrap();
        assert_eq!((&*chart.name, &*chart.version), ("web", "9"));
        let parts = [
            install().chart.unwrap().encode_to_vec(),
            second.chart.unwrap().encode_to_vec(),
        ];
        let expected = Sha256::digest(parts.concat());
        assert_eq!(chart.digest, format!("sha256:{expected:x}"));
    }

    #[test]
    fn nothing_in_a_message_is_what_tiller_takes_it_for() {
        let facts = facts(Method::InstallRelease, b"");
        assert_eq!(facts.release, None);
        assert_eq!(facts.namespace.as_deref(), Some("default"));
        assert_eq!(facts.chart, None);
        assert!(facts.changes());
    }

    #[test]
    fn fields_of_a_later_tiller_are_skipped() {
        let mut message = RollbackReleaseRequest {
            name: "web".into(),
            version: -1,
            ..RollbackReleaseRequest::default()
        }
        .encode_to_vec();
        message.extend(b"\xfa\x01\x02hi\x83\x02\x08\x01\x84\x02");
        let facts = facts(Method::RollbackRelease, &message);
        assert_eq!(
            (facts.release.as_deref(), facts.revision),
            (Some("web"), -1)
        );
    }

    #[tokio::test]
    async fn large_messages_are_read_as_small_ones() {
        let message = UpdateReleaseRequest {
            name: "web".into(),
            values: Some(Config {
                raw: "x".repeat(2 * LARGE),
                ..Config::default()
            }),
            ..UpdateReleaseRequest::default()
        };
        let encoded = Bytes::from(message.encode_to_vec());
        let facts = Facts::read(Method::UpdateRelease, encoded.clone()).await;
        assert_eq!(
            facts.unwrap(),
            read(Method::UpdateRelease, &encoded).unwrap()
        );
    }

    #[test]
    fn what_tiller_would_not_take_cannot_be_read() {
        for message in [
            &b"\x0a\x05ab"[..],
            b"\x0a\x02\xff\xfe",
            b"\x08\x01",
            b"\xff",
        ] {
            for method in Method::ALL {
                if matches!(
                    method,
                    Method::GetVersion | Method::ListReleases | Method::InstallRelease
                ) {
                    continue;
                }
                let read = read(method, &Bytes::from_static(message));
                assert!(read.is_err(), "{method} {message:?}");
            }
        }
    }
}
