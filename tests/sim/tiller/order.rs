//! In which order Tiller installs objects, by kind.

const INSTALL: [&str; 33] = [
    "Namespace",
    "NetworkPolicy",
    "ResourceQuota",
    "LimitRange",
    "PodSecurityPolicy",
    "PodDisruptionBudget",
    "Secret",
    "ConfigMap",
    "StorageClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "ServiceAccount",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleList",
    "ClusterRoleBinding",
    "ClusterRoleBindingList",
    "Role",
    "RoleList",
    "RoleBinding",
    "RoleBindingList",
    "Service",
    "DaemonSet",
    "Pod",
    "ReplicationController",
    "ReplicaSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "StatefulSet",
    "Job",
    "CronJob",
    "Ingress",
    "APIService",
];

/// A kind's place; unknown kinds come last, by name.
pub(super) fn install(kind: &str) -> (usize, &str) {
    match INSTALL.iter().position(|known| *known == kind) {
        Some(place) => (place, ""),
        None => (INSTALL.len(), kind),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_and_config_come_before_workloads() {
        let mut kinds = [
            "Widget",
            "Deployment",
            "Gadget",
            "Service",
            "ConfigMap",
            "Secret",
        ];
        kinds.sort_by_key(|kind| install(kind));
        assert_eq!(
            kinds,
            [
                "Secret",
                "ConfigMap",
                "Service",
                "Deployment",
                "Gadget",
                "Widget"
            ]
        );
    }
}
