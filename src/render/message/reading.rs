//! From what handlebars read to what a message's template may say.

use handlebars::{
    Path, PathSeg,
    template::{BlockParam, HelperTemplate, Parameter, Template as Tree, TemplateElement},
};
use serde_json::Value as Json;

use super::{
    super::{
        TESTS, TemplateError,
        place::{self, At},
        reading::{error, syntax_error},
    },
    BLOCKS, Kind, LOCALS, MAX_DEPTH, MAX_EACH, Operand, Part, Source, Test, Value, view,
};
use crate::suggestion;

/// Reads and checks a template's text.
pub(super) fn parts(source: &str) -> Result<Vec<Part>, TemplateError> {
    let tree = Tree::compile(source).map_err(|error| syntax_error(source, &error))?;
    let view = Scope {
        place: String::new(),
        kind: Kind::Group,
        item: None,
        key: None,
    };
    let mut reading = Reading {
        source,
        last: (1, 1),
        scopes: vec![view],
    };
    reading.parts(&tree, 0)
}

/// Turns what handlebars read into what is allowed.
struct Reading<'s> {
    source: &'s str,
    /// Where the last element began.
    last: At,
    /// The view, and the items of every `each` that is open.
    scopes: Vec<Scope>,
}

/// What values are looked up in.
struct Scope {
    /// Its path in the view: nothing, or `alerts[]`.
    place: String,
    kind: Kind,
    /// What the item is called: `alert` in `as |alert|`.
    item: Option<String>,
    /// What its key or index is called.
    key: Option<String>,
}

type Read<T> = Result<T, TemplateError>;

impl Reading<'_> {
    /// `depth` is how many blocks are open.
    fn parts(&mut self, tree: &Tree, depth: usize) -> Read<Vec<Part>> {
        let mut parts = Vec::with_capacity(tree.elements.len());
        for (index, element) in tree.elements.iter().enumerate() {
            // Of an `else if`, handlebars does not say it.
            let known = tree.mapping.get(index).map(|mapping| (mapping.0, mapping.1));
            let at = known.unwrap_or_else(|| place::of_else(self.source, self.last));
            self.last = at;
            if !matches!(element, TemplateElement::Comment(_)) {
                parts.push(self.part(element, at, depth)?);
            }
        }
        Ok(parts)
    }

    fn part(&mut self, element: &TemplateElement, at: At, depth: usize) -> Read<Part> {
        let absent = |what: &str| Err(error(at, format!("{what} do not exist here: write the text itself")));
        match element {
            TemplateElement::RawString(text) => Ok(Part::Text(text.clone())),
            TemplateElement::Expression(call) | TemplateElement::HtmlExpression(call) => {
                if call.params.is_empty() && call.hash.is_empty() {
                    let (value, kind) = self.value(&call.name, at)?;
                    self.scalar(&value, kind, at)?;
                    return Ok(Part::Value(value));
                }
                let name = call.name.as_name().unwrap_or_default();
                Err(self.error_at(at, name, misplaced(name)))
            }
            TemplateElement::HelperBlock(call) => {
                if self.source[place::offset(self.source, at)..].starts_with("{{{{") {
                    return absent("raw blocks (`{{{{…}}}}`)");
                }
                if depth >= MAX_DEPTH {
                    let message = format!("blocks stand in one another more than {MAX_DEPTH} deep");
                    return Err(error(at, message));
                }
                match call.name.as_name().unwrap_or_default() {
                    "each" => self.each(call, at, depth + 1),
                    _ => self.choice(call, at, depth + 1),
                }
            }
            TemplateElement::PartialExpression(_) | TemplateElement::PartialBlock(_) => absent("partials (`{{> …}}`)"),
            _ => absent("decorators (`{{* …}}`)"),
        }
    }

    // === impl blocks ===

    fn choice(&mut self, call: &HelperTemplate, at: At, depth: usize) -> Read<Part> {
        let (mut call, mut at) = (call, at);
        let mut arms = Vec::new();
        loop {
            let test = self.choice_test(call, at)?;
            arms.push((test, self.branch(call.template.as_ref(), depth)?));
            // A chain of `else if` is no nesting to its author, and must not be one to us.
            match call.inverse.as_ref().and_then(chained) {
                Some(next) => {
                    call = next;
                    at = place::of_else(self.source, self.last);
                    self.last = at;
                }
                None => {
                    let otherwise = self.branch(call.inverse.as_ref(), depth)?;
                    return Ok(Part::Choice { arms, otherwise });
                }
            }
        }
    }

    fn choice_test(&mut self, call: &HelperTemplate, at: At) -> Read<Test> {
        let name = call.name.as_name().unwrap_or_default();
        if !BLOCKS.contains(&name) {
            let message = match name {
                "with" | "lookup" | "log" | "raw" => {
                    format!("`{name}` does not exist here: only the blocks {}", listed(BLOCKS))
                }
                _ => format!("`{name}` is not a block: {}", suggestion::hint(name, BLOCKS)),
            };
            return Err(self.error_at(at, name, message));
        }
        let [parameter] = call.params.as_slice() else {
            let message = format!("`{name}` takes one value or test, not {}", call.params.len());
            return Err(self.error_at(at, name, message));
        };
        if !call.hash.is_empty() || call.block_param.is_some() {
            return Err(self.error_at(at, name, format!("`{name}` takes nothing but its test")));
        }
        let test = self.test(parameter, at, 1)?;
        Ok(match name {
            "unless" => Test::Not(Box::new(test)),
            _ => test,
        })
    }

    fn each(&mut self, call: &HelperTemplate, at: At, depth: usize) -> Read<Part> {
        let [parameter] = call.params.as_slice() else {
            let message = format!("`each` takes one list, not {}", call.params.len());
            return Err(self.error_at(at, "each", message));
        };
        if !call.hash.is_empty() {
            return Err(self.error_at(at, "each", "`each` takes no named parameters".to_owned()));
        }
        if self.scopes.len() > MAX_EACH {
            let message = format!("`each` stands in `each` more than {MAX_EACH} deep");
            return Err(self.error_at(at, "each", message));
        }
        let place = self.place_of(parameter, at)?;
        let (list, kind) = self.value(parameter, at)?;
        let (place, kind) = match kind {
            Kind::List => (format!("{place}[]"), Kind::Group),
            Kind::Labels => (place, Kind::Text),
            _ => {
                let message = format!("`{}` is no list: `each` walks lists, labels and annotations", list.path);
                return Err(self.error_at(at, &list.path, message));
            }
        };
        let (item, key) = self.item_names(call, at)?;
        self.scopes.push(Scope { place, kind, item, key });
        let body = self.branch(call.template.as_ref(), depth);
        self.scopes.pop();
        let body = body?;
        let otherwise = call.inverse.as_ref().map(|tree| self.parts(tree, depth)).transpose()?;
        Ok(Part::Each { list, body, otherwise })
    }

    /// What the item, and its index or key, are called: `as |alert index|`.
    fn item_names(&self, call: &HelperTemplate, at: At) -> Read<(Option<String>, Option<String>)> {
        let text = |parameter: &Parameter| parameter.as_name().map(str::to_owned);
        let (item, key) = match &call.block_param {
            None => (None, None),
            Some(BlockParam::Single(item)) => (text(item), None),
            Some(BlockParam::Pair((item, key))) => (text(item), text(key)),
            Some(_) => (None, None),
        };
        for name in item.iter().chain(&key) {
            let taken = view::below("", name).is_some() || name == "this";
            if taken || (item == key) {
                let message = format!("`{name}` is the name of something else already: choose another");
                return Err(self.error_at(at, name, message));
            }
        }
        Ok((item, key))
    }

    fn branch(&mut self, tree: Option<&Tree>, depth: usize) -> Read<Vec<Part>> {
        tree.map_or(Ok(Vec::new()), |tree| self.parts(tree, depth))
    }

    // === impl tests ===

    fn test(&mut self, parameter: &Parameter, at: At, depth: usize) -> Read<Test> {
        let Parameter::Subexpression(inner) = parameter else {
            return self.value(parameter, at).map(|(value, _)| Test::Given(value));
        };
        let name = inner.name();
        let params = inner.params().map_or(&[][..], Vec::as_slice);
        let fail = |message| Err(self.error_at(at, name, message));
        if !TESTS.contains(&name) {
            return fail(format!("`{name}` is not a test: {}", suggestion::hint(name, TESTS)));
        }
        if inner.hash().is_some_and(|hash| !hash.is_empty()) {
            return fail(format!("`{name}` takes no named parameters"));
        }
        if depth > MAX_DEPTH {
            return fail(format!("tests stand in one another more than {MAX_DEPTH} deep"));
        }
        Ok(match (name, params) {
            ("eq", [one, other]) => self.equal(one, other, at)?,
            ("ne", [one, other]) => Test::Not(Box::new(self.equal(one, other, at)?)),
            ("not", [one]) => Test::Not(Box::new(self.test(one, at, depth + 1)?)),
            ("and", [_, _, ..]) => Test::All(self.tests(params, at, depth + 1)?),
            ("or", [_, _, ..]) => Test::Any(self.tests(params, at, depth + 1)?),
            _ => {
                let wanted = match name {
                    "not" => "one",
                    "and" | "or" => "two or more",
                    _ => "two",
                };
                return fail(format!("`{name}` takes {wanted}, not {}", params.len()));
            }
        })
    }

    fn tests(&mut self, params: &[Parameter], at: At, depth: usize) -> Read<Vec<Test>> {
        params.iter().map(|parameter| self.test(parameter, at, depth)).collect()
    }

    /// A text is never equal to a number, so such a comparison is a slip.
    fn equal(&mut self, one: &Parameter, other: &Parameter, at: At) -> Read<Test> {
        let (left, left_kind) = self.operand(one, at)?;
        let (right, right_kind) = self.operand(other, at)?;
        if left_kind == right_kind {
            return Ok(Test::Equal(left, right));
        }
        let (word, message) = match (&left, left_kind, &right, right_kind) {
            (Operand::Value(value), kind, Operand::Constant(constant), _)
            | (Operand::Constant(constant), _, Operand::Value(value), kind) => {
                let plain = match constant {
                    Json::String(text) => text.clone(),
                    constant => constant.to_string(),
                };
                let wanted = match kind {
                    Kind::Text => format!("write \"{plain}\" with quotes"),
                    Kind::Number if plain.parse::<f64>().is_ok() => format!("write {plain} without quotes"),
                    Kind::Number => "write a number without quotes".to_owned(),
                    _ => "write true or false without quotes, or name it alone".to_owned(),
                };
                let message = format!("`{}` is {}: {wanted}", value.path, named(kind));
                (constant.to_string(), message)
            }
            (Operand::Value(one), one_kind, Operand::Value(other), other_kind) => {
                let message = format!(
                    "`{}` is {} and `{}` {}: they are never equal",
                    one.path,
                    named(one_kind),
                    other.path,
                    named(other_kind)
                );
                (one.path.clone(), message)
            }
            _ => (String::new(), "these are never equal".to_owned()),
        };
        Err(self.error_at(at, &word, message))
    }

    fn operand(&mut self, parameter: &Parameter, at: At) -> Read<(Operand, Kind)> {
        if let Parameter::Literal(constant) = parameter {
            let kind = match constant {
                Json::String(_) => Kind::Text,
                Json::Number(_) => Kind::Number,
                Json::Bool(_) => Kind::Boolean,
                _ => {
                    let message = "only texts, numbers, true and false can be compared".to_owned();
                    return Err(self.error_at(at, &constant.to_string(), message));
                }
            };
            return Ok((Operand::Constant(constant.clone()), kind));
        }
        let (value, kind) = self.value(parameter, at)?;
        self.scalar(&value, kind, at)?;
        Ok((Operand::Value(value), kind))
    }

    /// What can be written down or compared: not all fields of something at once.
    fn scalar(&self, value: &Value, kind: Kind, at: At) -> Read<()> {
        let path = &value.path;
        let message = match kind {
            Kind::Text | Kind::Number | Kind::Boolean => return Ok(()),
            Kind::Labels => format!("`{path}` is all of them: name one, for example {{{{{path}.namespace}}}}"),
            Kind::List => format!("`{path}` is a list: walk it with {{{{#each {path}}}}}…{{{{/each}}}}"),
            Kind::Group => {
                let place = match &value.source {
                    Source::Fields(names) => self.below(value.frame, names),
                    _ => String::new(),
                };
                let fields = view::names(&place);
                format!("`{path}` is several values: name one of {}", listed(&fields))
            }
        };
        Err(self.error_at(at, path, message))
    }

    // === impl values ===

    fn value(&self, parameter: &Parameter, at: At) -> Read<(Value, Kind)> {
        match parameter {
            Parameter::Path(Path::Local((up, name, raw))) => self.local(*up, name, raw, at),
            Parameter::Path(Path::Relative((segments, raw))) => {
                let (frame, source) = self.resolve(segments, raw, at)?;
                let kind = match &source {
                    Source::Fields(names) => self.kind(frame, names, raw, at)?,
                    Source::Key => Kind::Text,
                    _ => Kind::Number,
                };
                let path = raw.clone();
                Ok((Value { frame, source, path }, kind))
            }
            Parameter::Subexpression(inner) => Err(self.error_at(at, inner.name(), misplaced(inner.name()))),
            _ => Err(error(at, "expected a value, for example {{headline}}".to_owned())),
        }
    }

    /// `@index` and the like.
    fn local(&self, up: usize, name: &str, raw: &str, at: At) -> Read<(Value, Kind)> {
        let fail = |message| Err(self.error_at(at, raw, message));
        let (source, kind) = match name {
            "index" => (Source::Index, Kind::Number),
            "first" => (Source::First, Kind::Boolean),
            "last" => (Source::Last, Kind::Boolean),
            "key" => (Source::Key, Kind::Text),
            _ => {
                let hint = suggestion::hint(&format!("@{name}"), LOCALS);
                return fail(format!("`{raw}` does not exist: {hint}"));
            }
        };
        match (self.scopes.len() - 1).checked_sub(up) {
            None | Some(0) => fail(format!("`{raw}` exists only within an `each`")),
            Some(frame) if name == "key" && self.scopes[frame].kind != Kind::Text => {
                fail("`@key` exists only where labels or annotations are walked: write @index".to_owned())
            }
            Some(frame) => {
                let path = raw.to_owned();
                Ok((Value { frame, source, path }, kind))
            }
        }
    }

    /// In which scope a path begins, and what is named there.
    fn resolve(&self, segments: &[PathSeg], raw: &str, at: At) -> Read<(usize, Source)> {
        let rest = ["this.", "this/", "./"]
            .iter()
            .find_map(|prefix| raw.strip_prefix(prefix));
        let is_explicit = rest.is_some() || raw == "this";
        if rest.unwrap_or(raw).starts_with('@') {
            let message =
                format!("`{raw}` does not exist here: name the value, and write `../` before it to leave an `each`");
            return Err(self.error_at(at, raw, message));
        }
        let up = segments
            .iter()
            .filter(|segment| !matches!(segment, PathSeg::Named(_)))
            .count();
        let names: Vec<String> = segments
            .iter()
            .filter_map(|segment| match segment {
                PathSeg::Named(name) => Some(name.clone()),
                _ => None,
            })
            .collect();
        let Some(frame) = (self.scopes.len() - 1).checked_sub(up) else {
            let message = match self.scopes.len() - 1 {
                0 => "`../` leaves an `each`, and there is none around this".to_owned(),
                _ => "`../` is there more often than there is an `each` around this".to_owned(),
            };
            return Err(self.error_at(at, raw, message));
        };
        if up == 0
            && !is_explicit
            && let Some((first, rest)) = names.split_first()
        {
            for (frame, scope) in self.scopes.iter().enumerate().rev() {
                if scope.item.as_ref() == Some(first) {
                    return Ok((frame, Source::Fields(rest.to_vec())));
                }
                if scope.key.as_ref() == Some(first) && rest.is_empty() {
                    let source = match scope.kind {
                        Kind::Text => Source::Key,
                        _ => Source::Index,
                    };
                    return Ok((frame, source));
                }
            }
        }
        Ok((frame, Source::Fields(names)))
    }

    /// What stands there, if there is such a place.
    fn kind(&self, frame: usize, names: &[String], raw: &str, at: At) -> Read<Kind> {
        let scope = &self.scopes[frame];
        let (mut place, mut kind) = (scope.place.clone(), scope.kind);
        for (index, name) in names.iter().enumerate() {
            let message = match kind {
                Kind::Group => match view::below(&place, name) {
                    Some(field) => {
                        (place, kind) = (field.path.to_owned(), field.kind);
                        continue;
                    }
                    None if index == 0 => self.unknown(frame, names, raw),
                    None => {
                        let hint = suggestion::hint(name, &view::names(&place));
                        format!("`{}` has no `{name}`: {hint}", place.replace("[]", ""))
                    }
                },
                Kind::Labels if index + 1 == names.len() => return Ok(Kind::Text),
                Kind::Labels => {
                    let above = names[..index].last().map_or("", String::as_str);
                    let end = raw.find(above).map_or(0, |found| found + above.len());
                    let (before, rest) = raw.split_at(end);
                    let rest = rest.trim_start_matches(['.', '/']);
                    format!("a name with dots or slashes stands in brackets: {{{{{before}.[{rest}]}}}}")
                }
                Kind::List => format!(
                    "`{place}` is a list: walk it with {{{{#each {place}}}}}{{{{{}}}}}{{{{/each}}}}",
                    view::names(&format!("{place}[]")).first().unwrap_or(&"this")
                ),
                _ if index == 0 && view::below("", name).is_some() => self.unknown(frame, names, raw),
                _ if index == 0 => {
                    format!("`{name}` is not known: an item here is {{{{this}}}}, its name {{{{@key}}}}")
                }
                _ => format!(
                    "`{}` is {}: nothing stands below it",
                    names[..index].join("."),
                    named(kind)
                ),
            };
            return Err(self.error_at(at, raw, message));
        }
        Ok(kind)
    }

    /// The message for a name that a scope does not have.
    fn unknown(&self, frame: usize, names: &[String], raw: &str) -> String {
        let known = view::names(&self.scopes[frame].place);
        let name = names.first().map_or("", String::as_str);
        let is_alone = names.len() == 1;
        if BLOCKS.contains(&name) || TESTS.contains(&name) {
            return misplaced(name);
        }
        if frame > 0 && view::below("", name).is_some() {
            let up = "../".repeat(frame);
            return format!("`{name}` stands outside of this `each`: write `{up}{raw}`");
        }
        match suggestion::nearest(name, known.iter().copied()) {
            Some(near) => format!("`{name}` is not known: did you mean `{near}`?"),
            None if frame > 0 => format!("`{name}` is not known: an item here has {}", listed(&known)),
            None => match view::list_with(name) {
                Some(list) => {
                    format!("`{name}` stands in `{list}`: write {{{{#each {list}}}}}{{{{{name}}}}}{{{{/each}}}}")
                }
                None if is_alone => {
                    format!("`{name}` is not known: write {{{{labels.{name}}}}} for the label of that name")
                }
                None => format!("`{name}` is not known: expected {}", suggestion::list(&known)),
            },
        }
    }

    /// The path in the view of what a parameter names.
    fn place_of(&self, parameter: &Parameter, at: At) -> Read<String> {
        let Parameter::Path(Path::Relative((segments, raw))) = parameter else {
            return Ok(String::new());
        };
        Ok(match self.resolve(segments, raw, at)? {
            (frame, Source::Fields(names)) => self.below(frame, &names),
            _ => String::new(),
        })
    }

    fn below(&self, frame: usize, names: &[String]) -> String {
        let place = &self.scopes[frame].place;
        let parts = Some(place).into_iter().chain(names).filter(|part| !part.is_empty());
        parts.map(String::as_str).collect::<Vec<_>>().join(".")
    }

    fn error_at(&self, at: At, word: &str, message: String) -> TemplateError {
        error(place::of_word(self.source, at, word), message)
    }
}

/// The next of an `else if` chain: handlebars keeps it as the only element of a template without places.
fn chained(inverse: &Tree) -> Option<&HelperTemplate> {
    match inverse.elements.as_slice() {
        [TemplateElement::HelperBlock(next)] if inverse.mapping.is_empty() => {
            Some(&**next).filter(|next| next.name.as_name() != Some("each"))
        }
        _ => None,
    }
}

/// The message for a helper that stands where a value should.
fn misplaced(name: &str) -> String {
    if BLOCKS.contains(&name) {
        format!("`{name}` is a block: write {{{{#{name} …}}}}…{{{{/{name}}}}}")
    } else if TESTS.contains(&name) {
        format!("`{name}` is a test: use it in a block, for example {{{{#if ({name} …)}}}}…{{{{/if}}}}")
    } else {
        format!(
            "`{name}` is not a helper: only values, and the blocks {}, exist here",
            listed(BLOCKS)
        )
    }
}

/// For messages: "a number".
fn named(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "a text",
        Kind::Number => "a number",
        Kind::Boolean => "true or false",
        Kind::Labels => "labels",
        Kind::Group => "several values",
        Kind::List => "a list",
    }
}

/// `a`, `b` and `c`
fn listed(words: &[&str]) -> String {
    suggestion::list(words).replace(" or ", " and ")
}
