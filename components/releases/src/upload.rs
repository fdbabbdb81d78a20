//! Bodies of requests: JSON, or a form with files.

use std::{convert::Infallible, fmt};

use bytes::Bytes;
use client::{CollectError, collect};
use futures::{future, stream};
use http::{HeaderMap, header};
use multer::Multipart;
use rest::{
    fields::{Fields, Kind},
    problem::{Code, Problem},
};

/// Longest body that is read, in bytes: 32 MiB, which is a chart as large as Tiller takes, in base64, and room
/// for values.
pub const MAX_BODY: usize = 32 << 20;

/// Most parts of a form.
const MAX_PARTS: usize = 100;

/// What an archive begins with.
const GZIP: &[u8] = b"\x1f\x8b";

/// What a body says.
#[derive(Debug)]
pub(crate) struct Upload {
    /// The fields; those of a form's plain parts are text.
    pub(crate) fields: Fields,
    /// The archive that a form sent as `chart`: a part with a file's name, or one that is gzip.
    pub(crate) chart: Option<Bytes>,
}

/// Reads a body that may be a form with files.
pub(crate) async fn read<B>(headers: &HeaderMap, body: B) -> Result<Upload, Problem>
where
    B: http_body::Body<Data = Bytes, Error: fmt::Display> + Unpin,
{
    let kind = content_type(headers)?;
    let body = whole(body).await?;
    match multer::parse_boundary(kind) {
        Ok(boundary) => form(body, boundary).await,
        Err(_) => {
            check_json(kind, &body)?;
            Ok(Upload {
                fields: Fields::from_json(&body)?,
                chart: None,
            })
        }
    }
}

/// Reads a body that is JSON, or empty.
pub(crate) async fn read_json<B>(headers: &HeaderMap, body: B) -> Result<Fields, Problem>
where
    B: http_body::Body<Data = Bytes, Error: fmt::Display> + Unpin,
{
    let kind = content_type(headers)?;
    let body = whole(body).await?;
    check_json(kind, &body)?;
    Fields::from_json(&body)
}

async fn whole<B>(body: B) -> Result<Bytes, Problem>
where
    B: http_body::Body<Data = Bytes, Error: fmt::Display> + Unpin,
{
    collect(body, MAX_BODY).await.map_err(|error| match error {
        CollectError::TooLarge { limit } => Problem::new(
            Code::BodyTooLarge,
            format!("the body is longer than {limit} bytes"),
        ),
        CollectError::Broken(error) => invalid(format!("the body broke off: {error}")),
    })
}

fn content_type(headers: &HeaderMap) -> Result<&str, Problem> {
    match headers.get(header::CONTENT_TYPE) {
        None => Ok(""),
        Some(value) => value
            .to_str()
            .map_err(|_| invalid("the content type is no text")),
    }
}

fn check_json(kind: &str, body: &[u8]) -> Result<(), Problem> {
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let is_json = kind.eq_ignore_ascii_case("application/json") || kind.ends_with("+json");
    if is_json || kind.is_empty() || body.is_empty() {
        return Ok(());
    }
    Err(Problem::new(
        Code::UnsupportedMediaType,
        format!("the body is {kind} and must be application/json"),
    ))
}

async fn form(body: Bytes, boundary: String) -> Result<Upload, Problem> {
    let body = stream::once(future::ready(Ok::<_, Infallible>(body)));
    let mut parts = Multipart::new(body, boundary);
    let mut fields = Fields::empty(Kind::Field);
    let mut request = None;
    let mut chart = None;
    let mut count = 0;
    while let Some(part) = parts
        .next_field()
        .await
        .map_err(|error| malformed(&error))?
    {
        count += 1;
        if count > MAX_PARTS {
            return Err(invalid(format!("the form has more than {MAX_PARTS} parts")));
        }
        let name = part
            .name()
            .ok_or_else(|| invalid("a part of the form has no name"))?
            .to_owned();
        let is_file = part.file_name().is_some();
        let data = part.bytes().await.map_err(|error| malformed(&error))?;
        let known = match name.as_str() {
            // Without either, it is the name of a chart or its URL.
            "chart" if is_file || data.starts_with(GZIP) => Some(&mut chart),
            "request" => Some(&mut request),
            _ => None,
        };
        match known {
            Some(Some(_)) => return Err(invalid(format!("the form has `{name}` twice"))),
            Some(slot) => *slot = Some(data),
            None => {
                let text = std::str::from_utf8(&data).map_err(|_| {
                    let shown: String = name.chars().take(64).collect();
                    invalid(format!("the form's field `{shown}` is not UTF-8"))
                })?;
                match name.split_once('.') {
                    Some((field @ "set_file", key)) => {
                        fields.push_member(field, key.to_owned(), text.to_owned())?;
                    }
                    _ => fields.push_text(name, text.to_owned()),
                }
            }
        }
    }
    if let Some(request) = request {
        fields.merge(Fields::from_json(&request)?)?;
    }
    Ok(Upload { fields, chart })
}

fn malformed(error: &multer::Error) -> Problem {
    invalid(format!("the form cannot be read: {error}"))
}

fn invalid(detail: impl Into<String>) -> Problem {
    Problem::new(Code::InvalidRequest, detail)
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;

    use super::*;

    async fn upload(kind: &str, body: &str) -> Result<Upload, Problem> {
        let mut headers = HeaderMap::new();
        if !kind.is_empty() {
            headers.insert(header::CONTENT_TYPE, kind.parse().unwrap());
        }
        read(&headers, Full::new(Bytes::copy_from_slice(body.as_bytes()))).await
    }

    fn part(name: &str, value: &str) -> String {
        format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    }

    async fn form(parts: &[(&str, &str)]) -> Result<Upload, Problem> {
        let mut body: String = parts
            .iter()
            .map(|(name, value)| part(name, value))
            .collect();
        body.push_str("--b--\r\n");
        upload("multipart/form-data; boundary=b", &body).await
    }

    #[tokio::test]
    async fn json_has_fields() {
        for kind in [
            "",
            "application/json",
            "application/json; charset=utf-8",
            "application/merge-patch+json",
        ] {
            let mut upload = upload(kind, r#"{"name":"web"}"#).await.unwrap();
            assert_eq!(
                upload.fields.string("name").unwrap().as_deref(),
                Some("web"),
                "{kind}"
            );
            assert_eq!(upload.chart, None);
        }
    }

    #[tokio::test]
    async fn other_kinds_are_not_read() {
        for kind in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data",
            "application/gzip",
        ] {
            let problem = upload(kind, "name=web").await.unwrap_err();
            assert_eq!(problem.code, Code::UnsupportedMediaType, "{kind}");
        }
    }

    #[tokio::test]
    async fn an_empty_body_needs_no_kind() {
        upload("application/x-www-form-urlencoded", "")
            .await
            .unwrap()
            .fields
            .finish()
            .unwrap();
    }

    #[tokio::test]
    async fn a_form_has_a_chart_and_fields_in_any_mixture() {
        let mut upload = form(&[
            ("name", "web"),
            ("chart\"; filename=\"web.tgz", "tgz"),
            ("request", r#"{"wait":true,"values":{"a":1}}"#),
            ("timeout", "5m"),
            ("dry_run", "true"),
        ])
        .await
        .unwrap();
        assert_eq!(upload.chart.unwrap(), "tgz");
        assert_eq!(
            upload.fields.string("name").unwrap().as_deref(),
            Some("web")
        );
        assert!(upload.fields.flag("wait").unwrap());
        assert!(upload.fields.flag("dry_run").unwrap());
        assert!(upload.fields.duration("timeout").unwrap().is_some());
        assert!(upload.fields.take("values").unwrap().is_object());
        upload.fields.finish().unwrap();
    }

    #[tokio::test]
    async fn a_chart_is_a_file_or_the_name_of_one() {
        for (name, value, is_file) in [
            ("chart\"; filename=\"web-1.2.3.tgz", "stable/web", true),
            ("chart\"; filename=\"", "stable/web", true),
            ("chart", "\u{1f}\u{8b}", false),
            ("chart", "stable/web", false),
            ("chart", "https://charts.example.com/web-1.2.3.tgz", false),
        ] {
            let mut upload = form(&[(name, value)]).await.unwrap();
            assert_eq!(upload.chart.is_some(), is_file, "{name} {value}");
            let text = upload.fields.string("chart").unwrap();
            assert_eq!(text.as_deref(), (!is_file).then_some(value));
        }
        let mut body = part("chart", "").trim_end().as_bytes().to_vec();
        body.extend(b"\r\n\r\n\x1f\x8b\x08\xff\r\n--b--\r\n");
        let mut headers = HeaderMap::new();
        let kind = "multipart/form-data; boundary=b".parse().unwrap();
        headers.insert(header::CONTENT_TYPE, kind);
        let upload = read(&headers, Full::new(body.into())).await.unwrap();
        assert_eq!(upload.chart.unwrap(), &b"\x1f\x8b\x08\xff"[..]);
    }

    #[tokio::test]
    async fn a_form_has_values_in_many_parts() {
        let mut upload = form(&[
            ("values_files\"; filename=\"a.yaml", "a: 1, b\n"),
            ("values_files\"; filename=\"b.yaml", "b: 2\n"),
            ("set", "a=1,b={x,y}"),
            ("set", "c=2"),
            ("set_file.tls.crt\"; filename=\"tls.crt", "---\n"),
            ("set_file.a[0]", "x"),
        ])
        .await
        .unwrap();
        let files = upload.fields.texts("values_files").unwrap();
        assert_eq!(files, ["a: 1, b\n", "b: 2\n"]);
        assert_eq!(upload.fields.texts("set").unwrap(), ["a=1,b={x,y}", "c=2"]);
        let members: Vec<_> = upload
            .fields
            .members("set_file")
            .unwrap()
            .into_iter()
            .collect();
        assert_eq!(
            members,
            [
                ("a[0]".into(), "x".into()),
                ("tls.crt".into(), "---\n".into())
            ]
        );
        upload.fields.finish().unwrap();
    }

    #[tokio::test]
    async fn what_a_form_says_twice_is_refused() {
        for parts in [
            [
                ("chart\"; filename=\"a", "a"),
                ("chart\"; filename=\"b", "b"),
            ],
            [("chart", "a/b"), ("request", r#"{"chart":"a/b"}"#)],
            [("request", "{}"), ("request", "{}")],
            [("name", "a"), ("request", r#"{"name":"b"}"#)],
            [("set_file.a", "x"), ("set_file.a", "y")],
            [("set_file", "a"), ("set_file.a", "y")],
            [
                ("set_file.a", "x"),
                ("request", r#"{"set_file":{"b":"y"}}"#),
            ],
        ] {
            let problem = form(&parts).await.unwrap_err();
            assert_eq!(problem.code, Code::InvalidRequest, "{parts:?}");
        }
    }

    #[tokio::test]
    async fn hostile_forms_are_refused() {
        let many = vec![("x", "1"); 101];
        assert!(
            form(&many)
                .await
                .unwrap_err()
                .detail
                .contains("more than 100 parts")
        );
        for body in [
            "",
            "--b",
            "--b\r\n\r\n",
            "--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n",
            "x".repeat(100_000).as_str(),
        ] {
            let problem = upload("multipart/form-data; boundary=b", body)
                .await
                .unwrap_err();
            assert_eq!(problem.code, Code::InvalidRequest, "{:.40}", body);
        }
    }

    #[tokio::test]
    async fn an_endless_body_is_left_alone_at_the_limit() {
        let endless = stream::repeat_with(|| {
            Ok::<_, Infallible>(http_body::Frame::data(Bytes::from_static(&[b'x'; 65536])))
        });
        let mut headers = HeaderMap::new();
        headers.insert(
            header::CONTENT_TYPE,
            "multipart/form-data; boundary=b".parse().unwrap(),
        );
        let body = http_body_util::StreamBody::new(endless);
        let problem = read(&headers, body).await.unwrap_err();
        assert_eq!(problem.code, Code::BodyTooLarge);
    }
}
