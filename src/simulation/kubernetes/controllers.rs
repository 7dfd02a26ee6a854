//! The control plane and the nodes of a simulated cluster: what makes it be what it is said to be.
//!
//! [`start`] is a cluster with all of them, in a fixed order. Each is a [`Controller`](super::run::Controller) that hears of
//! changes, takes an object's turn a little later ([`turns`]), and writes as the real one writes: same conditions,
//! reasons, counters, names and Events. Nothing here is kinder than the real thing.
//!
//! What containers and machines do is a script that whoever tells the story writes down as an annotation of a pod, its
//! template or a node: [`kubelet::life`] and [`node`].

use jiff::Timestamp;

pub mod autoscaler;
pub mod conditions;
pub mod cron_job;
pub mod daemon_set;
pub mod deployment;
pub mod disruption;
pub mod garbage;
pub mod job;
pub mod kubelet;
pub mod latency;
pub mod namespace;
pub mod node;
pub mod node_lifecycle;
pub mod nodes;
pub mod own;
pub mod pod;
pub mod pod_gc;
pub mod quantity;
pub mod record;
pub mod replica_set;
pub mod revisions;
pub mod scheduler;
pub mod selector;
pub mod stateful_set;
pub mod taint_eviction;
pub mod template;
#[cfg(test)]
mod tests;
pub mod ttl;
pub mod turns;
pub mod usage;

use super::{resources::PODS, run::Simulation};

/// A cluster with a control plane and no nodes yet.
pub fn start(now: Timestamp, seed: u64) -> Simulation {
    let simulation = Simulation::new(now, seed);
    run(&simulation);
    simulation
}

/// Starts all controllers on a cluster, in a fixed order: it decides who comes first at one moment.
pub fn run(simulation: &Simulation) {
    simulation.add(record::EventLife::default());
    simulation.add(nodes::Nodes::default());
    simulation.add(node_lifecycle::NodeLifecycle::default());
    simulation.add(ttl::Ttl::default());
    simulation.add(taint_eviction::TaintEviction::default());
    simulation.add(cron_job::CronJobs::default());
    simulation.add(job::Jobs::default());
    simulation.add(autoscaler::Autoscaler::default());
    simulation.add(deployment::Deployments::default());
    simulation.add(replica_set::ReplicaSets::default());
    simulation.add(stateful_set::StatefulSets::default());
    simulation.add(daemon_set::DaemonSets::default());
    simulation.add(disruption::Disruption::default());
    simulation.add(pod_gc::PodGc::default());
    simulation.add(garbage::Garbage::default());
    simulation.add(namespace::Namespaces::default());
    simulation.add(scheduler::Scheduler::default());
    simulation.add(kubelet::Kubelets::default());
}
