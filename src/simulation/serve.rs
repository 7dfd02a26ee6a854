//! A loopback HTTP server for the doubles: every request read whole, every answer whole, streaming, late, or never.
//! The port is the operating system's choice; the server ends when its handle is dropped. It owns connections and
//! refuses only bodies that no double needs; what is said on them is the service's business.

use std::{
    error::Error,
    future::Future,
    io,
    net::{Ipv4Addr, SocketAddr},
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited, combinators::UnsyncBoxBody};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{AbortHandle, JoinSet},
};

/// The largest body that is read.
const LARGEST: usize = 64 * 1024 * 1024;

/// The body of an answer; [`whole`] makes one of bytes, `StreamBody` one of a stream.
pub type Body = UnsyncBoxBody<Bytes, io::Error>;

/// What a service does about a request. To leave it without an answer, it does not return.
#[derive(Debug)]
pub enum Answer {
    /// It answers.
    Response(Response<Body>),
    /// It closes the connection without a word.
    Cut,
}

/// A server that runs until this is dropped.
#[derive(Debug)]
#[must_use = "the server ends when its handle is dropped"]
pub struct Server {
    address: SocketAddr,
    open: watch::Sender<bool>,
    accepting: AbortHandle,
}

/// Starts to serve on a free port of the loopback interface.
pub async fn serve<S, F>(service: S) -> io::Result<Server>
where
    S: Fn(Request<Bytes>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    serve_on(Ipv4Addr::LOCALHOST, service).await
}

/// Starts to serve on a free port of another address of this machine.
pub async fn serve_on<S, F>(address: Ipv4Addr, service: S) -> io::Result<Server>
where
    S: Fn(Request<Bytes>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    let listener = TcpListener::bind((address, 0)).await?;
    let address = listener.local_addr()?;
    let (open, is_open) = watch::channel(true);
    let accepting = tokio::spawn(accept(listener, is_open, service)).abort_handle();
    Ok(Server {
        address,
        open,
        accepting,
    })
}

/// A body that is known already.
pub fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// An answer that is known already.
pub fn answer(status: StatusCode, content_type: &'static str, bytes: impl Into<Bytes>) -> Answer {
    let mut response = Response::new(whole(bytes));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    Answer::Response(response)
}

impl Server {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address as a URL, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The whole service is down: standing connections are cut, and new ones are closed as they come, unheard.
    pub fn go_down(&self) {
        self.open.send_replace(false);
    }

    /// It is back.
    pub fn come_up(&self) {
        self.open.send_replace(true);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept<S, F>(listener: TcpListener, mut open: watch::Receiver<bool>, service: S)
where
    S: Fn(Request<Bytes>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if *open.borrow() => {
                    connections.spawn(converse(stream, open.clone(), service.clone()));
                }
                Ok(_) => {}
                Err(_) => tokio::task::yield_now().await,
            },
            changed = open.changed() => match changed {
                Ok(()) if *open.borrow_and_update() => {}
                Ok(()) => connections.abort_all(),
                Err(_) => return,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn converse<S, F>(stream: TcpStream, open: watch::Receiver<bool>, service: S)
where
    S: Fn(Request<Bytes>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    let exchange = service_fn(move |request: Request<Incoming>| {
        let (open, service) = (open.clone(), service.clone());
        async move {
            let (head, body) = request.into_parts();
            let body = Limited::new(body, LARGEST).collect().await.map_err(unreadable)?;
            // A connection may still be standing in the instant in which the service goes down.
            if !*open.borrow() {
                return Err(io::Error::from(io::ErrorKind::ConnectionAborted));
            }
            match service(Request::from_parts(head, body.to_bytes())).await {
                Answer::Response(response) => Ok(response),
                // hyper writes nothing and closes when a service fails.
                Answer::Cut => Err(io::ErrorKind::ConnectionAborted.into()),
            }
        }
    });
    // A client that goes away, or a cut, ends the conversation: nobody is left to be told.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), exchange)
        .await;
}

fn unreadable(error: Box<dyn Error + Send + Sync>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::{Arc, Mutex};

    use futures::stream;
    use http_body_util::StreamBody;
    use hyper::body::Frame;
    use tokio::sync::mpsc;

    use super::*;
    use crate::slack::tests::client;

    #[tokio::test]
    async fn an_answer_may_be_a_stream_that_goes_on_until_the_service_goes_down() {
        let (lines, receiver) = mpsc::unbounded_channel::<&'static str>();
        let receiver = Arc::new(Mutex::new(Some(receiver)));
        let service = move |_: Request<Bytes>| {
            let mut receiver = receiver.lock().unwrap().take().unwrap();
            async move {
                let lines = stream::poll_fn(move |context| receiver.poll_recv(context));
                let frames =
                    futures::StreamExt::map(lines, |line| Ok(Frame::data(Bytes::from_static(line.as_bytes()))));
                Answer::Response(Response::new(StreamBody::new(frames).boxed_unsync()))
            }
        };
        let server = serve(service).await.unwrap();
        let mut answer = client().get(server.url()).send().await.unwrap();
        for line in ["one", "two"] {
            lines.send(line).unwrap();
            assert_eq!(answer.chunk().await.unwrap().unwrap(), line);
        }
        server.go_down();
        answer.chunk().await.unwrap_err();
    }

    #[tokio::test]
    async fn the_service_sees_the_whole_request_and_answers_or_cuts() {
        let service = |request: Request<Bytes>| async move {
            match &request.body()[..] {
                b"cut" => Answer::Cut,
                body => answer(StatusCode::CREATED, "text/plain", Bytes::copy_from_slice(body)),
            }
        };
        let server = serve(service).await.unwrap();
        let (client, url) = (client(), server.url());
        let big = "x".repeat(1_000_000);
        let answer = client.post(&url).body(big.clone()).send().await.unwrap();
        assert_eq!(
            (answer.status(), &answer.headers()["content-type"]),
            (StatusCode::CREATED, &"text/plain".parse().unwrap())
        );
        assert_eq!(answer.text().await.unwrap(), big);
        assert!(client.post(&url).body("cut").send().await.is_err());
        assert_eq!(
            client
                .post(&url)
                .body("again")
                .send()
                .await
                .unwrap()
                .text()
                .await
                .unwrap(),
            "again"
        );
    }
}
