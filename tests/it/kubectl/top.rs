use super::Session;

#[tokio::test]
async fn shows_what_is_used() {
    let session = Session::new().await;
    for line in [
        "kubectl top nodes",
        "kubectl top node n1 --no-headers",
        "kubectl top pods -n shop -l app=web",
        "kubectl top pods -n shop --containers --sort-by=memory",
        "kubectl top pods -A --sum",
        "kubectl top pod gone -n shop",
        "kubectl get --raw /apis/metrics.k8s.io/v1beta1/nodes/n1",
        "kubectl get podmetrics pair -n shop -o yaml",
    ] {
        session.run(line).await;
    }
    insta::assert_snapshot!(session.told());
}
