//! Which kinds the real API server can read, whether it serves them or not: a body of another kind is refused in other words than
//! one of a kind that there is not.

/// By `apiVersion`; a star behind a kind says that there are lists of it.
#[rustfmt::skip]
const KINDS: &[(&str, &str)] = &[
    (
        "v1",
        "Binding ComponentStatus* ConfigMap* Endpoints* Event* LimitRange* List Namespace* Node* NodeProxyOptions \
         PersistentVolume* PersistentVolumeClaim* Pod* PodAttachOptions PodExecOptions PodLogOptions \
         PodPortForwardOptions PodProxyOptions PodStatusResult PodTemplate* RangeAllocation ReplicationController* \
         ResourceQuota* Secret* SerializedReference Service* ServiceAccount* ServiceProxyOptions",
    ),
    ("apps/v1", "ControllerRevision* DaemonSet* Deployment* ReplicaSet* StatefulSet*"),
    ("apps/v1beta1", "ControllerRevision* Deployment* DeploymentRollback Scale StatefulSet*"),
    ("apps/v1beta2", "ControllerRevision* DaemonSet* Deployment* ReplicaSet* Scale StatefulSet*"),
    ("extensions/v1beta1", "DaemonSet* Deployment* DeploymentRollback Ingress* NetworkPolicy* ReplicaSet* Scale"),
    ("batch/v1", "CronJob* Job*"),
    ("batch/v1beta1", "CronJob*"),
    ("autoscaling/v1", "HorizontalPodAutoscaler* Scale"),
    ("autoscaling/v2", "HorizontalPodAutoscaler*"),
    ("policy/v1", "Eviction PodDisruptionBudget*"),
    ("policy/v1beta1", "Eviction PodDisruptionBudget*"),
    ("events.k8s.io/v1", "Event*"),
    ("events.k8s.io/v1beta1", "Event*"),
    ("coordination.k8s.io/v1", "Lease*"),
    ("coordination.k8s.io/v1beta1", "Lease* LeaseCandidate*"),
    ("rbac.authorization.k8s.io/v1", "ClusterRole* ClusterRoleBinding* Role* RoleBinding*"),
    ("rbac.authorization.k8s.io/v1beta1", "ClusterRole* ClusterRoleBinding* Role* RoleBinding*"),
    ("rbac.authorization.k8s.io/v1alpha1", "ClusterRole* ClusterRoleBinding* Role* RoleBinding*"),
    ("storage.k8s.io/v1", "CSIDriver* CSINode* CSIStorageCapacity* StorageClass* VolumeAttachment* VolumeAttributesClass*"),
    (
        "storage.k8s.io/v1beta1",
        "CSIDriver* CSINode* CSIStorageCapacity* StorageClass* VolumeAttachment* VolumeAttributesClass*",
    ),
    ("scheduling.k8s.io/v1", "PriorityClass*"),
    ("scheduling.k8s.io/v1beta1", "PriorityClass*"),
    ("discovery.k8s.io/v1", "EndpointSlice*"),
    ("discovery.k8s.io/v1beta1", "EndpointSlice*"),
    (
        "authorization.k8s.io/v1",
        "LocalSubjectAccessReview SelfSubjectAccessReview SelfSubjectRulesReview SubjectAccessReview",
    ),
    (
        "authorization.k8s.io/v1beta1",
        "LocalSubjectAccessReview SelfSubjectAccessReview SelfSubjectRulesReview SubjectAccessReview",
    ),
    ("authentication.k8s.io/v1", "SelfSubjectReview TokenRequest TokenReview"),
    ("authentication.k8s.io/v1beta1", "SelfSubjectReview TokenReview"),
    ("networking.k8s.io/v1", "IPAddress* Ingress* IngressClass* NetworkPolicy* ServiceCIDR*"),
];

/// What every version has.
const EVERYWHERE: [&str; 7] = [
    "CreateOptions",
    "DeleteOptions",
    "GetOptions",
    "ListOptions",
    "PatchOptions",
    "UpdateOptions",
    "WatchEvent",
];
/// What has no version of its own, and is read as of the oldest.
const UNVERSIONED: [&str; 5] = ["APIGroup", "APIGroupList", "APIResourceList", "APIVersions", "Status"];

/// Why a kind cannot be read.
pub fn unknown(api_version: &str, kind: &str) -> String {
    format!("no kind \"{kind}\" is registered for version \"{api_version}\" in scheme \"pkg/runtime/scheme.go:111\"")
}

/// Whether a kind belongs to all groups: options, and what is answered beside objects.
pub fn is_common(api_version: &str, kind: &str) -> bool {
    EVERYWHERE.contains(&kind) || (api_version == "v1" && UNVERSIONED.contains(&kind))
}

/// Whether a kind can be read, though perhaps not where it was sent.
pub fn is_known(api_version: &str, kind: &str) -> bool {
    let Some((_, kinds)) = KINDS.iter().find(|(version, _)| *version == api_version) else {
        return false;
    };
    let mut kinds = kinds.split_whitespace();
    is_common(api_version, kind)
        || kinds.any(|known| match known.strip_suffix('*') {
            Some(item) => kind.strip_suffix("List").unwrap_or(kind) == item,
            None => kind == known,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_versions_and_lists_are_known() {
        for (version, kind, known) in [
            ("v1", "Pod", true),
            ("v1", "PodList", true),
            ("v1", "Status", true),
            ("v1", "BindingList", false),
            ("apps/v1beta1", "Deployment", true),
            ("apps/v1beta1", "DaemonSet", false),
            ("apps/v1", "Status", false),
            ("apps/v1", "DeleteOptions", true),
            ("nonsense/v1", "DeleteOptions", false),
        ] {
            assert_eq!(is_known(version, kind), known, "{version} {kind}");
        }
    }
}
