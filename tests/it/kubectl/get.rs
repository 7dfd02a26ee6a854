use super::Session;

#[tokio::test]
async fn shows_objects_in_every_form() {
    let session = Session::new().await;
    for line in [
        "kubectl get all -n shop",
        "kubectl get pods -n shop -o wide",
        "kubectl get pods -n shop --show-labels",
        "kubectl get pods -n shop --no-headers -l app=web",
        "kubectl get pods -n shop -l 'app in (web,agent)' -L app",
        "kubectl get pods -n shop -o name",
        "kubectl get pods -n shop --sort-by=.metadata.name -o name",
        "kubectl get pods -n shop --sort-by=.status.containerStatuses[0].restartCount",
        "kubectl get pods -n shop --field-selector=status.phase!=Running",
        "kubectl get pods -n shop --field-selector=spec.nodeName=n1 -o name",
        "kubectl get deployment web -n shop -o yaml",
        "kubectl get pdb web -n shop -o json",
        "kubectl get service web -n shop -o yaml --show-managed-fields",
        "kubectl get nodes -o jsonpath='{range .items[*]}{.metadata.name}{\" \"}{.status.allocatable.cpu}{\"\\n\"}{end}'",
        "kubectl get pods -n shop -l app=web -o custom-columns=NAME:.metadata.name,NODE:.spec.nodeName,IP:.status.podIP",
        "kubectl get deployments -n shop -o go-template='{{range .items}}{{.metadata.name}} {{.status.readyReplicas}}{{\"\\n\"}}{{end}}'",
        "kubectl get --raw /api/v1/namespaces/shop/pods/pair?pretty=false --output name",
        "kubectl get --raw /readyz",
        "kubectl get nodes",
        "kubectl get nodes -o wide",
        "kubectl get pods -A",
        "kubectl get namespaces",
        "kubectl get ds,sts,job,cj,hpa,pdb,svc -n shop",
        "kubectl get events -n shop --field-selector=involvedObject.name=pair",
        "kubectl get lease -n kube-node-lease",
        "kubectl get pods -n shop --chunk-size=2 -o name",
        "kubectl get pods",
    ] {
        session.run(line).await;
    }
    insta::assert_snapshot!(session.told());
}

#[tokio::test]
async fn says_what_is_wrong() {
    let session = Session::new().await;
    for line in [
        "kubectl get pod gone -n shop",
        "kubectl get pod gone -n shop --ignore-not-found",
        "kubectl get widgets",
        "kubectl get pods -n shop -l 'app in web'",
        "kubectl get pods -n shop --field-selector=spec.image=x",
        "kubectl get --raw /apis/nothing.example.com",
        "kubectl get pods -n shop --kubeconfig nobody",
        "kubectl get pods -n shop -o jsonpath='{.items[0'",
    ] {
        session.run(line).await;
    }
    insta::assert_snapshot!(session.told());
}

#[tokio::test]
async fn watches_what_happens() {
    let session = Session::new().await;
    let mut watch = session.start("kubectl get pods -n shop -l app=web -w");
    session.watched("pods").await;
    session.run("kubectl scale deployment web -n shop --replicas=4").await;
    session.wait(30);
    watch.says("1/1     Running             0          30s\n").await;
    let said = watch.stop().await;
    session.take_down("kubectl get pods -n shop -l app=web -w", &said);
    insta::assert_snapshot!(session.told());
}

#[tokio::test]
async fn watches_only_what_is_new() {
    let session = Session::new().await;
    let only = "kubectl get pods -n shop --watch-only --output-watch-events";
    let mut watch = session.start(only);
    session.watched("pods").await;
    session.run("kubectl delete pod pair -n shop --wait=false").await;
    session.wait(40);
    watch
        .says("DELETED    pair   0/2     Completed     0          2m40s\n")
        .await;
    let said = watch.stop().await;
    session.take_down(only, &said);
    insta::assert_snapshot!(session.told());
}

#[tokio::test]
async fn the_same_story_has_the_same_words() {
    let mut stories = Vec::new();
    for _ in 0..2 {
        let session = Session::new().await;
        for line in [
            "kubectl get pods -n shop -o yaml",
            "kubectl delete pod broken -n shop --wait=false",
            "kubectl set image deployment web app=web:2 -n shop",
        ] {
            session.run(line).await;
        }
        session.later(60);
        session.run("kubectl get all,events -A -o json").await;
        session.run("kubectl describe nodes").await;
        stories.push(session.told());
    }
    // The whole is too long to be shown: where they part.
    let parts = stories[0].lines().zip(stories[1].lines()).find(|(one, two)| one != two);
    assert_eq!(parts, None);
    assert_eq!(stories[0].len(), stories[1].len());
}
