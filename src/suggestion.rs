//! "Did you mean …": the nearest of the words that would have been right.

/// The candidate that the word is most likely a misspelling of, if any is near enough.
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let lower = word.to_lowercase();
    // Short words have few letters to be wrong about: `max` is not a misspelt `mode`.
    let allowed = (word.chars().count() / 3).clamp(1, 3);
    candidates
        .into_iter()
        .map(|candidate| {
            let candidate_lower = candidate.to_lowercase();
            let distance = strsim::damerau_levenshtein(&lower, &candidate_lower);
            // The first letter is seldom the wrong one.
            let first_differs = lower.chars().next() != candidate_lower.chars().next();
            ((distance, first_differs), candidate)
        })
        .filter(|((distance, _), _)| *distance <= allowed)
        .min_by_key(|(rank, _)| *rank)
        .map(|(_, candidate)| candidate)
}

/// "did you mean `x`?", or else what there is to choose from.
pub fn hint(word: &str, candidates: &[&str]) -> String {
    match nearest(word, candidates.iter().copied()) {
        Some(candidate) => format!("did you mean `{candidate}`?"),
        None => format!("expected {}", list(candidates)),
    }
}

/// `a`, `b` or `c`
pub fn list(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        None => String::new(),
        Some((only, [])) => only.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_recognised_and_another_word_is_not() {
        let fields = &["cooldown", "maxAttempts", "rate", "mode"];
        for (word, expected) in [
            ("coldown", Some("cooldown")),
            ("maxattempts", Some("maxAttempts")),
            ("max_attempts", Some("maxAttempts")),
            ("Mode", Some("mode")),
            ("raet", Some("rate")),
            ("max", None),
            ("timeout", None),
        ] {
            assert_eq!(nearest(word, fields.iter().copied()), expected, "{word}");
        }
        assert_eq!(hint("coldown", fields), "did you mean `cooldown`?");
        assert_eq!(hint("x", &["a b", "c d", "e f"]), "expected `a b`, `c d` or `e f`");
        assert_eq!(list(&["one"]), "`one`");
    }
}
