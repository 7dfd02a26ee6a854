use super::*;

const BUDGETS: &str = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";

async fn budget(service: &Service, name: &str, allowed: i64, seen: bool) {
    let made = json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name},
        "spec": {"minAvailable": 3, "selector": {"matchLabels": {"app": "web"}}}});
    assert_eq!(ask(service, "POST", BUDGETS, made).await.code, 201);
    let status = json!({"status": {"observedGeneration": i64::from(seen), "disruptionsAllowed": allowed,
        "currentHealthy": 3 + allowed, "desiredHealthy": 3, "expectedPods": 3 + allowed}});
    let path = format!("{BUDGETS}/{name}/status");
    let patched = ask_as(service, "PATCH", &path, status, "application/merge-patch+json").await;
    assert_eq!(patched.code, 200, "{}", patched.text);
}

async fn evict(service: &Service, name: &str, options: Value) -> Answer {
    let body = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": "default"},
        "deleteOptions": options});
    ask(service, "POST", &format!("{PODS}/{name}/eviction"), body).await
}

#[tokio::test]
async fn an_eviction_deletes_the_pod_and_says_why() {
    let service = simulation().service();
    running(&service, "web").await;
    let evicted = evict(&service, "web", Value::Null).await;
    assert_eq!((evicted.code, evicted.value["status"].clone()), (201, json!("Success")));
    let going = get(&service, &format!("{PODS}/web")).await.value;
    assert!(going["metadata"]["deletionTimestamp"].is_string());
    let conditions = going["status"]["conditions"].as_array().unwrap();
    assert!(
        conditions
            .iter()
            .any(|condition| condition["reason"] == "EvictionByEvictionAPI")
    );
    assert_eq!(evict(&service, "none", Value::Null).await.code, 404);
}

#[tokio::test]
async fn a_budget_at_its_limit_refuses_with_its_words_and_no_time() {
    let service = simulation().service();
    running(&service, "web").await;
    budget(&service, "web", 0, true).await;
    for options in [Value::Null, json!({"dryRun": ["All"]})] {
        let refused = evict(&service, "web", options).await;
        assert_eq!((refused.code, refused.reason()), (429, "TooManyRequests"));
        assert_eq!(
            refused.value["details"]["causes"],
            json!([{"reason": "DisruptionBudget",
            "message": "The disruption budget web needs 3 healthy pods and has 3 currently"}])
        );
        assert!(!refused.headers.contains_key("retry-after"));
    }
}

#[tokio::test]
async fn a_budget_that_nobody_has_looked_at_yet_says_when_to_come_again() {
    let service = simulation().service();
    running(&service, "web").await;
    budget(&service, "web", 1, false).await;
    let refused = evict(&service, "web", Value::Null).await;
    assert_eq!(
        (refused.code, &refused.headers["retry-after"]),
        (429, &http::HeaderValue::from_static("10"))
    );
    assert_eq!(refused.value["details"]["retryAfterSeconds"], 10);
}

#[tokio::test]
async fn two_budgets_are_an_error_of_the_server() {
    let service = simulation().service();
    running(&service, "web").await;
    budget(&service, "one", 1, true).await;
    budget(&service, "two", 1, true).await;
    assert_eq!(evict(&service, "web", Value::Null).await.code, 500);
}

#[tokio::test]
async fn what_a_budget_allows_is_counted() {
    let service = simulation().service();
    running(&service, "a").await;
    running(&service, "b").await;
    budget(&service, "web", 1, true).await;
    assert_eq!(evict(&service, "a", json!({"dryRun": ["All"]})).await.code, 201);
    assert_eq!(evict(&service, "a", Value::Null).await.code, 201);
    let left = get(&service, &format!("{BUDGETS}/web")).await.value;
    assert_eq!(left["status"]["disruptionsAllowed"], 0);
    assert_eq!(left["status"]["disruptedPods"]["a"], "2026-11-24T10:00:00Z");
    assert_eq!(evict(&service, "b", Value::Null).await.code, 429);
}

#[tokio::test]
async fn an_unready_pod_goes_as_the_policy_says() {
    for (policy, healthy, code) in [
        (json!("AlwaysAllow"), 0, 201),
        (json!("IfHealthyBudget"), 0, 429),
        (json!("IfHealthyBudget"), 3, 201),
        (Value::Null, 3, 201),
    ] {
        let service = simulation().service();
        running(&service, "web").await;
        budget(&service, "web", 0, true).await;
        let sick = json!({"status": {"conditions": [{"type": "Ready", "status": "False"}]}});
        let merge = "application/merge-patch+json";
        ask_as(&service, "PATCH", &format!("{PODS}/web/status"), sick, merge).await;
        let set = json!({"spec": {"unhealthyPodEvictionPolicy": policy}});
        ask_as(&service, "PATCH", &format!("{BUDGETS}/web"), set, merge).await;
        let seen = json!({"status": {"observedGeneration": 2, "currentHealthy": healthy}});
        ask_as(&service, "PATCH", &format!("{BUDGETS}/web/status"), seen, merge).await;
        assert_eq!(
            evict(&service, "web", Value::Null).await.code,
            code,
            "{policy} {healthy}"
        );
    }
}

#[tokio::test]
async fn the_precondition_is_read_from_the_field_that_the_api_has() {
    let service = simulation().service();
    running(&service, "web").await;
    let wrong = evict(&service, "web", json!({"preconditions": {"uid": "x"}})).await;
    assert_eq!(wrong.code, 409);
    assert!(
        wrong
            .message()
            .contains("the UID in the precondition (x) does not match")
    );
    // Another spelling is an unknown field: dropped, and the pod goes.
    let body = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "web"},
        "delete_options": {"preconditions": {"uid": "x"}}});
    let evicted = ask(&service, "POST", &format!("{PODS}/web/eviction"), body).await;
    assert_eq!(evicted.code, 201);
    assert_eq!(
        evicted.headers["warning"],
        "299 - \"unknown field \\\"delete_options\\\"\""
    );
}
