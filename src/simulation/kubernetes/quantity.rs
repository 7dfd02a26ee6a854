//! Quantities: `100m`, `1Gi`, compared by value and written as the real one writes them.

/// What a quantity has to look like.
pub const PATTERN: &str = "^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$";

/// A quantity in billionths, if it is one. Saturates far beyond what a cluster holds.
pub fn nanos(text: &str) -> Option<i128> {
    let end = text
        .char_indices()
        .find(|(at, c)| !(c.is_ascii_digit() || *c == '.' || (*at == 0 && (*c == '-' || *c == '+'))))
        .map_or(text.len(), |(at, _)| at);
    let (number, suffix) = text.split_at(end);
    let negative = number.starts_with('-');
    let number = number.trim_start_matches(['-', '+']);
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && part.is_empty() || part.contains('.') {
        return None;
    }
    let (binary, exponent): (u32, i32) = match suffix {
        "" => (0, 0),
        "n" => (0, -9),
        "u" => (0, -6),
        "m" => (0, -3),
        "k" => (0, 3),
        "M" => (0, 6),
        "G" => (0, 9),
        "T" => (0, 12),
        "P" => (0, 15),
        "E" => (0, 18),
        "Ki" => (10, 0),
        "Mi" => (20, 0),
        "Gi" => (30, 0),
        "Ti" => (40, 0),
        "Pi" => (50, 0),
        "Ei" => (60, 0),
        other => (0, other.strip_prefix(['e', 'E'])?.parse().ok()?),
    };
    let mut digits: i128 = 0;
    let mut scale = exponent + 9;
    for (index, digit) in whole.chars().chain(part.chars()).enumerate() {
        digits = digits.checked_mul(10)?.checked_add(i128::from(digit.to_digit(10)?))?;
        if index >= whole.len() {
            scale -= 1;
        }
    }
    digits = digits.checked_mul(1i128 << binary)?;
    let mut value = digits;
    if scale >= 0 {
        value = value.checked_mul(10i128.checked_pow(u32::try_from(scale).ok()?)?)?;
    } else {
        let divisor = 10i128.checked_pow(u32::try_from(-scale).ok()?)?;
        // Fractions of a billionth are rounded up.
        value = (value + divisor - 1) / divisor;
    }
    Some(if negative { -value } else { value })
}

/// The way in which the real one writes a quantity; `None` when it is not one.
pub fn canonical(text: &str) -> Option<String> {
    let value = nanos(text)?;
    let suffix = text.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '+'));
    if suffix.ends_with('i') {
        return Some(binary(value).unwrap_or_else(|| decimal(value, suffix)));
    }
    Some(decimal(value, suffix))
}

/// What a container is given, which is counted in thousandths and rounded up; `None` when it is so already.
pub fn rounded(text: &str) -> Option<String> {
    const MILLI: i128 = 1_000_000;
    let value = nanos(text)?;
    (value % MILLI != 0).then(|| decimal((value + MILLI - 1).div_euclid(MILLI) * MILLI, ""))
}

fn binary(value: i128) -> Option<String> {
    const GIGA: i128 = 1_000_000_000;
    if value % GIGA != 0 || (value / GIGA).abs() < 1024 {
        return None;
    }
    let mut value = value / GIGA;
    let mut power = 0;
    while value % 1024 == 0 && power < 6 && value != 0 {
        value /= 1024;
        power += 1;
    }
    Some(format!("{value}{}", ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"][power]))
}

fn decimal(value: i128, suffix: &str) -> String {
    let mut value = value;
    let mut exponent = -9i32;
    while value != 0 && value % 1000 == 0 && exponent < 18 {
        value /= 1000;
        exponent += 3;
    }
    if value == 0 {
        exponent = 0;
    }
    if suffix.starts_with(['e', 'E']) && suffix.len() > 1 {
        return if exponent == 0 {
            value.to_string()
        } else {
            format!("{value}e{exponent}")
        };
    }
    let unit = match exponent {
        -9 => "n",
        -6 => "u",
        -3 => "m",
        3 => "k",
        6 => "M",
        9 => "G",
        12 => "T",
        15 => "P",
        18 => "E",
        _ => "",
    };
    format!("{value}{unit}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_written_as_the_real_one_writes_them() {
        for (text, written) in [
            ("1000m", "1"),
            ("0.5", "500m"),
            ("1024Mi", "1Gi"),
            ("1.5Gi", "1536Mi"),
            ("100", "100"),
            ("2000", "2k"),
            ("1e3", "1e3"),
            ("0", "0"),
            ("0Mi", "0"),
            ("250m", "250m"),
            ("-1", "-1"),
        ] {
            assert_eq!(canonical(text).as_deref(), Some(written), "{text}");
        }
        for text in ["", "x", "1Qi", "1.2.3", "1 Gi", "--1"] {
            assert_eq!(canonical(text), None, "{text}");
        }
    }
}
