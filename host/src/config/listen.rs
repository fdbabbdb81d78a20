//! Who could reach an edge, and what it needs to know of them first.
//!
//! Tiller is cluster-admin for whoever reaches it, and so is an edge that asks nobody who they are. Where others than this
//! host can connect, callers must be authenticated, and over something that nobody on the way can read.

use std::net::{IpAddr, SocketAddr};

use super::{Config, CredentialSource, Invalid};

/// What one adds to let others in.
const ENOUGH: &str = r#"

    [[token]]
    name = "alice"
    hash = "sha256:…"       # both lines as `tiller-edge token new --name alice` prints them

    [[grant]]
    principals = ["alice"]
    actions = ["read"]

    [tls]
    certificate_file = "edge.pem"
    key_file = "edge.key"   # or `terminated = true`, behind a proxy that does TLS"#;

impl Config {
    /// Whether callers must show who they are. Without any method they are taken for administrators, which is why the
    /// edge then listens on loopback only.
    #[must_use]
    pub fn has_authentication(&self) -> bool {
        self.has_principals() || self.anonymous.is_some()
    }

    /// Whether anybody is known by more than showing nothing.
    pub(crate) fn has_principals(&self) -> bool {
        !self.tokens.is_empty()
            || !self.oidc.is_empty()
            || self.certificates.is_some()
            || self.kubernetes.is_some()
    }

    pub(super) fn validate_listeners(&self, refused: &mut Vec<Invalid>) {
        if let Some(why) = self.is_exposed() {
            refused.push(Invalid::new("listen", why));
        }
        if !is_loopback(self.relay.listen) {
            refused.push(Invalid::new(
                "relay.listen",
                format!(
                    "{} is not a loopback address. The relay speaks clear text and lends its cluster credentials to whoever \
                     may call it; use 127.0.0.1 or [::1]",
                    self.relay.listen
                ),
            ));
        }
        for (index, cluster) in self.clusters.iter().enumerate() {
            let impersonates = cluster.credentials == CredentialSource::Impersonate;
            if impersonates && !self.has_authentication() {
                refused.push(Invalid::new(
                    format!("cluster[{index}].credentials"),
                    "there is nobody to impersonate: callers are not authenticated. Configure a method, such as a \
                     [[token]] that `tiller-edge token new --name alice` makes",
                ));
            }
            let reviews = cluster.credentials == CredentialSource::Kubeconfig;
            if cluster.manifest_authorisation && reviews && !self.has_authentication() {
                refused.push(Invalid::new(
                    format!("cluster[{index}].manifest_authorisation"),
                    "there is nobody to ask the cluster about: callers are not authenticated. Configure a method, such \
                     as a [[token]] that `tiller-edge token new --name alice` makes",
                ));
            }
        }
    }

    fn is_exposed(&self) -> Option<String> {
        let is_private = self.tls.certificate_file.is_some() || self.tls.terminated;
        if is_loopback(self.listen) || (self.has_authentication() && is_private) {
            return None;
        }
        let listen = self.listen;
        Some(if self.has_authentication() {
            format!(
                "{listen} is not a loopback address, and without TLS whoever is on the way reads what callers send. Set \
                 `certificate_file` and `key_file` under [tls]; or `terminated = true` there, if a proxy in front of this \
                 edge does TLS and nobody else reaches this port"
            )
        } else {
            format!(
                "{listen} is not a loopback address, and nothing says who may call: whoever reaches this port could change \
                 releases in every cluster. Use 127.0.0.1 or [::1]; or say who may call, and add TLS:{ENOUGH}"
            )
        })
    }
}

/// Whether only this host can reach `address`.
pub(crate) fn is_loopback(address: SocketAddr) -> bool {
    is_loopback_ip(address.ip())
}

/// Whether `address` is this host's to itself.
pub(crate) fn is_loopback_ip(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::{Config, ConfigError};

    const METHODS: [&str; 5] = [
        "[[token]]\nname = \"alice\"\nhash_file = \"hash\"",
        "[certificates]\nca_file = \"ca.pem\"",
        "[kubernetes]",
        "[anonymous]\nactions = [\"read\"]",
        "[[oidc]]\nissuer = \"https://login.example.com\"\naudiences = [\"edge\"]",
    ];
    const TLS: &str = "[tls]\ncertificate_file = \"edge.pem\"\nkey_file = \"edge.key\"";

    fn parse(parts: &[&str]) -> Result<Config, ConfigError> {
        Config::parse(&parts.join("\n"), Path::new("/etc/edge/edge.toml"))
    }

    fn complaint(parts: &[&str]) -> String {
        parse(parts).expect_err("refused").to_string()
    }

    #[test]
    fn where_nobody_is_authenticated_only_this_host_may_call() {
        let complaint = complaint(&["listen = \"0.0.0.0:8080\"", TLS]);
        assert!(
            complaint.contains("nothing says who may call"),
            "{complaint}"
        );
        // What it says to add is all there is to add.
        let (_, lines) = complaint.split_once(":\n").expect("lines to add");
        let hash = format!("sha256:{}", "0".repeat(64));
        let lines = lines.replace("sha256:…", &hash);
        let config = parse(&["listen = \"0.0.0.0:8080\"", &lines]).expect("valid");
        assert!(config.has_authentication());
        assert_eq!(config.grants.len(), 1);
    }

    #[test]
    fn others_may_call_who_are_authenticated_over_tls() {
        for method in METHODS
            .into_iter()
            .filter(|method| !method.contains("ca_file"))
        {
            let clear = complaint(&["listen = \"10.0.0.7:8080\"", method]);
            assert!(clear.contains("without TLS"), "{clear}");
            assert!(clear.contains("terminated = true"), "{clear}");
            for tls in [TLS, "[tls]\nterminated = true"] {
                let listen = "listen = \"10.0.0.7:8080\"";
                parse(&[listen, tls, method]).expect(method);
            }
        }
    }

    #[test]
    fn any_method_is_one() {
        assert!(!parse(&[]).expect("valid").has_authentication());
        for method in METHODS {
            let config = parse(&[TLS, method]).expect(method);
            assert!(config.has_authentication(), "{method}");
        }
    }

    #[test]
    fn the_relay_is_on_loopback_whoever_is_authenticated() {
        let complaint = complaint(&["[relay]\nlisten = \"10.0.0.7:4480\"", TLS, METHODS[0]]);
        assert!(complaint.contains("relay.listen: "), "{complaint}");
    }

    #[test]
    fn nobody_is_asked_about_where_nobody_is_authenticated() {
        let text = "[[cluster]]\nname = \"a\"\nmanifest_authorisation = true\n";
        let error = Config::parse(text, Path::new("e.toml")).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("cluster[0].manifest_authorisation"),
            "{error}"
        );
        let callers = format!("{text}credentials = \"caller\"\n");
        assert!(Config::parse(&callers, Path::new("e.toml")).is_ok());
    }

    #[test]
    fn nobody_is_impersonated_where_nobody_is_authenticated() {
        let cluster = "[[cluster]]\nname = \"prod\"\ncredentials = \"impersonate\"";
        let complaint = complaint(&[cluster]);
        assert!(
            complaint.starts_with("/etc/edge/edge.toml:3: cluster[0].credentials: there is nobody"),
            "{complaint}"
        );
        parse(&[METHODS[0], cluster]).expect("valid");
    }
}
