//! Templates in a runbook's values: `{{labels.namespace}}`. The one user of handlebars.
//!
//! Strict: a value that the alert does not have is an error, never an empty string. Nothing is escaped, because the
//! results are names and not HTML, and what a label says is data: a `{{` in it is not read again. Only [`ROOTS`],
//! [`BLOCKS`] and [`TESTS`] exist, so everything that can be known to be wrong is known when the runbook is read.
//!
//! Handlebars reads the template; what it read is then turned into the few forms that are allowed here, and those are
//! rendered without its intermediate JSON: an alert storm renders two templates for every alert, and a test inside
//! an `if` names the label that is missing. A test holds the results equal to handlebars' own, with one exception: an
//! absent value inside `and`, `or` and `not` is false, as it is in a plain `if`, where handlebars would fail.

use std::{collections::BTreeMap, sync::Arc};

use handlebars::{
    Path, PathSeg, TemplateErrorReason,
    template::{HelperTemplate, Parameter, Template as Tree, TemplateElement},
};
use thiserror::Error;

use crate::suggestion;

/// What a value may begin with: the alert's labels and its annotations.
pub const ROOTS: &[&str] = &["labels", "annotations"];
/// The blocks that a template may use.
pub const BLOCKS: &[&str] = &["if", "unless"];
/// The tests that may stand in a block: `{{#if (eq labels.tier "web")}}`.
pub const TESTS: &[&str] = &["eq", "ne", "and", "or", "not"];
/// A template may not be longer, in bytes. It also bounds how deep it can nest, and so the stack that it needs.
pub const MAX_LENGTH: usize = 1024;

/// Handlebars reads recursively; what [`MAX_LENGTH`] allows needs more than a thread's own stack.
const STACK: usize = 32 << 20;

/// A template that was checked, ready to be rendered any number of times.
#[derive(Clone, Debug)]
pub struct Template(Arc<[Part]>);

#[derive(Debug)]
enum Part {
    Text(String),
    Value(Value),
    Choice {
        test: Test,
        then: Vec<Part>,
        otherwise: Vec<Part>,
    },
}

/// A label or an annotation.
#[derive(Debug)]
struct Value {
    root: Root,
    name: String,
    /// As written.
    path: String,
}

#[derive(Clone, Copy, Debug)]
enum Root {
    Labels,
    Annotations,
}

/// What decides between two parts.
#[derive(Debug)]
enum Test {
    /// The value is there and not empty.
    Given(Value),
    Not(Box<Test>),
    All(Vec<Test>),
    Any(Vec<Test>),
    Equal(Operand, Operand),
}

#[derive(Debug)]
enum Operand {
    Value(Value),
    Text(String),
}

/// Why a template cannot be used, and where in its own text.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct TemplateError {
    /// What is wrong and what to do about it.
    pub message: String,
    /// 1-based.
    pub line: u32,
    /// 1-based, in characters.
    pub column: u32,
}

/// Why a template has no text for this alert.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RenderError {
    /// The alert does not have what the template names.
    #[error("the alert has no `{path}`")]
    MissingValue {
        /// As written in the template: `labels.deployment`.
        path: String,
    },
}

impl Template {
    /// Reads and checks a template.
    pub fn compile(source: &str) -> Result<Self, TemplateError> {
        if source.len() > MAX_LENGTH {
            return Err(TemplateError {
                message: format!("the template is {} bytes long: at most {MAX_LENGTH}", source.len()),
                line: 1,
                column: 1,
            });
        }
        stacker::grow(STACK, || {
            let tree = Tree::compile(source).map_err(|error| syntax_error(source, &error))?;
            let parts = Reading { source }.parts(&tree, (1, 1))?;
            Ok(Self(parts.into()))
        })
    }

    /// The template's text for one alert.
    pub fn render(
        &self,
        labels: &BTreeMap<String, String>,
        annotations: &BTreeMap<String, String>,
    ) -> Result<String, RenderError> {
        let mut text = String::new();
        Alert { labels, annotations }.render(&self.0, &mut text)?;
        Ok(text)
    }

    /// The text, if it is the same for every alert.
    pub fn literal(&self) -> Option<&str> {
        match &*self.0 {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }
}

// === impl rendering ===

/// What a template sees.
struct Alert<'a> {
    labels: &'a BTreeMap<String, String>,
    annotations: &'a BTreeMap<String, String>,
}

impl<'a> Alert<'a> {
    fn render(&self, parts: &[Part], text: &mut String) -> Result<(), RenderError> {
        for part in parts {
            match part {
                Part::Text(literal) => text.push_str(literal),
                Part::Value(value) => text.push_str(self.require(value)?),
                Part::Choice { test, then, otherwise } => {
                    self.render(if self.holds(test)? { then } else { otherwise }, text)?;
                }
            }
        }
        Ok(())
    }

    fn get(&self, value: &Value) -> Option<&'a str> {
        let map = match value.root {
            Root::Labels => self.labels,
            Root::Annotations => self.annotations,
        };
        map.get(&value.name).map(String::as_str)
    }

    fn require(&self, value: &Value) -> Result<&'a str, RenderError> {
        self.get(value).ok_or_else(|| RenderError::MissingValue {
            path: value.path.clone(),
        })
    }

    fn holds(&self, test: &Test) -> Result<bool, RenderError> {
        Ok(match test {
            Test::Given(value) => self.get(value).is_some_and(|text| !text.is_empty()),
            Test::Not(inner) => !self.holds(inner)?,
            Test::All(tests) => {
                for test in tests {
                    if !self.holds(test)? {
                        return Ok(false);
                    }
                }
                true
            }
            Test::Any(tests) => {
                for test in tests {
                    if self.holds(test)? {
                        return Ok(true);
                    }
                }
                false
            }
            Test::Equal(one, other) => self.operand(one)? == self.operand(other)?,
        })
    }

    fn operand<'t>(&self, operand: &'t Operand) -> Result<&'t str, RenderError>
    where
        'a: 't,
    {
        match operand {
            Operand::Value(value) => self.require(value),
            Operand::Text(text) => Ok(text),
        }
    }
}

// === impl reading ===

/// Where an element begins, 1-based line and column.
type At = (usize, usize);

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

    /// Handlebars knows where an element begins; the word in question stands somewhere after that.
    fn error_at_text(&self, at: At, text: &str, message: String) -> TemplateError {
        let mut error = error(at, message);
        let line = self.source.lines().nth(at.0.saturating_sub(1)).unwrap_or_default();
        let from = line
            .char_indices()
            .nth(at.1.saturating_sub(1))
            .map_or(line.len(), |(index, _)| index);
        if let Some(found) = line[from..].find(text).filter(|_| !text.is_empty()) {
            let before = line[from..from + found].chars().count();
            error.column += u32::try_from(before).unwrap_or_default();
        }
        error
    }
}

fn error((line, column): At, message: String) -> TemplateError {
    TemplateError {
        message,
        line: u32::try_from(line).unwrap_or(u32::MAX),
        column: u32::try_from(column).unwrap_or(u32::MAX),
    }
}

fn syntax_error(source: &str, fault: &handlebars::TemplateError) -> TemplateError {
    let message = match fault.reason() {
        TemplateErrorReason::MismatchingClosedHelper(open, close) => {
            format!("`{{{{#{open}}}}}` is closed by `{{{{/{close}}}}}`: close it by `{{{{/{open}}}}}`")
        }
        _ if source.matches("{{").count() > source.matches("}}").count() => {
            "a `{{` is not closed: write `}}` after the value".to_owned()
        }
        _ if source.matches("{{#").count() > source.matches("{{/").count() => {
            "a block is not closed: write `{{/if}}` after it".to_owned()
        }
        _ => "this is not a template: write a value as {{labels.namespace}}, and a name with other characters than \
              letters, digits, - and _ in brackets: {{labels.[app.kubernetes.io/name]}}"
            .to_owned(),
    };
    error(fault.pos().unwrap_or((1, 1)), message)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn labels() -> BTreeMap<String, String> {
        map(&[
            ("namespace", "shop"),
            ("pod", "web-1"),
            ("app.kubernetes.io/name", "cart"),
            ("evil", "{{labels.pod}} <&\"'>"),
            ("empty", ""),
        ])
    }

    fn render(source: &str) -> Result<String, RenderError> {
        Template::compile(source)
            .unwrap()
            .render(&labels(), &map(&[("summary", "broken")]))
    }

    fn missing(path: &str) -> Result<String, RenderError> {
        Err(RenderError::MissingValue { path: path.to_owned() })
    }

    #[test]
    fn values_are_put_in_as_they_are() {
        for (source, expected) in [
            ("", ""),
            ("web", "web"),
            ("{{labels.namespace}}", "shop"),
            ("{{ labels.namespace }}", "shop"),
            ("{{{labels.namespace}}}", "shop"),
            ("{{& labels.namespace}}", "shop"),
            ("{{this.labels.namespace}}", "shop"),
            ("{{labels.namespace}}/{{labels.pod}}-x", "shop/web-1-x"),
            ("{{labels.[app.kubernetes.io/name]}}", "cart"),
            ("{{annotations.summary}}", "broken"),
            ("a {{~labels.pod~}} b", "aweb-1b"),
            ("a{{! a comment }}b", "ab"),
            ("\\{{labels.pod}}", "{{labels.pod}}"),
            ("{{labels.empty}}", ""),
        ] {
            assert_eq!(render(source).as_deref(), Ok(expected), "{source}");
        }
    }

    #[test]
    fn what_a_label_says_is_neither_read_again_nor_escaped() {
        assert_eq!(render("{{labels.evil}}").unwrap(), "{{labels.pod}} <&\"'>");
        assert_eq!(
            render("{{#if labels.pod}}{{labels.evil}}{{/if}}").unwrap(),
            "{{labels.pod}} <&\"'>"
        );
    }

    #[test]
    fn a_missing_value_is_an_error_that_names_it() {
        assert_eq!(render("{{labels.deployment}}"), missing("labels.deployment"));
        assert_eq!(
            render("x-{{annotations.runbook_url}}"),
            missing("annotations.runbook_url")
        );
        assert_eq!(render("{{labels.[a.b/c]}}"), missing("labels.[a.b/c]"));
        assert_eq!(
            render("{{#if labels.pod}}{{labels.deployment}}{{/if}}"),
            missing("labels.deployment")
        );
        assert_eq!(render("{{#if (eq labels.x 'y')}}a{{/if}}"), missing("labels.x"));
        assert_eq!(
            render("{{labels.deployment}}").unwrap_err().to_string(),
            "the alert has no `labels.deployment`"
        );
    }

    #[test]
    fn a_template_may_choose() {
        for (source, expected) in [
            ("{{#if labels.pod}}{{labels.pod}}{{else}}none{{/if}}", "web-1"),
            (
                "{{#if labels.deployment}}{{labels.deployment}}{{else}}none{{/if}}",
                "none",
            ),
            ("{{#if labels.empty}}a{{else}}b{{/if}}", "b"),
            ("{{#unless labels.deployment}}none{{/unless}}", "none"),
            ("{{#if (eq labels.namespace 'shop')}}a{{else}}b{{/if}}", "a"),
            (
                "{{#if (and (ne labels.namespace 'x') (not (eq labels.pod 'y')))}}a{{/if}}",
                "a",
            ),
            ("{{#if (or (eq labels.pod 'y') (eq labels.pod 'web-1'))}}a{{/if}}", "a"),
            ("{{#if (or labels.deployment labels.pod)}}a{{else}}b{{/if}}", "a"),
            ("{{#if (and labels.pod labels.deployment)}}a{{else}}b{{/if}}", "b"),
            ("{{#if (not labels.deployment)}}a{{/if}}", "a"),
            ("{{#if labels.x}}1{{else if labels.pod}}2{{else}}3{{/if}}", "2"),
        ] {
            assert_eq!(render(source).as_deref(), Ok(expected), "{source}");
        }
    }

    #[test]
    fn a_template_says_what_handlebars_says() {
        let mut reference = handlebars::Handlebars::new();
        reference.set_strict_mode(true);
        reference.register_escape_fn(handlebars::no_escape);
        let values = serde_json::json!({"labels": labels(), "annotations": {"summary": "broken"}});
        for source in [
            "",
            "web",
            " a\n b\n",
            "{{labels.namespace}}",
            "{{{labels.evil}}}",
            "x{{~ labels.pod ~}}\n y {{annotations.summary}}\n\n",
            "{{labels.[app.kubernetes.io/name]}}{{! c }}{{!-- d --}}\n{{labels.pod}}",
            "\\{{labels.pod}} \\\\{{labels.pod}}",
            "{{labels.nosuch}}",
            "{{labels.pod}}{{annotations.nosuch}}",
            "{{./labels.nosuch}}",
            "{{#if labels.pod}}\n  a\n{{else}}\n  b\n{{/if}}\nc",
            "  {{#unless labels.pod}}x{{else}} {{labels.nosuch}}{{/unless}} ",
            "{{#if labels.empty}}a{{else if (eq labels.pod 'web-1')}}b{{else}}c{{/if}}",
            "{{#if (and labels.pod (ne labels.pod \"x\"))}}a{{~/if}} ",
            "{{#if (or (not labels.pod) labels.empty)}}a{{^}}b{{/if}}",
        ] {
            let ours = Template::compile(source)
                .unwrap()
                .render(&labels(), &map(&[("summary", "broken")]));
            let theirs = reference.render_template(source, &values).map_err(|error| {
                let handlebars::RenderErrorReason::MissingVariable(Some(path)) = error.reason() else {
                    panic!("{source}: {error}");
                };
                RenderError::MissingValue { path: path.clone() }
            });
            assert_eq!(ours, theirs, "{source}");
        }
    }

    #[test]
    fn mistakes_are_told_where_they_stand() {
        for (source, line, column, message) in [
            ("{{label.pod}}", 1, 3, "`label` is not known: did you mean `labels`?"),
            ("a {{ lables.pod }}", 1, 6, "did you mean `labels`?"),
            (
                "{{pod}}",
                1,
                3,
                "`pod` is not known: write {{labels.pod}} for the label of that name",
            ),
            (
                "{{target.metadata.name}}",
                1,
                3,
                "`target` is not known: expected `labels` or `annotations`",
            ),
            (
                "{{labels}}",
                1,
                3,
                "`labels` is all of them: name one, for example {{labels.namespace}}",
            ),
            (
                "{{labels.app.kubernetes.io/name}}",
                1,
                3,
                "a name with dots or slashes stands in brackets: {{labels.[app.kubernetes.io/name]}}",
            ),
            ("{{@root/labels.pod}}", 1, 3, "does not exist here"),
            ("{{@index}}", 1, 3, "does not exist here"),
            ("{{../labels.pod}}", 1, 3, "does not exist here"),
            ("a\nbc{{> other}}", 2, 3, "partials (`{{> …}}`) do not exist here"),
            (
                "{{#each labels}}{{this}}{{/each}}",
                1,
                4,
                "`each` does not exist here: name each value, for example {{labels.namespace}}",
            ),
            ("{{#fi labels.pod}}{{/fi}}", 1, 4, "`fi` is not a block"),
            ("{{lower labels.pod}}", 1, 3, "`lower` is not a helper"),
            ("{{lookup labels 'pod'}}", 1, 3, "`lookup` is not a helper"),
            (
                "{{#if (neq labels.pod 'x')}}a{{/if}}",
                1,
                8,
                "`neq` is not a test: did you mean `ne`?",
            ),
            ("{{#if (eq labels.pod)}}a{{/if}}", 1, 8, "`eq` takes two, not 1"),
            (
                "{{#if (eq labels.replicas 3)}}a{{/if}}",
                1,
                27,
                "every value is a text: write \"3\" with quotes",
            ),
            (
                "{{#if (and labels.pod)}}a{{/if}}",
                1,
                8,
                "`and` takes two or more, not 1",
            ),
            (
                "{{#if (not labels.pod labels.x)}}a{{/if}}",
                1,
                8,
                "`not` takes one, not 2",
            ),
            (
                "{{eq}}",
                1,
                3,
                "`eq` is a test: use it in a block, for example {{#if (eq …)}}…{{/if}}",
            ),
            ("{{eq labels.pod 'x'}}", 1, 3, "`eq` is a test"),
            ("{{#if}}a{{/if}}", 1, 4, "`if` takes one value or test, not 0"),
            ("{{if labels.pod}}", 1, 3, "`if` is a block: write {{#if …}}…{{/if}}"),
            (
                "{{#if (eq labels.pod 'x' strict=true)}}a{{/if}}",
                1,
                8,
                "`eq` takes no named parameters",
            ),
            (
                "{{#*inline 'x'}}a{{/inline}}",
                1,
                1,
                "decorators (`{{* …}}`) do not exist here",
            ),
            (
                "{{#if labels.pod}}a{{/unless}}",
                1,
                20,
                "`{{#if}}` is closed by `{{/unless}}`: close it by `{{/if}}`",
            ),
            ("{{#if labels.pod}}a", 1, 20, "a block is not closed"),
            (
                "{{labels.pod",
                1,
                13,
                "a `{{` is not closed: write `}}` after the value",
            ),
            (
                "{{labels.pod}",
                1,
                13,
                "a `{{` is not closed: write `}}` after the value",
            ),
            ("{{ }}", 1, 4, "this is not a template"),
            (
                "{{labels.a+b}}",
                1,
                11,
                "in brackets: {{labels.[app.kubernetes.io/name]}}",
            ),
            ("{{{{raw}}}}x{{{{/raw}}}}", 1, 5, "`raw` is not a block"),
        ] {
            let error = Template::compile(source).unwrap_err();
            assert!(error.message.contains(message), "{source}: {}", error.message);
            assert_eq!(
                (error.line, error.column),
                (line, column),
                "{source}: {}",
                error.message
            );
        }
        assert_eq!(
            Template::compile(&"x".repeat(1025)).unwrap_err().message,
            "the template is 1025 bytes long: at most 1024"
        );
    }

    #[test]
    fn the_deepest_template_that_fits_does_not_overflow_the_stack() {
        for source in [
            "{{#if labels.x}}".repeat(64),
            format!("{}{}", "{{#if a.x}}".repeat(48), "{{/if}}".repeat(48)),
            format!(
                "{{{{#if {}labels.pod{}}}}}a{{{{/if}}}}",
                "(not ".repeat(150),
                ")".repeat(150)
            ),
            "{".repeat(1024),
            format!("{{{{{}", "(".repeat(1022)),
            format!("{{{{eq {}", "[".repeat(1000)),
        ] {
            if let Ok(template) = Template::compile(&source) {
                drop(template.render(&labels(), &labels()));
            }
        }
    }
}
