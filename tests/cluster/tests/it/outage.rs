//! What happens while the API server is slow or away, on a control plane of one's own.

use std::time::Duration;

use k8s_openapi::api::core::v1::Node;
use kube::{Api, api::ListParams};
use test_cluster::{ControlPlane, ControlPlaneOptions, Error};
use tokio::time::timeout;

use crate::control_plane::deploy;

#[tokio::test]
async fn the_api_server_pauses_stops_and_comes_back() {
    let cluster = ControlPlane::start(ControlPlaneOptions {
        real_node: None,
        nodes: 1,
        kube_state_metrics: false,
    })
    .await
    .unwrap();
    let client = cluster.client();
    let nodes: Api<Node> = Api::all(client.clone());
    let list = || async { nodes.list(&ListParams::default()).await.map(|list| list.items.len()) };
    assert_eq!(list().await.unwrap(), 1);

    cluster.pause_api_server().await.unwrap();
    assert!(
        timeout(Duration::from_secs(1), list()).await.is_err(),
        "a paused server answers nothing"
    );
    cluster.resume_api_server().await.unwrap();
    assert_eq!(list().await.unwrap(), 1);

    cluster.stop_api_server().await;
    assert!(list().await.is_err(), "a stopped server refuses");
    assert!(matches!(cluster.pause_api_server().await, Err(Error::ApiServerStopped)));
    cluster
        .check()
        .await
        .expect("a server that was stopped on purpose has not crashed");
    cluster.start_api_server().await.unwrap();
    assert_eq!(list().await.unwrap(), 1);

    // Controllers, scheduler and nodes have survived it.
    deploy(&cluster, "after-the-outage").await;
    cluster.check().await.unwrap();

    let folder = cluster.folder().to_owned();
    drop(cluster);
    assert!(!folder.exists());
}
