//! The columns of the built-in kinds.

use super::Column;
use crate::kubernetes::resources::{
    CLUSTER_ROLE_BINDINGS, CONFIGMAPS, CONTROLLER_REVISIONS, CRON_JOBS, DAEMON_SETS, DEPLOYMENTS, ENDPOINT_SLICES,
    ENDPOINTS, EVENTS, HORIZONTAL_POD_AUTOSCALERS, JOBS, LEASES, NAMESPACES, NODES, PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES, POD_DISRUPTION_BUDGETS, PODS, PRIORITY_CLASSES, REPLICA_SETS, REPLICATION_CONTROLLERS,
    RESOURCE_QUOTAS, ROLE_BINDINGS, Resource, SECRETS, SERVICE_ACCOUNTS, SERVICES, STATEFUL_SETS, STORAGE_CLASSES,
};

const NAME: Column = ("Name", "string", "name", 0);
const AGE: Column = text("Age");
const CONTAINERS: Column = wide("Containers");
const IMAGES: Column = wide("Images");
const SELECTOR: Column = wide("Selector");

const fn text(name: &'static str) -> Column {
    (name, "string", "", 0)
}

const fn wide(name: &'static str) -> Column {
    (name, "string", "", 1)
}

const fn number(name: &'static str) -> Column {
    (name, "integer", "", 0)
}

const USUAL: &[Column] = &[NAME, ("Created At", "date", "", 0)];

/// Whether a kind has the columns of all that have none of their own.
pub(super) fn are_usual(resource: &Resource) -> bool {
    std::ptr::eq(of(resource), USUAL) || of(resource) == USUAL
}

/// The columns of a kind.
pub(super) fn of(resource: &Resource) -> &'static [Column] {
    match resource.id {
        PODS => {
            const {
                &[
                    NAME,
                    text("Ready"),
                    text("Status"),
                    text("Restarts"),
                    AGE,
                    wide("IP"),
                    wide("Node"),
                    wide("Nominated Node"),
                    wide("Readiness Gates"),
                ]
            }
        }
        NODES => {
            const {
                &[
                    NAME,
                    text("Status"),
                    text("Roles"),
                    AGE,
                    text("Version"),
                    wide("Internal-IP"),
                    wide("External-IP"),
                    wide("OS-Image"),
                    wide("Kernel-Version"),
                    wide("Container-Runtime"),
                ]
            }
        }
        DEPLOYMENTS => {
            const {
                &[
                    NAME,
                    text("Ready"),
                    text("Up-to-date"),
                    text("Available"),
                    AGE,
                    CONTAINERS,
                    IMAGES,
                    SELECTOR,
                ]
            }
        }
        REPLICA_SETS | REPLICATION_CONTROLLERS => {
            const {
                &[
                    NAME,
                    number("Desired"),
                    number("Current"),
                    number("Ready"),
                    AGE,
                    CONTAINERS,
                    IMAGES,
                    SELECTOR,
                ]
            }
        }
        STATEFUL_SETS => const { &[NAME, text("Ready"), AGE, CONTAINERS, IMAGES] },
        DAEMON_SETS => {
            const {
                &[
                    NAME,
                    number("Desired"),
                    number("Current"),
                    number("Ready"),
                    number("Up-to-date"),
                    number("Available"),
                    text("Node Selector"),
                    AGE,
                    CONTAINERS,
                    IMAGES,
                    SELECTOR,
                ]
            }
        }
        JOBS => {
            const {
                &[
                    NAME,
                    text("Status"),
                    text("Completions"),
                    text("Duration"),
                    AGE,
                    CONTAINERS,
                    IMAGES,
                    SELECTOR,
                ]
            }
        }
        CRON_JOBS => {
            const {
                &[
                    NAME,
                    text("Schedule"),
                    text("Timezone"),
                    ("Suspend", "boolean", "", 0),
                    number("Active"),
                    text("Last Schedule"),
                    AGE,
                    CONTAINERS,
                    IMAGES,
                    SELECTOR,
                ]
            }
        }
        HORIZONTAL_POD_AUTOSCALERS => {
            const {
                &[
                    NAME,
                    text("Reference"),
                    text("Targets"),
                    text("MinPods"),
                    text("MaxPods"),
                    text("Replicas"),
                    AGE,
                ]
            }
        }
        POD_DISRUPTION_BUDGETS => {
            const {
                &[
                    NAME,
                    text("Min Available"),
                    text("Max Unavailable"),
                    number("Allowed Disruptions"),
                    AGE,
                ]
            }
        }
        EVENTS => {
            const {
                &[
                    text("Last Seen"),
                    text("Type"),
                    text("Reason"),
                    text("Object"),
                    wide("Subobject"),
                    wide("Source"),
                    text("Message"),
                    wide("First Seen"),
                    wide("Count"),
                    ("Name", "string", "name", 1),
                ]
            }
        }
        NAMESPACES => const { &[NAME, text("Status"), AGE] },
        SERVICES => {
            const {
                &[
                    NAME,
                    text("Type"),
                    text("Cluster-IP"),
                    text("External-IP"),
                    text("Port(s)"),
                    AGE,
                    SELECTOR,
                ]
            }
        }
        CONFIGMAPS => const { &[NAME, text("Data"), AGE] },
        SECRETS => const { &[NAME, text("Type"), text("Data"), AGE] },
        SERVICE_ACCOUNTS => const { &[NAME, AGE] },
        LEASES => const { &[NAME, text("Holder"), AGE] },
        PERSISTENT_VOLUME_CLAIMS => {
            const {
                &[
                    NAME,
                    text("Status"),
                    text("Volume"),
                    text("Capacity"),
                    text("Access Modes"),
                    text("StorageClass"),
                    text("VolumeAttributesClass"),
                    AGE,
                    wide("VolumeMode"),
                ]
            }
        }
        ROLE_BINDINGS | CLUSTER_ROLE_BINDINGS => {
            const {
                &[
                    NAME,
                    text("Role"),
                    AGE,
                    wide("Users"),
                    wide("Groups"),
                    wide("ServiceAccounts"),
                ]
            }
        }
        CONTROLLER_REVISIONS => const { &[NAME, text("Controller"), text("Revision"), AGE] },
        ENDPOINTS => const { &[NAME, text("Endpoints"), AGE] },
        ENDPOINT_SLICES => const { &[NAME, text("AddressType"), text("Ports"), text("Endpoints"), AGE] },
        RESOURCE_QUOTAS => const { &[NAME, text("Request"), text("Limit"), AGE] },
        PRIORITY_CLASSES => {
            const {
                &[
                    NAME,
                    number("Value"),
                    ("Global-Default", "boolean", "", 0),
                    AGE,
                    text("PreemptionPolicy"),
                ]
            }
        }
        PERSISTENT_VOLUMES => {
            const {
                &[
                    NAME,
                    text("Capacity"),
                    text("Access Modes"),
                    text("Reclaim Policy"),
                    text("Status"),
                    text("Claim"),
                    text("StorageClass"),
                    text("VolumeAttributesClass"),
                    text("Reason"),
                    AGE,
                    wide("VolumeMode"),
                ]
            }
        }
        STORAGE_CLASSES => {
            const {
                &[
                    NAME,
                    text("Provisioner"),
                    text("ReclaimPolicy"),
                    text("VolumeBindingMode"),
                    text("AllowVolumeExpansion"),
                    AGE,
                ]
            }
        }
        // What the real one prints of all others too, when it has no columns of their own.
        _ => USUAL,
    }
}
