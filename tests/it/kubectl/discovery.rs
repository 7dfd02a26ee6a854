use super::Session;

#[tokio::test]
async fn says_what_there_is() {
    let session = Session::empty().await;
    for line in [
        "kubectl version",
        "kubectl cluster-info",
        "kubectl api-versions",
        "kubectl api-resources",
        "kubectl api-resources --api-group=apps -o wide",
        "kubectl api-resources --namespaced=false -o name",
        "kubectl explain deployment.spec.strategy",
        "kubectl explain pod.spec.containers.resources --recursive",
        "kubectl explain hpa --api-version=autoscaling/v1",
        "kubectl explain pod.spec.nothing",
        "kubectl explain widgets",
    ] {
        session.run(line).await;
    }
    insta::assert_snapshot!(session.told());
}

const DEFINITION: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget, shortNames: [wd]}
  versions:
    - name: v1
      served: true
      storage: true
      subresources: {status: {}, scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas}}
      additionalPrinterColumns: [{name: Replicas, type: integer, jsonPath: .spec.replicas}]
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec: {type: object, properties: {replicas: {type: integer}, colour: {type: string, enum: [red, blue]}}}
            status: {type: object, properties: {replicas: {type: integer}}}
";

const WIDGET: &str = "
apiVersion: example.com/v1
kind: Widget
metadata: {name: one}
spec: {replicas: 2, colour: red}
";

#[tokio::test]
async fn knows_custom_resources() {
    let session = Session::empty().await;
    session.pipe("kubectl apply -f -", DEFINITION).await;
    session.pipe("kubectl apply -f -", WIDGET).await;
    session.pipe("kubectl apply -f -", &WIDGET.replace("red", "blue")).await;
    session
        .pipe("kubectl apply -f -", &WIDGET.replace("red", "green"))
        .await;
    let unknown = WIDGET.replace("one", "two").replace("colour", "color");
    session.pipe("kubectl create -f -", &unknown).await;
    for line in [
        "kubectl get wd",
        "kubectl scale widget one --replicas=4",
        "kubectl get widget one -o yaml",
        "kubectl explain widget.spec",
        "kubectl delete crd widgets.example.com",
        "kubectl get widgets",
    ] {
        session.run(line).await;
    }
    insta::assert_snapshot!(session.told());
}
