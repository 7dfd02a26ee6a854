//! What a kubelet shows of pods that fail, second by second: told once on a real node, and then by the simulated kubelet.
//!
//! A story ([`story`], in `kubelet/told/THEME.yaml`) is a pod as it is created on both sides, the script by which the simulated
//! containers do what the real ones do, and what is done meanwhile. What was seen on the real node is kept as text in
//! `kubelet/recorded/NAME.txt`; [`compare`] says what counts as the same.
//!
//! - `make kubelet-stories` tells them on a real node (root, about a quarter of an hour) and compares what is seen with what was
//!   recorded; `RECORD=1` writes it anew. `STORY=text` tells only those whose name contains the text.
//! - `make test` tells them on the simulation, in its time, and compares with the same recordings. A difference needs a reason in
//!   `kubelet/known.txt`, and a reason needs a difference. `SHOW=1` prints what the simulated kubelet shows.

mod compare;
mod deeds;
mod metrics;
mod real;
mod sight;
mod simulated;
mod story;
mod telling;

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use compare::Teller;
use story::Story;
use telling::Telling;

use crate::differential::{difference::Difference, exceptions::Exceptions};

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/kubelet"))
}

/// The stories that are wanted.
fn stories() -> Vec<Story> {
    let wanted = std::env::var("STORY").unwrap_or_default();
    let mut stories = Story::all(&folder().join("told"));
    stories.retain(|story| story.name.contains(&wanted));
    assert!(!stories.is_empty(), "no story is called {wanted}");
    stories
}

fn recording(story: &Story) -> std::path::PathBuf {
    folder().join("recorded").join(format!("{}.txt", story.name))
}

/// What was recorded of a story.
fn recorded(story: &Story) -> Telling {
    let file = recording(story);
    let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    Telling::read(&text)
}

/// Writes what is left of the differences, and returns how many stories have any.
fn report(found: BTreeMap<String, Vec<Difference>>, exceptions: &mut Exceptions, report: &mut String) -> usize {
    let mut differing = 0;
    for (name, differences) in found {
        let case = story::case(&name);
        let left = exceptions.not_excused(&case, differences);
        if !left.is_empty() {
            differing += 1;
            writeln!(report, "\n=== {name}").unwrap();
            for difference in left {
                difference.describe(report);
            }
        }
    }
    differing
}

#[test]
fn the_simulated_kubelet_shows_what_a_real_one_does() {
    let stories = stories();
    let mut found = BTreeMap::new();
    for story in &stories {
        let told = simulated::tell(story);
        if std::env::var("SHOW").is_ok() {
            println!("=== {}\n{}", story.name, told.write(story));
        }
        found.insert(
            story.name.clone(),
            compare::find(&recorded(story), &told, Teller::Simulated),
        );
    }
    let known: &'static str = fs::read_to_string(folder().join("known.txt")).unwrap().leak();
    let mut exceptions = Exceptions::of(known);
    let mut text = String::new();
    let differing = report(found, &mut exceptions, &mut text);
    if std::env::var("STORY").is_err() {
        for unused in exceptions.unused() {
            writeln!(text, "\nan exception that nothing needs: {unused}").unwrap();
        }
    }
    assert!(
        text.is_empty(),
        "{differing} of {} stories differ\n{text}",
        stories.len()
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it needs root and a quarter of an hour of real back-offs: make kubelet-stories"]
async fn a_real_kubelet_shows_what_was_recorded() {
    crate::service::trust();
    let anew = std::env::var("RECORD").is_ok();
    let told = real::tell(stories()).await;
    let mut found = BTreeMap::new();
    for (story, told) in &told {
        if anew {
            fs::write(recording(story), told.write(story)).unwrap();
        } else {
            found.insert(story.name.clone(), compare::find(&recorded(story), told, Teller::Real));
        }
    }
    let mut text = String::new();
    let differing = report(found, &mut Exceptions::of(""), &mut text);
    let number = told.len();
    assert!(
        text.is_empty(),
        "{differing} of {number} stories differ (real: as recorded, simulated: as seen now)\n{text}"
    );
}
