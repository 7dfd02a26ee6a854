use super::*;
use crate::kubernetes::{Tokens, User};

async fn ask_with(service: &Service, token: Option<&str>, method: &str, path: &str, body: Value) -> Answer {
    let bytes = if body.is_null() {
        Vec::new()
    } else {
        body.to_string().into_bytes()
    };
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/json");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    send(service, request.body(Full::new(bytes.into())).unwrap()).await
}

#[tokio::test]
async fn tokens_and_roles_decide() {
    let simulation = simulation();
    let admin = simulation.service();
    let rbac = "/apis/rbac.authorization.k8s.io/v1";
    let role = json!({"metadata": {"name": "reader"}, "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}]});
    assert_eq!(
        ask(&admin, "POST", &format!("{rbac}/clusterroles"), role).await.code,
        201
    );
    let binding = json!({"metadata": {"name": "reader"}, "roleRef": {"kind": "ClusterRole", "name": "reader"}, "subjects": [{"kind": "User", "name": "ann"}]});
    let bound = ask(
        &admin,
        "POST",
        &format!("{rbac}/namespaces/default/rolebindings"),
        binding,
    )
    .await;
    assert_eq!(bound.value["subjects"][0]["apiGroup"], "rbac.authorization.k8s.io");
    let mut tokens = Tokens::default();
    tokens.add("secret", User::new("ann", &["system:authenticated"]));
    let service = admin.tokens(tokens).without_token(None);
    let ann = Some("secret");

    assert_eq!(ask_with(&service, None, "GET", PODS, Value::Null).await.code, 401);
    let unknown = ask_with(&service, Some("other"), "GET", PODS, Value::Null).await;
    assert_eq!((unknown.code, unknown.message()), (401, "Unauthorized"));
    assert_eq!(ask_with(&service, ann, "GET", PODS, Value::Null).await.code, 200);
    for (method, path, words) in [
        (
            "GET",
            "/api/v1/pods",
            "pods is forbidden: User \"ann\" cannot list resource \"pods\" in API group \"\" at the cluster scope",
        ),
        (
            "DELETE",
            "/api/v1/namespaces/default/pods/x",
            "pods \"x\" is forbidden: User \"ann\" cannot delete resource \"pods\" in API group \"\" in the namespace \"default\"",
        ),
        (
            "POST",
            "/api/v1/namespaces/default/pods/x/eviction",
            "pods \"x\" is forbidden: User \"ann\" cannot create resource \"pods/eviction\" in API group \"\" in the namespace \"default\"",
        ),
        (
            "GET",
            "/apis/apps/v1/namespaces/a/deployments",
            "deployments.apps is forbidden: User \"ann\" cannot list resource \"deployments\" in API group \"apps\" in the namespace \"a\"",
        ),
        (
            "GET",
            "/metrics",
            "forbidden: User \"ann\" cannot get path \"/metrics\"",
        ),
    ] {
        let refused = ask_with(&service, ann, method, path, Value::Null).await;
        assert_eq!((refused.code, refused.message()), (403, words));
    }
    let review = |verb: &str, namespace: &str| {
        json!({"kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1",
        "spec": {"resourceAttributes": {"verb": verb, "resource": "pods", "namespace": namespace}}})
    };
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    for (verb, namespace, wanted) in [
        ("list", "default", true),
        ("list", "", false),
        ("delete", "default", false),
    ] {
        let answer = ask_with(&service, ann, "POST", path, review(verb, namespace)).await;
        assert_eq!(
            (answer.code, answer.value["status"]["allowed"].clone()),
            (201, json!(wanted)),
            "{verb} {namespace}"
        );
    }
    let rules = json!({"kind": "SelfSubjectRulesReview", "apiVersion": "authorization.k8s.io/v1", "spec": {"namespace": "default"}});
    let answer = ask_with(
        &service,
        ann,
        "POST",
        "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
        rules,
    )
    .await;
    // Besides what everybody may.
    let rules = answer.value["status"]["resourceRules"].as_array().unwrap();
    assert!(
        rules.iter().any(|rule| rule["verbs"] == json!(["get", "list"])),
        "{rules:?}"
    );
}
