//! Where the next part of a list begins: a token that says it, in the form of the real one.

use serde_json::json;

use crate::simulation::kubernetes::{json as documents, refusal::Refusal, world::Object};

/// The letters of base64 that need no escapes in a URL.
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const VERSION: &str = "meta.k8s.io/v1";

/// The token of a list of one namespace, or of all, that has come as far as to this object.
pub fn write(revision: u64, object: &Object, namespace: Option<&str>) -> String {
    let (own, name) = (object.namespace(), object.name());
    let start = if namespace.is_some() || own.is_empty() {
        format!("{name}\0")
    } else {
        format!("{own}/{name}\0")
    };
    encode(
        json!({"v": VERSION, "rv": revision, "start": start})
            .to_string()
            .as_bytes(),
    )
}

/// The revision of a list, and the place at which it goes on, as objects have theirs.
pub fn read(token: &str, namespace: Option<&str>) -> Result<(u64, (String, String)), Refusal> {
    let refuse = |why: &str| Refusal::bad_request(format!("invalid continue token: continue key is not valid{why}"));
    let bytes = decode(token).map_err(|at| refuse(&format!(": illegal base64 data at input byte {at}")))?;
    let (value, _) = documents::parse(&bytes).map_err(|why| refuse(&format!(": {why}")))?;
    let version = value["v"].as_str().unwrap_or_default();
    if version != VERSION {
        return Err(refuse(&format!(
            ": server does not recognize this encoded version {version}"
        )));
    }
    let revision = value["rv"].as_u64().filter(|revision| *revision > 0);
    let revision =
        revision.ok_or_else(|| refuse(": incorrect encoded start resourceVersion (version meta.k8s.io/v1)"))?;
    let start = value["start"].as_str().unwrap_or_default();
    if start.is_empty() {
        return Err(refuse(": encoded start key empty (version meta.k8s.io/v1)"));
    }
    // It must lead nowhere else.
    let steps = start.strip_prefix('/').unwrap_or(start);
    if steps.split('/').any(|step| matches!(step, "" | "." | "..")) {
        return Err(refuse(&format!(": {start}")));
    }
    let (own, name) = match namespace {
        Some(namespace) => (namespace, steps),
        None => steps.split_once('/').unwrap_or(("", steps)),
    };
    Ok((revision, (format!("{own}/"), name.to_owned())))
}

fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or_default());
        let bits = (byte(0) << 16) | (byte(1) << 8) | byte(2);
        for place in 0..=chunk.len() {
            text.push(char::from(LETTERS[((bits >> (18 - 6 * place)) & 63) as usize]));
        }
    }
    text
}

/// The bytes, or where the text is none that stands for any.
fn decode(text: &str) -> Result<Vec<u8>, usize> {
    let mut bytes = Vec::with_capacity(text.len());
    let (mut bits, mut held) = (0_u32, 0);
    let mut count = 0;
    for (at, letter) in text.bytes().enumerate() {
        // Go reads over the ends of lines.
        if matches!(letter, b'\r' | b'\n') {
            continue;
        }
        let value = LETTERS.iter().position(|other| *other == letter).ok_or(at)?;
        bits = (bits << 6) | u32::try_from(value).unwrap_or_default();
        held += 6;
        count += 1;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from((bits >> held) & 255).unwrap_or_default());
        }
    }
    if count % 4 == 1 {
        return Err(text.len() - 1);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_token_says_what_was_written() {
        for bytes in [&b"{\"v\":1}"[..], b"a", b"ab", b"", b"\xff\xfe\x00"] {
            assert_eq!(decode(&encode(bytes)).unwrap(), bytes);
        }
        let token = encode(
            json!({"v": VERSION, "rv": 70, "start": "n/web\0"})
                .to_string()
                .as_bytes(),
        );
        let place = ("n/".to_owned(), "web\0".to_owned());
        assert_eq!(read(&token, None).unwrap(), (70, place));
        let token = encode(json!({"v": VERSION, "rv": 70, "start": "web\0"}).to_string().as_bytes());
        let place = ("n/".to_owned(), "web\0".to_owned());
        assert_eq!(read(&token, Some("n")).unwrap(), (70, place));
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for (token, why) in [
            (" ", "illegal base64 data at input byte 0"),
            ("e30", "server does not recognize this encoded version "),
            (
                "eyJ2IjoibWV0YS5rOHMuaW8vdjEifQ",
                "incorrect encoded start resourceVersion (version meta.k8s.io/v1)",
            ),
        ] {
            let words = read(token, None).unwrap_err().message;
            assert_eq!(
                words,
                format!("invalid continue token: continue key is not valid: {why}")
            );
        }
        let up = encode(
            json!({"v": VERSION, "rv": 1, "start": "../secrets/a"})
                .to_string()
                .as_bytes(),
        );
        let words = read(&up, None).unwrap_err().message;
        assert!(words.ends_with("not valid: ../secrets/a"), "{words}");
    }
}
