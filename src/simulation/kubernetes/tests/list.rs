use super::*;

async fn names(service: &Service, path: &str) -> Vec<String> {
    let answer = get(service, path).await;
    assert_eq!(answer.code, 200, "{}", answer.text);
    let items = answer.value["items"].as_array().unwrap().clone();
    items
        .iter()
        .map(|item| item["metadata"]["name"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn lists_select_by_labels_and_fields() {
    let service = simulation().service();
    for (name, tier) in [("a", "front"), ("b", "back"), ("c", "front")] {
        let mut made = pod(name);
        made["metadata"]["labels"]["tier"] = tier.into();
        if name != "a" {
            made["spec"]["nodeName"] = "n1".into();
        }
        assert_eq!(ask(&service, "POST", PODS, made).await.code, 201);
    }
    for (query, wanted) in [
        ("", &["a", "b", "c"][..]),
        ("labelSelector=tier%3Dfront", &["a", "c"]),
        ("labelSelector=tier+in+(back)", &["b"]),
        ("labelSelector=app%3Dweb,tier%21%3Dfront", &["b"]),
        ("labelSelector=%21tier", &[]),
        ("fieldSelector=spec.nodeName%3Dn1", &["b", "c"]),
        ("fieldSelector=spec.nodeName%3Dn1&labelSelector=tier%3Dfront", &["c"]),
        ("fieldSelector=metadata.name%21%3Da", &["b", "c"]),
        ("fieldSelector=status.phase%3DRunning", &[]),
        ("fieldSelector=status.phase%3DPending,spec.nodeName%3D", &["a"]),
    ] {
        assert_eq!(names(&service, &format!("{PODS}?{query}")).await, wanted, "{query}");
        assert_eq!(
            names(&service, &format!("/api/v1/pods?{query}")).await,
            wanted,
            "{query}"
        );
    }
    let refused = get(&service, &format!("{PODS}?fieldSelector=spec.foo%3Dx")).await;
    assert_eq!(
        (refused.code, refused.message()),
        (400, "field label not supported: spec.foo")
    );
}

#[tokio::test]
async fn a_list_in_parts_is_of_one_moment() {
    let simulation = simulation();
    let service = simulation.service();
    for name in ["a", "b", "c", "d", "e"] {
        ask(&service, "POST", PODS, pod(name)).await;
    }
    let first = get(&service, &format!("{PODS}?limit=2")).await.value;
    assert_eq!(first["metadata"]["remainingItemCount"], 3);
    let token = first["metadata"]["continue"].as_str().unwrap();
    ask(&service, "DELETE", &format!("{PODS}/d"), Value::Null).await;
    ask(&service, "POST", PODS, pod("cc")).await;
    let rest = get(&service, &format!("{PODS}?limit=9&continue={token}")).await.value;
    let names: Vec<_> = rest["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["metadata"]["name"].clone())
        .collect();
    assert_eq!(names, ["c", "d", "e"]);
    assert_eq!(
        rest["metadata"]["resourceVersion"],
        first["metadata"]["resourceVersion"]
    );
    simulation.with(world::World::compact);
    let gone = get(&service, &format!("{PODS}?limit=9&continue={token}")).await;
    assert_eq!((gone.code, gone.reason()), (410, "Expired"));
}

#[tokio::test]
async fn versions_are_judged() {
    let service = simulation().service();
    ask(&service, "POST", PODS, pod("a")).await;
    let future = get(&service, &format!("{PODS}?resourceVersion=999999")).await;
    assert_eq!((future.code, future.reason()), (504, "Timeout"));
    assert_eq!(get(&service, &format!("{PODS}?resourceVersion=0")).await.code, 200);
    assert_eq!(get(&service, &format!("{PODS}?resourceVersion=x")).await.code, 400);
    let lonely = get(&service, &format!("{PODS}?resourceVersionMatch=Exact")).await;
    assert_eq!(lonely.code, 422);
    assert!(
        lonely
            .message()
            .contains("resourceVersionMatch is forbidden unless resourceVersion is provided")
    );
    let version = get(&service, PODS).await.value["metadata"]["resourceVersion"].clone();
    ask(&service, "POST", PODS, pod("b")).await;
    let query = format!(
        "{PODS}?resourceVersion={}&resourceVersionMatch=Exact",
        version.as_str().unwrap()
    );
    assert_eq!(names(&service, &query).await, ["a"]);
}
