//! The client, in a process of its own: 64 connections that each wait for their answer, or posts by the clock.

use std::{
    io::{Read, Write},
    net::TcpStream as BlockingStream,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{http, pace, posts::Posts, tally::Tally};

/// Connections of the closed loop.
pub const CONNECTIONS: u64 = 64;
/// What no runbook of the rounds is for, unless a round says otherwise.
pub const ALERTNAME: &str = "SelfhealerBenchAlert";

/// So many posts of so many alerts, as fast as 64 connections get them acknowledged.
pub fn closed(address: &str, alerts: usize, posts: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (latencies, refused, took) = runtime.block_on(async {
        let mut connections = Vec::new();
        for index in 0..CONNECTIONS {
            let stream = TcpStream::connect(address).await.unwrap();
            stream.set_nodelay(true).unwrap();
            connections.push((index, stream));
        }
        let begin = Instant::now();
        let tasks: Vec<_> = connections
            .into_iter()
            .map(|(index, stream)| {
                let requests = http::requests(address, alerts, ALERTNAME);
                tokio::spawn(connection(stream, requests, index, posts))
            })
            .collect();
        let (mut latencies, mut refused) = (Vec::new(), 0);
        for task in tasks {
            let (some, not) = task.await.unwrap();
            latencies.extend(some);
            refused += not;
        }
        (latencies, refused, begin.elapsed())
    });
    println!("{}", Tally::new(latencies, refused, took));
}

async fn connection(mut stream: TcpStream, mut requests: Posts, first: u64, posts: u64) -> (Vec<Duration>, u64) {
    let (mut latencies, mut refused) = (Vec::new(), 0);
    let mut buffer = vec![0; 4096];
    for n in (first..posts).step_by(CONNECTIONS as usize) {
        let begin = Instant::now();
        stream.write_all(requests.number(n)).await.unwrap();
        let mut filled = 0;
        let answer = loop {
            let read = stream.read(&mut buffer[filled..]).await.unwrap();
            assert!(read > 0, "the server hung up");
            filled += read;
            if let Some(answer) = http::answer(&buffer[..filled]).filter(|answer| answer.length <= filled) {
                break answer;
            }
        };
        match answer.status {
            202 => latencies.push(begin.elapsed()),
            503 => refused += 1,
            other => panic!("answered with {other}"),
        }
    }
    (latencies, refused)
}

/// Posts of one alert by the clock.
pub fn open(address: &str, rate: u64, seconds: u64) {
    let begin = Instant::now();
    let sender = |_| {
        let stream = BlockingStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        (stream, http::requests(address, 1, ALERTNAME), vec![0; 4096])
    };
    let latencies = pace::paced(rate, seconds, sender, |(stream, requests, buffer), n| {
        stream.write_all(requests.number(n)).unwrap();
        let mut filled = 0;
        loop {
            let read = stream.read(&mut buffer[filled..]).unwrap();
            assert!(read > 0, "the server hung up");
            filled += read;
            if let Some(answer) = http::answer(&buffer[..filled]).filter(|answer| answer.length <= filled) {
                return answer.status == 202;
            }
        }
    });
    let refused = latencies.iter().filter(|latency| latency.is_none()).count() as u64;
    println!(
        "{}",
        Tally::new(latencies.into_iter().flatten().collect(), refused, begin.elapsed())
    );
}
