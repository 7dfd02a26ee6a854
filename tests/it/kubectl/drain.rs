use simulated_cluster::kubernetes::{resources::PODS, world::World};

use super::Session;

/// Pods that are still on a node, less those of the DaemonSet and the finished.
fn left(world: &World, node: &str) -> usize {
    let on = world.pods_on(node);
    on.filter(|pod| !pod.name().starts_with("agent") && !pod.name().starts_with("import"))
        .count()
}

fn leaving(world: &World) -> usize {
    world.list(PODS, Some("shop")).filter(|pod| pod.deleting()).count()
}

#[tokio::test]
async fn cordons_and_taints() {
    let session = Session::new().await;
    for line in [
        "kubectl cordon n1",
        "kubectl cordon n1",
        "kubectl get nodes",
        "kubectl uncordon n1",
        "kubectl cordon -l topology.kubernetes.io/zone=b",
        "kubectl cordon n9",
        "kubectl taint nodes n3 dedicated=batch:NoSchedule",
        "kubectl taint nodes n3 dedicated=batch:NoSchedule",
        "kubectl taint nodes n3 dedicated-",
        "kubectl taint nodes n3 dedicated=batch:Never",
        "kubectl get nodes -o custom-columns=NAME:.metadata.name,TAINTS:.spec.taints[*].key",
    ] {
        session.run(line).await;
    }
    insta::assert_snapshot!(session.told());
}

#[tokio::test]
async fn refuses_to_drain_what_it_was_not_told_to() {
    let session = Session::new().await;
    // One reason each: kubectl tells several in any order.
    for line in [
        "kubectl drain n1 --force",
        "kubectl drain n1 --ignore-daemonsets",
        "kubectl drain n2 --ignore-daemonsets --force",
        "kubectl drain n2 --ignore-daemonsets --force --delete-emptydir-data --pod-selector=app=pair --dry-run=server",
        "kubectl drain n9",
    ] {
        session.run(line).await;
    }
    insta::assert_snapshot!(session.told());
}

#[tokio::test]
async fn drains_a_node_as_the_budget_allows() {
    let session = Session::new().await;
    let node = "n2";
    let there = session.simulation.with(|world| left(world, node));
    assert_eq!(there, 2);
    let line = format!("kubectl drain {node} --ignore-daemonsets --delete-emptydir-data --force");
    let mut drains = session.start(&line);
    // The budget has room for the one of its pods that is there, so that all are evicted at once.
    session.becomes("leaving", |world| leaving(world) == there).await;
    drains.says("evicting pod").await;
    session.wait(60);
    let said = drains.end().await;
    session.take_down(&line, &said.sorted());
    session
        .run(&format!(
            "kubectl get pods -n shop --field-selector=spec.nodeName={node}"
        ))
        .await;
    session.run("kubectl get pdb -n shop").await;
    session.run(&format!("kubectl uncordon {node}")).await;
    insta::assert_snapshot!(session.told());
}

#[tokio::test]
async fn a_budget_holds_a_drain_until_there_is_room() {
    let session = Session::new().await;
    session
        .run("kubectl patch pdb web -n shop --type=merge -p '{\"spec\":{\"minAvailable\":3}}'")
        .await;
    session.wait(5);
    let web = session
        .run("kubectl get pods -n shop -l app=web -o jsonpath='{.items[0].spec.nodeName}'")
        .await;
    let line = format!(
        "kubectl drain {} --ignore-daemonsets --pod-selector=app=web",
        web.stdout.trim()
    );
    session.run(&format!("{line} --timeout=1s")).await;
    let mut drains = session.start(&line);
    drains.says("will retry after 5s").await;
    session
        .run("kubectl patch pdb web -n shop --type=merge -p '{\"spec\":{\"minAvailable\":2}}'")
        .await;
    session.wait(5);
    session.becomes("leaving", |world| leaving(world) == 1).await;
    session.wait(60);
    let said = drains.end().await;
    session.take_down(&line, &said.sorted());
    insta::assert_snapshot!(session.told());
}
