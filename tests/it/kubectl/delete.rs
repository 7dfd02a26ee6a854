use simulated_cluster::kubernetes::{resources::PODS, world::World};

use super::Session;

fn leaving(world: &World, name: &str) -> bool {
    world.find(PODS, "shop", name).is_none_or(|pod| pod.deleting())
}

#[tokio::test]
async fn deletes_gently_or_not() {
    let session = Session::new().await;
    let line = "kubectl delete pod pair -n shop";
    let mut deletes = session.start(line);
    deletes.says("deleted").await;
    session.becomes("leaving", |world| leaving(world, "pair")).await;
    session.run("kubectl get pod pair -n shop").await;
    // It is watched from here on: nothing can be missed.
    session.wait(60);
    let said = deletes.end().await;
    session.take_down(line, &said);

    for line in [
        "kubectl delete pod broken -n shop --grace-period=0 --force",
        "kubectl get pod broken -n shop",
        "kubectl delete pod broken -n shop",
        "kubectl delete pod broken -n shop --ignore-not-found",
        "kubectl delete job import -n shop --cascade=orphan --wait=false",
        "kubectl get pods -n shop -l batch.kubernetes.io/job-name=import -o name",
        "kubectl delete deployment web -n shop --cascade=foreground --wait=false",
        "kubectl delete ds,svc,pdb -n shop --all",
        "kubectl delete service web -n shop --dry-run=server",
        "kubectl delete namespace kube-system",
        "kubectl delete pods -n shop -l app=agent --wait=false --now",
    ] {
        session.run(line).await;
    }
    session.later(60);
    session.run("kubectl get all -n shop").await;
    let line = "kubectl delete namespace shop";
    let mut deletes = session.start(line);
    deletes.says("deleted").await;
    session.watched("namespaces").await;
    session.wait(120);
    let said = deletes.end().await;
    session.take_down(line, &said);
    session.run("kubectl get namespaces").await;
    insta::assert_snapshot!(session.told());
}

#[tokio::test]
async fn gives_up_waiting_for_what_will_not_go() {
    let session = Session::new().await;
    session
        .run("kubectl patch pod pair -n shop --type=merge -p '{\"metadata\":{\"finalizers\":[\"example.com/hold\"]}}'")
        .await;
    session.run("kubectl delete pod pair -n shop --timeout=3s").await;
    session.wait(60);
    session.run("kubectl get pod pair -n shop").await;
    session
        .run("kubectl patch pod pair -n shop --type=json -p '[{\"op\":\"remove\",\"path\":\"/metadata/finalizers\"}]'")
        .await;
    session.run("kubectl get pod pair -n shop").await;
    insta::assert_snapshot!(session.told());
}
