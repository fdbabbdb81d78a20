//! Kubeconfigs as `kubectl` writes them, with everything inside.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::pki::Client;

pub(super) fn with_token(name: &str, server: &str, ca: &str, token: &str) -> String {
    kubeconfig(name, server, ca, &format!("token: {}", quoted(token)))
}

pub(super) fn with_certificate(name: &str, server: &str, ca: &str, client: &Client) -> String {
    let user = format!(
        "client-certificate-data: {}\n    client-key-data: {}",
        STANDARD.encode(&client.certificate_pem),
        STANDARD.encode(&client.key_pem),
    );
    kubeconfig(name, server, ca, &user)
}

fn kubeconfig(name: &str, server: &str, ca: &str, user: &str) -> String {
    let name = quoted(name);
    let ca = STANDARD.encode(ca);
    format!(
        "apiVersion: v1
kind: Config
current-context: {name}
clusters:
- name: {name}
  cluster:
    server: {server}
    certificate-authority-data: {ca}
contexts:
- name: {name}
  context:
    cluster: {name}
    user: {name}
users:
- name: {name}
  user:
    {user}
"
    )
}

/// JSON's strings are YAML's.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
