//! Durable acknowledgements, beside SQLite itself and beside the same server that keeps nothing.

use super::{
    load::CONNECTIONS,
    machine::median,
    runtime,
    spawn::{Server, address, client, drained, installation, yardstick},
    table::Table,
};

const ROUNDS: usize = 5;
/// Posts of one round, by alerts a post: about a second of the yardstick.
const SIZES: [(u64, u64); 2] = [(1, 40_000), (50, 6_000)];
/// The open loop.
const RATE: u64 = 1_000;
const SECONDS: u64 = 10;

/// As fast as 64 connections get their answers.
pub fn closed(table: &mut Table) {
    let runtime = runtime();
    for (alerts, posts) in SIZES {
        let (mut rates, mut of_yardstick, mut of_null, mut unfolded) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (mut behind, mut ceiling, mut of_ceiling) = (Vec::new(), Vec::new(), Vec::new());
        let mut inbox = Vec::new();
        for round in 1..=ROUNDS {
            let yardstick = yardstick("closed", alerts, posts);
            let null = {
                let server = Server::null();
                closed_loop(&server.address, alerts, posts)
            };
            let behind_http = {
                let server = Server::yardstick();
                closed_loop(&server.address, alerts, posts)
            };
            let unfolding = {
                let _unfolding = Server::unfolding(alerts);
                let server = Server::yardstick();
                closed_loop(&server.address, alerts, posts)
            };
            let inbox_alone = client(&["inbox", &alerts.to_string(), &posts.to_string()]);
            let (service, rate) = runtime.block_on(async {
                let installation = installation(&[], "");
                let service = installation.start().await;
                let to = address(&service);
                let begin = std::time::Instant::now();
                let tally = tokio::task::spawn_blocking(move || closed_loop(&to, alerts, posts))
                    .await
                    .unwrap();
                drained(&service).await;
                let rate = (tally.count * alerts) as f64 / begin.elapsed().as_secs_f64();
                (tally, rate)
            });
            println!(
                "alerts={alerts} round={round} yardstick={:.0}/s (p99 {:.2} ms) null={:.0}/s behind_http={:.0}/s \
                 (and unfolding {:.0}/s) inbox={:.0}/s service={:.0}/s (p50 {:.2} p99 {:.2} max {:.2} ms, {} refused) unfolded={rate:.0} alerts/s",
                yardstick.rate(),
                yardstick.p99,
                null.rate(),
                behind_http.rate(),
                unfolding.rate(),
                inbox_alone.rate(),
                service.rate(),
                service.p50,
                service.p99,
                service.max,
                service.refused,
            );
            rates.push(service.rate());
            of_yardstick.push(100.0 * service.rate() / yardstick.rate());
            of_null.push(100.0 * service.rate() / null.rate());
            behind.push(100.0 * behind_http.rate() / yardstick.rate());
            ceiling.push(100.0 * unfolding.rate() / yardstick.rate());
            of_ceiling.push(100.0 * service.rate() / unfolding.rate());
            inbox.push(100.0 * inbox_alone.rate() / yardstick.rate());
            unfolded.push(rate);
        }
        let what = format!("{alerts} alerts a post, {CONNECTIONS} connections");
        table.note(format!("{what}: durable posts"), median(&mut rates), "/s");
        table.at_least(
            format!("{what}: of the yardstick's rows/s"),
            median(&mut of_yardstick),
            60.0,
            " %",
        );
        table.note(
            format!("{what}: what the yardstick itself reaches of that behind the same HTTP server"),
            median(&mut behind),
            " %",
        );
        table.note(
            format!("{what}: … while 10,000 alerts/s are unfolded beside it"),
            median(&mut ceiling),
            " %",
        );
        table.note(
            format!("{what}: of the yardstick behind the same HTTP server and beside unfolding"),
            median(&mut of_ceiling),
            " %",
        );
        table.note(
            format!("{what}: what the inbox reaches of the yardstick without HTTP, client and unfolding"),
            median(&mut inbox),
            " %",
        );
        table.at_least(
            format!("{what}: of the server that stores nothing"),
            median(&mut of_null),
            16.7,
            " %",
        );
        table.at_least(
            format!("{what}: taken in and unfolded"),
            median(&mut unfolded),
            10_000.0,
            " alerts/s",
        );
    }
}

fn closed_loop(address: &str, alerts: u64, posts: u64) -> super::tally::Tally {
    client(&["closed", address, &alerts.to_string(), &posts.to_string()])
}

/// At 1,000 alerts a second, by the clock.
pub fn open(table: &mut Table) {
    let runtime = runtime();
    let (mut p99s, mut ratios) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        let yardstick = yardstick("open", RATE, SECONDS);
        let service = runtime.block_on(async {
            let installation = installation(&[], "");
            let service = installation.start().await;
            let to = address(&service);
            let arguments = ["open".to_owned(), to, RATE.to_string(), SECONDS.to_string()];
            let run = move || client(&arguments.each_ref().map(String::as_str));
            tokio::task::spawn_blocking(run).await.unwrap()
        });
        println!(
            "rate={RATE}/s round={round} yardstick p50 {:.3} p99 {:.3} max {:.2} ms, service p50 {:.3} p99 {:.3} max {:.2} ms \
             ({} refused)",
            yardstick.p50, yardstick.p99, yardstick.max, service.p50, service.p99, service.max, service.refused
        );
        p99s.push(service.p99);
        ratios.push(service.p99 / yardstick.p99);
    }
    table.note("1,000 alerts/s: p99 to a durable 202", median(&mut p99s), " ms");
    table.at_most(
        "1,000 alerts/s: p99 of the yardstick's p99",
        median(&mut ratios),
        3.0,
        " times",
    );
}
