//! Who may do what: users by token, and RBAC from the roles in the world.

mod bootstrap;
pub mod impersonation;
pub mod review;
mod rules;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use rules::{Question, allowed, missing, reason, rules_of, rules_of_role};

/// Someone who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The name.
    pub name: String,
    /// The groups.
    pub groups: Vec<String>,
}

impl User {
    /// A user with groups.
    pub fn new(name: &str, groups: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        }
    }

    /// Somebody whom the server does not know.
    pub fn unknown() -> Self {
        Self::new("", &[])
    }

    /// The one who may do everything.
    pub fn admin() -> Self {
        Self::new("kubernetes-admin", &["system:masters", "system:authenticated"])
    }

    /// A service account.
    pub fn service_account(namespace: &str, name: &str) -> Self {
        Self::new(
            &format!("system:serviceaccount:{namespace}:{name}"),
            &[
                "system:serviceaccounts",
                &format!("system:serviceaccounts:{namespace}"),
                "system:authenticated",
            ],
        )
    }
}

/// The users by their bearer tokens.
#[derive(Clone, Debug, Default)]
pub struct Tokens(BTreeMap<String, User>);

impl Tokens {
    /// Lets a user in with a token.
    pub fn add(&mut self, token: &str, user: User) {
        self.0.insert(token.to_owned(), user);
    }

    /// Whose token it is.
    pub fn find(&self, token: &str) -> Option<&User> {
        self.0.get(token)
    }
}
