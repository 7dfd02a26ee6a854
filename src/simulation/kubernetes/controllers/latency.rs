//! How long things take in a real cluster: every delay, period and back-off of the controllers, in one place.

use jiff::SignedDuration;

const fn ms(milliseconds: i64) -> SignedDuration {
    SignedDuration::from_millis(milliseconds)
}

const fn s(seconds: i64) -> SignedDuration {
    SignedDuration::from_secs(seconds)
}

// === kube-controller-manager ===

/// From a change to the turn of a controller that heard of it.
pub const REACTION: SignedDuration = ms(20);
/// Every how often the node lifecycle controller looks at all nodes (`--node-monitor-period`).
pub const NODE_MONITOR_PERIOD: SignedDuration = s(5);
/// How long a node may be silent (`--node-monitor-grace-period`).
pub const NODE_MONITOR_GRACE: SignedDuration = s(50);
/// How long a node that has just been made may be silent (`--node-startup-grace-period`).
pub const NODE_STARTUP_GRACE: SignedDuration = s(60);
/// Every how often terminated and orphaned pods are collected.
pub const POD_GC_PERIOD: SignedDuration = s(20);
/// How long a node must be gone before its pods are taken for orphans.
pub const POD_GC_QUARANTINE: SignedDuration = s(40);
/// Every how often autoscalers look (`--horizontal-pod-autoscaler-sync-period`).
pub const AUTOSCALER_PERIOD: SignedDuration = s(15);
/// How long an eviction that the API server let through is counted while the pod is still there.
pub const DISRUPTION_TIMEOUT: SignedDuration = s(120);
/// How long a pod may carry a disruption condition that came to nothing.
pub const STALE_DISRUPTION: SignedDuration = s(120);
/// What is added to a wait for a deadline, so that it has passed by then.
pub const SLACK: SignedDuration = s(1);
/// The first and the longest pause between the pods of a Job that fail.
pub const JOB_BACK_OFF: (SignedDuration, SignedDuration) = (s(10), s(600));
/// How long Events are kept (`--event-ttl` of the API server).
pub const EVENT_LIFE: SignedDuration = s(3600);

// === kube-scheduler ===

/// Between two turns of the scheduler.
pub const SCHEDULING: SignedDuration = ms(50);
/// Pods that it places in one turn: 200 a second.
pub const SCHEDULED_AT_ONCE: usize = 10;
/// The first and the longest pause before a pod that fits nowhere is tried again.
pub const SCHEDULING_BACK_OFF: (SignedDuration, SignedDuration) = (s(1), s(10));
/// When a pod that fits nowhere is tried again though nothing changed.
pub const UNSCHEDULABLE_FLUSH: SignedDuration = s(300);

// === kubelet ===

/// Every how often a node renews its Lease.
pub const HEARTBEAT: SignedDuration = s(10);
/// Every how often a node writes its status though nothing changed.
pub const NODE_STATUS: SignedDuration = s(300);
/// From a binding to the first status.
pub const POD_SEEN: SignedDuration = ms(100);
/// How long a sandbox and the mounting of volumes take.
pub const SANDBOX: SignedDuration = ms(1000);
/// How long a pull takes, unless the script says otherwise.
pub const PULL: SignedDuration = ms(1500);
/// From the end of a container until the kubelet has seen it.
pub const EXIT_SEEN: SignedDuration = ms(500);
/// From a turn that finds that a container is to be started until it runs.
pub const STARTING: SignedDuration = ms(400);
/// How long a turn of a pod's worker that failed waits for the next one: 10 s, and a random half of it.
pub const WORKER_BACK_OFF: SignedDuration = ms(12_500);
/// How long a turn of a pod's worker waits for the next one at most, before a random half is added (`syncFrequency`).
pub const RESYNC: SignedDuration = s(60);
/// The first and the longest pause before a volume is mounted again.
pub const MOUNT_BACK_OFF: (SignedDuration, SignedDuration) = (ms(500), s(122));
/// The first and the longest pause before a container starts again, and an image is pulled again.
pub const CRASH_BACK_OFF: (SignedDuration, SignedDuration) = (s(10), s(300));
/// After so much time without a restart the back-off begins anew.
pub const BACK_OFF_RESET: SignedDuration = s(600);
/// From a container's start until it is first asked by a probe: it shows as not ready before.
pub const FIRST_PROBE: SignedDuration = ms(100);
/// How long the kubelet gives a program to stop, however little its pod allows.
pub const LEAST_GRACE: SignedDuration = s(2);
/// How long a program takes to stop when it is asked, unless the script says otherwise.
pub const STOP: SignedDuration = s(1);
/// From the end of a pod's last container until its phase says so.
pub const POD_ENDS: SignedDuration = ms(1500);
/// From the last container's end to the end of the pod.
pub const POD_GONE: SignedDuration = ms(500);
/// How long an init container works, unless the script says otherwise.
pub const INIT: SignedDuration = s(1);
/// Every how often the kubelet looks for pressure, and evicts one pod.
pub const PRESSURE_PERIOD: SignedDuration = s(10);
/// How long the kubelet goes on reporting pressure that is over.
pub const PRESSURE_TRANSITION: SignedDuration = s(300);
/// Every how often usage is measured; a container that runs for less has none.
pub const SCRAPE: SignedDuration = s(15);
