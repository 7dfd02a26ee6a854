//! The columns of the built-in kinds.

use super::Column;
use crate::simulation::kubernetes::resources::{
    CONFIGMAPS, CRON_JOBS, DAEMON_SETS, DEPLOYMENTS, EVENTS, HORIZONTAL_POD_AUTOSCALERS, JOBS, LEASES, NAMESPACES,
    NODES, PERSISTENT_VOLUME_CLAIMS, POD_DISRUPTION_BUDGETS, PODS, REPLICA_SETS, REPLICATION_CONTROLLERS, Resource,
    SECRETS, SERVICE_ACCOUNTS, SERVICES, STATEFUL_SETS, STORAGE_CLASSES,
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
        _ => const { &[NAME, ("Created At", "date", "", 0)] },
    }
}
