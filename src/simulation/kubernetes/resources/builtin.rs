//! The built-in resources, as kube-apiserver 1.36 lists them in its discovery, as far as anybody here asks for them.

use super::{ASKED, Conversion, MEASURED, Resource, ResourceId, STORED, Served, Subresource, Verb};

/// A namespace cannot be deleted as part of a collection.
const NAMESPACE_VERBS: &[Verb] = &["create", "delete", "get", "list", "patch", "update", "watch"];
const CHANGED: &[Verb] = &["get", "patch", "update"];

const NONE: &[Subresource] = &[];
const STATUS: &[Subresource] = &[of_its_own("status", CHANGED)];
const SCALED: &[Subresource] = &[
    of_kind("scale", CHANGED, ("autoscaling", "v1", "Scale")),
    of_its_own("status", CHANGED),
];
const NAMESPACE: &[Subresource] = &[of_its_own("finalize", &["update"]), of_its_own("status", CHANGED)];
const NODE: &[Subresource] = &[of_its_own("status", CHANGED)];
const POD: &[Subresource] = &[
    of_kind("binding", ASKED, ("", "v1", "Binding")),
    of_its_own("ephemeralcontainers", CHANGED),
    of_kind("eviction", ASKED, ("policy", "v1", "Eviction")),
    of_its_own("log", &["get"]),
    of_its_own("resize", CHANGED),
    of_its_own("status", CHANGED),
];

const fn of_its_own(name: &'static str, verbs: &'static [Verb]) -> Subresource {
    Subresource {
        name,
        verbs,
        kind: None,
    }
}

const fn of_kind(
    name: &'static str,
    verbs: &'static [Verb],
    kind: (&'static str, &'static str, &'static str),
) -> Subresource {
    Subresource {
        name,
        verbs,
        kind: Some(kind),
    }
}

/// Pod.
pub const PODS: ResourceId = ResourceId(0);
/// Node.
pub const NODES: ResourceId = ResourceId(1);
/// Namespace.
pub const NAMESPACES: ResourceId = ResourceId(2);
/// Event.
pub const EVENTS: ResourceId = ResourceId(3);
/// ConfigMap.
pub const CONFIGMAPS: ResourceId = ResourceId(4);
/// Secret.
pub const SECRETS: ResourceId = ResourceId(5);
/// Service.
pub const SERVICES: ResourceId = ResourceId(6);
/// Endpoints.
pub const ENDPOINTS: ResourceId = ResourceId(7);
/// ServiceAccount.
pub const SERVICE_ACCOUNTS: ResourceId = ResourceId(8);
/// PersistentVolume.
pub const PERSISTENT_VOLUMES: ResourceId = ResourceId(9);
/// PersistentVolumeClaim.
pub const PERSISTENT_VOLUME_CLAIMS: ResourceId = ResourceId(10);
/// ReplicationController.
pub const REPLICATION_CONTROLLERS: ResourceId = ResourceId(11);
/// ResourceQuota.
pub const RESOURCE_QUOTAS: ResourceId = ResourceId(12);
/// LimitRange.
pub const LIMIT_RANGES: ResourceId = ResourceId(13);
/// Deployment.
pub const DEPLOYMENTS: ResourceId = ResourceId(14);
/// ReplicaSet.
pub const REPLICA_SETS: ResourceId = ResourceId(15);
/// StatefulSet.
pub const STATEFUL_SETS: ResourceId = ResourceId(16);
/// DaemonSet.
pub const DAEMON_SETS: ResourceId = ResourceId(17);
/// ControllerRevision.
pub const CONTROLLER_REVISIONS: ResourceId = ResourceId(18);
/// Job.
pub const JOBS: ResourceId = ResourceId(19);
/// CronJob.
pub const CRON_JOBS: ResourceId = ResourceId(20);
/// HorizontalPodAutoscaler.
pub const HORIZONTAL_POD_AUTOSCALERS: ResourceId = ResourceId(21);
/// PodDisruptionBudget.
pub const POD_DISRUPTION_BUDGETS: ResourceId = ResourceId(22);
/// Lease.
pub const LEASES: ResourceId = ResourceId(23);
/// ClusterRole.
pub const CLUSTER_ROLES: ResourceId = ResourceId(24);
/// ClusterRoleBinding.
pub const CLUSTER_ROLE_BINDINGS: ResourceId = ResourceId(25);
/// Role.
pub const ROLES: ResourceId = ResourceId(26);
/// RoleBinding.
pub const ROLE_BINDINGS: ResourceId = ResourceId(27);
/// CustomResourceDefinition.
pub const CUSTOM_RESOURCE_DEFINITIONS: ResourceId = ResourceId(28);
/// StorageClass.
pub const STORAGE_CLASSES: ResourceId = ResourceId(29);
/// PriorityClass.
pub const PRIORITY_CLASSES: ResourceId = ResourceId(30);
/// EndpointSlice.
pub const ENDPOINT_SLICES: ResourceId = ResourceId(31);
/// NodeMetrics.
pub const NODE_METRICS: ResourceId = ResourceId(32);
/// PodMetrics.
pub const POD_METRICS: ResourceId = ResourceId(33);
/// SubjectAccessReview.
pub const SUBJECT_ACCESS_REVIEWS: ResourceId = ResourceId(34);
/// LocalSubjectAccessReview.
pub const LOCAL_SUBJECT_ACCESS_REVIEWS: ResourceId = ResourceId(35);
/// SelfSubjectAccessReview.
pub const SELF_SUBJECT_ACCESS_REVIEWS: ResourceId = ResourceId(36);
/// SelfSubjectRulesReview.
pub const SELF_SUBJECT_RULES_REVIEWS: ResourceId = ResourceId(37);
/// SelfSubjectReview.
pub const SELF_SUBJECT_REVIEWS: ResourceId = ResourceId(38);
/// Binding.
pub const BINDINGS: ResourceId = ResourceId(39);

/// Group, version, kind, plural, singular, short names, categories, namespaced, verbs, subresources.
type Row = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
    bool,
    &'static [Verb],
    &'static [Subresource],
);

/// In the order of the places above.
#[rustfmt::skip]
const ROWS: &[Row] = &[
    ("", "v1", "Pod", "pods", "pod", &["po"], &["all"], true, STORED, POD),
    ("", "v1", "Node", "nodes", "node", &["no"], &[], false, STORED, NODE),
    ("", "v1", "Namespace", "namespaces", "namespace", &["ns"], &[], false, NAMESPACE_VERBS, NAMESPACE),
    ("", "v1", "Event", "events", "event", &["ev"], &[], true, STORED, NONE),
    ("", "v1", "ConfigMap", "configmaps", "configmap", &["cm"], &[], true, STORED, NONE),
    ("", "v1", "Secret", "secrets", "secret", &[], &[], true, STORED, NONE),
    ("", "v1", "Service", "services", "service", &["svc"], &["all"], true, STORED, STATUS),
    ("", "v1", "Endpoints", "endpoints", "endpoints", &["ep"], &[], true, STORED, NONE),
    ("", "v1", "ServiceAccount", "serviceaccounts", "serviceaccount", &["sa"], &[], true, STORED, NONE),
    ("", "v1", "PersistentVolume", "persistentvolumes", "persistentvolume", &["pv"], &[], false, STORED, STATUS),
    ("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", "persistentvolumeclaim", &["pvc"], &[], true, STORED, STATUS),
    ("", "v1", "ReplicationController", "replicationcontrollers", "replicationcontroller", &["rc"], &["all"], true, STORED, SCALED),
    ("", "v1", "ResourceQuota", "resourcequotas", "resourcequota", &["quota"], &[], true, STORED, STATUS),
    ("", "v1", "LimitRange", "limitranges", "limitrange", &["limits"], &[], true, STORED, NONE),
    ("apps", "v1", "Deployment", "deployments", "deployment", &["deploy"], &["all"], true, STORED, SCALED),
    ("apps", "v1", "ReplicaSet", "replicasets", "replicaset", &["rs"], &["all"], true, STORED, SCALED),
    ("apps", "v1", "StatefulSet", "statefulsets", "statefulset", &["sts"], &["all"], true, STORED, SCALED),
    ("apps", "v1", "DaemonSet", "daemonsets", "daemonset", &["ds"], &["all"], true, STORED, STATUS),
    ("apps", "v1", "ControllerRevision", "controllerrevisions", "controllerrevision", &[], &[], true, STORED, NONE),
    ("batch", "v1", "Job", "jobs", "job", &[], &["all"], true, STORED, STATUS),
    ("batch", "v1", "CronJob", "cronjobs", "cronjob", &["cj"], &["all"], true, STORED, STATUS),
    ("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", "horizontalpodautoscaler", &["hpa"], &["all"], true, STORED, STATUS),
    ("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", "poddisruptionbudget", &["pdb"], &[], true, STORED, STATUS),
    ("coordination.k8s.io", "v1", "Lease", "leases", "lease", &[], &[], true, STORED, NONE),
    ("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", "clusterrole", &[], &[], false, STORED, NONE),
    ("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings", "clusterrolebinding", &[], &[], false, STORED, NONE),
    ("rbac.authorization.k8s.io", "v1", "Role", "roles", "role", &[], &[], true, STORED, NONE),
    ("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings", "rolebinding", &[], &[], true, STORED, NONE),
    ("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", "customresourcedefinition", &["crd", "crds"], &["api-extensions"], false, STORED, STATUS),
    ("storage.k8s.io", "v1", "StorageClass", "storageclasses", "storageclass", &["sc"], &[], false, STORED, NONE),
    ("scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", "priorityclass", &["pc"], &[], false, STORED, NONE),
    ("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", "endpointslice", &[], &[], true, STORED, NONE),
    ("metrics.k8s.io", "v1beta1", "NodeMetrics", "nodes", "", &[], &[], false, MEASURED, NONE),
    ("metrics.k8s.io", "v1beta1", "PodMetrics", "pods", "", &[], &[], true, MEASURED, NONE),
    ("authorization.k8s.io", "v1", "SubjectAccessReview", "subjectaccessreviews", "subjectaccessreview", &[], &[], false, ASKED, NONE),
    ("authorization.k8s.io", "v1", "LocalSubjectAccessReview", "localsubjectaccessreviews", "localsubjectaccessreview", &[], &[], true, ASKED, NONE),
    ("authorization.k8s.io", "v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews", "selfsubjectaccessreview", &[], &[], false, ASKED, NONE),
    ("authorization.k8s.io", "v1", "SelfSubjectRulesReview", "selfsubjectrulesreviews", "selfsubjectrulesreview", &[], &[], false, ASKED, NONE),
    ("authentication.k8s.io", "v1", "SelfSubjectReview", "selfsubjectreviews", "selfsubjectreview", &[], &[], false, ASKED, NONE),
    ("", "v1", "Binding", "bindings", "binding", &[], &[], true, ASKED, NONE),
];

/// Every built-in resource, in the order of the places.
pub(super) fn all() -> impl Iterator<Item = Resource> {
    ROWS.iter().enumerate().map(|(index, row)| {
        let (group, version, kind, plural, singular, short_names, categories, namespaced, verbs, subresources) = *row;
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let served = |group: &str, version: &str, conversion| Served {
            group: group.to_owned(),
            version: version.to_owned(),
            conversion,
        };
        let mut versions = vec![served(group, version, Conversion::None)];
        match kind {
            "Event" => versions.push(served("events.k8s.io", "v1", Conversion::Events)),
            "HorizontalPodAutoscaler" => versions.push(served(group, "v1", Conversion::AutoscalerV1)),
            _ => {}
        }
        Resource {
            id: ResourceId(u16::try_from(index).expect("there are few built-in resources")),
            group: group.to_owned(),
            version: version.to_owned(),
            kind: kind.to_owned(),
            list_kind: format!("{kind}List"),
            plural: plural.to_owned(),
            singular: singular.to_owned(),
            short_names: owned(short_names),
            categories: owned(categories),
            namespaced,
            verbs,
            subresources: subresources.to_vec(),
            served: versions,
            custom: None,
        }
    })
}
