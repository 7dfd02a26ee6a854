//! The way between a process and the API server: it knows when a call is under way, and can lose what must not be lost.

use std::{
    io,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use kube::client::Body;
use serde_json::Value;
use simulated_cluster::kubernetes::{Service, User, reply};
use tokio::sync::watch;

use super::{
    cluster::Cluster,
    disturbance::{At, DEATH, LATE_DEATH},
    moments::Moments,
    without::Without,
};

/// One process's way to the API server.
#[derive(Clone)]
pub struct Wire {
    server: Service,
    traffic: Arc<Traffic>,
    /// Evictions lose their uid on the way, as by a client library that misnames the field.
    loses_uids: bool,
}

/// The calls under way.
pub struct Traffic {
    under_way: watch::Sender<usize>,
    /// Who writes down what a death would leave.
    moments: OnceLock<Arc<Moments>>,
}

/// A call under way; it is not any more when this is dropped.
struct UnderWay(Arc<Traffic>);

impl Traffic {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            under_way: watch::Sender::new(0),
            moments: OnceLock::new(),
        })
    }

    /// Has what a death would leave written down before and after each call.
    pub fn witness(&self, moments: &Arc<Moments>) {
        self.moments.set(Arc::clone(moments)).ok().expect("one witness");
    }

    /// Returns when a call is under way.
    pub async fn begins(&self) {
        let mut calls = self.under_way.subscribe();
        // The sender lives as long as `self`.
        let _ = calls.wait_for(|calls| *calls > 0).await;
    }

    pub fn goes_on(&self) -> bool {
        *self.under_way.borrow() > 0
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.send_modify(|calls| *calls -= 1);
    }
}

impl Wire {
    pub fn new(server: Service, traffic: &Arc<Traffic>, loses_uids: bool) -> Self {
        Self {
            server,
            traffic: Arc::clone(traffic),
            loses_uids,
        }
    }

    async fn send(mut self, request: Request<Body>) -> io::Result<Response<reply::Body>> {
        let (head, body) = request.into_parts();
        let mut body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        if self.loses_uids && head.uri.path().ends_with("/eviction") {
            body = without_uid(&body);
        }
        self.traffic.under_way.send_modify(|calls| *calls += 1);
        let _under_way = UnderWay(Arc::clone(&self.traffic));
        let call = tower_service::Service::call(&mut self.server, Request::from_parts(head, Full::new(body)));
        let Some(moments) = self.traffic.moments.get() else {
            return call.await;
        };
        let number = moments.next_call();
        moments.note(At::Call(number), DEATH);
        let answer = call.await;
        moments.note(At::Call(number), LATE_DEATH);
        answer
    }
}

/// The way of a user to the API server.
pub fn wire(cluster: &Cluster, traffic: &Arc<Traffic>, user: &str, without: Option<Without>) -> Wire {
    let user = User::new(user, &["system:authenticated"]);
    let server = cluster.0.service().without_token(Some(user));
    Wire::new(server, traffic, without == Some(Without::UidPrecondition))
}

fn without_uid(eviction: &[u8]) -> Bytes {
    let mut eviction: Value = serde_json::from_slice(eviction).unwrap();
    let options = eviction["deleteOptions"].as_object_mut().unwrap();
    options.remove("preconditions").unwrap();
    eviction.to_string().into()
}

impl tower_service::Service<Request<Body>> for Wire {
    type Response = Response<reply::Body>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.clone().send(request))
    }
}
