//! What only a socket shows: slow clients, hang-ups, bodies that grow, connections that end.

use std::{ops::RangeBounds, time::Duration};

use actix_web::dev::ServerHandle;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::*;

/// A served world. It stops at the end of its test.
struct Served {
    world: World,
    service: web::Data<Service>,
    address: SocketAddr,
    handle: ServerHandle,
}

impl Served {
    async fn with(limits: Limits) -> Self {
        let world = World::with(Setup {
            limits,
            ..Setup::default()
        })
        .await;
        let service = web::Data::new(Service::new(world.public.clone()));
        let app = service.clone();
        let any = "127.0.0.1:0".parse().unwrap();
        let bound = serve(&[any], 2, move || public_app(app.clone())).unwrap();
        let handle = bound.server.handle();
        rt::spawn(bound.server);
        Self {
            world,
            service,
            address: bound.addresses[0],
            handle,
        }
    }

    async fn connect(&self) -> Client {
        Client {
            stream: TcpStream::connect(self.address).await.unwrap(),
            read: Vec::new(),
        }
    }

    /// The status of a whole post over a connection of its own.
    async fn post(&self, body: &str) -> u16 {
        let mut client = self.connect().await;
        client.send(&head(&format!("Content-Length: {}", body.len()))).await;
        client.send(body).await;
        client.answer().await.0
    }

    /// Resolves when bodies in flight hold so many bytes.
    async fn reserved(&self, bytes: impl RangeBounds<usize>) {
        while !bytes.contains(&self.service.posts.reserved()) {
            rt::task::yield_now().await;
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
    }
}

struct Client {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Client {
    async fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// The next answer: its status, its head and its body.
    async fn answer(&mut self) -> (u16, String, String) {
        loop {
            let text = String::from_utf8_lossy(&self.read).into_owned();
            if let Some((head, rest)) = text.split_once("\r\n\r\n") {
                let head = head.to_ascii_lowercase();
                let length = head
                    .lines()
                    .find_map(|line| line.strip_prefix("content-length: "))
                    .map_or(0, |length| length.parse().unwrap());
                if rest.len() >= length {
                    let body = rest[..length].to_owned();
                    self.read.drain(..head.len() + 4 + length);
                    return (head[9..12].parse().unwrap(), head, body);
                }
            }
            assert!(self.more().await, "the connection ended within an answer: {text:?}");
        }
    }

    /// Whether more came before the end.
    async fn more(&mut self) -> bool {
        let mut buffer = [0; 4096];
        let count = self.stream.read(&mut buffer).await.unwrap_or(0);
        self.read.extend_from_slice(&buffer[..count]);
        count > 0
    }

    /// Resolves when the server has closed the connection.
    async fn closed(mut self) {
        while self.more().await {}
    }
}

fn head(framing: &str) -> String {
    format!("POST /alertmanager HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer alertmanager-secret\r\n{framing}\r\n\r\n")
}

fn reason(body: &str) -> String {
    serde_json::from_str::<Value>(body).unwrap()["reason"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[actix_web::test]
async fn a_connection_serves_one_post_after_the_other() {
    let served = Served::with(Limits::default()).await;
    let mut client = served.connect().await;
    for framing in [
        format!("Content-Length: {}", one().len()),
        "Transfer-Encoding: chunked".to_owned(),
    ] {
        client.send(&head(&framing)).await;
        if framing.starts_with("Content") {
            client.send(&one()).await;
        } else {
            client
                .send(&format!("{:x}\r\n{}\r\n0\r\n\r\n", one().len(), one()))
                .await;
        }
        let (status, head, body) = client.answer().await;
        assert_eq!((status, body.as_str()), (202, "{\"alerts\":1}"));
        assert!(!head.contains("connection: close"));
    }
}

#[actix_web::test]
async fn who_asks_before_sending_the_body_is_told_to_go_on() {
    let served = Served::with(Limits::default()).await;
    let mut client = served.connect().await;
    client
        .send(&head(&format!(
            "Content-Length: {}\r\nExpect: 100-continue",
            one().len()
        )))
        .await;
    assert_eq!(client.answer().await.0, 100);
    client.send(&one()).await;
    assert_eq!(client.answer().await.0, 202);
}

#[actix_web::test]
async fn a_body_that_does_not_arrive_in_time_is_503_and_the_connection_ends() {
    let served = Served::with(Limits {
        body_timeout: Duration::from_millis(50),
        ..Limits::default()
    })
    .await;
    for framing in ["Content-Length: 1000", "Transfer-Encoding: chunked"] {
        let mut client = served.connect().await;
        client.send(&head(framing)).await;
        client.send("3\r\nabc\r\n").await;
        let (status, head, body) = client.answer().await;
        assert_eq!((status, reason(&body).as_str()), (503, "too_slow"));
        assert!(head.contains("connection: close"));
        client.closed().await;
    }
    assert_eq!(served.world.answers("too_slow"), 2);
}

#[actix_web::test]
async fn a_chunked_body_that_grows_past_the_limit_is_413_and_cut_off_though_it_goes_on() {
    let served = Served::with(Limits {
        body: 100_000,
        ..Limits::default()
    })
    .await;
    let mut client = served.connect().await;
    client.send(&head("Transfer-Encoding: chunked")).await;
    let chunk = format!("2710\r\n{}\r\n", "x".repeat(10_000));
    for _ in 0..11 {
        client.send(&chunk).await;
    }
    let (status, _, body) = client.answer().await;
    assert_eq!((status, reason(&body).as_str()), (413, "too_large"));
    // The server reads on for a moment, so that the answer is not lost to a reset; then it has had enough.
    while client.stream.write_all(chunk.as_bytes()).await.is_ok() {}
    assert_eq!(served.world.answers("too_large"), 1);
}

#[actix_web::test]
async fn who_has_no_token_is_answered_before_the_body_and_cut_off_though_it_goes_on() {
    let served = Served::with(Limits::default()).await;
    let mut client = served.connect().await;
    client
        .send("POST /alertmanager HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await;
    let (status, head, body) = client.answer().await;
    assert_eq!((status, reason(&body).as_str()), (401, "unauthenticated"));
    assert!(head.contains("connection: close"));
    while client.stream.write_all(b"1\r\nx\r\n").await.is_ok() {}
}

#[actix_web::test]
async fn who_has_no_token_does_not_keep_a_connection() {
    let served = Served::with(Limits::default()).await;
    for path in ["/api/v1/runs", "/nowhere", "/alertmanager"] {
        let mut client = served.connect().await;
        client.send(&format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
        let (status, head, _) = client.answer().await;
        assert!([401, 404, 405].contains(&status));
        assert!(head.contains("connection: close"), "{path}");
        client.closed().await;
    }
}

#[actix_web::test]
async fn a_declared_length_takes_its_memory_at_once_and_a_hang_up_gives_it_back() {
    let served = Served::with(Limits {
        bodies: 10_000,
        ..Limits::default()
    })
    .await;
    let mut slow = served.connect().await;
    slow.send(&head("Content-Length: 10000")).await;
    served.reserved(10_000..).await;
    assert_eq!(served.post(&one()).await, 503);
    drop(slow);
    served.reserved(..1).await;
    assert_eq!(served.post(&one()).await, 202);
    assert_eq!(
        (served.world.answers("overloaded"), served.world.answers("incomplete")),
        (1, 1)
    );
}

#[actix_web::test]
async fn a_chunked_body_takes_memory_as_it_grows() {
    let served = Served::with(Limits::default()).await;
    let mut growing = served.connect().await;
    growing.send(&head("Transfer-Encoding: chunked")).await;
    served.reserved(1..0x9000).await;
    growing.send(&format!("9000\r\n{}\r\n", " ".repeat(0x9000))).await;
    served.reserved(0x9000..).await;
    growing
        .send(&format!("{:x}\r\n{}\r\n0\r\n\r\n", one().len(), one()))
        .await;
    assert_eq!(growing.answer().await.0, 202);
    served.reserved(..1).await;
}

#[actix_web::test]
async fn a_post_in_flight_is_finished_while_draining() {
    let served = Served::with(Limits::default()).await;
    let mut first = served.connect().await;
    first
        .send(&head(&format!(
            "Content-Length: {}\r\nExpect: 100-continue",
            one().len()
        )))
        .await;
    assert_eq!(first.answer().await.0, 100);
    served.world.public.draining.begin();
    let mut second = served.connect().await;
    second.send(&head(&format!("Content-Length: {}", one().len()))).await;
    let (status, head, body) = second.answer().await;
    assert_eq!((status, reason(&body).as_str()), (503, "draining"));
    assert!(head.contains("connection: close"));
    first.send(&one()).await;
    assert_eq!(first.answer().await.0, 202);
}

#[actix_web::test]
async fn a_broken_chunk_is_as_good_as_a_hang_up() {
    let served = Served::with(Limits::default()).await;
    let mut client = served.connect().await;
    client.send(&head("Transfer-Encoding: chunked")).await;
    client.send("zz\r\n").await;
    let (status, _, body) = client.answer().await;
    assert_eq!((status, reason(&body).as_str()), (503, "incomplete"));
    client.closed().await;
}

#[actix_web::test]
async fn an_address_that_is_taken_is_an_error_though_another_is_free() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let world = World::new().await;
    let addresses = [taken.local_addr().unwrap(), "127.0.0.1:0".parse().unwrap()];
    assert!(serve_public(&addresses, world.public.clone()).is_err());
    assert!(serve_public(&[], world.public.clone()).is_err());
}
