//! The API server as a service: whatever speaks HTTP asks it, `kube::Client` in process included.
//!
//! A request is authenticated, routed, authorized, and carried out under the world's lock. A watch holds no lock while it
//! waits. What goes wrong on the way is in [`faults`](super::faults).

mod exchange;

use std::{
    io,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderMap, Method, Request, Response, header, request::Parts};
use http_body_util::BodyExt;
use serde_json::json;

use super::{
    accept,
    access::{Question, Tokens, User, allowed, impersonation, review},
    discovery, names, openapi,
    refusal::{About as Details, Refusal},
    reply::{Body, Reply},
    request::{About, Call, FieldValidation, Query},
    resources::{BINDINGS, ENDPOINTS, NAMESPACES, PODS, ResourceId},
    route::{Route, route},
    run::Simulation,
    strategy::Part,
    subresources::{binding, eviction, log, scale},
    verbs::{Ask, create, delete, get, list, patch, update, watch},
    world::World,
};

/// The longest body, in bytes.
const LONGEST: usize = 3 * 1024 * 1024;

/// The API server.
#[derive(Clone)]
pub struct Service {
    simulation: Simulation,
    /// Who asks when there is no token.
    without_token: Option<User>,
    tokens: Arc<Tokens>,
}

impl Simulation {
    /// The API server of this cluster. Who asks without a token is its administrator.
    pub fn service(&self) -> Service {
        Service {
            simulation: self.clone(),
            without_token: Some(User::admin()),
            tokens: Arc::default(),
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

    fn user(&self, headers: &HeaderMap) -> Option<User> {
        let Some(value) = headers.get(header::AUTHORIZATION) else {
            return self.without_token.clone();
        };
        let value = value.to_str().unwrap_or_default();
        let token = value.strip_prefix("Bearer ").unwrap_or_default().trim();
        self.tokens.find(token).cloned()
    }

    async fn answer(self, head: Parts, body: Bytes) -> io::Result<Response<Body>> {
        let user = self.user(&head.headers).unwrap_or_else(User::unknown);
        let query = Query::parse(head.uri.query().unwrap_or_default());
        let path = head.uri.path().to_owned();
        let resources = Arc::clone(self.simulation.world().resources());
        let route = route(&resources, &head.method, &path, &query);
        let about = match &route {
            Route::Objects(about) => Some((**about).clone()),
            _ => None,
        };
        let call = Call {
            method: head.method,
            path,
            query,
            headers: head.headers,
            body,
            user,
            about,
            fault: None,
        };
        self.exchange(route, call).await
    }

    fn carry_out(&self, world: &mut World, route: &Route, call: &Call) -> Result<Reply, Refusal> {
        if call.user == User::unknown() {
            return Err(Refusal::new(401, "Unauthorized", "Unauthorized"));
        }
        // Whoever may act as somebody else is judged as that one.
        let acting;
        let call = match impersonation::judge(world, &call.user, &call.headers)? {
            None => call,
            Some(user) => {
                acting = Call { user, ..call.clone() };
                &acting
            }
        };
        judge_access(world, route, call)?;
        // What is answered about groups does not look at the method.
        let discovers = matches!(route, Route::CoreVersions | Route::Resources(..) | Route::Version);
        if discovers && call.method != Method::GET {
            return Err(not_allowed());
        }
        let resources = Arc::clone(world.resources());
        discovery::judge_form(&resources, route, call)?;
        match route {
            Route::Objects(about) => {
                let answer = self.objects(world, call, about);
                let known = about.resource.as_ref();
                match known.and_then(|(resource, _)| deprecation(resource.id)) {
                    None => answer,
                    Some(warning) => {
                        let mut reply = answer.unwrap_or_else(Reply::from);
                        reply.warnings.push(warning.to_owned());
                        Ok(reply)
                    }
                }
            }
            Route::CoreVersions => Ok(discovery::core(&resources, call)),
            Route::Groups => Ok(discovery::all(&resources, call)),
            Route::Group(group) => discovery::group(&resources, group).or_else(|_| Ok(not_found())),
            Route::Resources(group, version) => {
                let own = resources.iter().filter(|resource| resource.custom.is_none());
                let known = own
                    .flat_map(|resource| &resource.served)
                    .any(|served| served.group == *group);
                match discovery::resources(&resources, group, version) {
                    Err(_) if !known => Ok(not_found()),
                    answer => answer,
                }
            }
            Route::OpenApiV2 => Ok(openapi::v2(&call.headers)),
            Route::OpenApi => Ok(openapi::index(&resources)),
            Route::OpenApiOf(group, version) => {
                if accept::accepted(&call.headers, false).is_err() {
                    return Err(accept::not_acceptable("application/json"));
                }
                openapi::document(&resources, group, version).or_else(|_| Ok(not_found()))
            }
            Route::Version => Ok(discovery::version()),
            Route::Health => Ok(Reply::text(200, "ok")),
            Route::Missing => Err(discovery::missing()),
            Route::Unknown => Ok(not_found()),
        }
    }

    fn objects(&self, world: &mut World, call: &Call, about: &About) -> Result<Reply, Refusal> {
        let Some((resource, _)) = &about.resource else {
            // Of groups that are defined nobody speaks whom no definition made.
            let served = world.resources().iter().any(|resource| {
                let mut all = resource.served.iter();
                let here = all.any(|served| served.group == about.group);
                here && resource.custom.is_none()
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
        if call.method == Method::HEAD {
            return Ok(Reply::bytes(405, "application/json", Bytes::new()));
        }
        if let (Some(name), Some(part)) = (&about.name, &about.subresource)
            && resource.custom.is_some()
            && resource.subresource(part).is_none()
        {
            return Err(Refusal::not_found(Details::new(&about.group, &about.plural), name));
        }
        judge_method(about)?;
        let name = about.name.as_deref().unwrap_or_default();
        if let Some(why) = names::path_segment(name).first() {
            return Err(Refusal::bad_request(format!("Name parameter invalid: {name:?}: {why}")));
        }
        let ask = Ask::new(call, about)?;
        let part = match about.subresource.as_deref() {
            None => Part::Main,
            Some("status") => Part::Status,
            Some("finalize") if resource.id == NAMESPACES => Part::Finalize,
            Some("resize") => Part::Resize,
            Some("ephemeralcontainers") => Part::Ephemeral,
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
            "create" if resource.id == BINDINGS => binding::bind(world, &ask),
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

/// What everybody is told who asks for what is to go.
fn deprecation(resource: ResourceId) -> Option<&'static str> {
    (resource == ENDPOINTS).then_some("v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice")
}

/// What no handler knows is answered in plain text.
fn not_found() -> Reply {
    Reply::text(404, "404 page not found\n")
}

fn not_allowed() -> Refusal {
    Refusal {
        details: Some(json!({})),
        ..Refusal::new(
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        )
    }
}

/// Whether the resource has this verb.
fn judge_method(about: &About) -> Result<(), Refusal> {
    let Some((resource, _)) = &about.resource else {
        return Ok(());
    };
    // What is only asked has no names.
    if resource.verbs.len() == 1 && about.name.is_some() {
        return Err(discovery::missing());
    }
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

/// A list of one name is a question about that name.
fn one_name<'a>(about: &About, call: &'a Call) -> Option<&'a str> {
    let (field, value) = call.query.text("fieldSelector")?.split_once('=')?;
    let value = value.strip_prefix('=').unwrap_or(value);
    let many = matches!(about.verb, "list" | "watch" | "deletecollection");
    (many && field == "metadata.name" && !value.contains([',', '=', '!'])).then_some(value)
}

fn judge_access(world: &World, route: &Route, call: &Call) -> Result<(), Refusal> {
    let verb = call.method.as_str().to_lowercase();
    let question = match route {
        Route::Objects(about) => Question {
            verb: about.verb,
            group: &about.group,
            resource: &about.plural,
            subresource: about.subresource.as_deref().unwrap_or_default(),
            namespace: about.place(),
            name: about
                .name
                .as_deref()
                .or_else(|| one_name(about, call))
                .unwrap_or_default(),
            path: None,
        },
        _ => Question {
            verb: &verb,
            path: Some(&call.path),
            ..Question::default()
        },
    };
    if allowed(world, &call.user, &question) {
        return Ok(());
    }
    Err(call.forbidden())
}

impl<B> tower_service::Service<Request<B>> for Service
where
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: std::fmt::Display,
{
    type Response = Response<Body>;
    /// The connection was cut.
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
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
            match body {
                Ok(body) => service.answer(head, body).await,
                Err(error) => Ok(Reply::from(Refusal::bad_request(error)).into_response()),
            }
        })
    }
}
