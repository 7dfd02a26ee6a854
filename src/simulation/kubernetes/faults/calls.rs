//! Which calls a rule is about.

use jiff::Timestamp;

use super::super::{request::Call, world::World};

/// Calls, by what they are about and who makes them. Without any of the words below: all there are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Calls {
    resources: Vec<Resource>,
    verbs: Vec<String>,
    changes: bool,
    namespace: Option<String>,
    name: Option<String>,
    user: Option<String>,
    query: Vec<(String, Option<String>)>,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
    /// In so many of a million cases.
    probability: Option<u64>,
}

/// `deployments.apps/scale`
#[derive(Clone, Debug, PartialEq, Eq)]
struct Resource {
    plural: String,
    group: String,
    subresource: Option<String>,
}

/// What a probability is counted in.
const CERTAIN: u64 = 1_000_000;

impl Calls {
    /// All there are.
    pub fn any() -> Self {
        Self::default()
    }

    /// Calls about a resource, as RBAC names it: `pods`, `pods/eviction`, `deployments.apps/scale`. `pods` alone is not about
    /// its subresources, `pods/*` about nothing else.
    pub fn of(resource: &str) -> Self {
        Self::any().or(resource)
    }

    /// Calls that change something: create, update, patch, delete, deletecollection.
    pub fn changes() -> Self {
        Self {
            changes: true,
            ..Self::any()
        }
    }

    /// Also calls about this resource.
    pub fn or(mut self, resource: &str) -> Self {
        let (resource, subresource) = match resource.split_once('/') {
            Some((resource, subresource)) => (resource, Some(subresource.to_owned())),
            None => (resource, None),
        };
        let (plural, group) = resource.split_once('.').unwrap_or((resource, ""));
        self.resources.push(Resource {
            plural: plural.to_owned(),
            group: group.to_owned(),
            subresource,
        });
        self
    }

    /// With this verb, as RBAC names it; several may be named.
    pub fn verb(mut self, verb: &str) -> Self {
        self.verbs.push(verb.to_owned());
        self
    }

    /// In this namespace.
    pub fn within(mut self, namespace: &str) -> Self {
        self.namespace = Some(namespace.to_owned());
        self
    }

    /// About the object of this name.
    pub fn named(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// By this user.
    pub fn by(mut self, user: &str) -> Self {
        self.user = Some(user.to_owned());
        self
    }

    /// With a parameter in the query, `continue`, or with a value of it, `resourceVersion=0`.
    pub fn with(mut self, parameter: &str) -> Self {
        self.query.push(match parameter.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (parameter.to_owned(), None),
        });
        self
    }

    /// From this moment on.
    pub fn from(mut self, at: Timestamp) -> Self {
        self.from = Some(at);
        self
    }

    /// Before this moment.
    pub fn until(mut self, at: Timestamp) -> Self {
        self.until = Some(at);
        self
    }

    /// With this probability between 0 and 1, by the dice of the world.
    pub fn with_probability(mut self, probability: f64) -> Self {
        let share = (probability.clamp(0.0, 1.0) * 1e6).round();
        // It is between 0 and a million.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let share = share as u64;
        self.probability = Some(share);
        self
    }

    /// Whether a call is one of these. The dice are thrown when everything else fits.
    pub(super) fn include(&self, call: &Call, world: &mut World) -> bool {
        let now = world.now();
        let user = &call.user.name;
        self.from.is_none_or(|from| now >= from)
            && self.until.is_none_or(|until| now < until)
            && self.user.as_ref().is_none_or(|wanted| wanted == user)
            && self.query.iter().all(|(name, value)| {
                let given = call.query.text(name);
                given.is_some() && value.as_deref().is_none_or(|value| given == Some(value))
            })
            && self.fits(call)
            && self
                .probability
                .is_none_or(|share| world.chance().below(CERTAIN) < share)
    }

    fn fits(&self, call: &Call) -> bool {
        let of_objects = self.changes
            || !self.resources.is_empty()
            || !self.verbs.is_empty()
            || self.namespace.is_some()
            || self.name.is_some();
        let Some(about) = &call.about else {
            return !of_objects;
        };
        let subresource = about.subresource.as_deref();
        let is_of = |resource: &Resource| {
            resource.plural == about.plural
                && resource.group == about.group
                && match resource.subresource.as_deref() {
                    Some("*") => subresource.is_some(),
                    wanted => wanted == subresource,
                }
        };
        (self.resources.is_empty() || self.resources.iter().any(is_of))
            && (self.verbs.is_empty() || self.verbs.iter().any(|verb| verb == about.verb))
            && (!self.changes || about.changes())
            && (self.namespace.is_none() || self.namespace == about.namespace)
            && (self.name.is_none() || self.name == about.name)
    }
}
