//! The scenarios, each with its story as a reader would tell it. A story that changes is a change of behaviour.

use std::collections::BTreeSet;

use selfhealer::{domain::runbook::Mode, failpoint::Failpoint};
use serde_json::Value;
use simulated_cluster::kubernetes::resources::DEPLOYMENTS;

use super::{
    cluster::{Cluster, SHOP, is_crash_looping, key, name},
    prepared::Prepared,
    scenario::{Act, Scenario, about, firing, resolved, scenario},
    stage::play,
    told::Told,
};
use crate::targets::CROWD;

use Act::{Cancel, Change, Pause, Post, Resume};

/// A Deployment of three, one of whose pods is in a crash loop.
fn sick(cluster: &Cluster) {
    cluster.deployment("cart", 3);
    cluster.crash(&[cluster.pod("cart", 0)]);
}

fn sick_stateful_set(cluster: &Cluster) {
    cluster.stateful_set("db", 2);
    cluster.crash(&[first_of(cluster, "db-0")]);
}

fn budget_at_its_limit(cluster: &Cluster) {
    cluster.deployment("cart", 2);
    cluster.budget("cart", 2);
    cluster.crash(&[cluster.pod("cart", 0)]);
}

fn first_of(cluster: &Cluster, name: &str) -> Value {
    let mut pods = cluster.pods("db").into_iter();
    pods.find(|pod| self::name(pod) == name).unwrap()
}

/// A Deployment of four, two of whose pods are in a crash loop.
fn two_sick(cluster: &Cluster) {
    cluster.deployment("cart", 4);
    cluster.crash(&cluster.pods("cart")[..2]);
}

/// The pods of an app that keep crashing.
fn crash_looping(cluster: &Cluster, app: &str) -> Vec<Value> {
    cluster.pods(app).into_iter().filter(is_crash_looping).collect()
}

/// Alertmanager tells of every pod that is in a crash loop.
const FIRES: Act = Post(|cluster, now| {
    let apps = ["cart", "till", "db"];
    let pods = apps.iter().flat_map(|app| crash_looping(cluster, app));
    pods.map(|pod| about(&pod, now)).collect()
});

/// Alertmanager tells of the first pod that is in a crash loop only.
const ONE_FIRES: Act = Post(|cluster, now| vec![about(&crash_looping(cluster, "cart")[0], now)]);

/// All scenarios on which the crash matrix is walked.
pub fn all() -> Vec<Scenario> {
    vec![
        scenario("healed", sick, vec![(0, FIRES)]),
        scenario("told_in_slack", sick, vec![(0, FIRES)]).in_slack(),
        scenario("healed_after_settling", sick, vec![(0, FIRES)]).settle(10),
        scenario("stateful_set", sick_stateful_set, vec![(0, FIRES)]),
        scenario(
            "budget_at_its_limit",
            budget_at_its_limit,
            vec![(0, FIRES), (12, Change(|cluster| cluster.drop_budget("cart")))],
        ),
        scenario(
            "gone_meanwhile",
            sick,
            vec![
                (0, FIRES),
                (
                    5,
                    Change(|cluster| cluster.delete(&key(&crash_looping(cluster, "cart")[0]))),
                ),
            ],
        )
        .settle(10),
        scenario(
            "replaced_meanwhile",
            sick_stateful_set,
            vec![
                (0, FIRES),
                (1, Change(|cluster| cluster.delete(&key(&first_of(cluster, "db-0"))))),
            ],
        )
        .settle(20),
        scenario(
            "opted_out",
            |cluster| {
                sick(cluster);
                cluster.annotate(DEPLOYMENTS, "cart", "selfhealer.dev/ignore", "true");
            },
            vec![(0, FIRES)],
        ),
        scenario("protected_namespace", sick, vec![(0, FIRES)]).protecting(SHOP),
        scenario("paused", sick, vec![(0, Pause), (1, FIRES), (20, Resume)]),
        scenario(
            "paused_in_the_middle",
            budget_at_its_limit,
            vec![
                (0, FIRES),
                (7, Pause),
                (12, Change(|cluster| cluster.drop_budget("cart"))),
                (22, Resume),
            ],
        ),
        scenario("canceled", budget_at_its_limit, vec![(0, FIRES), (7, Cancel)]),
        scenario("two_alertmanagers", sick, vec![(0, FIRES), (0, FIRES), (1, FIRES)]).settle(5),
        scenario(
            "crowd",
            |cluster| {
                cluster.deployment("cart", 3);
                cluster.crash(&cluster.pods("cart")[..2]);
            },
            vec![(0, FIRES)],
        )
        .crowd()
        .runbook(CROWD)
        .settle(20),
        scenario(
            "firing_and_resolved",
            |cluster| {
                cluster.deployment("cart", 2);
                cluster.deployment("till", 2);
                cluster.crash(&[cluster.pod("cart", 0), cluster.pod("till", 0)]);
            },
            vec![(
                0,
                Post(|cluster, now| {
                    let over = about(&crash_looping(cluster, "till")[0], now);
                    vec![resolved(&over, now), about(&crash_looping(cluster, "cart")[0], now)]
                }),
            )],
        ),
        scenario(
            "resolved_in_time",
            sick,
            vec![
                (0, FIRES),
                (
                    5,
                    Post(|cluster, now| vec![resolved(&about(&crash_looping(cluster, "cart")[0], now), now)]),
                ),
            ],
        )
        .settle(10),
        scenario(
            "a_label_is_missing",
            sick,
            vec![(
                0,
                Post(|_, now| {
                    let labels = [("alertname", "SelfhealerPodCrashLooping"), ("namespace", SHOP)];
                    vec![firing(&labels, now)]
                }),
            )],
        ),
        scenario(
            "without_a_controller",
            |cluster| {
                cluster.bare_pod("cart");
                cluster.crash(&[cluster.pod("cart", 0)]);
            },
            vec![(0, FIRES)],
        ),
        scenario(
            "no_ready_sibling",
            |cluster| {
                cluster.deployment("cart", 1);
                cluster.crash(&[cluster.pod("cart", 0)]);
            },
            vec![(0, FIRES)],
        ),
        scenario(
            "well_again",
            |cluster| {
                cluster.deployment("cart", 2);
                cluster.wait(jiff::SignedDuration::from_secs(60));
            },
            vec![(0, Post(|cluster, now| vec![about(&cluster.pod("cart", 0), now)]))],
        )
        .runbook(CROWD),
        // Ready at this second, and about to crash again.
        scenario(
            "between_two_crashes",
            |cluster| {
                cluster.deployment("cart", 2);
                cluster.crash_after_a_while(&cluster.pod("cart", 0));
            },
            vec![(2, Post(|cluster, now| vec![about(&cluster.pod("cart", 0), now)]))],
        ),
        scenario("shadow", sick, vec![(0, FIRES)]).mode(Mode::Shadow),
        scenario("dry_run", sick, vec![(0, FIRES)]).mode(Mode::DryRun),
        scenario(
            "the_replacement_crashes_too",
            |cluster| {
                sick(cluster);
                cluster.break_replacements("cart");
            },
            vec![(0, FIRES)],
        )
        .impatient(),
        // Healthy before the time is over, and not yet for long enough.
        scenario(
            "healthy_at_the_last_moment",
            |cluster| {
                sick(cluster);
                cluster.cordon(true);
            },
            vec![(0, FIRES), (12, Change(|cluster| cluster.cordon(false)))],
        )
        .impatient(),
        scenario(
            "the_next_pod_crashes",
            |cluster| {
                sick(cluster);
                cluster.budget("till", 1);
            },
            vec![
                (0, FIRES),
                (90, Change(|cluster| cluster.begin_crashing(&cluster.pod("cart", 0)))),
                (350, FIRES),
            ],
        ),
        // The second run waits until the first one has ended, which the second pod keeps from its success. It comes when the first
        // has acted, whatever goes wrong: before that its alert would join.
        scenario("root_busy", two_sick, vec![(0, ONE_FIRES), (50, FIRES)])
            .verifying_for("1m")
            .limits("cooldown: 0s\n    maxAttempts: 5\n    rate: 4/1d\n"),
        scenario(
            "forbidden",
            |cluster| {
                sick(cluster);
                cluster.forbid_evictions();
            },
            vec![(0, FIRES)],
        ),
    ]
}

/// More that are told, and not walked: to the matrix they are the same as `the_next_pod_crashes`.
fn others() -> Vec<Scenario> {
    vec![
        scenario("cooling_down", two_sick, vec![(0, ONE_FIRES), (40, FIRES)])
            .impatient()
            .limits("cooldown: 1h\n    maxAttempts: 5\n    rate: 4/1d\n"),
        scenario("too_often", two_sick, vec![(0, ONE_FIRES), (40, FIRES)])
            .impatient()
            .limits("cooldown: 0s\n    maxAttempts: 5\n    rate: 1/1d\n"),
    ]
}

/// One of them.
pub fn named(name: &str) -> Scenario {
    let found = all().into_iter().chain(others()).find(|scenario| scenario.name == name);
    found.unwrap_or_else(|| panic!("there is no scenario {name}"))
}

#[test]
fn every_scenario_tells_its_story() {
    for scenario in all().into_iter().chain(others()) {
        let name = scenario.name;
        let told = play(&Prepared::new(scenario), None, None);
        assert_eq!(told.broken, [] as [String; 0], "{name}\n{}", told.text);
        insta::assert_snapshot!(name, told.text);
    }
}

/// A failpoint that no scenario passes is one at which nobody tries a death.
#[test]
fn every_failpoint_is_passed_by_a_scenario() {
    let told = all()
        .into_iter()
        .map(|scenario| play(&Prepared::new(scenario), None, None));
    let passed: BTreeSet<Failpoint> = told.flat_map(|told| told.points).collect();
    let missing: Vec<_> = Failpoint::ALL.iter().filter(|point| !passed.contains(point)).collect();
    assert!(missing.is_empty(), "no scenario passes {missing:?}");
}

/// Too long for the matrix: one pod at a time.
#[test]
fn fifty_pods_of_one_deployment_are_one_run() {
    let crowd = scenario(
        "fifty",
        |cluster| {
            cluster.deployment("cart", 51);
            cluster.crash(&cluster.pods("cart")[..50]);
        },
        vec![(0, FIRES)],
    )
    .runbook(&CROWD.replace("deadline: 5m", "deadline: 30m"))
    .settle(10);
    let told = play(&Prepared::new(crowd), None, None);
    assert_eq!(told.broken, [] as [String; 0], "{}", told.text);
    let (merged, acted): (Vec<_>, Vec<_>) = told.end.runs.iter().partition(|run| run.contains("(merged)"));
    assert_eq!((merged.len(), acted.len()), (49, 1), "{}", told.text);
    assert!(acted[0].ends_with("succeeded(healthy)"), "{}", told.text);
    assert_eq!(told.end.evicted.len(), 50);
    assert_eq!(told.end.standing["cart"], "51/51");
}

#[test]
fn the_same_scenario_tells_the_same_story() {
    let healed = || Prepared::new(all().swap_remove(0));
    let (one, other) = (play(&healed(), None, None), play(&healed(), None, None));
    assert_eq!(one.text, other.text);
    let asked = |told: &Told| told.calls.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(asked(&one), asked(&other));
}
