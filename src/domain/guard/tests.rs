//! Each guard before and after the first mutation.

use std::time::Duration;

use uuid::Uuid;

use super::*;
use crate::domain::runbook::{Mode, Rate};

const MINUTE: i64 = 60;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).expect("a valid second")
}

fn id(n: u128) -> RunId {
    RunId(Uuid::from_u128(n))
}

fn run() -> Run {
    Run {
        id: id(1),
        runbook: "r".to_owned(),
        version: "v".to_owned(),
        mode: Mode::Enforce,
        object: None,
        opened_at: at(0),
        deadline: at(30 * MINUTE),
        attempt: 1,
    }
}

fn quiet() -> History {
    History {
        cancel: None,
        pauses: Vec::new(),
        firing: true,
        busy: None,
        incident: at(-MINUTE),
        attempts: Vec::new(),
    }
}

fn attempts(ages: &[i64]) -> Vec<Attempt> {
    let attempt = |(n, age): (u128, &i64)| Attempt {
        run: id(n),
        at: at(-age),
    };
    (10..).zip(ages).map(attempt).collect()
}

fn pause(until: Option<Timestamp>) -> Pause {
    let text = str::to_owned;
    Pause {
        scope: text("everything"),
        who: text("ann"),
        why: text("release"),
        until,
    }
}

fn verdict(guards: &Guards, sent: bool, facts: &Facts, history: &History) -> String {
    let state = State {
        sent,
        ..State::default()
    };
    let run = run();
    let question = Question {
        run: &run,
        guards,
        state: &state,
        facts,
        history,
        now: at(0),
    };
    match judge(GUARDS, &question) {
        Verdict::Allow => "allow".to_owned(),
        Verdict::Defer { reason, until, .. } => {
            format!("defer {reason} {}s", until.duration_since(at(0)).as_secs())
        }
        Verdict::Suppress { reason, .. } => format!("suppress {reason}"),
    }
}

#[test]
fn each_guard_holds_before_the_first_mutation_and_only_some_after_it() {
    let generous = Guards {
        max_attempts: 100,
        ..Guards::default()
    };
    let protected = Facts {
        protected: Some("kube-system".to_owned()),
        opted_out: None,
    };
    let opted_out = Facts {
        protected: None,
        opted_out: Some("shop/Deployment/cart".to_owned()),
    };
    let none = Facts::default();
    let resolved = History {
        firing: false,
        ..quiet()
    };
    let paused = History {
        pauses: vec![pause(None)],
        ..quiet()
    };
    let paused_briefly = History {
        pauses: vec![pause(Some(at(3)))],
        ..quiet()
    };
    let busy = History {
        busy: Some(id(2)),
        ..quiet()
    };
    let earlier = History {
        incident: at(-60),
        attempts: attempts(&[50]),
        ..quiet()
    };
    let before_the_incident = History {
        incident: at(-60),
        attempts: attempts(&[40 * MINUTE]),
        ..quiet()
    };
    let cooling = History {
        attempts: attempts(&[20 * MINUTE]),
        ..quiet()
    };
    let cooling_for_long = History {
        attempts: attempts(&[0]),
        ..quiet()
    };
    let four = [31, 60, 90, 23 * 60 + 50].map(|minutes| minutes * MINUTE);
    let often = History {
        attempts: attempts(&four),
        ..quiet()
    };
    let four_long_ago = [40, 60, 90, 24 * 60 + 1].map(|minutes| minutes * MINUTE);
    let often_long_ago = History {
        attempts: attempts(&four_long_ago),
        ..quiet()
    };
    let defaults = &Guards::default();
    let cases = [
        ("nothing", defaults, &none, quiet(), "allow", "allow"),
        (
            "protected",
            defaults,
            &protected,
            quiet(),
            "suppress protected_namespace",
            "suppress protected_namespace",
        ),
        (
            "opted out",
            defaults,
            &opted_out,
            quiet(),
            "suppress opted_out",
            "suppress opted_out",
        ),
        ("resolved", defaults, &none, resolved, "suppress resolved", "allow"),
        (
            "paused",
            defaults,
            &none,
            paused,
            "defer paused 10s",
            "defer paused 10s",
        ),
        (
            "a pause that ends",
            defaults,
            &none,
            paused_briefly,
            "defer paused 3s",
            "defer paused 3s",
        ),
        ("busy", defaults, &none, busy, "defer root_busy 10s", "allow"),
        (
            "an attempt in this incident",
            defaults,
            &none,
            earlier,
            "suppress max_attempts",
            "allow",
        ),
        ("one before it", defaults, &none, before_the_incident, "allow", "allow"),
        (
            "cooling down",
            &generous,
            &none,
            cooling,
            "defer cooldown 600s",
            "allow",
        ),
        (
            "beyond the deadline",
            &generous,
            &none,
            cooling_for_long,
            "suppress cooldown",
            "allow",
        ),
        ("too often", &generous, &none, often, "defer rate 600s", "allow"),
        (
            "once not in the window",
            &generous,
            &none,
            often_long_ago,
            "allow",
            "allow",
        ),
    ];
    for (name, guards, facts, history, before, after) in cases {
        assert_eq!(
            verdict(guards, false, facts, &history),
            before,
            "{name}, before the first mutation"
        );
        assert_eq!(verdict(guards, true, facts, &history), after, "{name}, after it");
    }
}

#[test]
fn no_cooldown_is_no_cooldown() {
    let guards = Guards {
        cooldown: Duration::ZERO,
        max_attempts: 100,
        ..Guards::default()
    };
    let history = History {
        attempts: attempts(&[0]),
        ..quiet()
    };
    assert_eq!(verdict(&guards, false, &Facts::default(), &history), "allow");
}

#[test]
fn of_several_rates_the_one_that_makes_room_last_tells_when() {
    let rate = |count, minutes: u32| Rate {
        count,
        per: Duration::from_secs(60) * minutes,
    };
    let guards = Guards {
        cooldown: Duration::ZERO,
        max_attempts: 100,
        rates: vec![rate(2, 60), rate(3, 120)],
        ..Guards::default()
    };
    let asked = |minutes: &[i64]| {
        let ago: Vec<i64> = minutes.iter().map(|minutes| minutes * MINUTE).collect();
        let history = History {
            attempts: attempts(&ago),
            ..quiet()
        };
        verdict(&guards, false, &Facts::default(), &history)
    };
    assert_eq!(asked(&[50]), "allow");
    assert_eq!(asked(&[40, 55]), "defer rate 300s", "two within the hour");
    assert_eq!(asked(&[40, 70]), "allow");
    assert_eq!(asked(&[40, 70, 110]), "defer rate 600s", "three within two hours");
    assert_eq!(asked(&[40, 55, 110]), "defer rate 600s", "both: the later one");
}
