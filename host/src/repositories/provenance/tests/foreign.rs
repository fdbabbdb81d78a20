//! What Helm and GnuPG have signed themselves; run with ring 3, as it needs Helm's Go module or `gpg`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use super::super::{Keyring, ProvenanceError};
use super::{ARCHIVE, NAME, statement};

/// Of the key that Helm tests with.
const FINGERPRINT: &str = "5E615389B53CA37F0EE60BD3843BBF981FC18762";

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Where the Go module of Helm 2.17 is.
fn helm() -> PathBuf {
    let oracle = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cluster/oracle");
    let go = |arguments: &[&str]| output(Command::new("go").args(arguments).current_dir(&oracle));
    go(&["mod", "download", "k8s.io/helm"]);
    go(&["list", "-m", "-f", "{{.Dir}}", "k8s.io/helm"]).into()
}

#[test]
#[ignore = "needs Go and Helm's module; run with --ignored"]
fn helms_own_test_data_is_verified() {
    let data = helm().join("pkg/provenance/testdata");
    let ring = Keyring::load(&data.join("helm-test-key.pub")).unwrap();
    let name = "hashtest-1.2.3.tgz";
    let archive = fs::read(data.join(name)).unwrap();
    let verify = |file: &str, archive: &[u8]| {
        let prov = fs::read(data.join(file)).unwrap();
        ring.verify(&prov, name, archive, SystemTime::now())
    };
    let signer = verify("msgblock.yaml.asc", &archive).unwrap();
    assert_eq!(
        signer.signer,
        "Helm Testing (This key should only be used for testing. DO NOT TRUST.) <helm-testing@helm.sh>"
    );
    assert_eq!(signer.fingerprint, FINGERPRINT);
    assert_eq!(
        verify("msgblock.yaml.tampered", &archive),
        Err(ProvenanceError::BadSignature)
    );
    assert!(matches!(
        verify("msgblock.yaml.asc", b"another"),
        Err(ProvenanceError::Mismatch { .. })
    ));

    let data = helm().join("pkg/downloader/testdata");
    let name = "signtest-0.1.0.tgz";
    let archive = fs::read(data.join(name)).unwrap();
    let prov = fs::read(data.join(format!("{name}.prov"))).unwrap();
    let verified = ring.verify(&prov, name, &archive, SystemTime::now());
    assert_eq!(verified, Ok(signer));
}

/// GnuPG with a home of its own.
struct Gpg {
    home: tempfile::TempDir,
}

impl Gpg {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        Self { home }
    }

    fn command(&self) -> Command {
        let mut gpg = Command::new("gpg");
        gpg.arg("--homedir")
            .arg(self.home.path())
            .args(["--batch", "--quiet", "--pinentry-mode", "loopback"])
            .args(["--passphrase", ""]);
        gpg
    }

    /// The fingerprint of the key of `owner`.
    fn fingerprint(&self, owner: &str) -> String {
        let listing = output(self.command().args(["--with-colons", "--list-keys", owner]));
        let fingerprint = listing
            .lines()
            .find_map(|line| line.strip_prefix("fpr:::::::::"));
        fingerprint.unwrap().trim_end_matches(':').to_owned()
    }

    fn keyring(&self, owner: &str, form: &str) -> Keyring {
        let path = self.home.path().join("exported");
        let mut export = self.command();
        export.args(["--yes", form, "--output"]).arg(&path);
        output(export.args(["--export", owner]));
        Keyring::load(&path).unwrap()
    }

    fn sign(&self, owner: &str, text: &str) -> Vec<u8> {
        let path = self.home.path().join("text");
        fs::write(&path, text).unwrap();
        let mut sign = self.command();
        sign.args(["--local-user", owner, "--clearsign", "--output", "-"])
            .arg(&path);
        output(&mut sign).into_bytes()
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let mut stop = Command::new("gpgconf");
        stop.arg("--homedir").arg(self.home.path());
        drop(stop.args(["--kill", "all"]).output());
    }
}

#[test]
#[ignore = "needs `gpg`; run with --ignored"]
fn what_gnupg_signs_is_verified() {
    let gpg = Gpg::new();
    for (algorithm, usage) in [
        ("rsa2048", "sign"),
        ("ed25519", "cert"),
        ("nistp256", "sign"),
    ] {
        let owner = format!("{algorithm} <{usage}@example.com>");
        let mut generate = gpg.command();
        output(generate.args(["--quick-generate-key", &owner, algorithm, usage, "1d"]));
        let fingerprint = gpg.fingerprint(&owner);
        if usage == "cert" {
            let mut add = gpg.command();
            output(add.args(["--quick-add-key", &fingerprint, algorithm, "sign", "1d"]));
        }
        for form in ["--no-armor", "--armor"] {
            let ring = gpg.keyring(&owner, form);
            // Around the sizes of buffers, and with what is escaped and cut off.
            for length in [0, 510, 511, 512, 513, 100_000] {
                let text = format!("a: {} \t\n{}", "x".repeat(length), statement());
                let prov = gpg.sign(&owner, &text);
                let signer = ring
                    .verify(&prov, NAME, ARCHIVE, SystemTime::now())
                    .unwrap();
                assert_eq!(signer.signer, owner);
                assert_eq!(signer.fingerprint, fingerprint);
            }
        }
    }
}

#[test]
#[ignore = "needs Go, Helm's module and its program; run with --ignored"]
fn what_helm_signs_is_verified() {
    let data = helm().join("pkg/provenance/testdata");
    let directory = tempfile::tempdir().unwrap();
    let chart = directory.path().join("web");
    let version = "1.2.3+build.4";
    fs::create_dir_all(&chart).unwrap();
    let metadata = format!("name: web\nversion: {version}\nmaintainers:\n- name: ann\n");
    fs::write(chart.join("Chart.yaml"), metadata).unwrap();
    let mut package = Command::new("helm");
    package
        .args(["package", "--save=false", "--sign", "--key", "helm-testing"])
        .arg("--keyring")
        .arg(data.join("helm-test-key.secret"))
        .arg("--home")
        .arg(directory.path())
        .arg("--destination")
        .arg(directory.path())
        .arg(&chart);
    output(&mut package);

    let name = format!("web-{version}.tgz");
    let archive = fs::read(directory.path().join(&name)).unwrap();
    let prov = fs::read(directory.path().join(format!("{name}.prov"))).unwrap();
    let ring = Keyring::load(&data.join("helm-test-key.pub")).unwrap();
    let signer = ring
        .verify(&prov, &name, &archive, SystemTime::now())
        .unwrap();
    assert_eq!(signer.fingerprint, FINGERPRINT);
}
