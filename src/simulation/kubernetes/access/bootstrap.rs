//! The roles and bindings that every cluster has and nobody has loaded: what everybody who is known may do.

use serde_json::{Value, json};

use super::User;

const KNOWN: &str = "system:authenticated";

/// The rules of a ClusterRole that is always there.
pub(super) fn rules(role: &str) -> Option<Vec<Value>> {
    Some(match role {
        "cluster-admin" => vec![
            json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}),
            json!({"verbs": ["*"], "nonResourceURLs": ["*"]}),
        ],
        "system:basic-user" => vec![
            json!({"verbs": ["create"], "apiGroups": ["authorization.k8s.io"],
                "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"]}),
            json!({"verbs": ["create"], "apiGroups": ["authentication.k8s.io"], "resources": ["selfsubjectreviews"]}),
        ],
        "system:discovery" => vec![
            json!({"verbs": ["get"], "nonResourceURLs": ["/api", "/api/*", "/apis", "/apis/*",
            "/healthz", "/livez", "/openapi", "/openapi/*", "/readyz", "/version", "/version/"]}),
        ],
        "system:public-info-viewer" => vec![json!({"verbs": ["get"],
            "nonResourceURLs": ["/healthz", "/livez", "/readyz", "/version", "/version/"]})],
        _ => return None,
    })
}

/// The bindings of these roles that hold for someone: role and group.
pub(super) fn bindings(user: &User) -> impl Iterator<Item = (&'static str, &'static str)> {
    let known = user.groups.iter().any(|group| group == KNOWN);
    ["system:basic-user", "system:discovery", "system:public-info-viewer"]
        .into_iter()
        .filter(move |_| known)
        .map(|role| (role, KNOWN))
}
