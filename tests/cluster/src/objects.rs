//! The objects that controllers and kubelets would have made: a pod with an
//! address, and Endpoints that name it.

use serde_json::{Value, json};

/// The address that all pods share; the API server refuses loopback.
pub(crate) const POD_ADDRESS: &str = "10.99.0.1";

/// A service of `kube-system`, its one pod, and the Endpoints that lead to it.
pub(crate) struct Backend<'a> {
    pub(crate) service: &'a str,
    /// The service port's name.
    pub(crate) port_name: &'a str,
    /// Where the pod listens.
    pub(crate) port: u16,
}

impl Backend<'_> {
    pub(crate) fn pod_name(&self) -> String {
        format!("{}-0", self.service)
    }

    /// The pod and the Endpoints, to be applied in that order.
    pub(crate) fn objects(&self) -> [Value; 2] {
        let Self {
            service,
            port_name,
            port,
        } = self;
        let pod = json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": { "name": self.pod_name(), "namespace": "kube-system" },
            "spec": {
                "automountServiceAccountToken": false,
                "containers": [{ "name": "pod", "image": "none", "ports": [{ "containerPort": port }] }],
            },
        });
        let reference =
            json!({ "kind": "Pod", "name": self.pod_name(), "namespace": "kube-system" });
        let endpoints = json!({
            "apiVersion": "v1",
            "kind": "Endpoints",
            "metadata": { "name": service, "namespace": "kube-system" },
            "subsets": [{
                "addresses": [{ "ip": POD_ADDRESS, "targetRef": reference }],
                "ports": [{ "name": port_name, "port": port }],
            }],
        });
        [pod, endpoints]
    }

    /// What a kubelet reports once the pod runs.
    pub(crate) fn status() -> Value {
        json!({ "status": {
            "phase": "Running",
            "podIP": POD_ADDRESS,
            "podIPs": [{ "ip": POD_ADDRESS }],
        }})
    }
}

/// What `helm init --tiller-tls` leaves for a Tiller that listens there, and the
/// namespace for its records.
pub(crate) fn tiller_service(records: &str, port: u16) -> [Value; 2] {
    let namespace =
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": records } });
    let service = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "tiller-deploy",
            "namespace": "kube-system",
            "labels": { "app": "helm", "name": "tiller" },
        },
        "spec": {
            "selector": { "app": "helm", "name": "tiller" },
            "ports": [{ "name": "tiller", "port": 44134, "targetPort": port }],
        },
    });
    [namespace, service]
}
