#![allow(clippy::unwrap_used)]

use std::{
    convert::Infallible,
    future::Ready,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response};
use kube::client::Body;
use serde_json::{Value, json};
use simulated_cluster::kubernetes::{
    Simulation,
    faults::{Calls, Failure, Fault, Rule},
};

use super::{send::Asked, *};
use crate::{
    clock::SystemClock,
    domain::{
        reason::Reason,
        target::{ObjectRef, Target},
    },
};

fn object(api_version: &str, kind: &str) -> ObjectRef {
    ObjectRef {
        api_version: api_version.to_owned(),
        kind: kind.to_owned(),
        namespace: Some("shop".to_owned()),
        name: "cart".to_owned(),
    }
}

fn simulated(timeout: Duration, fault: Option<Fault>) -> Cluster {
    let simulation = Simulation::new("2026-03-01T12:00:00Z".parse().unwrap(), 7);
    if let Some(fault) = fault {
        simulation.faults().add(Rule::always(fault).on(Calls::any()));
    }
    let client = Client::new(simulation.service(), "default");
    Cluster::new(client, timeout, Arc::new(SystemClock::new()))
}

/// An API server that serves what is in a list of paths, and says of everything else what a real one says.
#[derive(Clone, Default)]
struct Served {
    paths: Arc<Mutex<Vec<(&'static str, Value)>>>,
    calls: Arc<Mutex<Vec<String>>>,
}

impl Served {
    fn serve(&self, paths: &[(&'static str, Value)]) {
        *self.paths.lock().unwrap() = paths.to_vec();
    }

    fn calls(&self) -> Vec<String> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }

    fn cluster(&self) -> Cluster {
        let client = Client::new(self.clone(), "default");
        Cluster::new(client, Duration::from_secs(5), Arc::new(SystemClock::new()))
    }
}

impl tower_service::Service<Request<Body>> for Served {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let path = request.uri().path().to_owned();
        let paths = self.paths.lock().unwrap();
        let found = paths.iter().find(|(served, _)| *served == path);
        let (status, body) = match found {
            // A page, with its status before it.
            Some((_, Value::Array(page))) => (page[0].as_u64().unwrap(), page[1].as_str().unwrap().to_owned()),
            Some((_, answer)) => (answer["code"].as_u64().unwrap_or(200), answer.to_string()),
            None => (404, "404 page not found\n".to_owned()),
        };
        self.calls.lock().unwrap().push(path);
        let status = u16::try_from(status).unwrap();
        let answer = Response::builder().status(status).body(Body::from(body.into_bytes()));
        std::future::ready(Ok(answer.unwrap()))
    }
}

fn widgets(plural: &str) -> Value {
    json!({"kind": "APIResourceList", "groupVersion": "example.com/v1", "resources": [
        {"name": format!("{plural}/scale"), "kind": "Widget"},
        {"name": plural, "kind": "Widget"},
    ]})
}

fn absent(name: &str) -> Value {
    json!({"kind": "Status", "code": 404, "reason": "NotFound", "message": format!("widgets \"{name}\" not found"),
        "details": {"name": name, "kind": "widgets"}})
}

#[tokio::test]
async fn a_kind_that_the_cluster_has_not_is_told_from_a_cluster_that_does_not_answer() {
    async fn asked(fault: Option<Fault>, objects: &[ObjectRef]) -> Vec<Option<Reason>> {
        let cluster = simulated(Duration::from_millis(100), fault);
        let mut reasons = Vec::new();
        for object in objects {
            let found = cluster.resource(&object.api_version, &object.kind).await;
            reasons.push(found.err().map(|error| error.reason()));
        }
        reasons
    }
    let budget = object("policy/v1", "PodDisruptionBudget");
    let unknown = [object("policy/v1", "Budget"), object("example.com/v1", "Budget")];
    assert_eq!(asked(None, std::slice::from_ref(&budget)).await, [None]);
    assert_eq!(asked(None, &unknown).await, [Some(Reason::InvalidTarget); 2]);
    for fault in [Fault::Held, Fault::Cut, Fault::Refused(Failure::Unavailable)] {
        let words = format!("{fault:?}");
        assert_eq!(
            asked(Some(fault), &[budget.clone(), unknown[0].clone()]).await,
            [Some(Reason::ClusterUnavailable); 2],
            "{words}"
        );
    }
}

#[tokio::test]
async fn a_discovered_kind_is_remembered_until_its_path_is_gone() {
    const VERSION: &str = "/apis/example.com/v1";
    const OLD: &str = "/apis/example.com/v1/namespaces/shop/widgets/cart";
    const NEW: &str = "/apis/example.com/v1/namespaces/shop/gadgets/cart";
    let served = Served::default();
    let cluster = served.cluster();
    let widget = object("example.com/v1", "Widget");
    let live = json!({"metadata": {"uid": "1"}});

    served.serve(&[(VERSION, widgets("widgets")), (OLD, live.clone())]);
    assert_eq!(cluster.get(&widget).await, Ok(Some(live.clone())));
    assert_eq!(cluster.get(&widget).await, Ok(Some(live.clone())));
    assert_eq!(served.calls(), [VERSION, OLD, OLD]);

    // The object is gone: that says nothing about the kind.
    served.serve(&[(VERSION, widgets("widgets")), (OLD, absent("cart"))]);
    assert_eq!(cluster.get(&widget).await, Ok(None));
    assert_eq!(served.calls(), [OLD]);

    // The definition was replaced by one with other names.
    served.serve(&[(VERSION, widgets("gadgets")), (NEW, live.clone())]);
    assert_eq!(cluster.get(&widget).await, Ok(Some(live)));
    assert_eq!(served.calls(), [OLD, VERSION, NEW]);

    // The version is not served any more: not the object is unknown, but its kind.
    served.serve(&[]);
    assert_eq!(cluster.get(&widget).await.unwrap_err().reason(), Reason::InvalidTarget);
    assert_eq!(served.calls(), [NEW, VERSION]);
    let down = json!({"kind": "Status", "code": 503, "message": "down"});
    served.serve(&[(VERSION, down)]);
    assert_eq!(
        cluster.get(&widget).await.unwrap_err().reason(),
        Reason::ClusterUnavailable
    );
}

#[tokio::test]
async fn a_page_of_a_proxy_says_nothing_about_an_object() {
    const POD: &str = "/api/v1/namespaces/shop/pods/cart";
    let served = Served::default();
    let cluster = served.cluster();
    let pod = object("v1", "Pod");
    served.serve(&[(POD, json!([404, "<html>Not found. Log in first.</html>"]))]);
    let error = cluster.get(&pod).await.unwrap_err();
    assert_eq!(error.reason(), Reason::ClusterUnavailable);
    assert!(error.to_string().contains("not by the API server"), "{error}");
    served.serve(&[(
        "/apis/example.com/v1",
        json!([404, "<html>Not found. Log in first.</html>"]),
    )]);
    let error = cluster.get(&object("example.com/v1", "Widget")).await.unwrap_err();
    assert_eq!(error.reason(), Reason::ClusterUnavailable);
    served.serve(&[(POD, absent("cart"))]);
    assert_eq!(cluster.get(&pod).await, Ok(None));
}

#[tokio::test]
async fn what_is_no_object_is_no_answer_and_what_cannot_be_built_is_not_sent() {
    let served = Served::default();
    served.serve(&[(
        "/api/v1/namespaces/shop/pods/cart",
        json!([200, "<html>Log in first.</html>"]),
    )]);
    let cluster = served.cluster();
    let error = cluster.get(&object("v1", "Pod")).await.unwrap_err();
    assert_eq!(error.reason(), Reason::ClusterUnavailable);
    assert!(
        error.to_string().contains("get pods: the answer is not JSON"),
        "{error}"
    );
    assert_eq!(served.calls().len(), 1);
    let asked = Asked {
        verb: "get",
        resource: "pods",
    };
    let malformed = kube::core::Request::new("/a path").get("cart", &Default::default());
    let error = cluster.send(asked, malformed).await.unwrap_err();
    assert_eq!(error.reason(), Reason::Rejected);
    assert!(error.to_string().starts_with("refused with 400: get pods: "), "{error}");
    assert_eq!(served.calls(), [] as [String; 0]);
}

#[tokio::test]
async fn of_many_events_the_newest_are_kept_whatever_their_names() {
    let cluster = simulated(Duration::from_secs(30), None);
    let asked = Asked {
        verb: "create",
        resource: "any",
    };
    let create = async |path: &str, body: Value| {
        let request = kube::core::Request::new(path).create(&Default::default(), body.to_string().into_bytes());
        cluster.send(asked, request).await.unwrap();
    };
    create("/api/v1/namespaces", json!({"metadata": {"name": "shop"}})).await;
    let regarding = json!({"apiVersion": "v1", "kind": "Pod", "namespace": "shop", "name": "cart", "uid": "our-pod"});
    let begin: jiff::Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
    // The later by time the earlier by name.
    for number in 0..620_i64 {
        let seen = begin + jiff::SignedDuration::from_secs(number);
        let event = json!({
            "metadata": {"name": format!("cart.{:03}", 999 - number), "namespace": "shop"},
            "involvedObject": regarding, "reason": "BackOff", "message": number.to_string(), "type": "Warning",
            "firstTimestamp": "2026-03-01T12:00:00Z", "lastTimestamp": seen.to_string(),
        });
        create("/api/v1/namespaces/shop/events", event).await;
    }
    let target = Target {
        object: object("v1", "Pod"),
        uid: "our-pod".to_owned(),
    };
    let told: Vec<i64> = cluster
        .events_about(&target)
        .await
        .unwrap()
        .iter()
        .map(|event| event["message"].as_str().unwrap().parse().unwrap())
        .collect();
    assert_eq!(told, (520..620).collect::<Vec<_>>());

    let mut selection = Selection {
        api_version: "v1",
        kind: "Event",
        namespace: None,
        labels: None,
        fields: Some("reason=BackOff"),
        limit: 550,
    };
    let list = cluster.list(&selection).await.unwrap();
    assert_eq!((list.items.len(), list.truncated), (550, true));
    selection.limit = 620;
    let list = cluster.list(&selection).await.unwrap();
    assert_eq!((list.items.len(), list.truncated), (620, false));
    selection.labels = Some("app=none");
    assert_eq!(cluster.list(&selection).await.unwrap().items, Vec::<Value>::new());
}
