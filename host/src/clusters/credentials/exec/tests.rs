//! Plugins here are shell scripts that note each of their runs.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use super::super::Credentials;
use super::*;

const V1: &str = "client.authentication.k8s.io/v1";

struct Script {
    directory: TempDir,
}

impl Script {
    /// A script that notes its run in `runs`, then does `body`.
    fn new(body: &str) -> Self {
        let script = Self {
            directory: tempfile::tempdir().unwrap(),
        };
        let text = format!(
            "cd {}\necho run >> runs\n{body}\n",
            script.directory.path().display()
        );
        fs::write(script.path(), text).unwrap();
        script
    }

    /// A script that prints `status` as an `ExecCredential`.
    fn printing(status: &str) -> Self {
        Self::new(&format!(
            r#"printf '%s' '{{"apiVersion":"{V1}","kind":"ExecCredential","status":{status}}}'"#
        ))
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("plugin")
    }

    fn runs(&self) -> usize {
        fs::read_to_string(self.directory.path().join("runs"))
            .unwrap_or_default()
            .lines()
            .count()
    }

    /// A shell is started and not the script itself: a file just written may still be open in a process that another
    /// test is starting, and then cannot be.
    fn config(&self) -> ExecConfig {
        ExecConfig {
            api_version: Some(V1.to_owned()),
            command: Some("/bin/sh".to_owned()),
            args: Some(vec![self.path().display().to_string()]),
            ..ExecConfig::default()
        }
    }

    fn with_argument(&self, argument: &str) -> ExecConfig {
        let mut config = self.config();
        config.args.as_mut().unwrap().push(argument.to_owned());
        config
    }

    fn plugin(&self) -> Credentials {
        Credentials::Exec(ExecPlugin::new(self.config(), &Cluster::default()).unwrap())
    }
}

async fn failure(credentials: &Credentials) -> ExecError {
    match credentials.current().await.unwrap_err() {
        CredentialsError::Exec { source, .. } => source,
        other => panic!("not the plugin's failure: {other}"),
    }
}

#[tokio::test]
async fn a_token_without_expiry_is_asked_for_once() {
    let script = Script::printing(r#"{"token":"t-1"}"#);
    let plugin = script.plugin();
    for _ in 0..3 {
        let credential = plugin.current().await.unwrap();
        assert_eq!(credential.authorization.unwrap(), "Bearer t-1");
    }
    assert_eq!(script.runs(), 1);
}

#[tokio::test]
async fn an_expired_token_is_asked_for_again() {
    let script =
        Script::printing(r#"{"token":"old","expirationTimestamp":"2020-01-01T00:00:00Z"}"#);
    let plugin = script.plugin();
    plugin.current().await.unwrap();
    plugin.current().await.unwrap();
    assert_eq!(script.runs(), 2);
}

#[tokio::test]
async fn a_token_is_kept_until_it_expires() {
    let script =
        Script::printing(r#"{"token":"new","expirationTimestamp":"2199-01-01T00:00:00Z"}"#);
    let plugin = script.plugin();
    plugin.current().await.unwrap();
    plugin.current().await.unwrap();
    assert_eq!(script.runs(), 1);
}

#[tokio::test]
async fn a_refused_token_is_asked_for_again_and_used_only_if_it_differs() {
    let script = Script::new(&format!(
        r#"n=$(wc -l < runs); [ "$n" -gt 2 ] && n=2
printf '{{"apiVersion":"{V1}","kind":"ExecCredential","status":{{"token":"t-%d"}}}}' "$n""#
    ));
    let plugin = script.plugin();
    let first = plugin.current().await.unwrap();
    let second = plugin.renew(&first).await.unwrap().unwrap();
    assert_eq!(second.authorization.as_ref().unwrap(), "Bearer t-2");
    assert_eq!(plugin.renew(&first).await.unwrap(), Some(second.clone()));
    assert_eq!(
        script.runs(),
        2,
        "another call's renewal is good for this one"
    );
    assert_eq!(plugin.renew(&second).await.unwrap(), None);
    assert_eq!(script.runs(), 3);
}

#[tokio::test]
async fn calls_that_come_together_share_one_run() {
    let script = Script::printing(r#"{"token":"t"}"#);
    let plugin = script.plugin();
    let results = futures::future::join_all((0..8).map(|_| plugin.current())).await;
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(script.runs(), 1);
}

#[tokio::test]
async fn a_certificate_and_a_token_are_both_used() {
    let script = Script::printing(
        r#"{"token":"t","clientCertificateData":"cert-pem","clientKeyData":"key-pem"}"#,
    );
    let credential = script.plugin().current().await.unwrap();
    assert!(credential.authorization.is_some());
    assert!(credential.identity.is_some());
}

#[tokio::test]
async fn a_plugin_has_its_environment_and_no_terminal() {
    let script = Script::new(&format!(
        r#"cat > stdin; printf '%s' "$KUBERNETES_EXEC_INFO" > info
printf '{{"apiVersion":"{V1}","kind":"ExecCredential","status":{{"token":"%s-%s"}}}}' "$1" "$MINE""#
    ));
    let config = ExecConfig {
        env: Some(vec![
            [("name", "MINE"), ("value", "variable")]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
        ]),
        provide_cluster_info: true,
        ..script.with_argument("argument")
    };
    let cluster = Cluster {
        server: Some("https://cluster.example".to_owned()),
        ..Cluster::default()
    };
    let plugin = Credentials::Exec(ExecPlugin::new(config, &cluster).unwrap());
    let credential = plugin.current().await.unwrap();
    assert_eq!(
        credential.authorization.unwrap(),
        "Bearer argument-variable"
    );

    let read = |name| fs::read_to_string(script.directory.path().join(name)).unwrap();
    assert_eq!(read("stdin"), "");
    let info: serde_json::Value = serde_json::from_str(&read("info")).unwrap();
    assert_eq!(info["spec"]["interactive"], false);
    assert_eq!(info["spec"]["cluster"]["server"], "https://cluster.example");
}

#[tokio::test]
async fn failures_say_what_happened_and_never_what_was_printed() {
    let failing = Script::new("echo s3cret; exit 7");
    assert!(matches!(
        failure(&failing.plugin()).await,
        ExecError::Failed { .. }
    ));

    let malformed = Script::new("echo 's3cret'");
    let error = failure(&malformed.plugin()).await;
    assert!(
        matches!(error, ExecError::Malformed { line: 1, .. }),
        "{error}"
    );
    assert!(!format!("{error} {error:?}").contains("s3cret"));

    let empty = Script::printing("{}");
    assert!(matches!(failure(&empty.plugin()).await, ExecError::Empty));

    let half = Script::printing(r#"{"clientCertificateData":"x"}"#);
    assert!(matches!(
        failure(&half.plugin()).await,
        ExecError::HalfCertificate
    ));

    let endless = Script::new("yes s3cret");
    assert!(matches!(
        failure(&endless.plugin()).await,
        ExecError::TooMuchOutput
    ));
}

#[tokio::test]
async fn a_missing_plugin_is_named_with_the_hint_to_install_it() {
    let config = ExecConfig {
        api_version: Some(V1.to_owned()),
        command: Some("/nowhere/kubelogin".to_owned()),
        install_hint: Some("install kubelogin".to_owned()),
        ..ExecConfig::default()
    };
    let plugin = Credentials::Exec(ExecPlugin::new(config, &Cluster::default()).unwrap());
    let error = plugin.current().await.unwrap_err();
    assert!(error.to_string().contains("/nowhere/kubelogin"), "{error}");
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("install kubelogin"), "{source}");
}

#[tokio::test]
async fn debug_shows_neither_environment_nor_credential() {
    let script = Script::printing(
        r#"{"token":"tok-s3cret","clientCertificateData":"c-s3cret","clientKeyData":"k-s3cret"}"#,
    );
    let config = ExecConfig {
        env: Some(vec![
            [("name", "AWS_SECRET"), ("value", "env-s3cret")]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
        ]),
        ..script.with_argument("--password=arg-s3cret")
    };
    let plugin = Credentials::Exec(ExecPlugin::new(config, &Cluster::default()).unwrap());
    plugin.current().await.unwrap();
    let shown = format!("{plugin:?} {:?}", plugin.current().await);
    assert!(!shown.contains("s3cret"), "{shown}");
}
