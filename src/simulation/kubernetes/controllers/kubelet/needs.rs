//! What must be there before a container can be made or a volume mounted: ConfigMaps and Secrets, and keys in them.

use serde_json::Value;

use crate::kubernetes::{
    resources::{CONFIGMAPS, ResourceId, SECRETS},
    world::World,
};

/// A ConfigMap or a Secret that somebody names.
#[derive(Clone, Debug)]
pub(super) struct Need {
    resource: ResourceId,
    name: String,
    /// One of its keys.
    key: Option<String>,
    /// The volume that it is for.
    pub(super) volume: String,
}

/// Two names of one thing: in a reference, and in messages.
const KINDS: [(ResourceId, &str, &str); 2] = [(CONFIGMAPS, "configmap", "ConfigMap"), (SECRETS, "secret", "Secret")];

fn need(resource: ResourceId, reference: &Value, volume: &str) -> Option<Need> {
    let name = reference["name"]
        .as_str()
        .or_else(|| reference["secretName"].as_str())?;
    (reference["optional"] != true).then(|| Need {
        resource,
        name: name.to_owned(),
        key: reference["key"].as_str().map(str::to_owned),
        volume: volume.to_owned(),
    })
}

/// What the variables of a container come from.
pub(super) fn of_container(container: &Value) -> Vec<Need> {
    let mut needs = Vec::new();
    for from in container["envFrom"].as_array().into_iter().flatten() {
        needs.extend(need(CONFIGMAPS, &from["configMapRef"], ""));
        needs.extend(need(SECRETS, &from["secretRef"], ""));
    }
    for variable in container["env"].as_array().into_iter().flatten() {
        needs.extend(need(CONFIGMAPS, &variable["valueFrom"]["configMapKeyRef"], ""));
        needs.extend(need(SECRETS, &variable["valueFrom"]["secretKeyRef"], ""));
    }
    needs
}

/// What the volumes of a pod are filled with.
pub(super) fn of_volumes(spec: &Value) -> Vec<Need> {
    let mut needs = Vec::new();
    for volume in spec["volumes"].as_array().into_iter().flatten() {
        let name = volume["name"].as_str().unwrap_or_default();
        needs.extend(need(CONFIGMAPS, &volume["configMap"], name));
        needs.extend(need(SECRETS, &volume["secret"], name));
    }
    needs
}

/// What a kubelet says of the first that is missing.
pub(super) fn missing(world: &World, namespace: &str, needs: &[Need]) -> Option<String> {
    needs.iter().find_map(|need| {
        let (_, word, kind) = KINDS.iter().find(|(resource, ..)| *resource == need.resource)?;
        let Some(object) = world.find(need.resource, namespace, &need.name) else {
            return Some(format!("{word} \"{}\" not found", need.name));
        };
        let key = need.key.as_ref()?;
        let value = object.bare();
        let there = ["data", "binaryData"].iter().any(|field| !value[field][key].is_null());
        (!there).then(|| format!("couldn't find key {key} in {kind} {namespace}/{}", need.name))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::{Value, json};

    use crate::kubernetes::{
        controllers::tests::{Cluster, pod, ready},
        resources::{CONFIGMAPS, PODS},
    };

    #[test]
    fn what_a_pod_needs_may_come_later() {
        let cluster = Cluster::new(1, 5);
        let mut by_variable = pod("one", &Value::Null);
        by_variable["spec"]["containers"][0]["envFrom"] = json!([{"configMapRef": {"name": "web"}}]);
        let by_variable = cluster.make(PODS, by_variable);
        let mut by_volume = pod("two", &Value::Null);
        by_volume["spec"]["volumes"] = json!([{"name": "v", "configMap": {"name": "web"}}]);
        let by_volume = cluster.make(PODS, by_volume);
        cluster.wait(30);
        let reason = |key| cluster.get(key)["status"]["containerStatuses"][0]["state"]["waiting"]["reason"].clone();
        assert_eq!(reason(&by_variable), "CreateContainerConfigError");
        assert_eq!(reason(&by_volume), "ContainerCreating");
        cluster.make(
            CONFIGMAPS,
            json!({"metadata": {"name": "web", "namespace": "default"}, "data": {"mode": "good"}}),
        );
        cluster.wait(60);
        assert!(ready(&cluster.get(&by_variable)) && ready(&cluster.get(&by_volume)));
    }
}
