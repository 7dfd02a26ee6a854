//! What the controllers make of something over time: the same story is told on the simulation and on the test cluster.
//!
//! A story is a few lines of text in `stories/told/THEME.txt`, calls as in the differential suite and between them what is waited
//! for and looked at ([`tell`] has the words). At each `CHECK` all that stands in the story's namespace is compared: objects, what
//! controllers wrote into them, and their Events in order ([`sight`] says what is made equal, and why). What nodes do is done
//! on each side by its own means ([`nodes`]). A difference fails the test unless `stories/known.txt` gives a reason, and so
//! does a reason that nothing needs. A story that differs is told once more: the real controllers meet each other at another moment.
//!
//! `STORY=text make stories` tells only the stories whose theme and name contain the text; `SHOW=1` prints what was seen at each
//! checkpoint.

mod nodes;
mod sight;
mod tell;

use std::{fmt::Write as _, fs, path::Path};

use futures::StreamExt;
use test_cluster::ControlPlane;

use crate::differential::{
    difference::Difference,
    exceptions::Exceptions,
    language::{Case, sections},
};

/// How many stories are told at a time: most of the time they wait for something.
const AT_ONCE: usize = 8;

/// A story: its name, and the lines that are told one after another.
pub struct Story {
    case: Case,
    lines: Vec<String>,
}

/// Where two tellings differ.
pub struct Found {
    line: String,
    differences: Vec<Difference>,
}

fn all() -> Vec<Story> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/stories/told");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let mut stories = Vec::new();
    for file in files {
        let theme = file.file_stem().unwrap().to_str().unwrap().to_owned();
        for (name, lines) in sections(&theme, &fs::read_to_string(&file).unwrap()) {
            let case = Case {
                theme: theme.clone(),
                name,
                controllers: true,
                calls: Vec::new(),
            };
            stories.push(Story { case, lines });
        }
    }
    stories
}

/// The differences that are known. Read when the test runs, so that an author need not build for a line of text.
fn known() -> &'static str {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/stories/known.txt");
    fs::read_to_string(file).unwrap().leak()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it hangs on the moments of real controllers, and one of sixty stories may meet them in another: make stories"]
async fn controllers_do_the_same_on_both_sides() {
    crate::service::trust();
    let plane = ControlPlane::shared().await.unwrap();
    let wanted = std::env::var("STORY").ok();
    let mut stories = all();
    if let Some(wanted) = &wanted {
        stories.retain(|story| story.case.to_string().contains(wanted.as_str()));
    }
    assert!(!stories.is_empty(), "no story is called {wanted:?}");
    let known = known();
    let number = stories.len();
    let at_once = wanted.is_some();
    let told: Vec<(Story, Vec<Found>)> = futures::stream::iter(stories.into_iter().enumerate())
        .map(|(index, story)| async move {
            let mut found = tell::tell(plane, &story, &format!("story-{index}"), known).await;
            // What the real controllers did by chance they hardly do twice; the simulated ones do the same each time.
            if differs(&story, &found, known) {
                found = tell::tell(plane, &story, &format!("story-{index}-again"), known).await;
            }
            // Whoever works on some stories need not wait for the last of them.
            if at_once {
                let mut report = format!("--- {}\n", story.case);
                for found in &found {
                    describe(&found.line, &found.differences, &mut report);
                }
                println!("{report}");
            }
            (story, found)
        })
        .buffered(AT_ONCE)
        .collect()
        .await;
    let mut exceptions = Exceptions::of(known);
    let mut report = String::new();
    let mut differing = 0;
    for (story, found) in told {
        let mut told = false;
        for found in found {
            let left = exceptions.not_excused(&story.case, found.differences);
            if !left.is_empty() {
                if !told {
                    writeln!(report, "\n=== {}", story.case).unwrap();
                    differing += 1;
                }
                told = true;
                describe(&found.line, &left, &mut report);
            }
        }
    }
    println!("{} of {number} stories agree", number - differing);
    if wanted.is_none() {
        for unused in exceptions.unused() {
            writeln!(report, "\nan exception that nothing needs: {unused}").unwrap();
        }
    }
    assert!(report.is_empty(), "{differing} of {number} stories differ\n{report}");
}

fn differs(story: &Story, found: &[Found], known: &'static str) -> bool {
    let left = |found: &Found| {
        !Exceptions::of(known)
            .not_excused(&story.case, found.differences.clone())
            .is_empty()
    };
    found.iter().any(left)
}

fn describe(line: &str, differences: &[Difference], report: &mut String) {
    writeln!(report, "  {line}").unwrap();
    for difference in differences {
        difference.describe(report);
    }
}
