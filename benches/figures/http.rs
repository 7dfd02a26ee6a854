//! As little of HTTP/1.1 as a client can do with: a request that is ready to send, and where its answer ends.

use super::posts::Posts;

/// What an answer says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Answer {
    pub status: u16,
    /// Head and body.
    pub length: usize,
}

/// Posts that bring their own request line and headers.
pub fn requests(address: &str, alerts: usize, alertname: &str) -> Posts {
    Posts::new(alerts, alertname, |length| {
        format!(
            "POST /alertmanager HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n"
        )
    })
}

/// The answer at the start of these bytes, when its head is complete. Both servers tell its length.
pub fn answer(bytes: &[u8]) -> Option<Answer> {
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&bytes[..head]).ok()?;
    let status = text.get(9..12)?.parse().ok()?;
    let body = text.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().ok())?
    })?;
    Some(Answer {
        status,
        length: head + body,
    })
}
