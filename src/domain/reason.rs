//! Every refusal, failure and wait has one name here, the same in log, metric label, API, page and docs.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// Why something did not happen, or ended as it did.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Reason {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)*
        }

        impl Reason {
            /// All of them, so that metrics exist before their first use and docs can list them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The stable name.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The reason with this name.
            pub fn parse(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

reasons! {
    // Why an alert opened no run.
    /// No runbook matches the alert's labels.
    NoRunbook = "no_runbook",
    /// The alert's `cluster` label names another cluster than ours, or several were seen and none is configured.
    OtherCluster = "other_cluster",
    /// A firing that is older than the end of its episode: it was overtaken on the way.
    StaleFiring = "stale_firing",

    // Why a run did not act.
    /// The alert had resolved before anything was done.
    Resolved = "resolved",
    /// The runbook's target names a label that the alert does not have.
    MissingLabel = "missing_label",
    /// The rendered target is not a name that Kubernetes allows, or its kind is unknown to the cluster.
    InvalidTarget = "invalid_target",
    /// Another run on the same root took over this one's alerts.
    Merged = "merged",
    /// The runbook is in shadow: it told what it would have done.
    Shadow = "shadow",
    /// The runbook has no step that changes anything.
    EvidenceOnly = "evidence_only",
    /// The runbook is in dryRun: the API server was asked, and changed nothing.
    DryRun = "dry_run",
    /// A person paused everything, this runbook or this namespace.
    Paused = "paused",
    /// The target or its root stands in a protected namespace.
    ProtectedNamespace = "protected_namespace",
    /// The object, one of its owners or its namespace carries `selfhealer.dev/ignore`.
    OptedOut = "opted_out",
    /// The last run that acted on this root is too recent.
    Cooldown = "cooldown",
    /// As many runs as allowed have acted on this root in this incident.
    MaxAttempts = "max_attempts",
    /// As many runs as allowed have acted on this root in the window.
    Rate = "rate",
    /// Another run is acting on this root.
    RootBusy = "root_busy",
    /// The alerted object is not there any more.
    TargetGone = "target_gone",
    /// An object with this name is there, but it is not the one that the alert is about.
    TargetReplaced = "target_replaced",
    /// Nothing would bring the pod back: it has no controller.
    UnmanagedPod = "unmanaged_pod",
    /// The step does not apply to this kind of object.
    WrongKind = "wrong_kind",
    /// There is no `verify.expect`, and no default for this kind of root.
    Unverifiable = "unverifiable",
    /// A condition of the runbook is false; the detail has its own reason.
    ConditionFalse = "condition_false",
    /// A condition could not be evaluated, for example because a field is absent.
    ConditionError = "condition_error",
    /// Everything that verification would look for is already so.
    AlreadyHealthy = "already_healthy",
    /// The runbook version that the run was opened with cannot be read any more.
    RunbookUnreadable = "runbook_unreadable",
    /// A journal entry was written by a newer version of the program.
    JournalUnknown = "journal_unknown",

    // Why a step waits or failed.
    /// A PodDisruptionBudget does not allow the eviction now.
    DisruptionBudget = "disruption_budget",
    /// The API server refuses: a permission is missing; the detail names verb and resource.
    Forbidden = "forbidden",
    /// The API server refused the request for another reason.
    Rejected = "rejected",
    /// The API server cannot be reached, does not answer in time, or is overloaded.
    ClusterUnavailable = "cluster_unavailable",
    /// The request was sent and its answer never seen.
    OutcomeUnknown = "outcome_unknown",
    /// The evicted pod's replacement did not become ready in time.
    ReplacementNotReady = "replacement_not_ready",
    /// The run's or the step's time is over.
    Deadline = "deadline",

    // How it ended after acting.
    /// Seen healthy.
    Healthy = "healthy",
    /// Seen unhealthy at the deadline.
    NotHealthy = "not_healthy",
    /// Could not be seen at the deadline.
    NotSeen = "not_seen",
    /// Canceled by a person.
    Canceled = "canceled",
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
