use super::Session;

#[tokio::test]
async fn describes_workloads_and_nodes() {
    let session = Session::new().await;
    for line in [
        "kubectl describe pod broken -n shop",
        "kubectl describe pods -n shop -l app=pair",
        "kubectl describe deployment web -n shop",
        "kubectl describe replicasets -n shop",
        "kubectl describe node n1",
        "kubectl describe pdb web -n shop",
        "kubectl describe hpa web -n shop",
        "kubectl describe job import -n shop",
        "kubectl describe cronjob report -n shop",
        "kubectl describe daemonset agent -n shop",
        "kubectl describe service web -n shop",
        "kubectl describe namespace shop",
        "kubectl describe pod gone -n shop",
    ] {
        session.run(line).await;
    }
    insta::assert_snapshot!(session.told());
}

#[tokio::test]
async fn tells_events() {
    let session = Session::new().await;
    for line in [
        "kubectl events -n shop --for pod/broken",
        "kubectl events -n shop --types=Warning",
        "kubectl events -n shop --for deployment/web",
    ] {
        session.run(line).await;
    }
    let line = "kubectl events -n shop --for pod/pair --watch";
    let mut watch = session.start(line);
    session.watched("events").await;
    session.run("kubectl delete pod pair -n shop --wait=false").await;
    session.wait(40);
    watch.says("Stopping container two\n").await;
    let said = watch.stop().await;
    session.take_down(line, &said);
    insta::assert_snapshot!(session.told());
}
