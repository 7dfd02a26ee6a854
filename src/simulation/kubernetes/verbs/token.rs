//! Where the next part of a list begins: a token that says it, in the form of the real one.

use base64::{
    DecodeError, alphabet,
    engine::{Engine, GeneralPurpose, general_purpose::NO_PAD},
};
use serde_json::json;

use crate::kubernetes::{json as documents, refusal::Refusal, world::Object};

/// Base64 that needs no escapes in a URL, as Go reads it: what is left over in the last letter may be anything.
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, NO_PAD.with_decode_allow_trailing_bits(true));
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
    URL_SAFE.encode(bytes)
}

/// The bytes, or where the text is none that stands for any.
fn decode(text: &str) -> Result<Vec<u8>, usize> {
    // Go reads over the ends of lines.
    let letters = text.bytes().enumerate();
    let (places, letters): (Vec<usize>, Vec<u8>) = letters.filter(|(_, byte)| !matches!(byte, b'\r' | b'\n')).unzip();
    URL_SAFE.decode(&letters).map_err(|error| match error {
        DecodeError::InvalidByte(at, _) => places[at],
        _ => text.len() - 1,
    })
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
