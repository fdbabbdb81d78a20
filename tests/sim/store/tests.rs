use std::fs;
use std::sync::Arc;
use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{Entry, Fault, Part, Store, Validators, archive, entry, store};

/// What came, whole or not.
struct Got {
    status: StatusCode,
    headers: HeaderMap,
    body: hyper::Result<Bytes>,
}

impl Got {
    #[track_caller]
    fn body(&self) -> &Bytes {
        self.body.as_ref().expect("a whole body")
    }
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(Duration::from_secs(20), future).await;
    waited.expect("the test hangs")
}

async fn get(store: &Store, path: &str, headers: &[(&str, &str)]) -> Got {
    let got = soon(try_get(store, path, headers)).await;
    got.expect("an answer")
}

async fn try_get(store: &Store, path: &str, headers: &[(&str, &str)]) -> anyhow::Result<Got> {
    let stream = TcpStream::connect(store.addr()).await?;
    match store.ca() {
        None => exchange(stream, path, headers).await,
        Some(_) => exchange(secure(store, stream, false).await?, path, headers).await,
    }
}

async fn secure(
    store: &Store,
    stream: TcpStream,
    identified: bool,
) -> anyhow::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
    let mut roots = RootCertStore::empty();
    let ca = store.ca().expect("TLS");
    roots.add(CertificateDer::from_pem_file(ca)?)?;
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let config = if identified {
        let (certificate, key) = store.identity().expect("TLS");
        let certificate = CertificateDer::from_pem_file(certificate)?;
        config.with_client_auth_cert(vec![certificate], PrivateKeyDer::from_pem_file(key)?)?
    } else {
        config.with_no_client_auth()
    };
    let name = ServerName::from(store.addr().ip());
    let connector = TlsConnector::from(Arc::new(config));
    Ok(connector.connect(name, stream).await?)
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    path: &str,
    headers: &[(&str, &str)],
) -> anyhow::Result<Got> {
    let (mut requests, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let mut request = Request::get(path).header("host", "store");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = requests
        .send_request(request.body(Empty::<Bytes>::new())?)
        .await?;
    let (head, body) = response.into_parts();
    Ok(Got {
        status: head.status,
        headers: head.headers,
        body: body.collect().await.map(|body| body.to_bytes()),
    })
}

const INDEX: &str = "/stable/index.yaml";
const ARCHIVE: &str = "/stable/charts/web-1.2.3.tgz";

#[tokio::test]
async fn the_index_lists_what_is_there() {
    let web = archive("web", "1.2.3");
    let store = store()
        .chart("web", "1.2.3", web.clone())
        .entry(Entry::new("web", "1.3.0", archive("web", "1.3.0")).absolute())
        .entry(Entry::new("db", "0.1.0", archive("db", "0.1.0")).at("https://elsewhere/db.tgz"))
        .start()
        .await;
    let index = get(&store, INDEX, &[]).await;
    assert_eq!(index.status, 200);
    let text = String::from_utf8(index.body().to_vec()).unwrap();
    for part in [
        "\"charts/web-1.2.3.tgz\"".to_owned(),
        format!("\"{}\"", store.archive_url("web", "1.3.0")),
        "\"https://elsewhere/db.tgz\"".to_owned(),
        entry::digest(&web),
    ] {
        assert!(text.contains(&part), "no {part} in {text}");
    }
    let got = get(&store, ARCHIVE, &[]).await;
    assert_eq!((got.status, got.body()), (StatusCode::OK, &web));
    assert_eq!(
        get(&store, "/stable/charts/no-1.tgz", &[]).await.status,
        404
    );
}

#[tokio::test]
async fn an_index_is_not_sent_again_to_whoever_has_it() {
    for (validators, header, condition) in [
        (Validators::Both, "etag", "if-none-match"),
        (Validators::ETag, "etag", "if-none-match"),
        (Validators::Both, "last-modified", "if-modified-since"),
        (
            Validators::LastModified,
            "last-modified",
            "if-modified-since",
        ),
    ] {
        let store = store().validators(validators).start().await;
        let first = get(&store, INDEX, &[]).await;
        let validator = first.headers[header].to_str().unwrap();
        let again = get(&store, INDEX, &[(condition, validator)]).await;
        assert_eq!(
            (again.status, again.body().len()),
            (StatusCode::NOT_MODIFIED, 0)
        );
        store.put(Entry::new("web", "1.2.3", archive("web", "1.2.3")));
        let changed = get(&store, INDEX, &[(condition, validator)]).await;
        assert_eq!(changed.status, 200);
        let asked = store.asked_for(Part::Index);
        let conditional: Vec<_> = asked.iter().map(|asked| asked.conditional).collect();
        assert_eq!(conditional, [false, true, true]);
    }
    let store = store().validators(Validators::None).start().await;
    let headers = get(&store, INDEX, &[]).await.headers;
    assert!(!headers.contains_key("etag") && !headers.contains_key("last-modified"));
}

#[tokio::test]
async fn only_the_right_credentials_are_served() {
    let login = format!("Basic {}", BASE64_STANDARD.encode("user:s3cret"));
    for (options, right, wrong) in [
        (
            store().login("user", "s3cret"),
            login.as_str(),
            "Basic eDp5",
        ),
        (store().bearer("t0ken"), "Bearer t0ken", "Bearer other"),
    ] {
        let store = options.start().await;
        assert_eq!(get(&store, INDEX, &[]).await.status, 401);
        let refused = get(&store, INDEX, &[("authorization", wrong)]).await;
        assert_eq!(refused.status, 401);
        assert!(refused.headers.contains_key("www-authenticate"));
        let served = get(&store, INDEX, &[("authorization", right)]).await;
        assert_eq!(served.status, 200);
        let asked = store.asked();
        let seen: Vec<_> = asked.iter().map(|a| (a.authorization, a.status)).collect();
        assert_eq!(seen, [(false, 401), (true, 401), (true, 200)]);
    }
}

#[tokio::test]
async fn tls_is_its_own_authoritys() {
    let store = store().tls().start().await;
    assert!(store.url().starts_with("https://"));
    assert_eq!(get(&store, INDEX, &[]).await.status, 200);
    let ca = fs::read_to_string(store.ca().unwrap()).unwrap();
    assert!(ca.starts_with("-----BEGIN CERTIFICATE-----"));
}

#[tokio::test]
async fn a_certificate_is_wanted_where_one_is_configured() {
    let store = store().certificate().start().await;
    assert!(soon(try_get(&store, INDEX, &[])).await.is_err());
    let stream = TcpStream::connect(store.addr()).await.unwrap();
    let stream = soon(secure(&store, stream, true)).await.unwrap();
    let got = soon(exchange(stream, INDEX, &[])).await.unwrap();
    assert_eq!(got.status, 200);
}

#[tokio::test]
async fn faults_come_and_go() {
    let web = archive("web", "1.2.3");
    let store = store().chart("web", "1.2.3", web.clone()).start().await;

    let body = "<html>s3cret</html>".to_owned();
    store.set(Part::Archive, Fault::Answer(500, body.clone()));
    let got = get(&store, ARCHIVE, &[]).await;
    assert_eq!((got.status.as_u16(), got.body()), (500, &Bytes::from(body)));
    assert_eq!(get(&store, INDEX, &[]).await.status, 200);

    store.set(
        Part::Archive,
        Fault::Redirect("http://127.0.0.1:1/x".to_owned()),
    );
    let got = get(&store, ARCHIVE, &[]).await;
    assert_eq!(got.status, 302);
    assert_eq!(got.headers["location"], "http://127.0.0.1:1/x");

    store.set(Part::Archive, Fault::Tamper);
    let got = get(&store, ARCHIVE, &[]).await;
    assert_eq!(got.body().len(), web.len());
    assert_ne!(got.body(), &web);

    store.set(Part::Archive, Fault::Length);
    let got = get(&store, ARCHIVE, &[]).await;
    assert_eq!(got.body(), &web.slice(..web.len() - 1));

    store.set(Part::Archive, Fault::Truncate);
    assert!(get(&store, ARCHIVE, &[]).await.body.is_err());

    store.clear();
    assert_eq!(get(&store, ARCHIVE, &[]).await.body(), &web);
}

#[tokio::test]
async fn an_endless_answer_goes_on() {
    let store = store()
        .chart("web", "1.2.3", archive("web", "1.2.3"))
        .start()
        .await;
    store.set(Part::Archive, Fault::Endless);
    let stream = TcpStream::connect(store.addr()).await.unwrap();
    let (mut requests, connection) = soon(http1::handshake(TokioIo::new(stream))).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get(ARCHIVE)
        .header("host", "store")
        .body(Empty::<Bytes>::new());
    let response = soon(requests.send_request(request.unwrap())).await.unwrap();
    let mut body = response.into_body();
    let mut seen = 0;
    while seen < 1 << 20 {
        let frame = soon(body.frame()).await.expect("it goes on").expect("data");
        seen += frame.into_data().map_or(0, |data| data.len());
    }
}

#[tokio::test]
async fn an_answer_can_be_held_and_let_go() {
    let web = archive("web", "1.2.3");
    let store = store().chart("web", "1.2.3", web.clone()).start().await;
    let mut hold = store.hold(Part::Archive);
    let (got, ()) = tokio::join!(get(&store, ARCHIVE, &[]), async {
        soon(hold.reached(1)).await;
        assert_eq!(get(&store, INDEX, &[]).await.status, 200);
        hold.release();
    });
    assert_eq!(got.body(), &web);
    assert_eq!(get(&store, ARCHIVE, &[]).await.body(), &web);
}

#[tokio::test]
async fn a_huge_index_is_one_that_helm_reads() {
    let store = store()
        .filler(250)
        .chart("web", "1.2.3", archive("web", "1.2.3"))
        .start()
        .await;
    let text = String::from_utf8(store.index().to_vec()).unwrap();
    assert_eq!(text.matches("urls:\n").count(), 250);
    assert!(text.len() > 250 * 350, "{}", text.len());
    let limits = charts::yaml::Limits::default();
    let index = charts::yaml::parse(&text, &limits).expect("YAML");
    let entries = index["entries"].as_object().expect("a map");
    assert_eq!(entries.len(), 4);
    assert_eq!(entries["filler-0002"].as_array().map(Vec::len), Some(50));
    assert_eq!(entries["filler-0001"][7]["version"], "0.7.0");
}

#[tokio::test]
async fn an_index_can_be_replaced_by_anything() {
    let store = store().start().await;
    store.set_index("- not an index");
    assert_eq!(get(&store, INDEX, &[]).await.body(), "- not an index");
    store.put(Entry::new("web", "1.2.3", archive("web", "1.2.3")).provenance("signed"));
    assert!(
        get(&store, INDEX, &[])
            .await
            .body()
            .starts_with(b"apiVersion")
    );
    let signature = get(&store, &format!("{ARCHIVE}.prov"), &[]).await;
    assert_eq!(signature.body(), "signed");
}
