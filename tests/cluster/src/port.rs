//! Free loopback ports.
//!
//! Ports are taken from below the range that the kernel uses for outgoing connections: a client that reconnects to a
//! stopped API server could otherwise be given the server's own port. Between the choice and the part's bind another
//! process may take the port, hence [`with_free_ports`].

use std::{
    collections::BTreeSet,
    hash::{BuildHasher as _, RandomState},
    net::{Ipv4Addr, TcpListener},
    ops::Range,
    sync::{Mutex, PoisonError},
};

use crate::Error;

const RANGE: Range<u16> = 20_000..30_000;
const ATTEMPTS: usize = 5;

/// What this process handed out already: a part may take seconds until it binds.
static HANDED_OUT: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// Runs `start` with free ports, and again with others when one of them was taken in between.
///
/// Not an `AsyncFnMut`: of its future the compiler cannot say that it is `Send`, and a test may spawn the boot.
pub(crate) async fn with_free_ports<const N: usize, T, F>(mut start: impl FnMut([u16; N]) -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let mut attempt = 1;
    loop {
        match start(free()?).await {
            Err(error) if error.is_port_taken() && attempt < ATTEMPTS => attempt += 1,
            other => return other,
        }
    }
}

/// `N` ports on which nobody listens.
fn free<const N: usize>() -> Result<[u16; N], Error> {
    let mut ports = [0; N];
    for port in &mut ports {
        *port = one()?;
    }
    Ok(ports)
}

fn one() -> Result<u16, Error> {
    let mut handed_out = HANDED_OUT.lock().unwrap_or_else(PoisonError::into_inner);
    let size = u64::from(RANGE.end - RANGE.start);
    for attempt in 0..size {
        let offset = RandomState::new().hash_one(attempt) % size;
        let port = RANGE.start + u16::try_from(offset).expect("the range is smaller than 2^16");
        if !handed_out.contains(&port) && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            handed_out.insert(port);
            return Ok(port);
        }
    }
    Err(Error::io("choosing a port")(std::io::Error::other(format!(
        "none is free in {RANGE:?}"
    ))))
}

#[cfg(test)]
mod tests {
    use std::{future::ready, os::unix::process::ExitStatusExt as _, process::ExitStatus};

    use super::*;

    fn exited(log: &str) -> Error {
        Error::Exited {
            part: "etcd",
            status: ExitStatus::from_raw(256),
            log: log.into(),
        }
    }

    #[test]
    fn no_port_is_handed_out_twice() {
        let ports: [u16; 50] = free().unwrap();
        assert_eq!(ports.iter().collect::<BTreeSet<_>>().len(), 50);
    }

    #[tokio::test]
    async fn a_taken_port_is_answered_with_others() {
        let mut seen = Vec::new();
        let port = with_free_ports(|[port]| {
            seen.push(port);
            ready(if seen.len() < 3 {
                Err(exited("listen tcp: bind: address already in use"))
            } else {
                Ok(port)
            })
        })
        .await
        .unwrap();
        assert_eq!(seen.len(), 3);
        assert_eq!(seen[2], port);
        assert_ne!(seen[0], seen[1]);
    }

    #[tokio::test]
    async fn another_failure_is_not_repeated() {
        let mut attempts = 0;
        let result: Result<(), _> = with_free_ports(|[_]| {
            attempts += 1;
            ready(Err(exited("unknown flag")))
        })
        .await;
        assert!(result.is_err());
        assert_eq!(attempts, 1);
    }
}
