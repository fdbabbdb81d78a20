//! Other people's TLS: curl and openssl, where this machine has them.

use std::fmt::Display;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use tiller_edge::config::{CertificateName, CertificatesConfig};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::people;
use super::tls::secured;
use crate::support::pki::{EDGE, Pki};
use crate::support::{Stage, soon, stage};

/// What a program printed and how it ended.
#[derive(Debug)]
struct Ran {
    succeeded: bool,
    stdout: String,
    stderr: String,
}

async fn run(program: &str, arguments: &[&str], input: &str) -> Ran {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("it runs");
    let mut stdin = child.stdin.take().expect("piped");
    // It need not read.
    _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    let output = soon(child.wait_with_output()).await.expect("it ends");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ran {
        succeeded: output.status.success(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

/// Whether a program is there; where it is not the log of the tests says so, past the capture of test output.
async fn is_there(program: &str, version: &str, what: impl Display) -> bool {
    let there = Command::new(program)
        .arg(version)
        .stdout(Stdio::null())
        .status()
        .await
        .is_ok_and(|status| status.success());
    if !there {
        _ = writeln!(
            std::io::stderr(),
            "SKIPPED: {what}: there is no `{program}` on this machine"
        );
    }
    there
}

/// Runs curl against the edge under its own name, with what of `pki` the arguments say.
async fn curl(stage: &Stage, pki: &Pki, arguments: &[&str], path: &str) -> Ran {
    let port = stage.edge().addr().port();
    let (resolve, url) = (
        format!("{EDGE}:{port}:127.0.0.1"),
        format!("https://{EDGE}:{port}{path}"),
    );
    let ca = pki.path("ca.pem");
    let fixed = [
        "--silent",
        "--show-error",
        "--max-time",
        "20",
        "--noproxy",
        "*",
        "--resolve",
        &resolve,
        "--cacert",
        ca.to_str().expect("text"),
        "--write-out",
        "\n%{http_version} %{http_code}",
    ];
    run("curl", &[&fixed[..], arguments, &[&url]].concat(), "").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn curl_is_known_by_its_certificate_over_either_protocol() {
    if !is_there("curl", "--version", "client certificates of curl").await {
        return;
    }
    let pki = Pki::new();
    pki.revoke(&[]);
    let certificates = CertificatesConfig {
        ca_file: pki.path("ca.pem"),
        crl_file: Some(pki.path("crl.pem")),
        required: false,
        name: CertificateName::Cn,
        prefix: String::new(),
    };
    let stage = secured(people(), &pki)
        .configure(move |config, _| config.certificates = Some(certificates))
        .start()
        .await;
    let directory = pki.path("");
    pki.client("bob").write(&directory, "bob");
    Pki::new().client("bob").write(&directory, "stranger");
    let shows = |name: &str| {
        let file = |ending| directory.join(name).with_extension(ending);
        [file("pem"), file("key")].map(|path| path.to_str().expect("text").to_owned())
    };
    let [certificate, key] = shows("bob");
    for (protocol, version) in [("--http1.1", "1.1"), ("--http2", "2")] {
        let arguments = ["--cert", &certificate, "--key", &key, protocol];
        let ran = curl(&stage, &pki, &arguments, "/v1/access").await;
        assert!(ran.succeeded, "{ran:?}");
        let (body, last) = ran.stdout.rsplit_once('\n').expect("two lines");
        assert_eq!(last, format!("{version} 200"));
        let told: Value = serde_json::from_str(body).expect("JSON");
        assert_eq!(
            (&told["name"], &told["method"]),
            (&json!("bob"), &json!("certificate"))
        );
        let ran = curl(&stage, &pki, &[protocol], "/v1/access").await;
        assert!(ran.stdout.ends_with(&format!("{version} 401")), "{ran:?}");
    }
    let [certificate, key] = shows("stranger");
    let ran = curl(
        &stage,
        &pki,
        &["--cert", &certificate, "--key", &key],
        "/v1/access",
    )
    .await;
    assert!(!ran.succeeded, "{ran:?}");

    let clear = format!("http://{}/v1/clusters", stage.edge().addr());
    let ran = run(
        "curl",
        &["--silent", "--noproxy", "*", "--max-time", "20", &clear],
        "",
    )
    .await;
    assert!(ran.stdout.contains("use https"), "{ran:?}");
    stage.end().await;
}

/// Has openssl make a key in one of the forms people have them in, and a certificate of it.
async fn make(directory: &Path, key: &[&str]) {
    let file = |name| directory.join(name).to_str().expect("text").to_owned();
    let made = run("openssl", &[key, &["-out", &file("edge.key")]].concat(), "").await;
    assert!(made.succeeded, "{made:?}");
    let name = format!("subjectAltName=DNS:{EDGE}");
    let signed = [
        "req",
        "-x509",
        "-days",
        "2",
        "-subj",
        "/CN=edge",
        "-addext",
        &name,
        "-key",
        &file("edge.key"),
        "-out",
        &file("edge.pem"),
    ];
    let signed = run("openssl", &signed, "").await;
    assert!(signed.succeeded, "{signed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openssl_agrees_with_keys_of_every_form() {
    if !is_there("openssl", "version", "TLS with openssl").await {
        return;
    }
    for (label, key) in [
        ("RSA PRIVATE KEY", &["genrsa", "-traditional"][..]),
        (
            "EC PRIVATE KEY",
            &["ecparam", "-name", "prime256v1", "-genkey", "-noout"],
        ),
        ("PRIVATE KEY", &["genpkey", "-algorithm", "ED25519"]),
    ] {
        let pki = Pki::new();
        make(&pki.path(""), key).await;
        let written = std::fs::read_to_string(pki.path("edge.key")).expect("a key");
        assert!(
            written.starts_with(&format!("-----BEGIN {label}-----")),
            "{label}"
        );
        let stage = secured(stage(), &pki).start().await;
        let address = stage.edge().addr().to_string();
        for (version, named) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
            let ca = pki.path("edge.pem");
            let arguments = [
                "s_client",
                "-connect",
                &address,
                "-servername",
                EDGE,
                version,
                "-alpn",
                "h2,http/1.1",
                "-CAfile",
                ca.to_str().expect("text"),
                "-verify_return_error",
                "-brief",
            ];
            let ran = run("openssl", &arguments, "").await;
            let said = format!("{}{}", ran.stdout, ran.stderr);
            assert!(
                said.contains(&format!("Protocol version: {named}")),
                "{label}: {said}"
            );
            assert!(said.contains("Verification: OK"), "{label}: {said}");
        }
        for old in ["-tls1", "-tls1_1"] {
            let ran = run("openssl", &["s_client", "-connect", &address, old], "").await;
            assert!(!ran.succeeded, "{ran:?}");
        }
        stage.end().await;
    }
}
