//! `kubectl --as`: who may act as somebody else does, and is judged as that one from then on.

use http::HeaderMap;

use super::{Question, User, allowed};
use crate::kubernetes::{
    refusal::{About, Refusal},
    world::World,
};

/// As whom a user acts; none: as themselves.
pub fn judge(world: &World, user: &User, headers: &HeaderMap) -> Result<Option<User>, Refusal> {
    let all = |name: &str| -> Vec<String> {
        let values = headers.get_all(name).iter();
        values
            .filter_map(|value| value.to_str().ok())
            .map(str::to_owned)
            .collect()
    };
    let (names, groups, uids) = (
        all("impersonate-user"),
        all("impersonate-group"),
        all("impersonate-uid"),
    );
    let extras: Vec<String> = headers
        .keys()
        .filter_map(|name| name.as_str().strip_prefix("impersonate-extra-").map(str::to_owned))
        .collect();
    let Some(name) = names.into_iter().next().filter(|name| !name.is_empty()) else {
        if groups.is_empty() && uids.is_empty() && extras.is_empty() {
            return Ok(None);
        }
        // As Go prints who was asked for.
        let (uid, groups) = (uids.first().map_or("", String::as_str), groups_in_go(&groups));
        return Err(Refusal::bad_request(format!(
            "requested &user.DefaultInfo{{Name:\"\", UID:{uid:?}, Groups:{groups}, Extra:map[string][]string(nil)}} without \
             impersonating a user name"
        )));
    };
    let may = |group: &str, resource: &str, subresource: &str, namespace: &str, name: &str| {
        let question = Question {
            verb: "impersonate",
            group,
            resource,
            subresource,
            namespace,
            name,
            path: None,
        };
        if allowed(world, user, &question) {
            return Ok(());
        }
        let place = if namespace.is_empty() {
            "at the cluster scope".to_owned()
        } else {
            format!("in the namespace \"{namespace}\"")
        };
        let whole = if subresource.is_empty() {
            resource.to_owned()
        } else {
            format!("{resource}/{subresource}")
        };
        let why = format!(
            "User \"{}\" cannot impersonate resource \"{whole}\" in API group \"{group}\" {place}",
            user.name
        );
        Err(Refusal::forbidden(About::new(group, resource), name, &why))
    };
    let account = name
        .strip_prefix("system:serviceaccount:")
        .and_then(|rest| rest.split_once(':'));
    match account {
        Some((namespace, name)) => may("", "serviceaccounts", "", namespace, name)?,
        None => may("", "users", "", "", &name)?,
    }
    for group in &groups {
        may("", "groups", "", "", group)?;
    }
    for uid in &uids {
        may("authentication.k8s.io", "uids", "", "", uid)?;
    }
    for extra in &extras {
        may("authentication.k8s.io", "userextras", extra, "", "")?;
    }
    if !groups.is_empty() {
        let mut impersonated = User { name, groups };
        let known = ["system:authenticated", "system:unauthenticated"];
        if !impersonated.groups.iter().any(|group| known.contains(&&**group)) {
            impersonated.groups.push(known[0].to_owned());
        }
        return Ok(Some(impersonated));
    }
    Ok(Some(match account {
        Some((namespace, account)) => User::service_account(namespace, account),
        None if name == "system:anonymous" => User::new(&name, &["system:unauthenticated"]),
        None => User::new(&name, &["system:authenticated"]),
    }))
}

fn groups_in_go(groups: &[String]) -> String {
    if groups.is_empty() {
        return "[]string(nil)".to_owned();
    }
    let quoted: Vec<String> = groups.iter().map(|group| format!("{group:?}")).collect();
    format!("[]string{{{}}}", quoted.join(", "))
}
