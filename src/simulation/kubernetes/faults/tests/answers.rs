use http::Request;

use super::*;

/// `code reason: message` of the answer to a call that is refused.
async fn said(stage: &Stage, failure: Failure) -> String {
    stage.rule(Rule::once(Fault::Refused(failure)));
    let status = status(stage.pods().get("web").await.unwrap_err());
    format!("{} {}: {}", status.code, status.reason, status.message)
}

#[tokio::test]
async fn it_answers_in_the_words_of_the_real_one() {
    let stage = Stage::new();
    let modified = "the object has been modified; please apply your changes to the latest version and try again";
    for (failure, wanted) in [
        (
            Failure::Forbidden,
            "403 Forbidden: pods \"web\" is forbidden: User \"kubernetes-admin\" cannot get resource \"pods\" in API group \
             \"\" in the namespace \"default\""
                .to_owned(),
        ),
        (Failure::NotFound, "404 NotFound: pods \"web\" not found".to_owned()),
        (
            Failure::Conflict,
            format!("409 Conflict: Operation cannot be fulfilled on pods \"web\": {modified}"),
        ),
        (
            Failure::Expired,
            "410 Expired: The resourceVersion for the provided list is too old.".to_owned(),
        ),
        (
            Failure::Initializing(3),
            "429 TooManyRequests: storage is (re)initializing".to_owned(),
        ),
        (Failure::Storage, "500 : etcdserver: request timed out".to_owned()),
        (
            Failure::Unavailable,
            "503 ServiceUnavailable: apiserver is shutting down".to_owned(),
        ),
        (
            Failure::Timeout,
            "504 Timeout: Timeout: request did not complete within the allotted timeout".to_owned(),
        ),
    ] {
        assert_eq!(said(&stage, failure).await, wanted);
    }
    let webhook = said(&stage, Failure::Webhook).await;
    assert!(webhook.starts_with("500 InternalError: Internal error occurred: failed calling webhook"));
}

#[tokio::test]
async fn a_conflict_is_what_the_verb_makes_of_it() {
    let stage = Stage::new();
    stage.rule(Rule::once(Fault::Refused(Failure::Conflict)));
    let status = status(stage.make("a").await.unwrap_err());
    assert_eq!(
        (status.code, &*status.reason, &*status.message),
        (409, "AlreadyExists", "configmaps \"a\" already exists")
    );
    assert!(stage.there().is_empty());
}

#[tokio::test]
async fn too_many_requests_say_when_to_come_again() {
    let stage = Stage::new();
    let get = |path: &str| Request::get(path).body(Vec::new()).unwrap();
    let path = "/api/v1/namespaces/default/pods";
    for failure in [Failure::Overloaded(2), Failure::Initializing(2)] {
        stage.rule(Rule::once(Fault::Refused(failure)));
        let answer = stage.client.send(get(path).map(Into::into)).await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["retry-after"]),
            (429, &"2".parse().unwrap())
        );
    }
    stage.rule(Rule::once(Fault::Refused(Failure::Initializing(2))));
    let status = status(stage.pods().list(&ListParams::default()).await.unwrap_err());
    assert_eq!(status.details.unwrap().retry_after_seconds, 2);
    // Fairness answers before anything that knows a Status.
    stage.rule(Rule::once(Fault::Refused(Failure::Overloaded(2))));
    let answer = stage.client.send(get(path).map(Into::into)).await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/plain; charset=utf-8");
}

#[tokio::test]
async fn a_proxy_answers_with_a_page() {
    let stage = Stage::new();
    for code in [500, 502, 503, 504] {
        stage.rule(Rule::once(Fault::Refused(Failure::Page(code))));
        let status = status(stage.make("a").await.unwrap_err());
        assert_eq!(status.code, code);
        assert!(status.message.contains("<h1>"), "{}", status.message);
    }
    assert!(stage.there().is_empty());
    assert_eq!(stage.effects(), [false; 4]);
}

#[tokio::test]
async fn what_was_refused_had_no_effect_and_what_failed_may_have_had_one() {
    let stage = Stage::new();
    stage.rule(Rule::once(Fault::Refused(Failure::Storage)));
    stage.rule(Rule::once(Fault::Failed(Failure::Storage)));
    for name in ["refused", "failed"] {
        assert_eq!(status(stage.make(name).await.unwrap_err()).code, 500);
    }
    assert_eq!(stage.there(), ["failed"]);
    let told: Vec<_> = stage
        .calls()
        .iter()
        .map(|call| (call.status, call.took_effect()))
        .collect();
    assert_eq!(told, [(Some(500), false), (Some(500), true)]);
}
