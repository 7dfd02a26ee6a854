use super::Session;

#[tokio::test]
async fn patches() {
    let session = Session::new().await;
    for line in [
        "kubectl patch deployment web -n shop -p '{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"app\",\"image\":\"web:3\"}]}}}}'",
        "kubectl get deployment web -n shop -o jsonpath='{.spec.template.spec.containers[*].name} {.spec.template.spec.containers[*].image}'",
        "kubectl patch deployment web -n shop --type=merge -p '{\"spec\":{\"replicas\":2}}'",
        "kubectl patch deployment web -n shop --type=json -p '[{\"op\":\"replace\",\"path\":\"/spec/replicas\",\"value\":3}]'",
        "kubectl patch deployment web -n shop --subresource=scale --type=merge -p '{\"spec\":{\"replicas\":4}}'",
        "kubectl patch node n1 --subresource=status --type=merge -p '{\"status\":{\"capacity\":{\"example.com/gpu\":\"2\"}}}'",
        "kubectl get deployment web -n shop --subresource=scale",
        "kubectl patch deployment web -n shop --type=merge -p '{\"spec\":{\"replicas\":4}}'",
        "kubectl patch deployment web -n shop --type=merge -p '{\"spec\":{\"replicas\":-1}}'",
        "kubectl patch deployment web -n shop --type=json -p '[{\"op\":\"remove\",\"path\":\"/spec/nothing\"}]'",
        "kubectl patch deployment web -n shop --type=merge -p '{\"spec\":{\"selector\":{\"matchLabels\":{\"app\":\"other\"}}}}'",
        "kubectl patch deployment web -n shop --type=merge -p '{\"spec\":{\"replcas\":1}}'",
        "kubectl patch deployment web -n shop --type=merge -p '{'",
        "kubectl patch deployment gone -n shop -p '{}'",
        "kubectl patch deployment web -n shop --dry-run=server --type=merge -p '{\"spec\":{\"replicas\":9}}' -o jsonpath='{.spec.replicas}'",
    ] {
        session.run(line).await;
    }
    insta::assert_snapshot!(session.told());
}

#[tokio::test]
async fn labels_and_annotates() {
    let session = Session::new().await;
    for line in [
        "kubectl label pod pair -n shop colour=red",
        "kubectl label pod pair -n shop colour=blue",
        "kubectl label pod pair -n shop colour=blue --overwrite",
        "kubectl label pod pair -n shop colour-",
        "kubectl label pod pair -n shop colour-",
        "kubectl label pod pair -n shop 'colour=not a label'",
        "kubectl label pods -n shop -l app=web canary=no",
        "kubectl label pod pair -n shop --list",
        "kubectl annotate pod pair -n shop note='by hand'",
        "kubectl annotate pod pair -n shop note-",
        "kubectl annotate pod gone -n shop note=x",
    ] {
        session.run(line).await;
    }
    insta::assert_snapshot!(session.told());
}

const CONFIG: &str = "
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {mode: quiet, colour: red}
";

#[tokio::test]
async fn applies() {
    let session = Session::empty().await;
    session.pipe("kubectl apply -f -", CONFIG).await;
    session.pipe("kubectl apply -f -", CONFIG).await;
    let other = CONFIG.replace(", colour: red", "").replace("quiet", "loud");
    session.pipe("kubectl apply -f - --dry-run=server", &other).await;
    session.pipe("kubectl apply -f -", &other).await;
    session.run("kubectl get configmap settings -o yaml").await;
    session.pipe("kubectl apply --server-side -f -", CONFIG).await;
    session
        .pipe("kubectl apply --server-side --force-conflicts -f -", CONFIG)
        .await;
    session
        .pipe("kubectl apply --server-side --field-manager=other -f -", &other)
        .await;
    session
        .run("kubectl get configmap settings -o yaml --show-managed-fields")
        .await;
    session
        .pipe("kubectl apply -f -", &CONFIG.replace("\ndata", "\ndota"))
        .await;
    session
        .pipe(
            "kubectl apply --validate=warn -f -",
            &CONFIG.replace("\ndata", "\ndota"),
        )
        .await;
    session
        .pipe(
            "kubectl apply -f -",
            "apiVersion: v1\nkind: Widget\nmetadata: {name: x}\n",
        )
        .await;
    session.pipe("kubectl apply -f -", "kind: [").await;
    session.pipe("kubectl create -f -", CONFIG).await;
    session
        .pipe("kubectl create -f -", &CONFIG.replace("settings", "Bad_Name"))
        .await;
    session.pipe("kubectl replace -f -", CONFIG).await;
    session.pipe("kubectl delete -f -", CONFIG).await;
    insta::assert_snapshot!(session.told());
}

#[tokio::test]
async fn applies_what_has_lists_by_key() {
    let session = Session::new().await;
    let deployment = super::CLUSTER.split("---").nth(1).unwrap();
    let other = deployment
        .replace(
            "image: web:1",
            "image: web:2\n          env: [{name: MODE, value: fast}]",
        )
        .replace("{app: web, tier: front}", "{app: web}");
    session.pipe("kubectl apply -f -", deployment).await;
    session.pipe("kubectl apply -f -", &other).await;
    session
        .run("kubectl get deployment web -n shop -o jsonpath='{.metadata.labels} {.spec.template.spec.containers[0].env}'")
        .await;
    session.pipe("kubectl apply -f -", deployment).await;
    session
        .run("kubectl get deployment web -n shop -o jsonpath='{.metadata.labels} {.spec.template.spec.containers[0].env}'")
        .await;
    insta::assert_snapshot!(session.told());
}

#[tokio::test]
async fn creates_by_command() {
    let session = Session::empty().await;
    for line in [
        "kubectl create deployment web --image=web:1 --replicas=2 --port=8080",
        "kubectl create deployment web --image=web:1",
        "kubectl expose deployment web --port=80 --target-port=8080",
        "kubectl expose deployment gone --port=80",
        "kubectl autoscale deployment web --min=1 --max=3 --cpu=80%",
        "kubectl set env deployment/web MODE=fast",
        "kubectl set resources deployment/web --requests=cpu=50m",
        "kubectl set image deployment/web nothing=web:2",
        "kubectl create deployment Web --image=web:1",
        "kubectl run one --image=one:1",
        "kubectl create deployment dry --image=x --dry-run=server -o name",
    ] {
        session.run(line).await;
    }
    session.later(60);
    session.run("kubectl get all").await;
    insta::assert_snapshot!(session.told());
}
