//! The API server as a service: whatever speaks HTTP asks it, `kube::Client` in process included.
//!
//! A request is authenticated, routed, authorized, and carried out under the world's lock. A watch holds no lock while it
//! waits. There is one place where a rule can get in its way: [`Service::intercept`].

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderMap, Request, Response, header, request::Parts};
use http_body_util::BodyExt;
use serde_json::json;

use super::{
    accept::{self, Syntax},
    access::{Question, Tokens, User, allowed, impersonation, review},
    discovery, openapi,
    refusal::{About as Details, Refusal},
    reply::{Body, Reply},
    request::{About, Call, FieldValidation, Query},
    resources::{NAMESPACES, PODS},
    route::{Route, route},
    run::Simulation,
    strategy::Part,
    subresources::{binding, eviction, log, scale},
    verbs::{Ask, create, delete, get, list, patch, update, watch},
    world::World,
};

/// The longest body, in bytes.
const LONGEST: usize = 3 * 1024 * 1024;

/// What a rule does to a call.
pub enum Interception {
    /// Nothing.
    Pass,
    /// It is not carried out, and this is the answer.
    Instead(Reply),
    /// It is carried out, and this is the answer nevertheless.
    Afterwards(Reply),
    /// It is carried out when this is over.
    After(BoxFuture<'static, ()>),
}

/// A rule that may get in the way of a call. It is asked before the call takes effect.
pub type Intercept = Arc<dyn Fn(&Call) -> Interception + Send + Sync>;

/// The API server.
#[derive(Clone)]
pub struct Service {
    simulation: Simulation,
    /// Who asks when there is no token.
    without_token: Option<User>,
    tokens: Arc<Tokens>,
    intercept: Option<Intercept>,
}

impl Simulation {
    /// The API server of this cluster. Who asks without a token is its administrator.
    pub fn service(&self) -> Service {
        Service {
            simulation: self.clone(),
            without_token: Some(User::admin()),
            tokens: Arc::default(),
            intercept: None,
        }
    }
}

impl Service {
    /// Who asks when there is no token; nobody: 401.
    pub fn without_token(mut self, user: Option<User>) -> Self {
        self.without_token = user;
        self
    }

    /// Who has which token.
    pub fn tokens(mut self, tokens: Tokens) -> Self {
        self.tokens = Arc::new(tokens);
        self
    }

    /// Lets a rule get in the way of calls.
    pub fn intercept(mut self, rule: Intercept) -> Self {
        self.intercept = Some(rule);
        self
    }

    fn user(&self, headers: &HeaderMap) -> Result<User, Refusal> {
        let unauthorized = || Refusal::new(401, "Unauthorized", "Unauthorized");
        let Some(value) = headers.get(header::AUTHORIZATION) else {
            return self.without_token.clone().ok_or_else(unauthorized);
        };
        let value = value.to_str().unwrap_or_default();
        let token = value.strip_prefix("Bearer ").unwrap_or_default().trim();
        self.tokens.find(token).cloned().ok_or_else(unauthorized)
    }

    async fn answer(self, head: Parts, body: Bytes) -> Reply {
        let user = self.user(&head.headers);
        let user = match user.and_then(|user| impersonation::judge(&self.simulation.world(), user, &head.headers)) {
            Ok(user) => user,
            Err(refusal) => return refusal.into(),
        };
        let query = Query::parse(head.uri.query().unwrap_or_default());
        let path = head.uri.path().to_owned();
        let resources = Arc::clone(self.simulation.world().resources());
        let route = route(&resources, &head.method, &path, &query);
        let mut call = Call {
            method: head.method,
            path,
            query,
            headers: head.headers,
            body,
            user,
            about: None,
        };
        if let Route::Objects(about) = &route {
            call.about = Some((**about).clone());
        }
        let mut instead = None;
        match self.intercept.as_ref().map(|rule| rule(&call)) {
            None | Some(Interception::Pass) => {}
            Some(Interception::Instead(reply)) => return reply,
            Some(Interception::Afterwards(reply)) => instead = Some(reply),
            Some(Interception::After(delay)) => delay.await,
        }
        let reply = self.carry_out(&route, &call).unwrap_or_else(Reply::from);
        let reply = instead.unwrap_or(reply);
        match accept::accepted(&call.headers) {
            Ok((_, Syntax::Yaml)) => reply.in_yaml().await,
            _ => reply,
        }
    }

    fn carry_out(&self, route: &Route, call: &Call) -> Result<Reply, Refusal> {
        let mut world = self.simulation.world();
        judge_access(&world, route, call)?;
        let resources = Arc::clone(world.resources());
        match route {
            Route::Objects(about) => self.objects(&mut world, call, about),
            Route::CoreVersions => Ok(discovery::core(&resources, call)),
            Route::Groups => Ok(discovery::all(&resources, call)),
            Route::Group(group) => discovery::group(&resources, group).or_else(|_| Ok(not_found())),
            Route::Resources(group, version) => {
                let known = resources.iter().flat_map(|resource| &resource.served);
                let known = known.into_iter().any(|served| served.group == *group);
                match discovery::resources(&resources, group, version) {
                    Err(_) if !known => Ok(not_found()),
                    answer => answer,
                }
            }
            Route::OpenApi => Ok(openapi::index(&resources)),
            Route::OpenApiOf(group, version) => {
                if accept::accepted(&call.headers).is_err() {
                    return Err(accept::not_acceptable("application/json"));
                }
                openapi::document(&resources, group, version).or_else(|_| Ok(not_found()))
            }
            Route::Version => Ok(discovery::version()),
            Route::Health => Ok(Reply::text(200, "ok")),
            Route::Unknown => Ok(not_found()),
        }
    }

    fn objects(&self, world: &mut World, call: &Call, about: &About) -> Result<Reply, Refusal> {
        let Some((resource, _)) = &about.resource else {
            let served = world.resources().iter().any(|resource| {
                let mut all = resource.served.iter();
                all.any(|served| served.group == about.group && served.version == about.version)
            });
            return if served {
                Err(discovery::missing())
            } else {
                Ok(not_found())
            };
        };
        if call.body.len() > LONGEST {
            let words = format!("Request entity too large: limit is {LONGEST}");
            return Err(Refusal::new(413, "RequestEntityTooLarge", words));
        }
        judge_method(about)?;
        let ask = Ask::new(call, about)?;
        let part = match about.subresource.as_deref() {
            None => Part::Main,
            Some("status") => Part::Status,
            Some("finalize") if resource.id == NAMESPACES => Part::Whole,
            Some("resize" | "ephemeralcontainers") => Part::Resize,
            Some("scale") => {
                return match about.verb {
                    "get" => scale::get(world, &ask),
                    _ => scale::write(world, &ask),
                };
            }
            Some("eviction") if resource.id == PODS => return eviction::evict(world, &ask),
            Some("binding") if resource.id == PODS => return binding::bind(world, &ask),
            Some("log") if resource.id == PODS => return log::log(&self.simulation, world, &ask),
            Some(_) => return Err(discovery::missing()),
        };
        match about.verb {
            "get" => get::get(world, &ask),
            "list" => list::list(world, &ask),
            "watch" => watch::watch(&self.simulation, world, &ask),
            "create" if resource.verbs.len() == 1 => {
                let (value, _) = ask.served.read(call, FieldValidation::Ignore)?;
                Ok(Reply::json(201, &review::answer(world, &ask, value)?))
            }
            "create" => create::create(world, &ask),
            "update" => update::update(world, &ask, part),
            "patch" => patch::patch(world, &ask, part),
            "delete" => delete::delete(world, &ask),
            _ => delete::delete_collection(world, &ask),
        }
    }
}

/// What no handler knows is answered in plain text.
fn not_found() -> Reply {
    Reply::text(404, "404 page not found\n")
}

/// Whether the resource has this verb.
fn judge_method(about: &About) -> Result<(), Refusal> {
    let not_allowed = || Refusal {
        details: Some(json!({})),
        ..Refusal::new(
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        )
    };
    let Some((resource, _)) = &about.resource else {
        return Ok(());
    };
    let verbs = match &about.subresource {
        Some(name) => match resource.subresource(name) {
            Some(part) => part.verbs,
            None => return Err(discovery::missing()),
        },
        None => resource.verbs,
    };
    if !verbs.contains(&about.verb) {
        return Err(not_allowed());
    }
    // A namespaced resource is only listed and watched across namespaces, and one without has no part in any.
    let across = matches!(about.verb, "list" | "watch");
    if resource.namespaced && about.namespace.is_none() && !across {
        return Err(not_allowed());
    }
    if !resource.namespaced && about.namespace.is_some() {
        return Err(discovery::missing());
    }
    if matches!(about.verb, "update" | "patch") && about.name.is_none() {
        return Err(not_allowed());
    }
    // Creating names nothing, except below an object.
    if about.verb == "create" && about.name.is_some() != about.subresource.is_some() {
        return Err(not_allowed());
    }
    Ok(())
}

fn judge_access(world: &World, route: &Route, call: &Call) -> Result<(), Refusal> {
    let user = &call.user;
    let Route::Objects(about) = route else {
        let verb = call.method.as_str().to_lowercase();
        let question = Question {
            verb: &verb,
            path: Some(&call.path),
            ..Question::default()
        };
        if allowed(world, user, &question) {
            return Ok(());
        }
        let words = format!("forbidden: User \"{}\" cannot {verb} path \"{}\"", user.name, call.path);
        return Err(Refusal {
            details: Some(json!({})),
            ..Refusal::new(403, "Forbidden", words)
        });
    };
    let name = about.name.as_deref().unwrap_or_default();
    let subresource = about.subresource.as_deref().unwrap_or_default();
    // A namespace is in itself.
    let itself = about.group.is_empty() && about.plural == "namespaces";
    let namespace = if itself {
        name
    } else {
        about.namespace.as_deref().unwrap_or_default()
    };
    let question = Question {
        verb: about.verb,
        group: &about.group,
        resource: &about.plural,
        subresource,
        namespace,
        name,
        path: None,
    };
    if allowed(world, user, &question) {
        return Ok(());
    }
    let resource = if subresource.is_empty() {
        about.plural.clone()
    } else {
        format!("{}/{subresource}", about.plural)
    };
    let place = if namespace.is_empty() {
        "at the cluster scope".to_owned()
    } else {
        format!("in the namespace \"{namespace}\"")
    };
    let why = format!(
        "User \"{}\" cannot {} resource \"{resource}\" in API group \"{}\" {place}",
        user.name, about.verb, about.group
    );
    Err(Refusal::forbidden(
        Details::new(&about.group, &about.plural),
        name,
        &why,
    ))
}

impl<B> tower_service::Service<Request<B>> for Service
where
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: std::fmt::Display,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let body = match body.collect().await {
                Ok(body) => Ok(body.to_bytes()),
                Err(error) => Err(error.to_string()),
            };
            let reply = match body {
                Ok(body) => service.answer(head, body).await,
                Err(error) => Refusal::bad_request(error).into(),
            };
            Ok(reply.into_response())
        })
    }
}
