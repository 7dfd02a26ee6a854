use super::*;

async fn accepting(service: &Service, path: &str, accept: &str) -> Answer {
    let request = Request::get(path)
        .header("accept", accept)
        .body(Full::new(bytes::Bytes::new()))
        .unwrap();
    send(service, request).await
}

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

#[tokio::test]
async fn tables_have_the_columns_that_kubectl_shows() {
    let service = simulation().service();
    running(&service, "web").await;
    let table = accepting(&service, PODS, TABLE).await.value;
    assert_eq!(table["kind"], "Table");
    let names: Vec<_> = table["columnDefinitions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|column| column["name"].clone())
        .collect();
    assert_eq!(
        names,
        [
            "Name",
            "Ready",
            "Status",
            "Restarts",
            "Age",
            "IP",
            "Node",
            "Nominated Node",
            "Readiness Gates"
        ]
    );
    assert_eq!(
        table["rows"][0]["cells"],
        json!(["web", "1/1", "Running", "0", "0s", "<none>", "n1", "<none>", "<none>"])
    );
    assert_eq!(table["rows"][0]["object"]["kind"], "PartialObjectMetadata");
    let whole = accepting(&service, &format!("{PODS}?includeObject=Object"), TABLE)
        .await
        .value;
    assert_eq!(whole["rows"][0]["object"]["kind"], "Pod");
    let none = accepting(&service, &format!("{PODS}?includeObject=None"), TABLE)
        .await
        .value;
    assert!(none["rows"][0]["object"].is_null());
    ask(&service, "POST", DEPLOYMENTS, deployment("web")).await;
    let table = accepting(&service, &format!("{DEPLOYMENTS}/web"), TABLE).await.value;
    assert_eq!(
        table["rows"][0]["cells"],
        json!(["web", "0/3", 0, 0, "0s", "app", "web:1", "app=web"])
    );
}

#[tokio::test]
async fn metadata_can_be_had_alone_and_protobuf_not_at_all() {
    let service = simulation().service();
    running(&service, "web").await;
    let metadata = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";
    let list = accepting(&service, PODS, metadata).await.value;
    assert_eq!(
        (list["kind"].clone(), list["items"][0].get("spec")),
        (json!("PartialObjectMetadataList"), None)
    );
    let protobuf = "application/vnd.kubernetes.protobuf";
    assert_eq!(accepting(&service, PODS, protobuf).await.code, 406);
    assert_eq!(
        accepting(&service, PODS, &format!("{protobuf},application/json"))
            .await
            .code,
        200
    );
    assert_eq!(accepting(&service, PODS, "*/*").await.code, 200);
    let text = ask_as(&service, "POST", PODS, pod("x"), "text/plain").await;
    assert_eq!((text.code, text.reason()), (415, "UnsupportedMediaType"));
}

#[tokio::test]
async fn a_definition_makes_a_resource_and_its_end_ends_it() {
    let service = simulation().service();
    let crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let made = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "machines.x.io"},
        "spec": {"group": "x.io", "scope": "Namespaced", "names": {"plural": "machines", "kind": "Machine", "shortNames": ["ma"]},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                    "spec": {"type": "object", "properties": {"replicas": {"type": "integer"}}},
                    "status": {"type": "object", "properties": {"replicas": {"type": "integer"}}}}}},
                "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}},
                "additionalPrinterColumns": [{"name": "Wanted", "type": "integer", "jsonPath": ".spec.replicas"}]}]}});
    let answer = ask(&service, "POST", crds, made).await;
    assert_eq!(answer.code, 201, "{}", answer.text);
    let machines = "/apis/x.io/v1/namespaces/default/machines";
    let machine = json!({"apiVersion": "x.io/v1", "kind": "Machine", "metadata": {"name": "m"},
        "spec": {"replicas": 2, "unknown": 1}, "status": {"replicas": 9}});
    let made = ask(&service, "POST", machines, machine).await;
    assert_eq!((made.code, made.value["spec"].clone()), (201, json!({"replicas": 2})));
    assert!(made.value.get("status").is_none());
    assert_eq!(made.headers["warning"], "299 - \"unknown field \\\"spec.unknown\\\"\"");
    let path = format!("{machines}/m");
    let merge = "application/merge-patch+json";
    let scaled = ask_as(
        &service,
        "PATCH",
        &format!("{path}/scale"),
        json!({"spec": {"replicas": 5}}),
        merge,
    )
    .await;
    assert_eq!((scaled.code, scaled.value["spec"]["replicas"].clone()), (200, json!(5)));
    assert_eq!(get(&service, &path).await.value["metadata"]["generation"], 2);
    let strategic = ask_as(
        &service,
        "PATCH",
        &path,
        json!({}),
        "application/strategic-merge-patch+json",
    )
    .await;
    assert_eq!(strategic.code, 415);
    assert_eq!(
        accepting(&service, machines, TABLE).await.value["rows"][0]["cells"],
        json!(["m", 5])
    );
    assert_eq!(
        get(&service, "/apis/x.io/v1").await.value["resources"][0]["kind"],
        "Machine"
    );
    ask(&service, "DELETE", &format!("{crds}/machines.x.io"), Value::Null).await;
    assert_eq!(get(&service, machines).await.code, 404);
}

#[tokio::test]
async fn an_autoscaler_is_served_in_both_versions() {
    let service = simulation().service();
    let v1 = "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers";
    let made = json!({"apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"},
        "spec": {"maxReplicas": 5, "targetCPUUtilizationPercentage": 60, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}}});
    let made = ask(&service, "POST", v1, made).await;
    assert_eq!(
        (made.code, made.value["spec"]["targetCPUUtilizationPercentage"].clone()),
        (201, json!(60)),
        "{}",
        made.text
    );
    let v2 = get(
        &service,
        "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers/web",
    )
    .await
    .value;
    assert_eq!(
        v2["spec"]["metrics"][0]["resource"]["target"],
        json!({"type": "Utilization", "averageUtilization": 60})
    );
    assert_eq!(v2["spec"]["minReplicas"], 1);
}
