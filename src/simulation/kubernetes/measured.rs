//! `metrics.k8s.io`: what nodes and pods use, made when it is asked for and never stored.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    controllers::{latency::SCRAPE, usage::Meter},
    resources::{NODE_METRICS, NODES, PODS, ResourceId},
    world::{Key, Object, World},
};

/// The measurements of nodes or pods, in the order of the store. What has not been measured yet has none.
pub fn all(world: &World, resource: ResourceId, namespace: Option<&str>) -> Vec<Arc<Object>> {
    let mut meter = Meter::new(world);
    world
        .list(about(resource), namespace)
        .filter_map(|object| of(world, &mut meter, resource, object))
        .collect()
}

/// The measurement of one node or pod.
pub fn find(world: &World, resource: ResourceId, namespace: &str, name: &str) -> Option<Arc<Object>> {
    of(
        world,
        &mut Meter::new(world),
        resource,
        world.find(about(resource), namespace, name)?,
    )
}

fn about(resource: ResourceId) -> ResourceId {
    if resource == NODE_METRICS { NODES } else { PODS }
}

fn of(world: &World, meter: &mut Meter<'_>, resource: ResourceId, object: &Object) -> Option<Arc<Object>> {
    let now = world.stamp();
    let mut metadata = json!({"name": object.name(), "creationTimestamp": now});
    let labels = object.metadata()["labels"].take();
    if labels.is_object() {
        metadata["labels"] = labels;
    }
    let mut value = json!({
        "apiVersion": "metrics.k8s.io/v1beta1",
        "metadata": metadata,
        "timestamp": now,
        "window": format!("{}s", SCRAPE.as_secs()),
    });
    if resource == NODE_METRICS {
        let (cpu, memory) = meter.node(object.name())?;
        value["kind"] = "NodeMetrics".into();
        value["usage"] = used(cpu, memory);
    } else {
        let containers = meter.containers(object);
        if containers.is_empty() {
            return None;
        }
        value["kind"] = "PodMetrics".into();
        value["metadata"]["namespace"] = object.namespace().into();
        value["containers"] = containers
            .iter()
            .map(|one| json!({"name": one.container.name, "usage": used(one.cpu, one.memory)}))
            .collect();
    }
    let key = Key::new(resource, object.namespace(), object.name());
    Some(Arc::new(Object::unstored(key, &value)))
}

fn used(cpu: i64, memory: i64) -> Value {
    json!({"cpu": format!("{}n", cpu * 1_000_000), "memory": format!("{}Ki", memory / 1024)})
}
