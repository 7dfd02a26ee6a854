//! The simulated API server and the real one are asked the same, and must answer the same.
//!
//! A case is a name and a sequence of calls, written as text in `differential/cases/THEME.txt` ([`language`] says how). It is played
//! on a simulation of its own and in a namespace of its own on the test cluster ([`play`]); what legitimately differs
//! is made equal ([`normal`]), the rest is compared field by field ([`difference`]). A difference fails the test unless
//! `differential/exceptions.txt` gives a reason for it ([`exceptions`]), and so does a reason that nothing needs. Cases that are not
//! yet mended stand in `differential/open.txt`.
//!
//! `CASE=text cargo test --test it differential` plays only the cases whose theme and name contain the text, and
//! `SHOW=1` prints every answer.

pub mod difference;
pub mod exceptions;
pub mod language;
mod normal;
pub mod play;

use std::fmt::Write as _;

use futures::StreamExt;
use kube::Client;
use test_cluster::ControlPlane;

use difference::Difference;
use exceptions::Exceptions;
use language::Case;

/// How many cases are played at a time.
const AT_ONCE: usize = 6;
/// The suite is worth its name with no fewer.
const CASES: usize = 150;
/// How often a case is played that differs.
const PLAYS: usize = 3;
/// Cases in which the simulation is known to be wrong still: each is work to do. They are played and counted, and told when they are
/// named by `CASE`; a case that is not here must not differ.
const OPEN: &str = include_str!("differential/open.txt");

/// Whether a case is known to differ.
fn is_open(case: &Case) -> bool {
    OPEN.lines().any(|line| line == case.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_simulated_api_server_answers_as_the_real_one() {
    crate::service::trust();
    let plane = ControlPlane::shared().await.unwrap();
    let wanted = std::env::var("CASE").ok();
    let show = std::env::var("SHOW").is_ok();
    let all = language::all();
    assert!(wanted.is_some() || all.len() >= CASES, "only {} cases", all.len());
    let cases: Vec<Case> = all
        .into_iter()
        .filter(|case| {
            wanted
                .as_ref()
                .is_none_or(|wanted| case.to_string().contains(wanted.as_str()))
        })
        .collect();
    assert!(!cases.is_empty(), "no case is called {wanted:?}");
    let client = plane.client();
    let number = cases.len();
    let played: Vec<(Case, Vec<Difference>)> = futures::stream::iter(cases.into_iter().enumerate())
        .map(|(index, case)| compare(plane, client.clone(), index, case, show))
        .buffered(AT_ONCE)
        .collect()
        .await;
    let mut exceptions = Exceptions::read();
    let mut report = String::new();
    let (mut differing, mut open) = (0, 0);
    let mut plays = number;
    for (mut case, differences) in played {
        let mut left = exceptions.not_excused(&case, differences);
        let known = wanted.is_none() && is_open(&case);
        // On the test cluster controllers write as well, sooner or later: what comes from that does not come thrice.
        for _ in 1..PLAYS {
            if left.is_empty() || known {
                break;
            }
            let differences;
            (case, differences) = compare(plane, client.clone(), plays, case, show).await;
            left = exceptions.not_excused(&case, differences);
            plays += 1;
        }
        if left.is_empty() {
            continue;
        }
        if known {
            open += 1;
            continue;
        }
        differing += 1;
        difference::describe(&case, &left, &mut report);
    }
    println!(
        "{} of {number} cases agree, {open} are known to differ",
        number - open - differing
    );
    if wanted.is_none() {
        for unused in exceptions.unused() {
            writeln!(report, "\nan exception that nothing needs: {unused}").unwrap();
        }
    }
    assert!(report.is_empty(), "{differing} of {number} cases differ\n{report}");
}

/// Plays a case on both sides.
async fn compare(
    plane: &'static ControlPlane,
    client: Client,
    index: usize,
    case: Case,
    show: bool,
) -> (Case, Vec<Difference>) {
    let namespace = format!("case-{index}");
    let real = async {
        plane.create_namespace(&namespace).await.unwrap();
        play::play(&case, &play::Side::real(client), &namespace).await
    };
    let simulated = async {
        let side = play::Side::simulated(&case, &namespace).await;
        play::play(&case, &side, &namespace).await
    };
    let begun = std::time::Instant::now();
    let (real, simulated) = futures::future::join(real, simulated).await;
    if show {
        println!("{case}: {:?}", begun.elapsed());
    }
    let (real, simulated) = (normal::normalise(real), normal::normalise(simulated));
    if show {
        for (call, answer) in case.calls.iter().zip(&real) {
            println!("{case}\n  {}\n{answer:#}", call.line);
        }
    }
    let differences = difference::find(&real, &simulated);
    (case, differences)
}
