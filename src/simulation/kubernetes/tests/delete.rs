use super::*;

#[tokio::test]
async fn what_a_deletion_answers_and_leaves() {
    let simulation = simulation();
    let service = simulation.service();
    running(&service, "web").await;
    let graceful = ask(&service, "DELETE", &format!("{PODS}/web"), Value::Null).await;
    assert_eq!((graceful.code, graceful.value["kind"].clone()), (200, json!("Pod")));
    assert_eq!(graceful.value["metadata"]["deletionGracePeriodSeconds"], 30);
    assert_eq!(graceful.value["metadata"]["generation"], 2);
    let longer = json!({"gracePeriodSeconds": 60});
    assert_eq!(
        ask(&service, "DELETE", &format!("{PODS}/web"), longer).await.value["metadata"]["deletionGracePeriodSeconds"],
        30
    );
    let forced = json!({"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0});
    assert_eq!(ask(&service, "DELETE", &format!("{PODS}/web"), forced).await.code, 200);
    assert_eq!(get(&service, &format!("{PODS}/web")).await.code, 404);

    ask(&service, "POST", DEPLOYMENTS, deployment("web")).await;
    let gone = ask(&service, "DELETE", &format!("{DEPLOYMENTS}/web"), Value::Null)
        .await
        .value;
    assert_eq!(
        (gone["kind"].clone(), gone["status"].clone()),
        (json!("Status"), json!("Success"))
    );
    assert_eq!(gone["details"]["kind"], "deployments");
}

#[tokio::test]
async fn propagation_sets_the_finalizers_of_the_garbage_collector() {
    let service = simulation().service();
    for (policy, wanted) in [("Foreground", "foregroundDeletion"), ("Orphan", "orphan")] {
        let name = policy.to_lowercase();
        ask(&service, "POST", DEPLOYMENTS, deployment(&name)).await;
        let path = format!("{DEPLOYMENTS}/{name}");
        let deleted = ask(&service, "DELETE", &path, json!({"propagationPolicy": policy}))
            .await
            .value;
        assert_eq!(deleted["metadata"]["finalizers"], json!([wanted]));
        assert_eq!(deleted["metadata"]["deletionGracePeriodSeconds"], 0);
        let freed = json!({"metadata": {"finalizers": null}});
        ask_as(&service, "PATCH", &path, freed, "application/merge-patch+json").await;
        assert_eq!(get(&service, &path).await.code, 404);
    }
    let both = json!({"propagationPolicy": "Orphan", "orphanDependents": true});
    let refused = ask(&service, "DELETE", &format!("{DEPLOYMENTS}/x"), both).await;
    assert_eq!(refused.code, 422);
    assert!(
        refused
            .message()
            .starts_with("DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: Invalid value")
    );
}

#[tokio::test]
async fn preconditions_hold_for_the_very_object() {
    let service = simulation().service();
    let made = ask(&service, "POST", PODS, pod("web")).await.value;
    let uid = made["metadata"]["uid"].as_str().unwrap();
    let path = format!("{PODS}/web");
    let other = ask(&service, "DELETE", &path, json!({"preconditions": {"uid": "x"}})).await;
    let words = format!(
        "Operation cannot be fulfilled on Pod \"web\": the UID in the precondition (x) does not match the UID in record ({uid}). The object might have been deleted and then recreated"
    );
    assert_eq!((other.code, other.message()), (409, &*words));
    let stale = ask(
        &service,
        "DELETE",
        &path,
        json!({"preconditions": {"resourceVersion": "1"}}),
    )
    .await;
    assert_eq!(stale.code, 409);
    assert!(
        stale
            .message()
            .contains("the ResourceVersion in the precondition (1) does not match")
    );
    assert_eq!(
        ask(&service, "DELETE", &path, json!({"preconditions": {"uid": uid}}))
            .await
            .code,
        200
    );
}

#[tokio::test]
async fn a_collection_goes_by_its_selector_and_a_namespace_not_at_once() {
    let service = simulation().service();
    for name in ["a", "b"] {
        ask(&service, "POST", PODS, pod(name)).await;
    }
    let mut other = pod("c");
    other["metadata"]["labels"] = json!({"app": "other"});
    ask(&service, "POST", PODS, other).await;
    let deleted = ask(
        &service,
        "DELETE",
        &format!("{PODS}?labelSelector=app%3Dweb"),
        Value::Null,
    )
    .await
    .value;
    assert_eq!(
        (deleted["kind"].clone(), deleted["items"].as_array().unwrap().len()),
        (json!("PodList"), 2)
    );
    assert_eq!(get(&service, PODS).await.value["items"].as_array().unwrap().len(), 1);

    let space = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}});
    ask(&service, "POST", "/api/v1/namespaces", space).await;
    let going = ask(&service, "DELETE", "/api/v1/namespaces/team", Value::Null)
        .await
        .value;
    assert_eq!(going["status"]["phase"], "Terminating");
    let refused = ask(&service, "POST", "/api/v1/namespaces/team/pods", pod("late")).await;
    let words =
        "pods \"late\" is forbidden: unable to create new content in namespace team because it is being terminated";
    assert_eq!((refused.code, refused.message()), (403, words));
    assert_eq!(refused.value["details"]["causes"][0]["reason"], "NamespaceTerminating");
    let mut emptied = going;
    emptied["spec"]["finalizers"] = json!([]);
    ask(&service, "PUT", "/api/v1/namespaces/team/finalize", emptied).await;
    assert_eq!(get(&service, "/api/v1/namespaces/team").await.code, 404);
}
