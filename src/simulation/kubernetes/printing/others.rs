//! The cells of what is seldom looked at.

use serde_json::Value;

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Who is bound to which role.
pub(super) fn binding(object: &Value, age: Value) -> Vec<Value> {
    let role = &object["roleRef"];
    let subjects = |kind: &str| {
        let subjects = list(&object["subjects"]).iter();
        let subjects: Vec<String> = subjects
            .filter(|subject| subject["kind"] == kind)
            .map(|subject| match subject["namespace"].as_str() {
                Some(namespace) => format!("{namespace}/{}", text(&subject["name"])),
                None if kind == "ServiceAccount" => format!("/{}", text(&subject["name"])),
                None => text(&subject["name"]),
            })
            .collect();
        Value::from(subjects.join(", "))
    };
    vec![
        object["metadata"]["name"].clone(),
        format!("{}/{}", text(&role["kind"]), text(&role["name"])).into(),
        age,
        subjects("User"),
        subjects("Group"),
        subjects("ServiceAccount"),
    ]
}

/// Which state of which controller's object.
pub(super) fn revision(object: &Value, age: Value) -> Vec<Value> {
    let owners = list(&object["metadata"]["ownerReferences"]).iter();
    let controller = owners.clone().find(|owner| owner["controller"] == true);
    let controller = controller.map_or_else(
        || "<none>".to_owned(),
        |owner| {
            let version = text(&owner["apiVersion"]);
            let group = version.split_once('/').map_or("", |(group, _)| group);
            let kind = text(&owner["kind"]).to_lowercase();
            let kind = if group.is_empty() {
                kind
            } else {
                format!("{kind}.{group}")
            };
            format!("{kind}/{}", text(&owner["name"]))
        },
    );
    vec![
        object["metadata"]["name"].clone(),
        controller.into(),
        object["revision"].clone(),
        age,
    ]
}

/// At most three of many.
fn few(all: &[String]) -> String {
    match all.len() {
        0 => "<unset>".to_owned(),
        1..=3 => all.join(","),
        more => format!("{} + {} more...", all[..3].join(","), more - 3),
    }
}

pub(super) fn endpoints(object: &Value, age: Value) -> Vec<Value> {
    let mut all = Vec::new();
    for subset in list(&object["subsets"]) {
        let addresses = list(&subset["addresses"]).iter().map(|address| text(&address["ip"]));
        let addresses: Vec<String> = addresses.collect();
        let ports = list(&subset["ports"]);
        if ports.is_empty() {
            all.extend(addresses.clone());
        }
        for port in ports {
            all.extend(addresses.iter().map(|address| format!("{address}:{}", port["port"])));
        }
    }
    let shown = if list(&object["subsets"]).is_empty() {
        "<none>".to_owned()
    } else {
        few(&all)
    };
    vec![object["metadata"]["name"].clone(), shown.into(), age]
}

pub(super) fn slice(object: &Value, age: Value) -> Vec<Value> {
    let ports = list(&object["ports"]).iter().map(|port| match &port["port"] {
        Value::Null => port["name"].as_str().unwrap_or("*").to_owned(),
        number => number.to_string(),
    });
    let addresses = list(&object["endpoints"])
        .iter()
        .flat_map(|endpoint| list(&endpoint["addresses"]))
        .map(text);
    vec![
        object["metadata"]["name"].clone(),
        object["addressType"].clone(),
        few(&ports.collect::<Vec<_>>()).into(),
        few(&addresses.collect::<Vec<_>>()).into(),
        age,
    ]
}

pub(super) fn quota(object: &Value, age: Value) -> Vec<Value> {
    let status = &object["status"];
    let (mut requests, mut limits) = (Vec::new(), Vec::new());
    for (name, most) in status["hard"].as_object().into_iter().flatten() {
        let used = status["used"][name].as_str().unwrap_or("0");
        let words = format!("{name}: {used}/{}", text(most));
        if name.starts_with("limits.") {
            limits.push(words);
        } else {
            requests.push(words);
        }
    }
    vec![
        object["metadata"]["name"].clone(),
        requests.join(", ").into(),
        limits.join(", ").into(),
        age,
    ]
}

pub(super) fn priority_class(object: &Value, age: Value) -> Vec<Value> {
    vec![
        object["metadata"]["name"].clone(),
        object["value"].clone(),
        (object["globalDefault"] == true).into(),
        age,
        object["preemptionPolicy"].clone(),
    ]
}

/// Access modes as people write them.
pub(super) fn modes(modes: &Value) -> String {
    let modes: Vec<&str> = list(modes)
        .iter()
        .filter_map(Value::as_str)
        .map(|mode| match mode {
            "ReadWriteOnce" => "RWO",
            "ReadOnlyMany" => "ROX",
            "ReadWriteMany" => "RWX",
            "ReadWriteOncePod" => "RWOP",
            other => other,
        })
        .collect();
    modes.join(",")
}

pub(super) fn volume(object: &Value, age: Value) -> Vec<Value> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let claim = match spec["claimRef"].is_object() {
        true => format!(
            "{}/{}",
            text(&spec["claimRef"]["namespace"]),
            text(&spec["claimRef"]["name"])
        ),
        false => String::new(),
    };
    let phase = if object["metadata"]["deletionTimestamp"].is_string() {
        "Terminating".to_owned()
    } else {
        text(&status["phase"])
    };
    let or_unset = |value: &Value| Value::from(value.as_str().unwrap_or("<unset>"));
    vec![
        object["metadata"]["name"].clone(),
        spec["capacity"]["storage"].as_str().unwrap_or("0").into(),
        modes(&spec["accessModes"]).into(),
        text(&spec["persistentVolumeReclaimPolicy"]).into(),
        phase.into(),
        claim.into(),
        text(&spec["storageClassName"]).into(),
        or_unset(&spec["volumeAttributesClassName"]),
        text(&status["reason"]).into(),
        age,
        or_unset(&spec["volumeMode"]),
    ]
}
