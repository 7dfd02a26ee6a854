use super::*;

#[tokio::test]
async fn a_rule_is_about_resource_subresource_verb_namespace_and_name() {
    let stage = Stage::new();
    stage.run_pod("web").await;
    stage.run_pod("other").await;
    let evictions = Calls::of("pods/eviction").within("default").named("web");
    stage.rule(Rule::always(Fault::Cut).on(evictions));
    let pods = stage.pods();
    assert!(is_cut(pods.evict("web", &EvictParams::default()).await));
    pods.evict("other", &EvictParams::default()).await.unwrap();
    pods.get("web").await.unwrap();
    pods.delete("web", &DeleteParams::default()).await.unwrap();
    stage.simulation.faults().clear();
    pods.evict("web", &EvictParams::default()).await.unwrap();
}

#[tokio::test]
async fn a_rule_is_about_changes_or_users_or_everything() {
    let stage = Stage::new();
    stage.rule(Rule::once(Fault::Cut).on(Calls::changes()));
    stage.maps().list(&ListParams::default()).await.unwrap();
    assert!(is_cut(stage.make("a").await));
    let somebody = stage
        .simulation
        .service()
        .without_token(Some(User::service_account("ops", "healer")));
    let somebody = Client::new(somebody, "default");
    stage.rule(Rule::times(2, Fault::Cut).on(Calls::any().by("system:serviceaccount:ops:healer")));
    assert!(is_cut(somebody.apiserver_version().await));
    stage.make("a").await.unwrap();
    let maps: Api<ConfigMap> = Api::default_namespaced(somebody);
    assert!(is_cut(maps.list(&ListParams::default()).await));
    assert_eq!(status(maps.list(&ListParams::default()).await.unwrap_err()).code, 403);
    stage.rule(Rule::once(Fault::Cut).on(Calls::of("deployments.apps/scale").verb("patch").verb("update")));
    stage.make("b").await.unwrap();
}

#[tokio::test]
async fn a_rule_begins_with_its_nth_call_and_holds_for_its_time() {
    let stage = Stage::new();
    stage.rule(Rule::times(2, Fault::Cut).on(Calls::changes()).after(2));
    let mut cut = Vec::new();
    for name in ["a", "b", "c", "d", "e"] {
        cut.push(stage.make(name).await.is_err());
    }
    assert_eq!(cut, [false, false, true, true, false]);
    let outage = Calls::any().from(start() + s(10)).until(start() + s(20));
    stage.rule(Rule::always(Fault::Cut).on(outage));
    let mut down = Vec::new();
    for _ in 0..3 {
        down.push(stage.maps().get("a").await.is_err());
        stage.pass(10);
    }
    assert_eq!(down, [false, true, false]);
}

#[tokio::test]
async fn the_dice_of_the_world_decide_and_fall_the_same_for_the_same_seed() {
    async fn cut(seed: u64) -> Vec<bool> {
        let simulation = Simulation::new(start(), seed);
        simulation
            .faults()
            .add(Rule::always(Fault::Cut).on(Calls::any().with_probability(0.3)));
        let maps: Api<ConfigMap> = Api::default_namespaced(Client::new(simulation.service(), "default"));
        let mut cut = Vec::new();
        for _ in 0..200 {
            cut.push(maps.list(&ListParams::default()).await.is_err());
        }
        cut
    }
    let first = cut(1).await;
    assert!((40..80).contains(&first.iter().filter(|cut| **cut).count()));
    assert_eq!(cut(1).await, first);
    assert_ne!(cut(2).await, first);
}

#[tokio::test]
async fn a_held_call_goes_on_when_it_is_released() {
    let stage = Stage::new();
    stage.rule(Rule::once(Fault::Held));
    stage.rule(Rule::once(Fault::AnswerHeld));
    let mut held = Box::pin(stage.make("held"));
    stage.send(&mut held).await;
    let mut answer_held = Box::pin(stage.make("answer-held"));
    stage.send(&mut answer_held).await;
    stage.simulation.faults().until_held(2).await;
    assert_eq!(stage.there(), ["answer-held"]);
    stage.simulation.faults().release();
    held.await.unwrap();
    answer_held.await.unwrap();
    assert_eq!(stage.there(), ["answer-held", "held"]);
}

#[tokio::test]
async fn the_record_tells_who_asked_what_and_what_became_of_it() {
    let stage = Stage::new();
    let uid = stage.run_pod("web").await;
    let evict = EvictParams::default();
    stage.rule(Rule::once(Fault::AnswerLost).on(Calls::of("pods/eviction")));
    assert!(is_cut(stage.pods().evict("web", &evict).await));
    stage.pods().evict("web", &evict).await.unwrap();
    assert_eq!(status(stage.pods().evict("gone", &evict).await.unwrap_err()).code, 404);
    let lines: Vec<_> = stage.calls().iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "10:00:00.000 kubernetes-admin create pods default/web: 201, took effect",
            "10:00:00.000 kubernetes-admin create pods/eviction default/web: no answer, took effect (AnswerLost)",
            "10:00:00.000 kubernetes-admin create pods/eviction default/web: 201",
            "10:00:00.000 kubernetes-admin create pods/eviction default/gone: 404",
        ]
    );
    let evictions = stage.calls();
    let evictions = evictions
        .iter()
        .filter(|call| call.target() == "pods/eviction" && call.uid.as_deref() == Some(&*uid) && call.took_effect());
    assert_eq!(evictions.count(), 1, "the second found it leaving already");
    assert_eq!(stage.calls()[1].json()["metadata"]["name"], "web");
}
