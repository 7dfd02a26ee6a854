use super::*;

const MERGE: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const JSON: &str = "application/json-patch+json";
const APPLY: &str = "application/apply-patch+yaml";

async fn web() -> Service {
    let service = simulation().service();
    let made = ask(&service, "POST", DEPLOYMENTS, deployment("web")).await;
    assert_eq!(made.code, 201, "{}", made.text);
    service
}

async fn patch(service: &Service, query: &str, body: Value, kind: &str) -> Answer {
    ask_as(service, "PATCH", &format!("{DEPLOYMENTS}/web{query}"), body, kind).await
}

#[tokio::test]
async fn every_kind_of_patch_changes_the_object() {
    let service = web().await;
    let merged = patch(&service, "", json!({"spec": {"replicas": 4}}), MERGE).await;
    assert_eq!(
        (merged.code, merged.value["metadata"]["generation"].clone()),
        (200, json!(2))
    );
    let side = json!({"spec": {"template": {"spec": {"containers": [{"name": "side", "image": "s:1"}]}}}});
    let strategic = patch(&service, "", side, STRATEGIC).await;
    let containers = strategic.value["spec"]["template"]["spec"]["containers"]
        .as_array()
        .unwrap()
        .clone();
    assert_eq!(containers.len(), 2);
    assert_eq!(
        containers[0]["terminationMessagePath"], "/dev/termination-log",
        "defaults are filled in"
    );
    let operations = json!([{"op": "test", "path": "/spec/replicas", "value": 4},
        {"op": "replace", "path": "/spec/replicas", "value": 1}]);
    assert_eq!(
        patch(&service, "", operations.clone(), JSON).await.value["spec"]["replicas"],
        1
    );
    let failed = patch(&service, "", operations, JSON).await;
    let words = "the server rejected our request due to an error in our request";
    assert_eq!(
        (failed.code, failed.reason(), failed.message()),
        (422, "Invalid", words)
    );
    let nothing = patch(&service, "", json!({}), MERGE).await;
    assert_eq!(
        nothing.value["metadata"]["resourceVersion"],
        get(&service, &format!("{DEPLOYMENTS}/web")).await.value["metadata"]["resourceVersion"]
    );
}

#[tokio::test]
async fn bad_patches_are_refused() {
    let service = web().await;
    for (body, kind, code, words) in [
        (
            json!({}),
            JSON,
            400,
            "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp",
        ),
        (
            json!({"spec": {"replicas": "x"}}),
            MERGE,
            422,
            "cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            json!({"spec": {"replicas": -1}}),
            MERGE,
            422,
            "Deployment.apps \"web\" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0",
        ),
        (
            json!({"metadata": {"name": "other"}}),
            MERGE,
            400,
            "the name of the object (other) does not match the name on the URL (web)",
        ),
        (
            json!({"metadata": {"resourceVersion": "1"}}),
            MERGE,
            409,
            "the object has been modified; please apply your changes to the latest version and try again",
        ),
        (
            json!({"metadata": {"uid": "x"}}),
            MERGE,
            422,
            "metadata.uid: Invalid value: \"x\": field is immutable",
        ),
        (
            json!({"spec": {"selector": {"matchLabels": {"app": "x"}}}}),
            MERGE,
            422,
            "field is immutable",
        ),
        (
            json!({"spec": {"template": {"spec": {"containers": [{"image": "x"}]}}}}),
            STRATEGIC,
            500,
            "map: map[image:x] does not contain declared merge key: name",
        ),
        (json!({}), "application/json", 415, "415: Unsupported Media Type"),
        (
            json!({"kind": "Deployment", "apiVersion": "apps/v1"}),
            APPLY,
            422,
            "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch",
        ),
    ] {
        let answer = patch(&service, "", body.clone(), kind).await;
        assert_eq!(answer.code, code, "{body} {}", answer.text);
        assert!(answer.message().contains(words), "{body}: {}", answer.message());
    }
    let missing = ask_as(&service, "PATCH", &format!("{DEPLOYMENTS}/none"), json!({}), MERGE).await;
    assert_eq!(
        (missing.code, missing.message()),
        (404, "deployments.apps \"none\" not found")
    );
}

#[tokio::test]
async fn unknown_fields_are_dropped_warned_of_or_refused() {
    let service = web().await;
    let body = json!({"spec": {"replcas": 1}});
    let warned = patch(&service, "", body.clone(), MERGE).await;
    assert_eq!(warned.code, 200);
    assert_eq!(
        warned.headers["warning"],
        "299 - \"unknown field \\\"spec.replcas\\\"\""
    );
    let ignored = patch(&service, "?fieldValidation=Ignore", body.clone(), MERGE).await;
    assert!(!ignored.headers.contains_key("warning"));
    let refused = patch(&service, "?fieldValidation=Strict", body, MERGE).await;
    assert_eq!(refused.code, 422);
    assert!(
        refused
            .message()
            .ends_with("strict decoding error: unknown field \"spec.replcas\""),
        "{}",
        refused.message()
    );
    let mut made = deployment("two");
    made["spec"]["replcas"] = 1.into();
    let refused = ask(&service, "POST", &format!("{DEPLOYMENTS}?fieldValidation=Strict"), made).await;
    let words = "Deployment in version \"v1\" cannot be handled as a Deployment: strict decoding error: unknown field \"spec.replcas\"";
    assert_eq!((refused.code, refused.message()), (400, words));
}

#[tokio::test]
async fn dry_runs_change_nothing() {
    let simulation = simulation();
    let service = simulation.service();
    ask(&service, "POST", DEPLOYMENTS, deployment("web")).await;
    ask(&service, "POST", PODS, pod("p")).await;
    let before = simulation.with(|world| world.revision());
    let answers = [
        ask(
            &service,
            "POST",
            &format!("{DEPLOYMENTS}?dryRun=All"),
            deployment("two"),
        )
        .await,
        patch(&service, "?dryRun=All", json!({"spec": {"replicas": 9}}), MERGE).await,
        ask_as(
            &service,
            "PATCH",
            &format!("{DEPLOYMENTS}/web/scale?dryRun=All"),
            json!({"spec": {"replicas": 7}}),
            MERGE,
        )
        .await,
        ask(&service, "DELETE", &format!("{PODS}/p?dryRun=All"), Value::Null).await,
        ask(&service, "DELETE", &format!("{PODS}?dryRun=All"), Value::Null).await,
        ask_as(
            &service,
            "PATCH",
            &format!("{DEPLOYMENTS}/new?dryRun=All&fieldManager=x"),
            deployment("new"),
            APPLY,
        )
        .await,
    ];
    for answer in &answers {
        assert!(answer.code < 300, "{}", answer.text);
    }
    assert_eq!(answers[1].value["spec"]["replicas"], 9);
    assert_eq!(simulation.with(|world| world.revision()), before);
    let refused = patch(&service, "?dryRun=Some", json!({}), MERGE).await;
    let words =
        "PatchOptions.meta.k8s.io \"\" is invalid: dryRun: Unsupported value: [\"Some\"]: supported values: \"All\"";
    assert_eq!((refused.code, refused.message()), (422, words));
}

#[tokio::test]
async fn an_apply_creates_shares_conflicts_and_takes() {
    let service = web().await;
    let config = |replicas: i64| json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": replicas}});
    let shared = patch(&service, "?fieldManager=me", config(3), APPLY).await;
    assert_eq!(shared.code, 200, "{}", shared.text);
    let conflict = patch(&service, "?fieldManager=me", config(4), APPLY).await;
    assert_eq!((conflict.code, conflict.reason()), (409, "Conflict"));
    assert_eq!(
        conflict.value["details"]["causes"][0],
        json!({"reason": "FieldManagerConflict",
        "message": "conflict with \"tester\" using apps/v1", "field": ".spec.replicas"})
    );
    let forced = patch(&service, "?fieldManager=me&force=true", config(4), APPLY).await;
    assert_eq!((forced.code, forced.value["spec"]["replicas"].clone()), (200, json!(4)));
    let again = patch(&service, "?fieldManager=me&force=true", config(4), APPLY).await;
    assert_eq!(
        again.value["metadata"]["resourceVersion"],
        forced.value["metadata"]["resourceVersion"]
    );
    let unknown =
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replcas": 1}});
    let refused = patch(&service, "?fieldManager=me", unknown, APPLY).await;
    assert_eq!(refused.code, 500);
    assert!(
        refused
            .message()
            .ends_with(".spec.replcas: field not declared in schema"),
        "{}",
        refused.message()
    );
}

#[tokio::test]
async fn a_status_patch_touches_the_status_only() {
    let service = web().await;
    let both = json!({"spec": {"replicas": 9}, "status": {"replicas": 2}});
    let path = format!("{DEPLOYMENTS}/web/status");
    let patched = ask_as(&service, "PATCH", &path, both.clone(), MERGE).await.value;
    assert_eq!(
        (
            patched["spec"]["replicas"].clone(),
            patched["status"]["replicas"].clone()
        ),
        (json!(3), json!(2))
    );
    let main = patch(&service, "", json!({"status": {"replicas": 7}}), MERGE)
        .await
        .value;
    assert_eq!(main["status"]["replicas"], 2);
}
