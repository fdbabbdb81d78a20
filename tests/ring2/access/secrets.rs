//! Nothing secret is ever written: not by a whole process, whoever called it and however, whatever went wrong, and
//! however much it logs.
//!
//! `life::secrets` has the same for credentials to clusters, transport by transport.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sim::apiserver::{self, User, When};
use sim::cluster::EDGE_TOKEN;
use sim::identity::identity;
use sim::store::archive;
use tiller_edge::access::TokenHash;
use tiller_edge::config::{
    CertificateName, CertificatesConfig, Config, CredentialSource, KubernetesConfig, TokenConfig,
};

use super::tls::secured;
use crate::support::charts::{self, with};
use crate::support::log::has_none_of;
use crate::support::pki::{Pki, Secure};
use crate::support::program::Program;
use crate::support::repositories::{repository, stable, with_login};
use crate::support::{Answer, Ask, Protocol, Transport, delete, get, post, soon, stage};

/// A token of the edge, of whom may do everything.
const STATIC: &str = "te_static-token-s3cret";
/// A token of the edge, of whom may read everything but values.
const READERS: &str = "te_readers-token-s3cret";
/// A token that the cluster knows.
const CLUSTERS: &str = "service-account-s3cret";
/// A repository's password.
const PASSWORD: &str = "repository-s3cret";
/// What is in the values of every release.
const VALUE: &str = "value-s3cret";
/// What is in queries.
const QUERY: &str = "query-s3cret";
/// What is in every `Authorization` that is good for nothing.
const STOLEN: &str = "stolen-s3cret";

/// Those who may do everything.
const TRUSTED: [&str; 4] = ["ops", "carol", "dora", "deployer"];

const GRANTS: &str = r#"
[[grant]]
name = "everything"
principals = ["ops", "carol", "dora", "system:serviceaccount:ci:deployer"]
actions = ["*"]

[[grant]]
name = "readers"
principals = ["reader"]
actions = ["read", "read-charts"]

[[token]]
name = "unused"
hash = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
"#;

/// A caller: its name, how it does TLS, and its `Authorization`.
struct Caller<'a> {
    name: &'a str,
    secure: &'a Secure,
    authorization: Option<String>,
    /// Whether it may see values.
    trusted: bool,
}

impl Caller<'_> {
    async fn asks(&self, edge: &Program, ask: Ask) -> Answer {
        let ask = ask.secured(self.secure).over(Protocol::H2);
        let ask = match &self.authorization {
            Some(authorization) => ask.header("authorization", authorization),
            None => ask,
        };
        edge.send(ask).await
    }

    /// Everything that an edge is for; all that is answered, but for values to who may see them.
    async fn everything(&self, edge: &Program) -> String {
        let mut said = String::new();
        for transport in Transport::BOTH {
            let name = format!("{}-{transport:?}", self.name).to_lowercase();
            let path = |rest: &str| transport.path(&format!("releases{rest}"));
            let values = json!({ "values": { "password": VALUE } });
            let of_others = format!("/ops-{transport:?}-2").to_lowercase();
            let asks = [
                post(path("")).json(&with(charts::install(&name), values.clone())),
                post(path("")).json(&with(stable(&format!("{name}-2"), "1.2.3"), values)),
                get(path(&format!("?filter={QUERY}"))),
                get(path(&format!("/{name}/history"))),
                delete(path(&format!("/{name}"))),
                delete(path("/nobody")),
                get(path(&of_others)),
                get(path(&format!("{of_others}/values"))),
                get(path(&format!("{of_others}/manifest"))),
                post(path("")).body("application/json", format!("{{\"password\": {VALUE:?}, ")),
            ];
            for ask in asks {
                said += &shown(&self.asks(edge, ask).await);
            }
        }
        for path in [
            "/v1/clusters?check=true",
            "/v1/clusters/twin/releases",
            "/v1/access?action=read&cluster=sim",
        ] {
            said += &shown(&self.asks(edge, get(path)).await);
        }
        for behaviour in ["list", "panic", "trap", "chatter", "forge-authorization"] {
            let path = format!("/guests/{behaviour}?token={QUERY}");
            said += &shown(&self.asks(edge, get(path)).await);
        }
        if self.trusted {
            said = said.replace(VALUE, "a value");
        }
        said
    }
}

fn shown(answer: &Answer) -> String {
    let body = String::from_utf8_lossy(&answer.body);
    format!("{} {:?} {body}\n", answer.status, answer.headers)
}

/// The lines of base64 between the marks of a PEM file.
fn inside(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).expect("a PEM file");
    let lines = text.lines().filter(|line| !line.starts_with("-----"));
    lines.map(str::to_owned).collect()
}

/// Every way to say who one is that is none.
fn worthless(jwt: &str) -> Vec<String> {
    let mut parts: Vec<_> = jwt.split('.').collect();
    let none = r#"{"alg":"none","typ":"JWT"}"#;
    let none = BASE64_URL_SAFE_NO_PAD.encode(none);
    parts[0] = &none;
    parts[2] = STOLEN;
    let login = BASE64_STANDARD.encode(format!("alice:{STOLEN}"));
    vec![
        format!("Bearer {STOLEN}"),
        format!("bearer te_{STOLEN}"),
        format!("Bearer {}", parts.join(".")),
        format!("Bearer {STOLEN} {STOLEN}"),
        format!("Basic {login}"),
        format!("Digest username=\"alice\", response=\"{STOLEN}\""),
        format!("Negotiate {STOLEN}"),
        STOLEN.to_owned(),
        format!("Bearer  {STOLEN}"),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_secret_is_ever_written() {
    let pki = Pki::new();
    let provider = identity().await;
    let store = sim::store()
        .chart("web", "1.2.3", archive("web", "1.2.3"))
        .login("edge", PASSWORD);
    let store = soon(store.start()).await;
    let carol = pki.client("carol");
    carol.write(&pki.path(""), "carol");
    let tokens = [("ops", STATIC), ("reader", READERS)].map(|(name, token)| {
        let file = pki.path(name);
        fs::write(&file, format!("{}\n", TokenHash::of(token))).expect("written");
        TokenConfig {
            name: name.to_owned(),
            hash_file: Some(file),
            ..TokenConfig::default()
        }
    });
    let oidc = format!(
        "{GRANTS}\n[[oidc]]\nissuer = {:?}\naudiences = [\"tiller-edge\"]\nalgorithms = [\"EdDSA\"]\nprefix = \"\"\nca_file = {:?}\n",
        provider.issuer(),
        provider.ca(),
    );
    let ca_file = pki.path("ca.pem");
    let plan = secured(stage().twin().token_file(), &pki)
        .repository(with_login(
            repository("stable", &store),
            &store,
            ("edge", PASSWORD),
        ))
        .configure(move |config, home| {
            let rules = Config::parse(&oidc, Path::new("rules.toml"));
            let rules = rules.unwrap_or_else(|error| panic!("{error}"));
            config.tokens = rules.tokens;
            config.tokens.extend(tokens);
            config.grants = rules.grants;
            config.oidc = rules.oidc;
            config.certificates = Some(CertificatesConfig {
                ca_file,
                crl_file: None,
                required: false,
                name: CertificateName::Cn,
                prefix: String::new(),
            });
            config.kubernetes = Some(KubernetesConfig::default());
            config.clusters[1].credentials = CredentialSource::Caller;
            config.audit.file = Some(home.join("audit.log"));
            config.audit.stdout = true;
            config.log.level = "trace".to_owned();
        });
    let edge = plan.program().await;
    let apiserver = edge.cluster.apiserver();
    apiserver.add_token(CLUSTERS, User::service_account("ci", "deployer"));

    let jwt = provider.token(&json!({ "sub": "dora" }));
    let known = pki.caller(Some(&carol));
    let unknown = pki.caller(None);
    let bearer = |token: &str| Some(format!("Bearer {token}"));
    let callers = [
        caller("ops", &unknown, bearer(STATIC)),
        caller("dora", &unknown, bearer(&jwt)),
        caller("carol", &known, None),
        caller("deployer", &unknown, bearer(CLUSTERS)),
        caller("reader", &unknown, bearer(READERS)),
        caller("nobody", &unknown, None),
    ];
    let mut said = String::new();
    for authorization in worthless(&jwt) {
        let thief = caller("thief", &known, Some(authorization));
        said += &thief.everything(&edge).await;
    }
    for caller in &callers {
        said += &caller.everything(&edge).await;
    }
    let apiserver_troubles = [
        apiserver::Answer::Unauthorized,
        apiserver::Answer::ShuttingDown,
        apiserver::Answer::Balancer(502, "text/html", "<html>"),
    ];
    for trouble in apiserver_troubles {
        for caller in &callers[..4] {
            apiserver.answer_next(When::BeforeBackend, trouble.clone());
            let ask = get(Transport::GrpcWeb.path("releases"));
            said += &shown(&caller.asks(&edge, ask).await);
        }
    }
    // What was good is so no more.
    apiserver.revoke_token(CLUSTERS);
    apiserver.revoke_token(EDGE_TOKEN);
    fs::remove_file(pki.path("ops")).expect("removed");
    soon(edge.cluster.kill_tiller()).await;
    for caller in &callers {
        said += &caller.everything(&edge).await;
    }
    soon(edge.cluster.kill_apiserver()).await;
    for caller in &callers {
        said += &caller.everything(&edge).await;
    }

    let login = BASE64_STANDARD.encode(format!("edge:{PASSWORD}"));
    let signature = jwt.rsplit('.').next().expect("a part");
    let mut secrets: Vec<String> = [
        STATIC,
        READERS,
        CLUSTERS,
        EDGE_TOKEN,
        PASSWORD,
        &login,
        signature,
        STOLEN,
        VALUE,
        QUERY,
        &TokenHash::of(STATIC).to_string(),
        "PRIVATE KEY",
    ]
    .map(str::to_owned)
    .into();
    secrets.extend(inside(&pki.path("edge.key")));
    secrets.extend(inside(&pki.path("carol.key")));
    let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
    has_none_of(&said, &secrets);
    let audit = fs::read_to_string(edge.home().join("audit.log")).expect("it is there");
    has_none_of(&audit, &secrets);
    is_whole(&audit);
    let written = edge.end().await;
    assert!(written.contains("\"level\":\"TRACE\"") || written.contains("\"level\":\"DEBUG\""));
    assert!(written.contains("relayed a call"), "the relay logs");
    assert!(
        written.contains("\"event\":\"begin\""),
        "the audit log is on standard output too"
    );
    has_none_of(&written, &secrets);
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ring2");
    for entry in fs::read_dir(cache).expect("a directory") {
        let bytes = fs::read(entry.expect("an entry").path()).expect("a file");
        has_none_of(&String::from_utf8_lossy(&bytes), &secrets[..11]);
    }
}

/// The test has tried what it says: everybody is in the log.
fn is_whole(audit: &str) {
    let lines: Vec<Value> = audit
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    for method in ["token", "oidc", "certificate", "kubernetes"] {
        let done = |line: &Value| {
            line["principal"]["method"] == method
                && line["event"] == "end"
                && line["outcome"] == "applied"
        };
        assert!(lines.iter().any(done), "{method} changed nothing");
    }
    let nobody = |line: &&Value| line["event"] == "refused" && line.get("principal").is_none();
    assert!(lines.iter().filter(nobody).count() > 10, "{audit}");
}

fn caller<'a>(name: &'a str, secure: &'a Secure, authorization: Option<String>) -> Caller<'a> {
    Caller {
        name,
        secure,
        authorization,
        trusted: TRUSTED.contains(&name),
    }
}
