use kube_client::config::Kubeconfig;

use super::super::kubeconfig;
use super::*;

/// The access that `cluster` and `user` (YAML maps) give.
fn access_with(cluster: &str, user: &str, source: CredentialSource) -> Result<Access, AccessError> {
    let text = format!(
        "clusters: [{{name: c, cluster: {cluster}}}]\n\
         users: [{{name: u, user: {user}}}]\n\
         contexts: [{{name: x, context: {{cluster: c, user: u}}}}]\n"
    );
    let entry = kubeconfig::entry(&Kubeconfig::from_yaml(&text).unwrap(), "x")?;
    Access::from_entry(entry, source)
}

fn access(cluster: &str, user: &str) -> Result<Access, AccessError> {
    access_with(cluster, user, CredentialSource::Kubeconfig)
}

const SERVER: &str = "{server: https://127.0.0.1:6443}";

#[test]
fn a_server_may_have_a_path_and_no_user() {
    let rancher = access("{server: https://r.example/k8s/clusters/c-x}", "{}").unwrap();
    assert_eq!(rancher.server.path(), "/k8s/clusters/c-x");
    for server in [
        "https://admin:s3cret@c.example",
        "c.example",
        "ftp://c.example",
        "https://c.example/?token=s3cret",
    ] {
        let error = access(&format!("{{server: '{server}'}}"), "{}").unwrap_err();
        assert!(matches!(error, AccessError::Server), "{server}: {error}");
        assert!(!format!("{error} {error:?}").contains("s3cret"));
    }
    assert!(matches!(access("{}", "{}"), Err(AccessError::NoServer)));
}

#[test]
fn credentials_at_hand_come_before_those_to_be_asked_for() {
    let exec = "exec: {apiVersion: client.authentication.k8s.io/v1, command: plugin}";
    for (user, expected) in [
        (
            "{tokenFile: /t, token: a, username: u, password: p}".to_owned(),
            "TokenFile",
        ),
        (
            format!("{{token: a, username: u, password: p, {exec}}}"),
            "Fixed",
        ),
        (format!("{{username: u, password: p, {exec}}}"), "Fixed"),
        (
            format!("{{auth-provider: {{name: oidc, config: {{}}}}, {exec}}}"),
            "Provider",
        ),
        (format!("{{token: '', {exec}}}"), "Exec"),
        ("{}".to_owned(), "Anonymous"),
    ] {
        let credentials = format!("{:?}", access(SERVER, &user).unwrap().user.credentials);
        assert!(credentials.starts_with(expected), "{user}: {credentials}");
    }
}

#[test]
fn a_client_certificate_needs_its_key() {
    let both = "{client-certificate: /c, client-key-data: azEK}";
    assert!(access(SERVER, both).unwrap().user.identity.is_some());
    let error = access(SERVER, "{client-certificate: /c}").unwrap_err();
    assert!(matches!(
        error,
        AccessError::HalfIdentity {
            has: "client-certificate"
        }
    ));
    let error = access(
        SERVER,
        "{client-certificate: /c, client-key-data: '!s3cret'}",
    )
    .unwrap_err();
    assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
}

#[test]
fn impersonation_headers_are_escaped_as_the_apiserver_expects() {
    let user =
        "{token: t, as: jane, as-groups: [dev, ops], as-user-extra: {example.com/team: [a]}}";
    let headers = access(SERVER, user).unwrap().user.impersonation;
    assert_eq!(headers["impersonate-user"], "jane");
    assert_eq!(headers.get_all("impersonate-group").iter().count(), 2);
    assert_eq!(headers["impersonate-extra-example.com%2fteam"], "a");
}

#[test]
fn who_acts_as_callers_acts_as_nobody_else() {
    let user = "{token: t, as: jane}";
    let refused = access_with(SERVER, user, CredentialSource::Impersonate);
    assert!(matches!(refused, Err(AccessError::ImpersonatesAlready)));
    let plain = access_with(SERVER, "{token: t}", CredentialSource::Impersonate);
    assert!(plain.unwrap().user.impersonation.is_empty());
}

#[test]
fn nothing_secret_is_sent_unencrypted() {
    let clear = "{server: 'http://c.example:8001'}";
    let user = "{token: t, as: jane, client-certificate: /c, client-key: /k}";
    let open = access(clear, user).unwrap();
    assert!(open.user.is_anonymous() && open.user.impersonation.is_empty());
    let callers = access_with(clear, user, CredentialSource::Caller);
    assert!(matches!(callers, Err(AccessError::ClearText)));
}

#[test]
fn debug_of_an_access_shows_no_secret() {
    let cluster = "{server: https://c.example, proxy-url: 'http://u:proxy-s3cret@p:1'}";
    for user in [
        "{token: tok-s3cret, client-certificate: /c, client-key-data: azEtczNjcmV0}",
        "{username: u, password: pw-s3cret}",
        "{auth-provider: {name: oidc, config: {client-secret: oidc-s3cret}}}",
        "{exec: {apiVersion: v1, command: p, env: [{name: A, value: env-s3cret}]}}",
    ] {
        let shown = format!("{:?}", access(cluster, user).unwrap());
        assert!(
            !shown.contains("s3cret") && !shown.contains("azEt"),
            "{shown}"
        );
    }
}
