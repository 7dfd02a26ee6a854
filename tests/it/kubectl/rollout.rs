use super::Session;

#[tokio::test]
async fn rolls_out_and_back() {
    let session = Session::new().await;
    session.run("kubectl rollout history deployment/web -n shop").await;
    session.run("kubectl rollout status deployment/web -n shop").await;
    session.run("kubectl set image deployment/web app=web:2 -n shop").await;
    let line = "kubectl rollout status deployment/web -n shop";
    let mut status = session.start(line);
    status.says("Waiting for deployment").await;
    for _ in 0..60 {
        session.wait(1);
    }
    let said = status.end().await;
    // How many of the steps it sees is a matter of its own speed; the last one it always sees.
    session.note(&format!("$ {line}\n… {}\n", said.stdout.lines().last().unwrap()));
    assert_eq!(said.code, Some(0));
    for line in [
        "kubectl annotate deployment web -n shop kubernetes.io/change-cause='second image'",
        "kubectl rollout history deployment/web -n shop",
        "kubectl rollout history deployment/web -n shop --revision=1",
        "kubectl rollout undo deployment/web -n shop",
    ] {
        session.run(line).await;
    }
    session.later(60);
    for line in [
        "kubectl get deployment web -n shop -o wide",
        "kubectl rollout history deployment/web -n shop",
        "kubectl rollout undo deployment/web -n shop --to-revision=9",
        "kubectl rollout pause deployment/web -n shop",
        "kubectl rollout pause deployment/web -n shop",
        "kubectl rollout undo deployment/web -n shop",
        "kubectl rollout restart deployment/web -n shop",
        "kubectl rollout resume deployment/web -n shop",
        "kubectl rollout status daemonset/agent -n shop",
        "kubectl rollout history daemonset/agent -n shop",
        "kubectl rollout status deployment/gone -n shop",
    ] {
        session.run(line).await;
    }
    insta::assert_snapshot!(session.told());
}

#[tokio::test]
async fn restarts_every_pod() {
    let session = Session::new().await;
    let before = session.run("kubectl get pods -n shop -l app=web -o name").await.stdout;
    // The time of a restart is this machine's: it is not shown.
    session.run("kubectl rollout restart deployment/web -n shop").await;
    session.wait(60);
    session
        .run("kubectl rollout status deployment/web -n shop --watch=false")
        .await;
    let after = session
        .type_in("kubectl get pods -n shop -l app=web -o name", None)
        .await
        .stdout;
    assert!(
        after.lines().count() == 3 && after.lines().all(|pod| !before.contains(pod)),
        "{before} {after}"
    );
    insta::assert_snapshot!(session.told());
}

#[tokio::test]
async fn says_that_a_rollout_is_stuck() {
    let session = Session::new().await;
    let deadline = "kubectl patch deployment web -n shop -p '{\"spec\":{\"progressDeadlineSeconds\":20}}'";
    session.run(deadline).await;
    let bad = r#"{"spec":{"template":{"metadata":{"annotations":{"simulation/life":"{\"pull\":{\"fails\":\"no such image\"}}"}},"spec":{"containers":[{"name":"app","image":"web:none"}]}}}}"#;
    session
        .run(&format!("kubectl patch deployment web -n shop -p '{bad}'"))
        .await;
    session.later(60);
    session.run("kubectl rollout status deployment/web -n shop").await;
    session.run("kubectl get pods -n shop -l app=web").await;
    insta::assert_snapshot!(session.told());
}

#[tokio::test]
async fn scales_and_waits() {
    let session = Session::new().await;
    for line in [
        "kubectl scale deployment web -n shop --replicas=5",
        "kubectl scale deployment web -n shop --replicas=1 --current-replicas=3",
        "kubectl scale deployment gone -n shop --replicas=1",
        "kubectl scale daemonset agent -n shop --replicas=1",
    ] {
        session.run(line).await;
    }
    let line = "kubectl wait deployment/web -n shop --for=jsonpath='{.status.readyReplicas}'=5";
    let waits = session.start(line);
    session.watched("deployments").await;
    session.wait(30);
    let said = waits.end().await;
    session.take_down(line, &said);
    for line in [
        "kubectl wait pod -n shop -l app=web --for=condition=Ready --timeout=5s",
        "kubectl wait job/import -n shop --for=condition=Complete",
        "kubectl wait pod/broken -n shop --for=condition=Ready --timeout=1s",
        "kubectl wait pod/gone -n shop --for=delete",
        "kubectl wait pod/gone -n shop --for=condition=Ready",
    ] {
        session.run(line).await;
    }
    insta::assert_snapshot!(session.told());
}
