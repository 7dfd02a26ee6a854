//! Sizes as people write them: `32MiB`.

use std::fmt;

use thiserror::Error;

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

const UNITS: [(&str, u32); 4] = [("GiB", 30), ("MiB", 20), ("KiB", 10), ("B", 0)];

/// Why a text is not a size.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum QuantityError {
    /// No number, or no unit that we know.
    #[error("`{0}` is not a size: write a whole number and B, KiB, MiB or GiB, for example `32MiB`")]
    Malformed(String),
    /// A unit of powers of ten.
    #[error("`{0}` has the unit {1}: write {2}")]
    Decimal(String, &'static str, &'static str),
    /// More than fits.
    #[error("`{0}` is too large")]
    TooLarge(String),
}

impl Bytes {
    /// Reads `32MiB`.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        let malformed = || QuantityError::Malformed(text.to_owned());
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = (&text[..digits], text[digits..].trim_start());
        for (decimal, right) in [
            ("KB", "KiB"),
            ("kB", "KiB"),
            ("MB", "MiB"),
            ("GB", "GiB"),
            ("M", "MiB"),
            ("Mi", "MiB"),
            ("K", "KiB"),
            ("Ki", "KiB"),
            ("G", "GiB"),
            ("Gi", "GiB"),
        ] {
            if unit == decimal {
                return Err(QuantityError::Decimal(text.to_owned(), decimal, right));
            }
        }
        let (_, shift) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(malformed)?;
        if number.is_empty() {
            return Err(malformed());
        }
        number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(1 << shift))
            .map(Self)
            .ok_or_else(|| QuantityError::TooLarge(text.to_owned()))
    }

    /// For arrays and counters; saturates where a pointer is narrower.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, shift) = UNITS
            .into_iter()
            .find(|(_, shift)| self.0 != 0 && self.0.is_multiple_of(1 << shift))
            .unwrap_or(("B", 0));
        write!(f, "{}{unit}", self.0 >> shift)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_powers_of_two() {
        for (text, bytes) in [
            ("0B", 0),
            ("5B", 5),
            ("64KiB", 65_536),
            ("32MiB", 33_554_432),
            ("1GiB", 1 << 30),
        ] {
            assert_eq!(Bytes::parse(text), Ok(Bytes(bytes)));
            assert_eq!(Bytes(bytes).to_string(), text);
        }
        assert_eq!(Bytes::parse("32 MiB"), Ok(Bytes(32 << 20)));
        assert_eq!(Bytes(1025).to_string(), "1025B");
        for (text, message) in [
            (
                "32",
                "`32` is not a size: write a whole number and B, KiB, MiB or GiB, for example `32MiB`",
            ),
            (
                "MiB",
                "`MiB` is not a size: write a whole number and B, KiB, MiB or GiB, for example `32MiB`",
            ),
            (
                "-1MiB",
                "`-1MiB` is not a size: write a whole number and B, KiB, MiB or GiB, for example `32MiB`",
            ),
            (
                "1.5MiB",
                "`1.5MiB` is not a size: write a whole number and B, KiB, MiB or GiB, for example `32MiB`",
            ),
            ("32MB", "`32MB` has the unit MB: write MiB"),
            ("32M", "`32M` has the unit M: write MiB"),
            ("99999999999GiB", "`99999999999GiB` is too large"),
        ] {
            assert_eq!(Bytes::parse(text).unwrap_err().to_string(), message);
        }
    }
}
