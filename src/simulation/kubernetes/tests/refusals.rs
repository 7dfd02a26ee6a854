use super::*;

#[tokio::test]
async fn what_cannot_be_created_is_refused_in_the_same_words() {
    let service = simulation().service();
    ask(&service, "POST", PODS, pod("there")).await;
    let with = |path: &str, value: Value| {
        let mut made = pod("web");
        *made.pointer_mut(path).unwrap() = value;
        made
    };
    let mut nameless = pod("web");
    nameless["metadata"] = json!({});
    let mut versioned = pod("web");
    versioned["metadata"]["resourceVersion"] = "5".into();
    let mut elsewhere = pod("web");
    elsewhere["metadata"]["namespace"] = "other".into();
    let mut other = pod("web");
    other["apiVersion"] = "v2".into();
    let mut account = pod("web");
    account["spec"]["serviceAccountName"] = "none".into();
    for (made, code, reason, words) in [
        (pod("there"), 409, "AlreadyExists", "pods \"there\" already exists"),
        (
            nameless,
            422,
            "Invalid",
            "Pod \"\" is invalid: metadata.name: Required value: name or generateName is required",
        ),
        (
            with("/metadata/name", json!("Web")),
            422,
            "Invalid",
            "Pod \"Web\" is invalid: metadata.name: Invalid value: \"Web\": a lowercase RFC 1123 subdomain must consist of",
        ),
        (
            with("/metadata/labels", json!({"a b": "c"})),
            422,
            "Invalid",
            "metadata.labels: Invalid value: \"a b\": name part must consist of",
        ),
        (
            with("/spec/containers/0/image", json!("")),
            422,
            "Invalid",
            "Pod \"web\" is invalid: spec.containers[0].image: Required value",
        ),
        (
            with("/spec/containers", json!([])),
            422,
            "Invalid",
            "Pod \"web\" is invalid: spec.containers: Required value",
        ),
        (
            with("/spec/containers", json!({})),
            400,
            "BadRequest",
            "Pod in version \"v1\" cannot be handled as a Pod: json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container",
        ),
        (
            versioned,
            500,
            "",
            "resourceVersion should not be set on objects to be created",
        ),
        (
            elsewhere,
            400,
            "BadRequest",
            "the namespace of the provided object does not match the namespace sent on the request",
        ),
        (
            other,
            400,
            "BadRequest",
            "Pod in version \"v2\" cannot be handled as a Pod: no kind \"Pod\" is registered for version \"v2\"",
        ),
        (
            account,
            403,
            "Forbidden",
            "pods \"web\" is forbidden: error looking up service account default/none: serviceaccount \"none\" not found",
        ),
    ] {
        let answer = ask(&service, "POST", PODS, made).await;
        assert_eq!((answer.code, answer.reason()), (code, reason), "{}", answer.text);
        assert!(answer.message().contains(words), "{}", answer.message());
    }
    let nowhere = ask(&service, "POST", "/api/v1/namespaces/none/pods", pod("web")).await;
    assert_eq!(
        (nowhere.code, nowhere.message()),
        (404, "namespaces \"none\" not found")
    );
}

#[tokio::test]
async fn what_is_not_served_is_not_found_or_not_allowed() {
    let service = simulation().service();
    for (method, path, code, words) in [
        (
            "GET",
            "/api/v1/foos",
            404,
            "the server could not find the requested resource",
        ),
        ("GET", "/apis/none.io/v1/foos", 404, ""),
        ("GET", "/nothing", 404, ""),
        (
            "POST",
            "/api/v1/pods",
            405,
            "the server does not allow this method on the requested resource",
        ),
        (
            "PUT",
            "/api/v1/namespaces/default/pods",
            405,
            "the server does not allow this method on the requested resource",
        ),
        (
            "GET",
            "/api/v1/namespaces/default/pods/x/eviction",
            405,
            "the server does not allow this method on the requested resource",
        ),
        (
            "GET",
            "/api/v1/namespaces/default/pods/x/frob",
            404,
            "the server could not find the requested resource",
        ),
        ("GET", "/api/v1/namespaces/default/pods/x", 404, "pods \"x\" not found"),
        (
            "DELETE",
            "/api/v1/namespaces",
            405,
            "the server does not allow this method on the requested resource",
        ),
    ] {
        let answer = ask(&service, method, path, Value::Null).await;
        assert_eq!((answer.code, answer.message()), (code, words), "{method} {path}");
    }
    for path in ["/livez", "/readyz", "/healthz"] {
        assert_eq!(get(&service, path).await.text, "ok");
    }
}

#[tokio::test]
async fn an_update_that_comes_too_late_is_a_conflict() {
    let service = simulation().service();
    let made = ask(&service, "POST", DEPLOYMENTS, deployment("web")).await.value;
    let path = format!("{DEPLOYMENTS}/web");
    let mut first = made.clone();
    first["spec"]["replicas"] = 4.into();
    assert_eq!(ask(&service, "PUT", &path, first.clone()).await.code, 200);
    let late = ask(&service, "PUT", &path, first.clone()).await;
    let words = "Operation cannot be fulfilled on deployments.apps \"web\": the object has been modified; please apply your changes to the latest version and try again";
    assert_eq!((late.code, late.message()), (409, words));
    first["metadata"]["resourceVersion"] = Value::Null;
    assert_eq!(
        ask(&service, "PUT", &path, first.clone()).await.code,
        200,
        "unconditionally"
    );
    let elsewhere = ask(&service, "PUT", &format!("{DEPLOYMENTS}/other"), first).await;
    assert_eq!(elsewhere.code, 400);
    let missing = ask(&service, "PUT", &format!("{DEPLOYMENTS}/none"), deployment("none")).await;
    assert_eq!(missing.code, 404);
    let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "l"}, "spec": {}});
    let leases = "/apis/coordination.k8s.io/v1/namespaces/default/leases/l";
    assert_eq!(ask(&service, "PUT", leases, lease.clone()).await.code, 201);
    let unversioned = ask(&service, "PUT", leases, lease).await;
    assert_eq!(unversioned.code, 422);
    assert!(
        unversioned
            .message()
            .ends_with("metadata.resourceVersion: Invalid value: 0: must be specified for an update")
    );
}

#[tokio::test]
async fn a_scale_is_judged_on_its_own() {
    let service = simulation().service();
    ask(&service, "POST", DEPLOYMENTS, deployment("web")).await;
    let path = format!("{DEPLOYMENTS}/web/scale");
    let scale = get(&service, &path).await.value;
    assert_eq!(scale["status"], json!({"replicas": 0, "selector": "app=web"}));
    let mut less = scale.clone();
    less["spec"]["replicas"] = (-1).into();
    let refused = ask(&service, "PUT", &path, less).await;
    let words =
        "Scale.autoscaling \"web\" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0";
    assert_eq!((refused.code, refused.message()), (422, words));
    let mut more = scale;
    more["spec"]["replicas"] = 5.into();
    assert_eq!(
        ask(&service, "PUT", &path, more.clone()).await.value["spec"]["replicas"],
        5
    );
    assert_eq!(ask(&service, "PUT", &path, more).await.code, 409);
}

#[tokio::test]
async fn a_running_pod_hardly_changes() {
    let service = simulation().service();
    running(&service, "web").await;
    let path = format!("{PODS}/web");
    let merge = "application/strategic-merge-patch+json";
    let image = json!({"spec": {"containers": [{"name": "app", "image": "web:2"}]}});
    assert_eq!(ask_as(&service, "PATCH", &path, image, merge).await.code, 200);
    let command = json!({"spec": {"containers": [{"name": "app", "command": ["x"]}]}});
    let refused = ask_as(&service, "PATCH", &path, command, merge).await;
    assert_eq!(refused.code, 422);
    assert!(
        refused
            .message()
            .starts_with("Pod \"web\" is invalid: spec: Forbidden: pod updates may not change fields other than")
    );
    let bigger = json!({"spec": {"containers": [{"name": "app", "resources": {"requests": {"cpu": "1"}}}]}});
    let resize = format!("{path}/resize");
    let unsupported = ask_as(&service, "PATCH", &resize, bigger.clone(), merge).await;
    assert!(
        unsupported
            .message()
            .contains("Pod running on node without support for resize")
    );
    let kubelet = json!({"status": {"containerStatuses": [{"name": "app", "image": "i", "imageID": "", "ready": true, "restartCount": 0, "resources": {}}]}});
    ask_as(
        &service,
        "PATCH",
        &format!("{path}/status"),
        kubelet,
        "application/merge-patch+json",
    )
    .await;
    let resized = ask_as(&service, "PATCH", &resize, bigger, merge).await;
    assert_eq!(resized.code, 200, "{}", resized.text);
    assert_eq!(resized.value["metadata"]["generation"], 3);
}
