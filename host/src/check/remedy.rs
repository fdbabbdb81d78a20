//! What to do about what a check found: a line to run, or to put into a file, wherever there is one.

use rest::problem::{Code, Problem};

use super::report;
use crate::clusters::{AccessError, Attributes, Cluster, EntryError, SendError, Tiller};
use crate::config::Transport;
use crate::net::Causes;
use crate::relay::probe::ProbeError;

/// For a cluster whose kubeconfig entry cannot be used.
pub(super) fn entry(name: &str, error: &AccessError) -> String {
    match error {
        AccessError::Entry(EntryError::NoContext(_)) => format!(
            "kubectl config get-contexts   # then name one of them: context = \"…\" for cluster `{name}`"
        ),
        AccessError::Entry(EntryError::NoCluster(cluster)) => {
            format!("kubectl config set-cluster {cluster} --server=https://… --certificate-authority=ca.crt --embed-certs")
        }
        AccessError::Entry(EntryError::NoUser(user)) => {
            format!("kubectl config set-credentials {user} --token=…")
        }
        AccessError::ClearText | AccessError::NoServer | AccessError::Server => {
            "kubectl config set-cluster … --server=https://host:6443".to_owned()
        }
        AccessError::NotInCluster(_) => {
            "run the edge in a pod with automountServiceAccountToken: true, or name a kubeconfig instead of in_cluster = true"
                .to_owned()
        }
        AccessError::Proxy(_) => "kubectl config set-cluster … --proxy-url=http://proxy:3128".to_owned(),
        AccessError::ServerName => "kubectl config set-cluster … --tls-server-name=NAME".to_owned(),
        AccessError::Base64 { .. }
        | AccessError::Credentials(_)
        | AccessError::Exec(_)
        | AccessError::HalfIdentity { .. }
        | AccessError::Impersonation
        | AccessError::ImpersonatesAlready => {
            "correct the kubeconfig; `kubectl config view` shows it without its secrets".to_owned()
        }
    }
}

/// For an APIServer that does not answer, or not this edge.
pub(super) fn cluster(cluster: &Cluster, error: &ProbeError) -> String {
    let kubectl = kubectl(cluster);
    match error {
        ProbeError::Send(SendError::Credentials(_)) => format!(
            "{kubectl} get --raw /version   # kubectl needs the same file, plugin or provider; as the edge's user, on the edge's host"
        ),
        ProbeError::Send(SendError::Tls(_)) => {
            "make the file readable to the edge's user, or embed it: kubectl config set-cluster … --certificate-authority=ca.crt --embed-certs".to_owned()
        }
        ProbeError::Send(error @ SendError::Unreachable(_)) => {
            unreachable(cluster, &Causes(error).to_string())
        }
        ProbeError::Send(_) => format!(
            "{kubectl} get --raw /readyz?verbose   # the API server, or a balancer before it, closes connections"
        ),
        ProbeError::Answered(problem) if problem.code == Code::ClusterCredentialsRefused => {
            format!("{kubectl} auth whoami   # renew the user's token or certificate in the kubeconfig")
        }
        ProbeError::Answered(_) => format!(
            "{kubectl} get --raw /version   # something else than the API server answers at {}",
            cluster.view().server
        ),
    }
}

fn unreachable(cluster: &Cluster, cause: &str) -> String {
    let server = cluster.view().server;
    if cause.contains("UnknownIssuer") {
        return "kubectl config set-cluster … --certificate-authority=ca.crt --embed-certs   # the authority that signed the API server's certificate".to_owned();
    }
    if cause.contains("not valid for name") || cause.contains("NotValidForName") {
        return "kubectl config set-cluster … --tls-server-name=NAME   # a name that the API server's certificate has".to_owned();
    }
    if cause.contains("certificate") {
        return format!(
            "openssl s_client -connect {} -showcerts   # the API server's certificate is not acceptable",
            authority(cluster)
        );
    }
    if cause.contains("tunnel") || cause.contains("SOCKS") {
        return "kubectl config set-cluster … --proxy-url=…   # or HTTPS_PROXY and NO_PROXY: the proxy does not lead there".to_owned();
    }
    format!(
        "curl -vk {server}/version   # from the edge's host: is the address right, is a firewall or a proxy between?"
    )
}

/// For a permission that is missing; `user` is who lacks it, where that is known.
pub(super) fn permission(tiller: &Tiller, user: Option<&str>) -> String {
    let namespace = tiller.namespace();
    let subject = match user.map(|user| (user, user.strip_prefix("system:serviceaccount:"))) {
        Some((_, Some(account))) => format!("--serviceaccount={account}"),
        Some((user, None)) => format!("--user={user}"),
        None => "--user=THE_EDGES_USER".to_owned(),
    };
    format!(
        "kubectl -n {namespace} create role tiller-edge --verb=create --resource=services/proxy --resource-name={}\n\
         kubectl -n {namespace} create rolebinding tiller-edge --role=tiller-edge {subject}",
        tiller.resource_name()
    )
}

/// For a permission of the edge's own that is missing.
pub(super) fn own_permission(wanted: &Attributes) -> String {
    let Attributes {
        verb,
        group,
        resource,
        name,
        ..
    } = wanted;
    let role = format!("tiller-edge-{verb}-{resource}");
    let full = if group.is_empty() {
        resource.clone()
    } else {
        format!("{resource}.{group}")
    };
    let only = if name.is_empty() {
        String::new()
    } else {
        format!(" --resource-name={name}")
    };
    format!(
        "kubectl create clusterrole {role} --verb={verb} --resource={full}{only}\n\
         kubectl create clusterrolebinding {role} --clusterrole={role} --user=THE_EDGES_USER   # or deploy/access/"
    )
}

/// For a Tiller that does not answer, or does not answer well.
pub(super) fn tiller(tiller: &Tiller, problem: &Problem) -> String {
    let namespace = tiller.namespace();
    let native = tiller.transport() == Transport::Grpc;
    match problem.code {
        Code::ClusterForbidden => permission(tiller, denied_user(&problem.detail)),
        Code::EndpointNotFound if native => format!(
            "kubectl -n {namespace} get services   # then name Tiller's: service = \"…\", port = \"…\" in [[cluster.tiller]]"
        ),
        Code::EndpointNotFound => {
            format!("kubectl -n {namespace} apply -f deploy/bridge/   # installs the bridge and its service")
        }
        Code::EndpointNotReady => format!(
            "kubectl -n {namespace} get pods,endpoints -o wide   # nothing ready behind {}",
            tiller.resource_name()
        ),
        Code::EndpointUnreachable if native && problem.detail.contains("tls: first record") => {
            "Tiller has no TLS, and the API server speaks gRPC with TLS only: install the bridge (deploy/bridge/) and set transport = \"grpc-web\"".to_owned()
        }
        Code::EndpointUnreachable if native => {
            "a Tiller that verifies clients (--tiller-tls-verify) cannot be reached this way: install the bridge (deploy/bridge/) with a client certificate and set transport = \"grpc-web\"".to_owned()
        }
        Code::EndpointUnreachable => problem.hint.as_deref().map_or_else(
            || format!("kubectl -n {namespace} get networkpolicies   # the API server must reach the bridge's pod"),
            str::to_owned,
        ),
        Code::TillerUnreachable | Code::TillerUnavailable => format!(
            "kubectl -n {namespace} get pods,services -l app=helm,name=tiller   # is Tiller there, and does the bridge's --tiller name it?"
        ),
        Code::BridgeError => format!("kubectl -n {namespace} logs deployment/tiller-bridge"),
        _ => problem.hint.as_deref().map_or_else(
            || format!("kubectl -n {namespace} logs deployment/tiller-deploy"),
            str::to_owned,
        ),
    }
}

/// For a Tiller that answers by the transport that is not configured.
pub(super) fn transport(cluster: &Cluster, other: &Tiller) -> String {
    let name = other.name();
    let view = other.view();
    format!(
        "in the configuration:\n\
         [[cluster]]\n\
         name = \"{}\"\n\
         [[cluster.tiller]]\n\
         name = \"{name}\"\n\
         namespace = \"{}\"\n\
         transport = \"{}\"",
        cluster.name(),
        view.namespace,
        report::name(other.transport()),
    )
}

/// Whom the APIServer forbids something: `… is forbidden: User "jane" cannot create resource …`.
fn denied_user(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("User \"")?;
    Some(rest.split_once('"')?.0)
}

fn kubectl(cluster: &Cluster) -> String {
    cluster.context().map_or_else(
        || "kubectl".to_owned(),
        |context| format!("kubectl --context {context}"),
    )
}

fn authority(cluster: &Cluster) -> String {
    let server = cluster.server();
    format!(
        "{}:{}",
        server.host().unwrap_or_default(),
        server.port_u16().unwrap_or(443)
    )
}
