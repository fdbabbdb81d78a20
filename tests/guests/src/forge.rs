//! Forged heads, bodies that are not what their heads say, and messages that mean two things.

use spin_sdk::http::Request;
use spin_sdk::wasip3::http::types::Fields;

use crate::Answer;
use crate::attempt::{Attempt, ELSEWHERE, MINE, NAMESPACE, Report, THEIRS, every_release};
use crate::calls::Call;
use crate::message::{Message, chart, field, install, named, upgrade};

/// Headers that say that somebody else is calling.
const IDENTITY: [(&str, &str); 14] = [
    ("authorization", "Bearer forged"),
    ("proxy-authorization", "Basic forged"),
    ("host", "metadata.internal"),
    ("impersonate-user", "system:admin"),
    ("impersonate-group", "system:masters"),
    ("impersonate-uid", "0"),
    ("impersonate-extra-scopes", "everything"),
    ("x-remote-user", "system:admin"),
    ("x-remote-group", "system:masters"),
    ("x-remote-extra-scopes", "everything"),
    ("x-forwarded-for", "127.0.0.1"),
    ("x-forwarded-client-cert", "Subject=\"O=system:masters\""),
    ("cookie", "session=forged"),
    ("x-tiller-edge-answered-by", "forged"),
];

/// Headers of one connection.
const CONNECTION: [(&str, &str); 9] = [
    ("connection", "audit-id, authorization"),
    ("keep-alive", "timeout=1000"),
    ("proxy-connection", "keep-alive"),
    ("te", "gzip"),
    ("trailer", "authorization"),
    ("transfer-encoding", "chunked"),
    ("upgrade", "h2c"),
    ("http2-settings", "AAMAAABkAARAAAAAAAIAAAAA"),
    ("expect", "100-continue"),
];

/// Headers that are no headers.
const PSEUDO: [(&str, &str); 6] = [
    (":authority", "metadata.internal"),
    (":method", "GET"),
    (":path", "/api/v1/secrets"),
    (":scheme", "https"),
    ("x-split", "a\r\nauthorization: Bearer forged"),
    ("x-null", "a\0b"),
];

pub(crate) async fn forge_identity(request: Request) -> Answer {
    each_header(&request, &IDENTITY).await
}

pub(crate) async fn forge_connection_headers(request: Request) -> Answer {
    each_header(&request, &CONNECTION).await
}

pub(crate) async fn forge_pseudo_headers(request: Request) -> Answer {
    each_header(&request, &PSEUDO).await
}

/// The same behind the body, where some look no more.
pub(crate) async fn forge_trailers(request: Request) -> Answer {
    let cluster = Call::of(&request).cluster;
    let mut report = Report::default();
    for (name, value) in IDENTITY {
        let attempt = Attempt::list(&cluster).trailer(name, value);
        report.attempt(name, attempt).await;
    }
    report.into_answer()
}

/// A right call with each of the headers, and one with all of them that can be set.
async fn each_header(request: &Request, headers: &[(&'static str, &str)]) -> Answer {
    let cluster = Call::of(request).cluster;
    let mut report = Report::default();
    let mut all = Attempt::list(&cluster);
    for (name, value) in headers {
        let attempt = Attempt::list(&cluster).header(name, value);
        report.attempt(name, attempt).await;
        let one = [((*name).to_owned(), value.as_bytes().to_vec())];
        if Fields::from_list(&one).is_ok() {
            all = all.header(name, value);
        }
    }
    report.attempt("all", all).await;
    report.into_answer()
}

/// A body of another length than its head says, so that what is left over might be taken for a call of its own.
pub(crate) async fn smuggle_by_length(request: Request) -> Answer {
    let cluster = Call::of(&request).cluster;
    let allowed = install("forged", NAMESPACE).framed(0);
    let smuggled = install("forged", ELSEWHERE).framed(0);
    let head = format!(
        "POST /clusters/two/hapi.services.tiller.ReleaseService/InstallRelease HTTP/1.1\r\n\
         host: relay.internal\r\ncontent-type: application/grpc-web+proto\r\n\
         content-length: {}\r\n\r\n",
        smuggled.len()
    );
    let attempt = |lengths: &[&str]| {
        let call = Attempt::call(&cluster, "InstallRelease", &Message::default());
        let call = call.pieces([allowed.clone(), head.as_bytes().to_vec(), smuggled.clone()]);
        lengths
            .iter()
            .fold(call, |call, length| call.header("content-length", length))
    };
    let exact = allowed.len().to_string();
    let mut report = Report::default();
    for (what, lengths) in [
        ("exact", &[exact.as_str()][..]),
        ("nothing", &["0"]),
        ("more", &["1000000"]),
        ("twice", &[exact.as_str(), "0"]),
        ("twice, the other way", &["0", exact.as_str()]),
        ("negative", &["-1"]),
        ("signed", &["+5"]),
        ("hexadecimal", &["0x10"]),
        ("wide", &["18446744073709551616"]),
        ("untold", &[]),
    ] {
        report.attempt(what, attempt(lengths)).await;
    }
    report.into_answer()
}

/// A message that the relay would have to unpack to see what it says.
pub(crate) async fn compressed(request: Request) -> Answer {
    let cluster = Call::of(&request).cluster;
    let message = install("forged", ELSEWHERE);
    let call = Attempt::call(&cluster, "InstallRelease", &message);
    let mut report = Report::default();
    for (what, attempt) in [
        ("flag", call.clone().pieces([message.framed(1)])),
        ("unknown flags", call.clone().pieces([message.framed(0x7e)])),
        (
            "grpc-encoding",
            call.clone().header("grpc-encoding", "gzip"),
        ),
        (
            "grpc-encoding and flag",
            call.clone()
                .pieces([message.framed(1)])
                .header("grpc-encoding", "gzip"),
        ),
        (
            "content-encoding",
            call.clone().header("content-encoding", "gzip"),
        ),
        (
            "text",
            call.clone().content_type("application/grpc-web-text+proto"),
        ),
        ("grpc", call.clone().content_type("application/grpc")),
        ("json", call.content_type("application/grpc-web+json")),
    ] {
        report.attempt(what, attempt).await;
    }
    report.into_answer()
}

/// Fields twice, of which the last counts: allowed ones first.
pub(crate) async fn duplicate_fields(request: Request) -> Answer {
    use field::install::{NAME, NAMESPACE as IN, REUSE_NAME};
    let cluster = Call::of(&request).cluster;
    let mut report = Report::default();
    for (what, method, message) in [
        (
            "namespace",
            "InstallRelease",
            install("forged", NAMESPACE).text(IN, ELSEWHERE),
        ),
        (
            "namespace, in two orders",
            "InstallRelease",
            install("forged", ELSEWHERE)
                .text(IN, NAMESPACE)
                .text(IN, ELSEWHERE),
        ),
        (
            "name and its reuse",
            "InstallRelease",
            install("forged", NAMESPACE)
                .text(NAME, THEIRS)
                .number(REUSE_NAME, 0)
                .number(REUSE_NAME, 1),
        ),
        (
            "upgrade",
            "UpdateRelease",
            upgrade(MINE).text(field::NAME, THEIRS),
        ),
        (
            "uninstall",
            "UninstallRelease",
            named(MINE).text(field::NAME, THEIRS),
        ),
        (
            "content",
            "GetReleaseContent",
            named(MINE).text(field::NAME, THEIRS),
        ),
        (
            "list",
            "ListReleases",
            every_release().text(7, NAMESPACE).text(7, ELSEWHERE),
        ),
    ] {
        let attempt = Attempt::call(&cluster, method, &message);
        report.attempt(what, attempt).await;
    }
    report.into_answer()
}

/// A dry run that is none after all: whoever may only see what would happen must not make it happen.
pub(crate) async fn dry_run_that_is_none(request: Request) -> Answer {
    use field::install::DRY_RUN;
    let cluster = Call::of(&request).cluster;
    let mut report = Report::default();
    let in_group = Message::default().number(DRY_RUN, 1);
    // Ten bytes that say zero, and eleven that say nothing.
    let long_zero = b"\x18\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00";
    let overlong = b"\x18\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00";
    for (what, message) in [
        ("not at all", install("forged", NAMESPACE)),
        ("no more", dry().number(DRY_RUN, 0)),
        ("a long zero", dry().bytes(long_zero)),
        ("an overlong zero", dry().bytes(overlong)),
        (
            "a text",
            install("forged", NAMESPACE).text(DRY_RUN, "\u{1}"),
        ),
        (
            "in a group",
            install("forged", NAMESPACE).group(DRY_RUN, &in_group),
        ),
        (
            "a fixed number",
            install("forged", NAMESPACE).bytes(b"\x1d\x01\0\0\0"),
        ),
        (
            "of another message",
            install("forged", NAMESPACE).number(field::upgrade::DRY_RUN, 1),
        ),
        (
            "a wide field",
            // 3 + 2^29, which is 3 for whoever keeps 32 bits of the key.
            install("forged", NAMESPACE).bytes(b"\x98\x80\x80\x80\x10\x01"),
        ),
    ] {
        let attempt = Attempt::call(&cluster, "InstallRelease", &message);
        report.attempt(what, attempt).await;
    }
    report.into_answer()
}

fn dry() -> Message {
    install("forged", NAMESPACE).number(field::install::DRY_RUN, 1)
}

/// Fields that one reader may skip and another may take.
pub(crate) async fn unknown_fields(request: Request) -> Answer {
    let cluster = Call::of(&request).cluster;
    let mut report = Report::default();
    let theirs = named(THEIRS);
    for (what, message) in [
        ("unknown", named(MINE).text(99, THEIRS).number(98, 7)),
        ("in a group", named(MINE).group(99, &theirs)),
        (
            "after a group",
            named(MINE)
                .group(99, &named("x"))
                .bytes(&theirs.clone().into_bytes()),
        ),
        (
            "a group left open",
            named(MINE)
                .bytes(b"\x9b\x06")
                .bytes(&theirs.clone().into_bytes()),
        ),
        (
            "a group never begun",
            named(MINE)
                .bytes(b"\x9c\x06")
                .bytes(&theirs.clone().into_bytes()),
        ),
        // 1 + 2^29.
        (
            "a wide field",
            named(MINE).bytes(b"\x8a\x80\x80\x80\x10\x06theirs"),
        ),
        ("field nought", named(MINE).bytes(b"\x02\x06theirs")),
        (
            "a long key",
            Message::default().bytes(b"\x8a\x80\x00\x06theirs"),
        ),
        (
            "a long length",
            Message::default().bytes(b"\x0a\x86\x80\x00theirs"),
        ),
        ("no text", named(THEIRS).bytes(b"\x0a\x02\xff\xfe")),
        ("another wire type", named(THEIRS).number(field::NAME, 1)),
        ("a fixed number", named(MINE).bytes(b"\x09theirs__")),
        (
            "a chart as name",
            named(MINE).message(field::NAME, &chart("forged", "1.0.0")),
        ),
        ("cut off", named(THEIRS).bytes(b"\x0a\x7f")),
    ] {
        for method in ["GetReleaseContent", "UninstallRelease"] {
            let attempt = Attempt::call(&cluster, method, &message);
            report.attempt(&format!("{what}, {method}"), attempt).await;
        }
    }
    report.into_answer()
}

/// Two messages where one belongs, the allowed one first.
pub(crate) async fn second_message(request: Request) -> Answer {
    let cluster = Call::of(&request).cluster;
    let call = Attempt::call(&cluster, "InstallRelease", &Message::default());
    let allowed = install("forged", NAMESPACE).framed(0);
    let other = install("forged", ELSEWHERE).framed(0);
    let mut report = Report::default();
    let together = [allowed.as_slice(), other.as_slice()].concat();
    for (what, pieces) in [
        ("together", vec![together]),
        ("one after the other", vec![allowed.clone(), other.clone()]),
        (
            "behind an empty one",
            vec![Message::default().framed(0), other.clone()],
        ),
        (
            "behind trailers",
            vec![Message::default().framed(0x80), other],
        ),
    ] {
        report.attempt(what, call.clone().pieces(pieces)).await;
    }
    report.into_answer()
}

/// A message that is allowed as far as it has come, and changes when that was taken.
pub(crate) async fn change_of_mind(request: Request) -> Answer {
    let cluster = Call::of(&request).cluster;
    let mut report = Report::default();
    for (what, method, message, last) in [
        (
            "namespace",
            "InstallRelease",
            install("forged", NAMESPACE),
            Message::default().text(field::install::NAMESPACE, ELSEWHERE),
        ),
        (
            "name",
            "UpdateRelease",
            upgrade(MINE),
            Message::default().text(field::NAME, THEIRS),
        ),
    ] {
        let whole = message.clone().bytes(&last.clone().into_bytes()).framed(0);
        let kept = whole.len() - last.into_bytes().len();
        let (first, rest) = whole.split_at(kept);
        let call = Attempt::call(&cluster, method, &Message::default());
        let late = call.clone().pieces([first.to_vec(), rest.to_vec()]);
        report.attempt(&format!("{what}, late"), late).await;
        let bytewise = call.clone().pieces(whole.chunks(64).map(<[u8]>::to_vec));
        report.attempt(&format!("{what}, slowly"), bytewise).await;
        // The head says that what came first is all.
        let told = call
            .header("content-length", &first.len().to_string())
            .pieces([first.to_vec(), rest.to_vec()]);
        report.attempt(&format!("{what}, untold"), told).await;
    }
    report.into_answer()
}
