//! Forms without end, and forms that are none.

use bytes::Bytes;
use futures::stream;
use rest::problem::Code;

use super::{install, stage};
use crate::support::Protocol;

const FORM: &str = "multipart/form-data; boundary=b";

fn part(name: &str, value: &str) -> String {
    format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forms_that_are_none() {
    let stage = stage().start().await;
    for body in [
        String::new(),
        "--b".to_owned(),
        "--b\r\n\r\n".to_owned(),
        "--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n".to_owned(),
        "x".repeat(1_000_000),
        format!("{}--b--\r\n", part("x", "1").repeat(1000)),
        format!("--b\r\n{}", "X-Header: x\r\n".repeat(100_000)),
        format!(
            "--b\r\nContent-Disposition: form-data; name=\"{}",
            "n".repeat(1_000_000)
        ),
        format!("{}{}--b--\r\n", part("chart", "a"), part("chart", "b")),
    ] {
        let ask = install().body(FORM, body);
        stage.sees_through(ask, Code::InvalidRequest).await;
    }
    let binary =
        b"--b\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\n\xff\xfe\r\n--b--\r\n";
    let ask = install().body(FORM, binary.to_vec());
    stage.sees_through(ask, Code::InvalidRequest).await;
    stage.end_untouched().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_without_end_is_stopped_at_the_limit() {
    let stage = stage().start().await;
    for protocol in [Protocol::H1, Protocol::H2] {
        let piece = Bytes::from(part("x", &"y".repeat(60_000)));
        let endless = stream::repeat(piece);
        let ask = install().pieces(FORM, endless).over(protocol);
        stage.sees_through(ask, Code::BodyTooLarge).await;
    }
    stage.end_untouched().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_media_types_are_not_read() {
    let stage = stage().start().await;
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/gzip",
        "multipart/form-data",
        "multipart/mixed; boundary=b",
        "application/xml",
    ] {
        let ask = install().body(kind, "name=web");
        stage.sees_through(ask, Code::UnsupportedMediaType).await;
    }
    stage.end_untouched().await;
}
