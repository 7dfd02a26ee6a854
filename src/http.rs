//! The two listeners: one for Alertmanager and people, one for probes and Prometheus. The one user of `actix-web`.
//!
//! ```text
//! public  POST /alertmanager ─► size ─► token ─► budget ─► body ─► intake: committed ─► 202
//!         /api/v1/…          ─► token ─► store: pages are read, orders become rows that the engine judges
//! admin   /livez  /readyz  /metrics
//! ```
//!
//! Nothing here acts on the cluster or knows how to. Errors have one shape ([`ApiError`]), permissions stand in the
//! types of the handlers, and what a client may occupy is bounded: the size of a body ([`Limits`]), the
//! memory of all bodies in flight, the time in which one arrives, and the number of connections.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use actix_web::{
    App, HttpServer,
    body::BoxBody,
    dev::{Server, ServiceFactory, ServiceRequest, ServiceResponse},
    http::header,
    middleware::{DefaultHeaders, from_fn},
    web,
};
use tokio::sync::Notify;

use crate::{clock::Clock, intake::accept::Inbox, store::Store};

pub mod admin;
mod alertmanager;
mod api;
pub mod auth;
mod authorized;
mod body;
mod error;
mod fields;
mod metrics;
mod requests;
mod unread;

#[cfg(test)]
mod tests;

pub use admin::Admin;
pub use auth::{TokenError, TokenFile, Tokens};
pub use error::ApiError;
pub use metrics::Metrics;

use body::{Budget, Gate};

/// A client has this long for the head of its first request; only requests with a known token keep a connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// Longer than the scrapes and pages of a minute, so that they reuse a connection.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// After an answer to a body that was not read to its end: time for the client to see the answer before the reset.
const LINGER: Duration = Duration::from_secs(1);
/// Requests in flight have this long when the service stops; below Kubernetes' default grace period of 30 s.
const SHUTDOWN_TIMEOUT: u64 = 20;
/// Of one worker. An idle connection costs about 20 KiB; Alertmanager opens one per group that it flushes at once.
const CONNECTIONS: usize = 512;
/// What is answered is small, except for long lists.
const WRITE_BUFFER: usize = 16 * 1024;
/// The largest body of an order, and the room for all of them: a person's pause must not wait for a storm of alerts.
const ORDER_LIMIT: usize = 64 * 1024;
const ORDER_BUDGET: usize = 4 * 1024 * 1024;

/// What the public listener needs.
#[derive(Clone)]
pub struct Public {
    /// Where posts go.
    pub inbox: Inbox,
    /// Where lists come from and orders go.
    pub store: Store,
    /// Who may do what.
    pub tokens: Tokens,
    /// What a client may occupy.
    pub limits: Limits,
    /// Where answers to Alertmanager are counted.
    pub metrics: Metrics,
    /// The runbooks in force, as `GET /api/v1/runbooks` lists them: an array of objects, each with its `name`.
    pub runbooks: Arc<dyn Fn() -> serde_json::Value + Send + Sync>,
    /// Told after a cancel and after an ended pause, so that the engine looks at once.
    pub wake: Arc<Notify>,
    /// Set when the service stops.
    pub draining: Draining,
    /// What `for` of a pause counts from.
    pub clock: Arc<dyn Clock>,
}

/// What the bodies of posts may occupy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one body; above it the answer is 413.
    pub body: usize,
    /// Bytes of all bodies in flight together; beyond it the answer is 503.
    pub bodies: usize,
    /// How long a body may take to arrive; afterwards the answer is 503 and the connection closed.
    pub body_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 32 * 1024 * 1024,
            bodies: 40 * 1024 * 1024,
            body_timeout: Duration::from_secs(10),
        }
    }
}

/// Whether the service is stopping; one flag for all who ask.
#[derive(Clone, Debug, Default)]
pub struct Draining(Arc<AtomicBool>);

impl Draining {
    /// From now on `/readyz` and `POST /alertmanager` answer 503; posts in flight are finished.
    pub fn begin(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it began.
    pub fn began(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// A server that listens and does not accept yet: connections queue up until it is awaited.
pub struct Bound {
    /// Await it to serve; its handle stops it. It ignores signals.
    pub server: Server,
    /// What it listens on, with the ports that the system chose for 0.
    pub addresses: Vec<SocketAddr>,
}

/// The server for Alertmanager and people.
pub fn serve_public(addresses: &[SocketAddr], public: Public) -> io::Result<Bound> {
    let service = web::Data::new(Service::new(public));
    serve(addresses, 2, move || public_app(service.clone()))
}

/// The server for probes and Prometheus.
pub fn serve_admin(addresses: &[SocketAddr], admin: Admin) -> io::Result<Bound> {
    let admin = web::Data::new(admin);
    serve(addresses, 1, move || admin_app(admin.clone()))
}

fn serve<A: Routes + 'static>(
    addresses: &[SocketAddr],
    workers: usize,
    app: impl Fn() -> App<A> + Send + Clone + 'static,
) -> io::Result<Bound> {
    let mut server = HttpServer::new(app)
        .workers(workers)
        .worker_max_blocking_threads(1)
        .max_connections(CONNECTIONS)
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(HEAD_TIMEOUT)
        .client_disconnect_timeout(LINGER)
        .h1_write_buffer_size(WRITE_BUFFER)
        .shutdown_timeout(SHUTDOWN_TIMEOUT)
        .disable_signals();
    // One by one: given all of them, actix is content when any can be bound.
    for address in addresses {
        server = server.bind(address)?;
    }
    let addresses = server.addrs();
    if addresses.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "no address to listen on"));
    }
    Ok(Bound {
        server: server.run(),
        addresses,
    })
}

/// What handlers share.
pub(crate) struct Service {
    public: Public,
    posts: Gate,
    orders: Gate,
}

impl Service {
    /// The gates stand here, so that all workers count on the same budgets.
    pub(crate) fn new(public: Public) -> Self {
        let Limits {
            body,
            bodies,
            body_timeout,
        } = public.limits;
        Self {
            public,
            posts: Gate::new(body, Budget::new(bodies), body_timeout),
            orders: Gate::new(ORDER_LIMIT, Budget::new(ORDER_BUDGET), body_timeout),
        }
    }
}

/// What an [`App`] of ours is made of.
pub(crate) trait Routes:
    ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<BoxBody>,
        Error = actix_web::Error,
        InitError = (),
    >
{
}

impl<A> Routes for A where
    A: ServiceFactory<
            ServiceRequest,
            Config = (),
            Response = ServiceResponse<BoxBody>,
            Error = actix_web::Error,
            InitError = (),
        >
{
}

/// The public app, for the server and for tests.
pub(crate) fn public_app(service: web::Data<Service>) -> App<impl Routes> {
    app()
        .app_data(service)
        .configure(alertmanager::configure)
        .configure(api::configure)
}

/// The admin app, for the server and for tests.
pub(crate) fn admin_app(admin: web::Data<Admin>) -> App<impl Routes> {
    app().app_data(admin).configure(admin::configure)
}

/// What both have in common. Answers are the state of a moment, and never to be taken for something else than they say.
fn app() -> App<impl Routes> {
    App::new()
        .default_service(web::to(error::no_such_path))
        .wrap(
            DefaultHeaders::new()
                .add((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
                .add((header::CACHE_CONTROL, "no-store")),
        )
        .wrap(from_fn(unread::close_after_unread_body))
}
