//! kill -9 in a storm: every 202 is in the store.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::Mutex;

use crate::{
    disk::unreachable_cluster,
    service::{Installation, PATIENCE, http},
    webhook::{firing, notification},
};

#[tokio::test(flavor = "multi_thread")]
async fn every_202_before_a_kill_in_a_storm_is_in_the_store_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = unreachable_cluster(folder.path());
    let installation = Installation::in_folder(folder, None, &kubeconfig, &[], "");
    let service = installation.start().await;
    let url = format!("{}/alertmanager", service.url);
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    let sent = Arc::new(AtomicUsize::new(0));
    let senders: Vec<_> = (0..16)
        .map(|_| {
            let (url, acknowledged, sent) = (url.clone(), acknowledged.clone(), sent.clone());
            tokio::spawn(async move {
                let client = http();
                loop {
                    let n = sent.fetch_add(1, Ordering::Relaxed).to_string();
                    let alert = firing(&[("alertname", "Storm"), ("n", &n)]);
                    match client.post(&url).json(&notification(&[alert])).send().await {
                        Ok(answer) if answer.status() == 202 => acknowledged.lock().await.push(n),
                        Ok(answer) => panic!("{}", answer.status()),
                        Err(_) => return,
                    }
                }
            })
        })
        .collect();
    let deadline = Instant::now() + PATIENCE;
    while acknowledged.lock().await.len() < 2000 {
        assert!(Instant::now() < deadline, "too few posts: {}", service.log());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    service.kill().await;
    for sender in senders {
        sender.await.unwrap();
    }

    let service = installation.start().await;
    let acknowledged = acknowledged.lock().await.clone();
    let mut known = std::collections::HashSet::new();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut cursor = String::new();
        loop {
            let page = service
                .get(&format!("/api/v1/alerts?alertname=Storm&limit=500{cursor}"))
                .await;
            for alert in page["items"].as_array().unwrap() {
                known.insert(alert["labels"]["n"].as_str().unwrap().to_owned());
            }
            match page["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        let missing = acknowledged.iter().filter(|n| !known.contains(*n)).count();
        if missing == 0 {
            break;
        }
        assert!(
            Instant::now() < deadline,
            "{missing} of {} are missing",
            acknowledged.len()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
