//! From what handlebars read to what is allowed.

use handlebars::{
    Path, PathSeg, TemplateErrorReason,
    template::{HelperTemplate, Parameter, Template as Tree, TemplateElement},
};

use super::{
    BLOCKS, Operand, Part, ROOTS, Root, TESTS, TemplateError, Test, Value,
    place::{self, At},
};
use crate::suggestion;

/// Reads and checks a template's text.
pub(super) fn parts(source: &str) -> Result<Vec<Part>, TemplateError> {
    let tree = Tree::compile(source).map_err(|error| syntax_error(source, &error))?;
    Reading { source }.parts(&tree, (1, 1))
}

/// Turns what handlebars read into what is allowed.
struct Reading<'s> {
    source: &'s str,
}

impl Reading<'_> {
    /// `outer` is where the surrounding block begins: handlebars does not say it of an `else if`.
    fn parts(&self, tree: &Tree, outer: At) -> Result<Vec<Part>, TemplateError> {
        let mut parts = Vec::with_capacity(tree.elements.len());
        for (index, element) in tree.elements.iter().enumerate() {
            let at = tree.mapping.get(index).map_or(outer, |mapping| (mapping.0, mapping.1));
            if !matches!(element, TemplateElement::Comment(_)) {
                parts.push(self.part(element, at)?);
            }
        }
        Ok(parts)
    }

    fn part(&self, element: &TemplateElement, at: At) -> Result<Part, TemplateError> {
        match element {
            TemplateElement::RawString(text) => Ok(Part::Text(text.clone())),
            TemplateElement::Expression(call) | TemplateElement::HtmlExpression(call) => {
                if call.params.is_empty() && call.hash.is_empty() {
                    return self.value(&call.name, at).map(Part::Value);
                }
                let name = call.name.as_name().unwrap_or_default();
                Err(self.error_at_text(at, name, self.misplaced(name)))
            }
            TemplateElement::HelperBlock(call) => self.choice(call, at),
            TemplateElement::PartialExpression(_) | TemplateElement::PartialBlock(_) => Err(error(
                at,
                "partials (`{{> …}}`) do not exist here: write the text itself".to_owned(),
            )),
            _ => Err(error(
                at,
                "decorators (`{{* …}}`) do not exist here: write the text itself".to_owned(),
            )),
        }
    }

    /// The message for a helper that stands where a value should.
    fn misplaced(&self, name: &str) -> String {
        if BLOCKS.contains(&name) {
            format!("`{name}` is a block: write {{{{#{name} …}}}}…{{{{/{name}}}}}")
        } else if TESTS.contains(&name) {
            format!("`{name}` is a test: use it in a block, for example {{{{#if ({name} …)}}}}…{{{{/if}}}}")
        } else {
            format!("`{name}` is not a helper: only values, `if` and `unless` exist here")
        }
    }

    fn choice(&self, call: &HelperTemplate, at: At) -> Result<Part, TemplateError> {
        let name = call.name.as_name().unwrap_or_default();
        let fail = |message| Err(self.error_at_text(at, name, message));
        if matches!(name, "each" | "with") {
            return fail(format!(
                "`{name}` does not exist here: name each value, for example {{{{labels.namespace}}}}"
            ));
        }
        if !BLOCKS.contains(&name) {
            return fail(format!("`{name}` is not a block: {}", suggestion::hint(name, BLOCKS)));
        }
        let [parameter] = call.params.as_slice() else {
            return fail(format!("`{name}` takes one value or test, not {}", call.params.len()));
        };
        if !call.hash.is_empty() || call.block_param.is_some() {
            return fail(format!("`{name}` takes no named parameters"));
        }
        let mut test = self.test(parameter, at)?;
        if name == "unless" {
            test = Test::Not(Box::new(test));
        }
        let branch = |tree: &Option<Tree>| tree.as_ref().map_or(Ok(Vec::new()), |tree| self.parts(tree, at));
        Ok(Part::Choice {
            test,
            then: branch(&call.template)?,
            otherwise: branch(&call.inverse)?,
        })
    }

    fn test(&self, parameter: &Parameter, at: At) -> Result<Test, TemplateError> {
        let Parameter::Subexpression(inner) = parameter else {
            return self.value(parameter, at).map(Test::Given);
        };
        let name = inner.name();
        let params = inner.params().map_or(&[][..], Vec::as_slice);
        let fail = |message| Err(self.error_at_text(at, name, message));
        if !TESTS.contains(&name) {
            return fail(format!("`{name}` is not a test: {}", suggestion::hint(name, TESTS)));
        }
        if inner.hash().is_some_and(|hash| !hash.is_empty()) {
            return fail(format!("`{name}` takes no named parameters"));
        }
        let all = || {
            params
                .iter()
                .map(|parameter| self.test(parameter, at))
                .collect::<Result<Vec<_>, _>>()
        };
        Ok(match (name, params) {
            ("eq", [one, other]) => Test::Equal(self.operand(one, at)?, self.operand(other, at)?),
            ("ne", [one, other]) => Test::Not(Box::new(Test::Equal(self.operand(one, at)?, self.operand(other, at)?))),
            ("not", [one]) => Test::Not(Box::new(self.test(one, at)?)),
            ("and", [_, _, ..]) => Test::All(all()?),
            ("or", [_, _, ..]) => Test::Any(all()?),
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

    fn operand(&self, parameter: &Parameter, at: At) -> Result<Operand, TemplateError> {
        match parameter {
            Parameter::Literal(serde_json::Value::String(text)) => Ok(Operand::Text(text.clone())),
            Parameter::Literal(literal) => Err(self.error_at_text(
                at,
                &literal.to_string(),
                format!("every value is a text: write \"{literal}\" with quotes"),
            )),
            parameter => self.value(parameter, at).map(Operand::Value),
        }
    }

    fn value(&self, parameter: &Parameter, at: At) -> Result<Value, TemplateError> {
        let (raw, segments) = match parameter {
            Parameter::Path(Path::Relative((segments, raw))) => (raw.as_str(), segments.as_slice()),
            Parameter::Path(Path::Local((_, _, raw))) => (raw.as_str(), &[][..]),
            _ => {
                return Err(error(
                    at,
                    "expected a value, for example {{labels.namespace}}".to_owned(),
                ));
            }
        };
        let names: Option<Vec<&str>> = segments
            .iter()
            .map(|segment| match segment {
                PathSeg::Named(name) => Some(name.as_str()),
                _ => None,
            })
            .collect();
        let names = names.unwrap_or_default();
        let root = match names.first().copied() {
            Some("labels") => Some(Root::Labels),
            Some("annotations") => Some(Root::Annotations),
            _ => None,
        };
        let message = match (names.as_slice(), root) {
            ([_, name], Some(root)) => {
                return Ok(Value {
                    root,
                    name: (*name).to_owned(),
                    path: raw.to_owned(),
                });
            }
            ([root], Some(_)) => format!("`{root}` is all of them: name one, for example {{{{{root}.namespace}}}}"),
            ([root, ..], Some(_)) => {
                let name = raw.split_once(['.', '/']).map_or("", |(_, name)| name);
                format!("a name with dots or slashes stands in brackets: {{{{{root}.[{name}]}}}}")
            }
            ([name], None) if BLOCKS.contains(name) || TESTS.contains(name) => self.misplaced(name),
            ([root, rest @ ..], None) => match suggestion::nearest(root, ROOTS.iter().copied()) {
                Some(near) => format!("`{root}` is not known: did you mean `{near}`?"),
                None if rest.is_empty() => {
                    format!("`{root}` is not known: write {{{{labels.{root}}}}} for the label of that name")
                }
                None => format!("`{root}` is not known: expected {}", suggestion::list(ROOTS)),
            },
            ([], _) => format!("`{raw}` does not exist here: name the value, for example {{{{labels.namespace}}}}"),
        };
        Err(self.error_at_text(at, raw, message))
    }

    fn error_at_text(&self, at: At, text: &str, message: String) -> TemplateError {
        error(place::of_word(self.source, at, text), message)
    }
}

pub(super) fn error((line, column): At, message: String) -> TemplateError {
    TemplateError {
        message,
        line: u32::try_from(line).unwrap_or(u32::MAX),
        column: u32::try_from(column).unwrap_or(u32::MAX),
    }
}

pub(super) fn syntax_error(source: &str, fault: &handlebars::TemplateError) -> TemplateError {
    let at = fault.pos().unwrap_or((1, 1));
    let (before, after) = source.split_at(place::offset(source, at));
    let stray = Some(after.trim_start_matches('~')).filter(|_| before.ends_with("{{"));
    let message = match fault.reason() {
        _ if stray.is_some_and(|tag| tag.starts_with('/')) => "this closes a block, and none is open".to_owned(),
        _ if stray.is_some_and(|tag| tag.starts_with("else") || tag.starts_with('^')) => {
            "`else` stands in a block, and none is open".to_owned()
        }
        TemplateErrorReason::MismatchingClosedHelper(open, close) => {
            format!("`{{{{#{open}}}}}` is closed by `{{{{/{close}}}}}`: close it by `{{{{/{open}}}}}`")
        }
        _ if source.matches("{{").count() > source.matches("}}").count() => {
            "a `{{` is not closed: write `}}` after the value".to_owned()
        }
        _ if source.matches("{{#").count() > source.matches("{{/").count() => {
            format!(
                "a block is not closed: write `{{{{/{}}}}}` after it",
                open_block(source)
            )
        }
        _ => "this is not a template: write a value as {{labels.namespace}}, and a name with other characters than \
              letters, digits, - and _ in brackets: {{labels.[app.kubernetes.io/name]}}"
            .to_owned(),
    };
    error(at, message)
}

/// The name of the innermost block that is not closed.
fn open_block(source: &str) -> &str {
    let mut open = Vec::new();
    for tag in source.split("{{").skip(1) {
        let name = |rest: &'_ str| rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let tag = tag.trim_start_matches('~');
        if let Some(rest) = tag.strip_prefix('#') {
            open.push(&rest[..name(rest)]);
        } else if let Some(rest) = tag.strip_prefix('/') {
            // One that is closed by another's end is the one that is open.
            if open.last().is_some_and(|open| *open != &rest[..name(rest)]) {
                break;
            }
            open.pop();
        }
    }
    open.pop().filter(|name| !name.is_empty()).unwrap_or("if")
}
