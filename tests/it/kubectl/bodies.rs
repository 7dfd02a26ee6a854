//! One object said in two ways: in protobuf, as kubectl itself makes it, and in JSON.

use serde_json::Value;

use super::Session;

/// What kubectl makes itself it sends as protobuf.
const MADE: [&str; 13] = [
    "deployment web --image=web:1 --image=side:2 --replicas=0 --port=8080",
    "job once --image=job:1 -- sh -c 'exit 0'",
    "cronjob often --image=job:1 --schedule='*/5 * * * *' --restart=OnFailure",
    "configmap settings --from-literal=mode=quiet --from-literal=empty=",
    "secret generic secret --from-literal=password=hunter2",
    "secret docker-registry registry --docker-server=x --docker-username=u --docker-password=p",
    "serviceaccount robot",
    "service clusterip web --tcp=80:8080 --tcp=443:https",
    "service nodeport open --tcp=80:http",
    "role reader --verb=get,list --resource=pods,deployments.apps --resource-name=web",
    "rolebinding readers --role=reader --user=ada --group=team --serviceaccount=default:robot",
    "poddisruptionbudget web --selector=app=web,tier=front --max-unavailable=25%",
    "quota small --hard=pods=3,requests.cpu=1500m --scopes=BestEffort",
];

/// What differs between two of the same.
fn plain(object: Value) -> Value {
    // A Job has its uid in its labels.
    let text = object.to_string();
    let text = object["metadata"]["uid"]
        .as_str()
        .map_or(text.clone(), |uid| text.replace(uid, "UID"));
    let mut object: Value = serde_json::from_str(&text).unwrap();
    let metadata = object["metadata"].as_object_mut().unwrap();
    for field in [
        "uid",
        "resourceVersion",
        "creationTimestamp",
        "managedFields",
        "namespace",
    ] {
        metadata.remove(field);
    }
    if object["kind"] == "Service" {
        let spec = object["spec"].as_object_mut().unwrap();
        spec.remove("clusterIP");
        spec.remove("clusterIPs");
        for port in spec["ports"].as_array_mut().unwrap() {
            port.as_object_mut().unwrap().remove("nodePort");
        }
    }
    object
}

#[tokio::test]
async fn protobuf_says_the_same_as_json() {
    let session = Session::empty().await;
    session.run("kubectl create namespace other").await;
    for what in MADE {
        let line = format!("kubectl create {what}");
        let (before, dashes) = line
            .split_once(" -- ")
            .map_or((&*line, String::new()), |(before, after)| {
                (before, format!(" -- {after}"))
            });
        let written = session
            .type_in(&format!("{before} --dry-run=client -o json{dashes}"), None)
            .await;
        let mut document: Value = serde_json::from_str(&written.stdout).unwrap();
        document["metadata"]["namespace"] = "other".into();
        let by_protobuf = session.type_in(&line, None).await;
        let by_json = session
            .type_in("kubectl create -f -", Some(&document.to_string()))
            .await;
        for said in [by_protobuf, by_json] {
            assert_eq!((said.code, &*said.stderr), (Some(0), ""), "{what}");
        }
        let kind = document["kind"].as_str().unwrap().to_owned();
        let name = document["metadata"]["name"].as_str().unwrap().to_owned();
        let mut stored = Vec::new();
        for namespace in ["default", "other"] {
            let said = session
                .type_in(&format!("kubectl get {kind} {name} -n {namespace} -o json"), None)
                .await;
            stored.push(plain(serde_json::from_str(&said.stdout).unwrap()));
        }
        assert_eq!(stored[0], stored[1], "{what}");
    }
}
