//! What an operator does to a cluster by the manifests and READMEs of
//! `deploy/`, and what controllers and kubelets would add to it.

use std::path::Path;

use anyhow::{Context, Result};

use crate::kubernetes::{CERTIFIED, Kubernetes};
use crate::objects::Backend;
use crate::pki::Pki;

const IN_SYSTEM: [&str; 2] = ["--namespace", "kube-system"];

/// Applies the manifests as they are, and gives the two services their pods.
pub(crate) async fn publish(kubernetes: &Kubernetes, bridge: u16, tiller: u16) -> Result<()> {
    for way in ["bridge", "grpc", "access"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../deploy")
            .join(way);
        let folder = folder
            .to_str()
            .context("the repository's path is not text")?;
        kubernetes.admin(&["apply", "--filename", folder]).await?;
    }
    for backend in [
        Backend {
            service: "tiller-bridge",
            port_name: "grpc-web",
            port: bridge,
        },
        Backend {
            service: "tiller-deploy",
            port_name: "tiller",
            port: tiller,
        },
    ] {
        kubernetes.apply(&backend.objects()).await?;
        let status = Backend::status().to_string();
        let pod = backend.pod_name();
        let patch = [
            "patch",
            "pod",
            &pod,
            "--subresource=status",
            "--patch",
            &status,
        ];
        kubernetes.admin(&[&patch[..], &IN_SYSTEM].concat()).await?;
    }
    Ok(())
}

/// Gives the edge its credentials: a token of its service account, and the
/// roles for a user with a certificate.
pub(crate) async fn admit(kubernetes: &Kubernetes, pki: &Pki) -> Result<()> {
    let create = [&["create", "token", "tiller-edge"][..], &IN_SYSTEM].concat();
    let token = kubernetes.admin(&create).await?;
    let user = format!("--user={CERTIFIED}");
    for role in ["tiller-edge-bridge", "tiller-edge-grpc"] {
        let (name, role) = (format!("{role}-user"), format!("--role={role}"));
        let bind = ["create", "rolebinding", &name, &role, &user];
        kubernetes.admin(&[&bind[..], &IN_SYSTEM].concat()).await?;
    }
    kubernetes.write_kubeconfigs(pki, token.trim())
}
