//! The same over sockets: a client that knows a kubeconfig and nothing else.

use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client, Config,
    api::{ListParams, PostParams, WatchEvent, WatchParams},
    config::{KubeConfigOptions, Kubeconfig},
};

use super::*;
use crate::kubernetes::{Tokens, User, loopback::kubeconfig};

async fn client(kubeconfig: &str) -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let kubeconfig = Kubeconfig::from_yaml(kubeconfig).unwrap();
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(kubeconfig, &options).await.unwrap();
    Client::try_from(config).unwrap()
}

#[tokio::test]
async fn a_kubeconfig_is_all_that_a_client_needs() {
    let simulation = simulation();
    let server = simulation.service().serve().await.unwrap();
    let pods: Api<Pod> = Api::default_namespaced(client(&kubeconfig(&server, None)).await);
    let mut watch = pods.watch(&WatchParams::default(), "0").await.unwrap().boxed();
    let made: Pod = serde_json::from_value(pod("web")).unwrap();
    pods.create(&PostParams::default(), &made).await.unwrap();
    let Some(Ok(WatchEvent::Added(seen))) = watch.next().await else {
        panic!("the watch should tell of the new pod")
    };
    assert_eq!(seen.metadata.name.as_deref(), Some("web"));
    assert_eq!(pods.list(&ListParams::default()).await.unwrap().items.len(), 1);
}

#[tokio::test]
async fn a_token_says_who_asks() {
    let simulation = simulation();
    let mut tokens = Tokens::default();
    tokens.add("secret", User::new("ada", &["system:authenticated"]));
    let server = simulation
        .service()
        .tokens(tokens)
        .without_token(None)
        .serve()
        .await
        .unwrap();
    for (token, code) in [(Some("secret"), 403), (Some("wrong"), 401), (None, 401)] {
        let pods: Api<Pod> = Api::default_namespaced(client(&kubeconfig(&server, token)).await);
        let kube::Error::Api(status) = pods.list(&ListParams::default()).await.unwrap_err() else {
            panic!("the server should answer")
        };
        assert_eq!(status.code, code, "{token:?}");
    }
}
