//! Which nodes fit, which of them is best, and the words for none.

use std::{collections::BTreeMap, sync::Arc};

use super::wish::{Domains, Wish};
use crate::kubernetes::{
    controllers::{node, pod::Requests},
    world::Object,
};

/// What a pod counts for in the ranking when it asks for nothing.
const AT_LEAST: (i64, i64) = (100, 200 << 20);
const ZONE: &str = "topology.kubernetes.io/zone";
const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";

/// What is taken of a node.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Used {
    requests: Requests,
    /// As the ranking counts.
    weight: (i64, i64),
    pods: i64,
}

/// A node.
#[derive(Clone)]
pub(super) struct Place {
    object: Arc<Object>,
    pub(super) used: Used,
}

impl Place {
    pub(super) fn read(node: &Arc<Object>) -> Self {
        Self {
            object: Arc::clone(node),
            used: Used::default(),
        }
    }

    pub(super) fn take(&mut self, requests: &Requests) {
        self.count(requests, 1);
    }

    pub(super) fn give(&mut self, requests: &Requests) {
        self.count(requests, -1);
    }

    fn count(&mut self, requests: &Requests, sign: i64) {
        let used = &mut self.used;
        used.requests.cpu += sign * requests.cpu;
        used.requests.memory += sign * requests.memory;
        used.requests.storage += sign * requests.storage;
        let weight = weight(requests);
        used.weight.0 += sign * weight.0;
        used.weight.1 += sign * weight.1;
        used.pods += sign;
    }
}

fn weight(requests: &Requests) -> (i64, i64) {
    let or = |asked: i64, least: i64| if asked == 0 { least } else { asked };
    (or(requests.cpu, AT_LEAST.0), or(requests.memory, AT_LEAST.1))
}

/// Of a cluster with fewer nodes than this all are looked at, and so many fitting ones are sought at least.
const MANY: usize = 100;

/// How many fitting nodes are enough: <https://kubernetes.io/docs/concepts/scheduling-eviction/scheduler-perf-tuning/>.
fn enough(nodes: usize) -> usize {
    if nodes < MANY {
        return nodes;
    }
    let percent = 50_usize.saturating_sub(nodes / 125).max(5);
    (nodes * percent / 100).max(MANY)
}

/// The node that is best, or why there is none. The look begins at `from`, and the next one where it ends.
pub(super) fn choose(
    places: &BTreeMap<Arc<str>, Place>,
    wish: &Wish,
    only: Option<&str>,
    from: &mut Arc<str>,
) -> Result<Arc<str>, String> {
    if places.is_empty() {
        return Err("no nodes available to schedule pods".to_owned());
    }
    let smallest: Vec<i64> = wish
        .spread
        .iter()
        .map(|spread| smallest(places, spread, wish))
        .collect();
    // Who may go to one node only fits there or nowhere.
    if let Some((name, place)) = only.and_then(|name| places.get_key_value(name))
        && matches!(judge(place, wish, &smallest), Verdict::Fits)
    {
        return Ok(Arc::clone(name));
    }
    let enough = enough(places.len());
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    let (mut hopeless, mut resolvable) = (0, Vec::new());
    let mut fitting = Vec::new();
    let (later, earlier) = (places.range(Arc::clone(from)..), places.range(..Arc::clone(from)));
    for (name, place) in later.chain(earlier) {
        if fitting.len() == enough {
            *from = Arc::clone(name);
            break;
        }
        match judge(place, wish, &smallest) {
            Verdict::Fits => fitting.push((name, place)),
            Verdict::Never(reason) => {
                hopeless += 1;
                *reasons.entry(reason.to_owned()).or_default() += 1;
            }
            Verdict::NotNow(list) => {
                resolvable.push(name);
                for reason in list {
                    *reasons.entry(reason.to_owned()).or_default() += 1;
                }
            }
        }
    }
    if fitting.is_empty() {
        return Err(words(places.len(), reasons, (hopeless, resolvable.len())));
    }
    let best = rank(&fitting, wish);
    best.ok_or_else(|| "no nodes available to schedule pods".to_owned())
}

enum Verdict {
    Fits,
    /// No eviction of other pods would help.
    Never(&'static str),
    NotNow(Vec<&'static str>),
}

fn judge(place: &Place, wish: &Wish, smallest: &[i64]) -> Verdict {
    let node = &place.object;
    let facts = node::facts(node);
    let tolerated = |taint: &node::Taint| wish.tolerations.iter().any(|toleration| toleration.tolerates(taint));
    if facts.unschedulable {
        let cordon = node::Taint {
            key: UNSCHEDULABLE.to_owned(),
            value: String::new(),
            effect: "NoSchedule".to_owned(),
        };
        if !tolerated(&cordon) {
            return Verdict::Never("node(s) were unschedulable");
        }
    }
    if facts
        .taints
        .iter()
        .any(|taint| matches!(taint.effect.as_str(), "NoSchedule" | "NoExecute") && !tolerated(taint))
    {
        return Verdict::Never("node(s) had untolerated taint(s)");
    }
    if !affine(node, wish) {
        return Verdict::Never("node(s) didn't match Pod's node affinity/selector");
    }
    let (room, used, asked) = (facts.allocatable, place.used.requests, wish.requests);
    let mut short = Vec::new();
    if place.used.pods + 1 > facts.pods {
        short.push("Too many pods");
    }
    for (reason, asked, used, room) in [
        ("Insufficient cpu", asked.cpu, used.cpu, room.cpu),
        ("Insufficient memory", asked.memory, used.memory, room.memory),
        (
            "Insufficient ephemeral-storage",
            asked.storage,
            used.storage,
            room.storage,
        ),
    ] {
        if asked > 0 && asked > room - used {
            if asked > room && short.is_empty() {
                return Verdict::Never(reason);
            }
            short.push(reason);
        }
    }
    if !short.is_empty() {
        return Verdict::NotNow(short);
    }
    for (spread, smallest) in wish.spread.iter().zip(smallest) {
        let Some(domain) = node.label(&spread.topology) else {
            return Verdict::Never("node(s) didn't match pod topology spread constraints (missing required label)");
        };
        let there = spread.there.get(domain).copied().unwrap_or_default();
        if there + spread.itself - smallest > spread.skew {
            return Verdict::NotNow(vec!["node(s) didn't match pod topology spread constraints"]);
        }
    }
    let first = wish.with.iter().all(|near| near.there.is_empty() && near.itself);
    for near in &wish.with {
        let beside = node
            .label(&near.topology)
            .is_some_and(|domain| at(&near.there, domain) > 0);
        let alone = first && node.label(&near.topology).is_some();
        if !beside && !alone {
            return Verdict::Never("node(s) didn't match pod affinity rules");
        }
    }
    for near in &wish.apart {
        if node
            .label(&near.topology)
            .is_some_and(|domain| at(&near.there, domain) > 0)
        {
            return Verdict::NotNow(vec!["node(s) didn't match pod anti-affinity rules"]);
        }
    }
    let away = |(topology, domain): &(String, String)| node.label(topology) == Some(domain);
    if wish.kept_away.iter().any(away) {
        return Verdict::NotNow(vec!["node(s) didn't satisfy existing pods anti-affinity rules"]);
    }
    Verdict::Fits
}

fn at(domains: &Domains, domain: &str) -> i64 {
    domains.get(domain).copied().unwrap_or_default()
}

fn affine(node: &Object, wish: &Wish) -> bool {
    wish.node_labels.matches(node)
        && wish.terms.as_ref().is_none_or(|terms| {
            let field = serde_json::json!({"metadata.name": node.name()});
            terms.iter().any(|(labels, fields)| {
                !(labels.is_empty() && fields.is_empty()) && labels.matches(node) && fields.matches_value(&field)
            })
        })
}

/// The fewest such pods in one of the domains in which the pod may be.
fn smallest(places: &BTreeMap<Arc<str>, Place>, spread: &super::wish::Spread, wish: &Wish) -> i64 {
    let mut domains: BTreeMap<&str, i64> = BTreeMap::new();
    for place in places.values().filter(|place| affine(&place.object, wish)) {
        if let Some(domain) = place.object.label(&spread.topology) {
            domains.insert(domain, at(&spread.there, domain));
        }
    }
    let few = spread
        .least
        .is_some_and(|least| i64::try_from(domains.len()).unwrap_or_default() < least);
    if few {
        0
    } else {
        domains.values().copied().min().unwrap_or_default()
    }
}

/// The best of those that fit: free, with few siblings on the node and in its zone, without soft taints. Among equals
/// the first by name.
fn rank(fitting: &[(&Arc<str>, &Place)], wish: &Wish) -> Option<Arc<str>> {
    let mut zones: BTreeMap<&str, i64> = BTreeMap::new();
    for (name, place) in fitting {
        if let Some(zone) = place.object.label(ZONE) {
            *zones.entry(zone).or_default() += wish.siblings.get(*name).copied().unwrap_or_default();
        }
    }
    let most = wish.siblings.values().copied().max().unwrap_or_default();
    let most_in_zone = zones.values().copied().max().unwrap_or_default();
    let share = |count: i64, most: i64| if most == 0 { 100 } else { 100 - 100 * count / most };
    let asked = weight(&wish.requests);
    let score = |name: &Arc<str>, place: &Place| {
        let facts = node::facts(&place.object);
        let free = |all: i64, used: i64| {
            if all <= 0 {
                0
            } else {
                ((all - used).max(0) * 1000) / all
            }
        };
        let cpu = free(facts.allocatable.cpu, place.used.weight.0 + asked.0);
        let memory = free(facts.allocatable.memory, place.used.weight.1 + asked.1);
        let here = share(wish.siblings.get(name).copied().unwrap_or_default(), most);
        let zone = place
            .object
            .label(ZONE)
            .and_then(|zone| zones.get(zone))
            .copied()
            .unwrap_or_default();
        let soft = facts
            .taints
            .iter()
            .filter(|taint| taint.effect == "PreferNoSchedule")
            .filter(|taint| !wish.tolerations.iter().any(|toleration| toleration.tolerates(taint)))
            .count();
        (cpu + memory) / 20 + 2 * here + 2 * share(zone, most_in_zone) - 300 * i64::try_from(soft).unwrap_or_default()
    };
    let mut best: Option<(i64, &Arc<str>)> = None;
    for (name, place) in fitting {
        let score = score(name, place);
        if best.is_none_or(|(top, _)| score > top) {
            best = Some((score, name));
        }
    }
    best.map(|(_, name)| Arc::clone(name))
}

/// The words of the real scheduler.
fn words(nodes: usize, reasons: BTreeMap<String, usize>, (hopeless, rest): (usize, usize)) -> String {
    let mut list: Vec<String> = reasons
        .iter()
        .map(|(reason, count)| format!("{count} {reason}"))
        .collect();
    list.sort();
    let mut hopes = Vec::new();
    if rest > 0 {
        hopes.push(format!("{rest} No preemption victims found for incoming pod"));
    }
    if hopeless > 0 {
        hopes.push(format!("{hopeless} Preemption is not helpful for scheduling"));
    }
    format!(
        "0/{nodes} nodes are available: {}. no new claims to deallocate, preemption: 0/{nodes} nodes are available: {}.",
        list.join(", "),
        hopes.join(", ")
    )
}
