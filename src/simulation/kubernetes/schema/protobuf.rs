//! From Kubernetes' protobuf to the JSON that Go would write of the same object.
//!
//! A body is the magic `k8s\0` and a `runtime.Unknown`: what it is, and the object's own bytes. The numbers of its fields
//! stand in the table. What the table does not know is skipped, as Go does; what cannot be said in this encoding (the
//! definitions of custom resources have unions of their own) is not read at all.

use prost::{
    DecodeError,
    bytes::Buf,
    encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field},
};
use serde_json::{Map, Value, json};

use super::{Field, Shape, Type, find, of_kind};
use crate::kubernetes::world::stamp;

const MAGIC: &[u8] = b"k8s\0";

/// Decodes a body. The error is in the words of Go's decoder, where they are known.
pub fn decode(body: &[u8]) -> Result<Value, String> {
    let Some(unknown) = body.strip_prefix(MAGIC) else {
        return Err(
            "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]".to_owned(),
        );
    };
    let (mut about, mut raw) = (&[][..], &[][..]);
    for field in Fields(unknown) {
        match field? {
            (1, Wire::Bytes(bytes)) => about = bytes,
            (2, Wire::Bytes(bytes)) => raw = bytes,
            _ => {}
        }
    }
    let (mut api_version, mut kind) = (String::new(), String::new());
    for field in Fields(about) {
        match field? {
            (1, Wire::Bytes(bytes)) => api_version = text(bytes),
            (2, Wire::Bytes(bytes)) => kind = text(bytes),
            _ => {}
        }
    }
    // `DeleteOptions` are sent in the version of what is deleted.
    let found = match &*kind {
        "DeleteOptions" => find("DeleteOptions"),
        _ => of_kind(&api_version, &kind),
    };
    let found = found
        .filter(|kind| kind.fields.values().any(|field| !field.number.is_empty()))
        .ok_or_else(|| format!("no kind \"{kind}\" is registered for version \"{api_version}\" in scheme \"pkg/api/legacyscheme/scheme.go:30\""))?;
    let mut object = message(raw, found)?;
    object.insert("apiVersion".to_owned(), api_version.into());
    object.insert("kind".to_owned(), kind.into());
    Ok(Value::Object(object))
}

/// A value on the wire.
#[derive(Clone, Copy)]
enum Wire<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// Of a kind that nothing in the table has.
    Other,
}

/// The fields of a message, in their order.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Wire<'a>), String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let read = self.read();
        if read.is_err() {
            self.0 = &[];
        }
        Some(read.map_err(|error| format!("proto: {error}")))
    }
}

impl<'a> Fields<'a> {
    fn read(&mut self) -> Result<(u32, Wire<'a>), DecodeError> {
        let (number, wire) = decode_key(&mut self.0)?;
        let value = match wire {
            WireType::Varint => Wire::Number(decode_varint(&mut self.0)?),
            WireType::LengthDelimited => {
                let length = prost::decode_length_delimiter(&mut self.0)?;
                let Some((bytes, rest)) = self.0.split_at_checked(length) else {
                    // The library's own words for a value that ends too early.
                    skip_field(WireType::ThirtyTwoBit, number, &mut &[][..], DecodeContext::default())?;
                    return Ok((number, Wire::Other));
                };
                self.0 = rest;
                Wire::Bytes(bytes)
            }
            other => {
                skip_field(other, number, &mut self.0, DecodeContext::default())?;
                Wire::Other
            }
        };
        Ok((number, value))
    }
}

fn message(bytes: &[u8], kind: &Type) -> Result<Map<String, Value>, String> {
    let mut object = Map::new();
    fill(&mut object, bytes, kind, &mut Vec::new())?;
    Ok(object)
}

/// Fills an object from a message; what is embedded without a name in JSON is filled into the same one.
fn fill(object: &mut Map<String, Value>, bytes: &[u8], kind: &Type, path: &mut Vec<u32>) -> Result<(), String> {
    for field in Fields(bytes) {
        let (number, wire) = field?;
        path.push(number);
        let exact = kind.fields.iter().find(|(_, field)| field.number == *path);
        if let Some((name, field)) = exact {
            put(object, name, field, wire)?;
        } else if let Wire::Bytes(bytes) = wire
            && kind.fields.values().any(|field| field.number.starts_with(path))
        {
            fill(object, bytes, kind, path)?;
        }
        path.pop();
    }
    Ok(())
}

fn put(object: &mut Map<String, Value>, name: &str, field: &Field, wire: Wire<'_>) -> Result<(), String> {
    match &field.shape {
        Shape::List(inner) => {
            let items = object.entry(name).or_insert_with(|| json!([]));
            let items = items.as_array_mut().expect("only this puts something there");
            match (wire, &**inner) {
                // Numbers may come packed.
                (Wire::Bytes(mut bytes), Shape::Int32 | Shape::Int64 | Shape::Boolean) => {
                    while bytes.has_remaining() {
                        let number = decode_varint(&mut bytes).map_err(|error| format!("proto: {error}"))?;
                        items.push(value(inner, Wire::Number(number), name)?);
                    }
                }
                _ => items.push(value(inner, wire, name)?),
            }
        }
        Shape::Map(inner) => {
            let Wire::Bytes(bytes) = wire else {
                return Err(wrong(name));
            };
            let (mut key, mut held) = (String::new(), Wire::Bytes(&[]));
            for entry in Fields(bytes) {
                match entry? {
                    (1, Wire::Bytes(bytes)) => key = text(bytes),
                    (2, wire) => held = wire,
                    _ => {}
                }
            }
            let held = value(inner, held, name)?;
            let map = object.entry(name).or_insert_with(|| json!({}));
            map[key] = held;
        }
        shape => {
            let value = value(shape, wire, name)?;
            // Go writes every field that is no pointer into protobuf, but not into JSON.
            let zero = value == "" || value == 0 || value == false;
            if !value.is_null() && (field.pointer || field.required || !zero) {
                object.insert(name.to_owned(), value);
            }
        }
    }
    Ok(())
}

fn value(shape: &Shape, wire: Wire<'_>, name: &str) -> Result<Value, String> {
    let value = match (shape, wire) {
        (Shape::String, Wire::Bytes(bytes)) => text(bytes).into(),
        (Shape::Int32, Wire::Number(number)) => (number.cast_signed() as i32).into(),
        (Shape::Int64, Wire::Number(number)) => number.cast_signed().into(),
        (Shape::Boolean, Wire::Number(number)) => (number != 0).into(),
        (Shape::Quantity, Wire::Bytes(bytes)) => {
            let mut quantity = String::new();
            for field in Fields(bytes) {
                if let (1, Wire::Bytes(bytes)) = field? {
                    quantity = text(bytes);
                }
            }
            quantity.into()
        }
        (Shape::IntOrString, Wire::Bytes(bytes)) => {
            let (mut is_text, mut number, mut string) = (false, 0, String::new());
            for field in Fields(bytes) {
                match field? {
                    (1, Wire::Number(kind)) => is_text = kind == 1,
                    (2, Wire::Number(given)) => number = given.cast_signed() as i32,
                    (3, Wire::Bytes(bytes)) => string = text(bytes),
                    _ => {}
                }
            }
            if is_text { string.into() } else { number.into() }
        }
        // No moment at all has no fields.
        (Shape::Time | Shape::MicroTime, Wire::Bytes([])) => Value::Null,
        (Shape::Time | Shape::MicroTime, Wire::Bytes(bytes)) => {
            let (mut seconds, mut nanoseconds) = (0, 0);
            for field in Fields(bytes) {
                match field? {
                    (1, Wire::Number(number)) => seconds = number.cast_signed(),
                    (2, Wire::Number(number)) => nanoseconds = number.cast_signed() as i32,
                    _ => {}
                }
            }
            let at = jiff::Timestamp::new(seconds, nanoseconds).map_err(|error| format!("proto: {name}: {error}"))?;
            match shape {
                Shape::Time => stamp(at).into(),
                _ => crate::kubernetes::world::micro_stamp(at).into(),
            }
        }
        (Shape::Bytes, Wire::Bytes(bytes)) => {
            let bytes = k8s_openapi::ByteString(bytes.to_vec());
            serde_json::to_value(bytes).map_err(|error| error.to_string())?
        }
        // A `RawExtension` or `FieldsV1`: JSON in a message.
        (Shape::Any, Wire::Bytes(bytes)) => {
            let mut raw = Value::Null;
            for field in Fields(bytes) {
                if let (1, Wire::Bytes(bytes)) = field? {
                    raw = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
                }
            }
            raw
        }
        (Shape::Type(kind), Wire::Bytes(bytes)) => {
            let kind = find(kind).ok_or_else(|| wrong(name))?;
            Value::Object(message(bytes, kind)?)
        }
        // A map of lists has its lists in messages.
        (Shape::List(inner), Wire::Bytes(bytes)) => {
            let mut items = Vec::new();
            for field in Fields(bytes) {
                if let (1, wire) = field? {
                    items.push(value(inner, wire, name)?);
                }
            }
            items.into()
        }
        _ => return Err(wrong(name)),
    };
    Ok(value)
}

fn wrong(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    let name: String = first.chain(letters).collect();
    format!("proto: wrong wireType for field {name}")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
