//! What is said in YAML and in protobuf, and what is answered in YAML.

use super::*;

async fn post(
    service: &Service,
    path: &str,
    content_type: &str,
    accept: &str,
    body: impl Into<bytes::Bytes>,
) -> Answer {
    let request = Request::post(path)
        .header("content-type", content_type)
        .header("accept", accept)
        .body(Full::new(body.into()))
        .unwrap();
    send(service, request).await
}

const YAML: &str = "application/yaml";
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
const MAPS: &str = "/api/v1/namespaces/default/configmaps";

#[tokio::test]
async fn yaml_is_read_and_written() {
    let service = simulation().service();
    let body = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {mode: quiet}\nimmutable: yes\n";
    let made = post(&service, MAPS, YAML, YAML, body).await;
    assert_eq!(
        (made.code, &made.headers["content-type"]),
        (201, &YAML.parse().unwrap())
    );
    assert!(made.text.contains("\n  mode: quiet\n"), "{}", made.text);
    let kept = get(&service, &format!("{MAPS}/settings")).await;
    assert_eq!(
        (&kept.value["data"]["mode"], &kept.value["immutable"]),
        (&json!("quiet"), &json!(true))
    );

    // A refusal is in the same language.
    let again = post(&service, MAPS, YAML, YAML, body).await;
    assert_eq!(
        (again.code, again.text.contains("reason: AlreadyExists")),
        (409, true),
        "{}",
        again.text
    );
}

#[tokio::test]
async fn yaml_with_a_key_twice_is_refused_when_that_is_asked_for() {
    let service = simulation().service();
    let body = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {mode: quiet, mode: loud}\n";
    let strict = format!("{MAPS}?fieldValidation=Strict");
    let refused = post(&service, &strict, YAML, "*/*", body).await;
    assert_eq!(refused.code, 400);
    assert!(
        refused.message().contains("key \"mode\" already set in map"),
        "{}",
        refused.text
    );
    let told = post(&service, MAPS, YAML, "*/*", body).await;
    assert_eq!((told.code, &told.value["data"]["mode"]), (201, &json!("loud")));
    let warned = told.headers["warning"].to_str().unwrap();
    assert_eq!(warned, r#"299 - "line 4: key \"mode\" already set in map""#);
    let broken = post(&service, MAPS, YAML, "*/*", "kind: [").await;
    assert_eq!((broken.code, broken.reason()), (400, "BadRequest"));
}

#[tokio::test]
async fn there_is_no_stream_of_yaml() {
    let service = simulation().service();
    let request = Request::get(format!("{MAPS}?watch=true")).header("accept", YAML);
    let answer = send(&service, request.body(Full::default()).unwrap()).await;
    assert_eq!(answer.code, 406);
}

/// A field of a message: its number, its bytes.
fn field(number: u32, bytes: &[u8]) -> Vec<u8> {
    let mut field = Vec::new();
    prost::encoding::bytes::encode(number, &bytes.to_vec(), &mut field);
    field
}

/// An object as a client sends it.
fn unknown(api_version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
    let about = [field(1, api_version.as_bytes()), field(2, kind.as_bytes())].concat();
    [b"k8s\0".to_vec(), field(1, &about), field(2, raw)].concat()
}

#[tokio::test]
async fn protobuf_is_read() {
    let service = simulation().service();
    // Go writes what it has no value for, too: an empty generateName.
    let metadata = [field(1, b"settings"), field(2, b""), field(8, b"")].concat();
    let entry = [field(1, b"mode"), field(2, b"quiet")].concat();
    let blob = [field(1, b"blob"), field(2, b"\x00\xff")].concat();
    // Nobody knows the hundredth field.
    let raw = [field(1, &metadata), field(2, &entry), field(3, &blob), field(100, b"x")].concat();
    let made = post(&service, MAPS, PROTOBUF, "*/*", unknown("v1", "ConfigMap", &raw)).await;
    assert_eq!(made.code, 201, "{}", made.text);
    assert_eq!(made.value["data"], json!({"mode": "quiet"}));
    assert_eq!(made.value["binaryData"], json!({"blob": "AP8="}));
    assert!(made.value["metadata"].get("generateName").is_none());
}

#[tokio::test]
async fn protobuf_that_is_none_is_refused() {
    let service = simulation().service();
    let map = |raw: &[u8]| unknown("v1", "ConfigMap", raw);
    for body in [
        b"{}".to_vec(),
        unknown("v1", "Widget", b""),
        map(b"\x0a\xff"),
        map(b"\x08\x01"),
        map(&field(1, b"\x12")),
    ] {
        let answer = post(&service, MAPS, PROTOBUF, "*/*", body.clone()).await;
        assert_eq!((answer.code, answer.reason()), (400, "BadRequest"), "{body:?}");
    }
    let crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let body = unknown("apiextensions.k8s.io/v1", "CustomResourceDefinition", b"");
    let answer = post(&service, crds, PROTOBUF, "*/*", body).await;
    assert_eq!(answer.code, 415, "{}", answer.text);
    let answer = post(&service, MAPS, PROTOBUF, PROTOBUF, map(b"")).await;
    assert_eq!(answer.code, 406);
}

#[tokio::test]
async fn options_of_a_deletion_come_in_protobuf_too() {
    let service = simulation().service();
    ask(&service, "POST", PODS, pod("web")).await;
    // gracePeriodSeconds 0, and the uid of another.
    let raw = [vec![0x08, 0x00], field(2, &field(1, b"another"))].concat();
    let request = Request::delete(format!("{PODS}/web")).header("content-type", PROTOBUF);
    let body = unknown("v1", "DeleteOptions", &raw);
    let refused = send(&service, request.body(Full::new(body.into())).unwrap()).await;
    assert_eq!((refused.code, refused.reason()), (409, "Conflict"), "{}", refused.text);
}
