//! Quantities as Kubernetes writes them, `250m`, `1.5Gi`, `2e3`, read as numbers.

use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

/// A quantity in thousandths, which is exact for everything that anybody asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quantity(i128);

impl Quantity {
    /// From thousandths.
    pub fn from_milli(milli: i64) -> Self {
        Self(i128::from(milli))
    }

    /// Reads one; `None` for what is none.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let end = text
            .find(|letter: char| !(letter.is_ascii_digit() || matches!(letter, '.' | '+' | '-')))
            .unwrap_or(text.len());
        let (number, suffix) = text.split_at(end);
        let (factor, divisor): (i128, i128) = match suffix {
            "" => (1, 1),
            "n" => (1, 1_000_000_000),
            "u" => (1, 1_000_000),
            "m" => (1, 1000),
            "k" => (1000, 1),
            "M" => (1_000_000, 1),
            "G" => (1_000_000_000, 1),
            "T" => (1_000_000_000_000, 1),
            "P" => (1_000_000_000_000_000, 1),
            "E" => (1_000_000_000_000_000_000, 1),
            "Ki" => (1 << 10, 1),
            "Mi" => (1 << 20, 1),
            "Gi" => (1 << 30, 1),
            "Ti" => (1 << 40, 1),
            "Pi" => (1 << 50, 1),
            "Ei" => (1 << 60, 1),
            other => {
                let exponent: i32 = other.strip_prefix(['e', 'E'])?.parse().ok()?;
                let power = 10_i128.checked_pow(exponent.unsigned_abs())?;
                if exponent < 0 { (1, power) } else { (power, 1) }
            }
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let scale = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
        let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
        let numerator = digits.checked_mul(factor)?.checked_mul(1000)?;
        let denominator = scale.checked_mul(divisor)?;
        // Rounded up, away from zero, as the real one does.
        let rounded = if numerator >= 0 {
            (numerator + denominator - 1) / denominator
        } else {
            (numerator - denominator + 1) / denominator
        };
        Some(Self(rounded))
    }

    /// In thousandths: what CPU is counted in.
    pub fn milli(self) -> i64 {
        i64::try_from(self.0).unwrap_or(i64::MAX)
    }

    /// In whole units, rounded up: what memory and pods are counted in.
    pub fn whole(self) -> i64 {
        i64::try_from((self.0 + 999).div_euclid(1000)).unwrap_or(i64::MAX)
    }

    /// What a JSON value says, text or number.
    pub fn of(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => Self::parse(text),
            Value::Number(number) => Self::parse(&number.to_string()),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Self::of(&value).ok_or_else(|| de::Error::custom(format!("not a quantity: {value}")))
    }
}

/// CPU as Kubernetes writes it.
pub fn cpu(milli: i64) -> String {
    if milli % 1000 == 0 {
        (milli / 1000).to_string()
    } else {
        format!("{milli}m")
    }
}

/// Bytes as Kubernetes writes them.
pub fn bytes(bytes: i64) -> String {
    let mut number = bytes;
    let mut suffix = 0;
    while number != 0 && number % 1024 == 0 && suffix < 6 {
        number /= 1024;
        suffix += 1;
    }
    format!("{number}{}", ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"][suffix])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_kubernetes_writes() {
        for (text, milli) in [
            ("1", 1000),
            ("250m", 250),
            ("0.5", 500),
            ("1.5Gi", 1_610_612_736_000),
            ("2e3", 2_000_000),
            ("5e-1", 500),
            ("1n", 1),
            ("128974848", 128_974_848_000),
        ] {
            assert_eq!(Quantity::parse(text).map(Quantity::milli), Some(milli), "{text}");
        }
        for text in ["", "Mi", "1x", "1 Gi", "."] {
            assert_eq!(Quantity::parse(text), None, "{text}");
        }
        assert_eq!(Quantity::from_milli(1001).whole(), 2);
    }

    #[test]
    fn writes_what_kubernetes_writes() {
        assert_eq!((cpu(250), cpu(2000)), ("250m".to_owned(), "2".to_owned()));
        assert_eq!((bytes(64 << 20), bytes(1000)), ("64Mi".to_owned(), "1000".to_owned()));
    }
}
