//! What a pod asks of the node it goes to.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::Value;

use crate::kubernetes::{
    controllers::{
        node::{Toleration, tolerations},
        pod::{self, Requests},
        selector::Selector,
    },
    resources::{NAMESPACES, NODES, PODS},
    world::{Key, Object, World},
};

/// Values of a label of nodes, with what was counted there.
pub(super) type Domains = BTreeMap<String, i64>;

/// A rule about other pods near by.
pub(super) struct Near {
    /// The label of nodes that says what is near.
    pub(super) topology: String,
    /// Where such pods are.
    pub(super) there: Domains,
    /// Whether the pod itself is such a pod: the first of its kind may go anywhere.
    pub(super) itself: bool,
}

/// A `topologySpreadConstraint` that must hold.
pub(super) struct Spread {
    pub(super) topology: String,
    pub(super) skew: i64,
    pub(super) least: Option<i64>,
    pub(super) there: Domains,
    pub(super) itself: i64,
}

/// The wish.
pub(super) struct Wish {
    pub(super) requests: Requests,
    pub(super) tolerations: Vec<Toleration>,
    pub(super) node_labels: Selector,
    /// Any of these terms; absent: no rule.
    pub(super) terms: Option<Vec<(Selector, Selector)>>,
    pub(super) with: Vec<Near>,
    pub(super) apart: Vec<Near>,
    /// Label and value of nodes from which other pods keep this one away.
    pub(super) kept_away: BTreeSet<(String, String)>,
    pub(super) spread: Vec<Spread>,
    /// How many pods of the same controller each node has.
    pub(super) siblings: BTreeMap<Arc<str>, i64>,
}

impl Wish {
    pub(super) fn read(world: &World, pod: &Object, value: &Value, keeping_apart: &BTreeSet<Key>) -> Self {
        let spec = &value["spec"];
        let affinity = &spec["affinity"];
        let required = "requiredDuringSchedulingIgnoredDuringExecution";
        let terms = affinity["nodeAffinity"][required]["nodeSelectorTerms"]
            .as_array()
            .map(|terms| {
                terms
                    .iter()
                    .map(|term| {
                        (
                            Selector::expressions(&term["matchExpressions"]),
                            Selector::expressions(&term["matchFields"]),
                        )
                    })
                    .collect()
            });
        let near = |field: &str| -> Vec<Near> {
            let terms = affinity[field][required].as_array().into_iter().flatten();
            terms.map(|term| near(world, pod, value, term)).collect()
        };
        let constraints = spec["topologySpreadConstraints"].as_array().into_iter().flatten();
        let mut siblings = BTreeMap::new();
        if let Some(owner) = pod.controller() {
            for other in world.owned_by(owner).filter(|other| other.key().resource == PODS) {
                if let Some(node) = other.node().filter(|_| pod::facts(other).active()) {
                    *siblings.entry(Arc::clone(node)).or_default() += 1;
                }
            }
        }
        Self {
            requests: pod::facts(pod).requests,
            tolerations: tolerations(value),
            node_labels: Selector::labels(&spec["nodeSelector"]),
            terms,
            with: near("podAffinity"),
            apart: near("podAntiAffinity"),
            kept_away: kept_away(world, pod, keeping_apart),
            spread: constraints
                .filter(|constraint| constraint["whenUnsatisfiable"] != "ScheduleAnyway")
                .map(|constraint| spread(world, pod, value, constraint))
                .collect(),
            siblings,
        }
    }
}

/// The namespaces that a term is about.
fn namespaces(world: &World, own: &str, term: &Value) -> Vec<String> {
    let mut all: Vec<String> = term["namespaces"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|name| name.as_str().map(str::to_owned))
        .collect();
    if term["namespaceSelector"].is_object() {
        let selector = Selector::parse(&term["namespaceSelector"]);
        let matching = world
            .list(NAMESPACES, None)
            .filter(|namespace| selector.matches(namespace));
        all.extend(matching.map(|namespace| namespace.name().to_owned()));
    } else if all.is_empty() {
        all.push(own.to_owned());
    }
    all
}

fn domain(world: &World, node: &str, topology: &str) -> Option<String> {
    world.find(NODES, "", node)?.label(topology).map(str::to_owned)
}

/// Counts the pods of namespaces that match, by the value of a label of their nodes.
fn count(world: &World, namespaces: &[String], selector: &Selector, topology: &str, leaving: bool) -> Domains {
    let mut there = Domains::new();
    for namespace in namespaces {
        for other in world.labelled(PODS, namespace, &selector.equalities()) {
            let counts = pod::facts(other).running_or_coming() && (leaving || !other.deleting());
            if counts
                && selector.matches(other)
                && let Some(value) = other.node().and_then(|node| domain(world, node, topology))
            {
                *there.entry(value).or_default() += 1;
            }
        }
    }
    there
}

fn near(world: &World, pod: &Object, _value: &Value, term: &Value) -> Near {
    let selector = Selector::parse(&term["labelSelector"]);
    let topology = term["topologyKey"].as_str().unwrap_or_default().to_owned();
    let namespaces = namespaces(world, pod.namespace(), term);
    Near {
        there: count(world, &namespaces, &selector, &topology, true),
        itself: selector.matches(pod) && namespaces.iter().any(|namespace| *namespace == pod.namespace()),
        topology,
    }
}

fn spread(world: &World, pod: &Object, value: &Value, constraint: &Value) -> Spread {
    let mut labels = constraint["labelSelector"].clone();
    for key in constraint["matchLabelKeys"].as_array().into_iter().flatten() {
        if let Some(key) = key.as_str()
            && let Some(own) = value["metadata"]["labels"][key].as_str()
        {
            labels["matchLabels"][key] = own.into();
        }
    }
    let selector = Selector::parse(&labels);
    let topology = constraint["topologyKey"].as_str().unwrap_or_default().to_owned();
    Spread {
        skew: pod::number(&constraint["maxSkew"], 1),
        least: constraint["minDomains"].as_i64(),
        there: count(world, &[pod.namespace().to_owned()], &selector, &topology, false),
        itself: i64::from(selector.matches(pod)),
        topology,
    }
}

/// Where pods are whose own anti-affinity forbids this one.
fn kept_away(world: &World, pod: &Object, keeping_apart: &BTreeSet<Key>) -> BTreeSet<(String, String)> {
    let mut away = BTreeSet::new();
    for other in keeping_apart.iter().filter_map(|key| world.get(key)) {
        let Some(node) = other.node() else { continue };
        let spec = other.spec();
        let terms = &spec["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
        for term in terms.as_array().into_iter().flatten() {
            let here = namespaces(world, other.namespace(), term);
            let topology = term["topologyKey"].as_str().unwrap_or_default();
            if here.iter().any(|namespace| *namespace == pod.namespace())
                && Selector::parse(&term["labelSelector"]).matches(pod)
                && let Some(value) = domain(world, node, topology)
            {
                away.insert((topology.to_owned(), value));
            }
        }
    }
    away
}
