use super::Session;

#[tokio::test]
async fn shows_what_containers_printed() {
    let session = Session::new().await;
    for line in [
        "kubectl logs broken -n shop",
        "kubectl logs broken -n shop --previous",
        "kubectl logs deployment/web -n shop --tail=1",
        "kubectl logs job/import -n shop --timestamps",
        "kubectl logs pair -n shop",
        "kubectl logs pair -n shop -c two",
        "kubectl logs pair -n shop -c one --since=10s",
        "kubectl logs pair -n shop -c one --since=1h",
        "kubectl logs pair -n shop -c one --limit-bytes=4",
        "kubectl logs pair -n shop -c three",
        "kubectl logs pair -n shop -c one --previous",
        "kubectl logs gone -n shop",
    ] {
        session.run(line).await;
    }
    // Of several containers kubectl shows one before the other as it happens.
    for line in [
        "kubectl logs pair -n shop --all-containers",
        "kubectl logs pair -n shop --all-containers --prefix",
        "kubectl logs -n shop -l app=web --prefix --tail=-1",
    ] {
        let said = session.type_in(line, None).await;
        session.take_down(line, &said.sorted());
    }
    insta::assert_snapshot!(session.told());
}

const CHATTY: &str = r#"
apiVersion: v1
kind: Pod
metadata:
  name: chatty
  annotations:
    simulation/life: '{"prints": ["starting"], "ends": {"crashes": {"after": "20s", "log": ["giving up"]}}}'
spec:
  containers: [{name: app, image: chatty:1}]
"#;

#[tokio::test]
async fn follows_a_log_until_its_container_ends() {
    let session = Session::empty().await;
    session.pipe("kubectl apply -f -", CHATTY).await;
    session.run("kubectl logs chatty -f").await;
    session.wait(10);
    let line = "kubectl logs chatty -f";
    let mut followed = session.start(line);
    followed.says("starting").await;
    session.wait(20);
    let said = followed.end().await;
    session.take_down(line, &said);
    session.run("kubectl logs chatty --previous --tail=1").await;
    insta::assert_snapshot!(session.told());
}
