//! Whose doing a revision is, in Tiller's own record of it.
//!
//! Tiller knows one caller, this edge, so its history says nothing of who changed a release. From 2.10 on a request may
//! bring the text of the record: the actor is added to what the caller wrote or, where it wrote nothing, to what Tiller
//! would have written. The field is appended to the message, of which nothing else is touched: what was judged is what is
//! sent, and of a field that is there twice Tiller takes the last.
//!
//! Where an operation is carried out, its name is added, and that of the delivery it came from: by that the revision is
//! known for the operation's, should its answer be lost. Nothing that a caller writes comes behind it.
//!
//! What Tiller writes about a failure it writes itself, without the actor; the audit log has it.

use bytes::{BufMut, Bytes, BytesMut};
use prost::Message;
use prost::encoding::string;
use tiller_api::{MAX_MESSAGE, Method};

use crate::access::{Method as Means, Principal};
use crate::operations::{Mark, OperationId};

/// The longest name of an actor or a delivery, in characters.
const LONGEST: usize = 128;

/// The message in `frame`, a whole request of `method`, with its actor and its operation named in the description. None
/// where that says nothing: the local caller has no name, dry runs leave no record, and a message that is as large as
/// Tiller takes has no room.
pub(super) fn described(
    frame: &Bytes,
    method: Method,
    principal: &Principal,
    mark: Option<&Mark>,
) -> Option<Bytes> {
    let said = said(principal, mark)?;
    let message = grpc_web::unary_message(frame, MAX_MESSAGE).ok()?;
    let (tag, text) = description(method, message)?;
    let text = format!("{text} ({said})");
    let length = message.len() + string::encoded_len(tag, &text);

    if length > MAX_MESSAGE {
        return None;
    }
    let header = grpc_web::frame_header(length);
    let mut described = BytesMut::with_capacity(header.len() + length);
    described.put_slice(&header);
    described.put_slice(message);
    string::encode(tag, &text, &mut described);
    Some(described.freeze())
}

/// Whether `description` ends with the name of `operation`, as only what was sent for it does.
pub(crate) fn is_marked(description: &str, operation: &OperationId) -> bool {
    let marked = description
        .strip_suffix(')')
        .and_then(|rest| rest.strip_suffix(operation.as_str()));
    marked.is_some_and(|rest| rest.ends_with('(') || rest.ends_with(", "))
}

/// Whose doing it is.
fn said(principal: &Principal, mark: Option<&Mark>) -> Option<String> {
    let actor =
        (principal.method != Means::Local).then(|| format!("by {}", harmless(&principal.name)));
    let delivery = mark.and_then(|mark| mark.delivery.as_deref());
    let delivery = delivery.map(|delivery| format!("delivery {}", harmless(delivery)));
    let operation = mark.map(|mark| mark.operation.to_string());
    let parts: Vec<_> = [actor, delivery, operation].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// The field's number, and what Tiller would write. None if it would not.
fn description(method: Method, message: &[u8]) -> Option<(u32, String)> {
    let (tag, dry_run, said, usual) = match method {
        Method::InstallRelease => {
            let view = Install::decode(message).ok()?;
            (
                11,
                view.dry_run,
                view.description,
                "Install complete".into(),
            )
        }
        Method::UpdateRelease => {
            let view = Update::decode(message).ok()?;
            (
                12,
                view.dry_run,
                view.description,
                "Upgrade complete".into(),
            )
        }
        Method::RollbackRelease => {
            let view = Rollback::decode(message).ok()?;
            let usual = match view.version {
                // Tiller alone knows the revision.
                0 => "Rollback".to_owned(),
                version => format!("Rollback to {version}"),
            };
            (9, view.dry_run, view.description, usual)
        }
        Method::UninstallRelease => {
            let view = Uninstall::decode(message).ok()?;
            (5, false, view.description, "Deletion complete".into())
        }
        Method::GetHistory
        | Method::GetReleaseContent
        | Method::GetReleaseStatus
        | Method::GetVersion
        | Method::ListReleases
        | Method::RunReleaseTest => return None,
    };
    let text = if said.is_empty() { usual } else { said };
    (!dry_run).then_some((tag, text))
}

/// A name that neither ends the parenthesis it stands in nor breaks the line.
fn harmless(name: &str) -> String {
    let safe = |char: char| match char {
        '(' | ')' => '_',
        char if char.is_control() => '_',
        char => char,
    };
    let mut harmless: String = name.chars().take(LONGEST).map(safe).collect();
    if name.chars().nth(LONGEST).is_some() {
        harmless.push('…');
    }
    harmless
}

#[derive(Clone, PartialEq, Message)]
struct Install {
    #[prost(bool, tag = "3")]
    dry_run: bool,
    #[prost(string, tag = "11")]
    description: String,
}

#[derive(Clone, PartialEq, Message)]
struct Update {
    #[prost(bool, tag = "4")]
    dry_run: bool,
    #[prost(string, tag = "12")]
    description: String,
}

#[derive(Clone, PartialEq, Message)]
struct Rollback {
    #[prost(bool, tag = "2")]
    dry_run: bool,
    #[prost(int32, tag = "4")]
    version: i32,
    #[prost(string, tag = "9")]
    description: String,
}

#[derive(Clone, PartialEq, Message)]
struct Uninstall {
    #[prost(string, tag = "5")]
    description: String,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tiller_api::hapi::chart::{Chart, Config};
    use tiller_api::hapi::services::tiller::{
        GetHistoryRequest, InstallReleaseRequest, RollbackReleaseRequest, UninstallReleaseRequest,
        UpdateReleaseRequest,
    };

    use super::*;

    fn principal(name: &str) -> Principal {
        Principal {
            name: name.to_owned(),
            groups: Vec::new(),
            method: Means::Token,
        }
    }

    fn by_alice(method: Method, message: &impl Message) -> Bytes {
        let frame = grpc_web::encode_message(&message.encode_to_vec());
        described(&frame, method, &principal("alice"), None).unwrap_or(frame)
    }

    fn read<M: Message + Default>(frame: &[u8]) -> M {
        let message = grpc_web::unary_message(frame, MAX_MESSAGE).expect("one message");
        M::decode(message).expect("a request")
    }

    fn install(description: &str) -> InstallReleaseRequest {
        InstallReleaseRequest {
            name: "web".into(),
            description: description.into(),
            ..InstallReleaseRequest::default()
        }
    }

    #[test]
    fn the_actor_stands_behind_what_tiller_would_write() {
        let installed: InstallReleaseRequest =
            read(&by_alice(Method::InstallRelease, &install("")));
        assert_eq!(installed.description, "Install complete (by alice)");
        let updated: UpdateReleaseRequest = read(&by_alice(
            Method::UpdateRelease,
            &UpdateReleaseRequest::default(),
        ));
        assert_eq!(updated.description, "Upgrade complete (by alice)");
        let deleted: UninstallReleaseRequest = read(&by_alice(
            Method::UninstallRelease,
            &UninstallReleaseRequest::default(),
        ));
        assert_eq!(deleted.description, "Deletion complete (by alice)");
        for (version, expected) in [(3, "Rollback to 3 (by alice)"), (0, "Rollback (by alice)")] {
            let request = RollbackReleaseRequest {
                version,
                ..RollbackReleaseRequest::default()
            };
            let rolled: RollbackReleaseRequest = read(&by_alice(Method::RollbackRelease, &request));
            assert_eq!(rolled.description, expected);
        }
    }

    #[test]
    fn what_the_caller_wrote_is_kept_and_cannot_name_somebody_else_at_the_end() {
        let frame = by_alice(Method::InstallRelease, &install("for the sale (by bob)"));
        assert_eq!(
            read::<InstallReleaseRequest>(&frame).description,
            "for the sale (by bob) (by alice)"
        );
    }

    fn mark(delivery: Option<&str>) -> Mark {
        Mark {
            operation: "op-00000000000000000000000001".parse().unwrap(),
            delivery: delivery.map(Into::into),
        }
    }

    fn marked(description: &str, principal: &Principal, mark: &Mark) -> String {
        let frame = grpc_web::encode_message(&install(description).encode_to_vec());
        let frame = described(&frame, Method::InstallRelease, principal, Some(mark));
        read::<InstallReleaseRequest>(&frame.expect("it is marked")).description
    }

    #[test]
    fn an_operation_and_its_delivery_stand_behind_the_actor() {
        let hook = principal("hook:harbor");
        assert_eq!(
            marked("", &hook, &mark(Some("1f2e)\n"))),
            "Install complete (by hook:harbor, delivery 1f2e__, op-00000000000000000000000001)"
        );
        assert_eq!(
            marked("now", &Principal::local(), &mark(None)),
            "now (op-00000000000000000000000001)"
        );
    }

    #[test]
    fn only_what_was_sent_for_an_operation_has_its_mark() {
        let own = mark(None);
        let alice = principal("alice");
        for principal in [&alice, &Principal::local()] {
            let description = marked("whatever", principal, &own);
            assert!(is_marked(&description, &own.operation), "{description}");
        }
        let mut other = own.clone();
        other.operation = "op-00000000000000000000000002".parse().unwrap();
        let copied = format!("{} ({})", "x", own.operation);
        let named = format!("x, {}", own.operation);
        for description in [
            marked(&copied, &alice, &other),
            marked("x", &principal(&named), &other),
            format!("x{})", own.operation),
            "Upgrade complete".to_owned(),
        ] {
            assert!(!is_marked(&description, &own.operation), "{description}");
        }
    }

    #[test]
    fn a_name_cannot_look_like_two() {
        for (name, expected) in [
            ("x) (by root", "x_ _by root"),
            ("a\nb\u{1b}[2J\u{9b}", "a_b_[2J_"),
            (&"n".repeat(200), &format!("{}…", "n".repeat(128))),
        ] {
            let frame = grpc_web::encode_message(&install("d").encode_to_vec());
            let frame = described(&frame, Method::InstallRelease, &principal(name), None);
            let frame = frame.expect("there is something to say");
            let description = read::<InstallReleaseRequest>(&frame).description;
            assert_eq!(description, format!("d (by {expected})"));
        }
    }

    #[test]
    fn nothing_is_said_where_nothing_is_recorded_or_nobody_is_named() {
        let frame = grpc_web::encode_message(&install("").encode_to_vec());
        let local = described(&frame, Method::InstallRelease, &Principal::local(), None);
        assert_eq!(local, None);
        let history = GetHistoryRequest::default();
        assert_eq!(
            by_alice(Method::GetHistory, &history),
            grpc_web::encode_message(&history.encode_to_vec())
        );
        let dry = InstallReleaseRequest {
            dry_run: true,
            ..install("")
        };
        assert_eq!(
            by_alice(Method::InstallRelease, &dry),
            grpc_web::encode_message(&dry.encode_to_vec())
        );
    }

    #[test]
    fn a_message_as_large_as_tiller_takes_stays_as_it_is() {
        let mut request = install("");
        let room = MAX_MESSAGE - request.encoded_len();
        let raw = |length| {
            Some(Config {
                raw: "x".repeat(length),
                ..Config::default()
            })
        };
        // Two tags with their lengths, each of four bytes.
        request.values = raw(room - 10);
        assert_eq!(request.encoded_len(), MAX_MESSAGE);
        let frame = by_alice(Method::InstallRelease, &request);
        assert_eq!(frame.len(), MAX_MESSAGE + 5);
        assert_eq!(read::<InstallReleaseRequest>(&frame).description, "");
        let added = by_alice(Method::InstallRelease, &install("")).len()
            - grpc_web::encode_message(&install("").encode_to_vec()).len();
        request.values = raw(room - 10 - added);
        let frame = by_alice(Method::InstallRelease, &request);
        assert_eq!(frame.len(), MAX_MESSAGE + 5);
        assert_ne!(read::<InstallReleaseRequest>(&frame).description, "");
    }

    proptest! {
        #[test]
        fn a_request_differs_in_its_description_alone(
            name in ".{0,8}", namespace in ".{0,8}", raw in ".{0,64}",
            wait: bool, timeout: i64, first in ".{0,16}", last in "[^\u{0}].{0,16}",
            twice: bool, unknown: bool,
        ) {
            let request = InstallReleaseRequest {
                chart: Some(Chart::default()),
                values: Some(Config { raw, ..Config::default() }),
                name, namespace, wait, timeout,
                description: first.clone(),
                ..InstallReleaseRequest::default()
            };
            let mut message = request.encode_to_vec();
            if unknown {
                string::encode(4000, &last, &mut message);
            }
            if twice {
                message.extend(install(&last).encode_to_vec());
            }
            let frame = grpc_web::encode_message(&message);
            let frame = described(&frame, Method::InstallRelease, &principal("alice"), None);
            let frame = frame.expect("there is something to say");
            let sent = grpc_web::unary_message(&frame, MAX_MESSAGE).expect("one message");
            prop_assert!(sent.starts_with(&message));
            let mut expected = InstallReleaseRequest::decode(message.as_slice()).expect("a request");
            let said = if twice { last } else { first };
            prop_assert_eq!(&expected.description, &said);
            let said = if said.is_empty() { "Install complete".to_owned() } else { said };
            expected.description = format!("{said} (by alice)");
            prop_assert_eq!(read::<InstallReleaseRequest>(&frame), expected);
        }
    }
}
