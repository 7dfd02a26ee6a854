//! Label selectors: the text of a query, and the object in a spec.

use serde_json::Value;

use crate::kubernetes::names;

/// A selector: all of its requirements.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    /// What has to hold.
    pub requirements: Vec<Requirement>,
    /// Whether it was made from nothing, and selects nothing.
    nothing: bool,
}

/// One requirement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// The label.
    pub key: String,
    /// What is asked of it.
    pub operator: Operator,
    /// The values.
    pub values: Vec<String>,
}

/// What is asked of a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// One of the values.
    In,
    /// None of the values; also without the label.
    NotIn,
    /// There.
    Exists,
    /// Not there.
    DoesNotExist,
    /// An integer above the value.
    GreaterThan,
    /// An integer below the value.
    LessThan,
}

impl Labels {
    /// Whether it asks nothing.
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty() && !self.nothing
    }

    /// Whether an object with these labels is meant.
    pub fn matches<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        if self.nothing {
            return false;
        }
        self.requirements.iter().all(|requirement| {
            let value = label(&requirement.key);
            let integer = |text: &str| text.parse::<i64>().ok();
            let compared = |holds: fn(i64, i64) -> bool| {
                value
                    .and_then(integer)
                    .zip(requirement.values.first().and_then(|value| integer(value)))
                    .is_some_and(|(left, right)| holds(left, right))
            };
            match requirement.operator {
                Operator::In => value.is_some_and(|value| requirement.values.iter().any(|other| other == value)),
                Operator::NotIn => value.is_none_or(|value| requirement.values.iter().all(|other| other != value)),
                Operator::Exists => value.is_some(),
                Operator::DoesNotExist => value.is_none(),
                Operator::GreaterThan => compared(|left, right| left > right),
                Operator::LessThan => compared(|left, right| left < right),
            }
        })
    }

    /// Whether the labels of a JSON object are meant.
    pub fn matches_value(&self, labels: &Value) -> bool {
        self.matches(|name| labels[name].as_str())
    }

    /// Reads `metav1.LabelSelector`. Nothing selects nothing; `{}` selects everything.
    pub fn from_object(selector: &Value) -> Self {
        if selector.is_null() {
            return Self {
                nothing: true,
                ..Self::default()
            };
        }
        let mut requirements = Vec::new();
        for (key, value) in selector["matchLabels"].as_object().into_iter().flatten() {
            requirements.push(Requirement {
                key: key.clone(),
                operator: Operator::In,
                values: vec![value.as_str().unwrap_or_default().to_owned()],
            });
        }
        for expression in selector["matchExpressions"].as_array().into_iter().flatten() {
            let operator = match expression["operator"].as_str().unwrap_or_default() {
                "In" => Operator::In,
                "NotIn" => Operator::NotIn,
                "Exists" => Operator::Exists,
                _ => Operator::DoesNotExist,
            };
            let values = expression["values"].as_array().into_iter().flatten();
            requirements.push(Requirement {
                key: expression["key"].as_str().unwrap_or_default().to_owned(),
                operator,
                values: values.filter_map(Value::as_str).map(str::to_owned).collect(),
            });
        }
        Self {
            requirements,
            nothing: false,
        }
    }

    /// Reads a map of labels, as Services and ReplicationControllers have it.
    pub fn from_map(labels: &Value) -> Self {
        match labels.as_object() {
            Some(labels) if !labels.is_empty() => Self::from_object(&serde_json::json!({"matchLabels": labels})),
            _ => Self {
                nothing: true,
                ..Self::default()
            },
        }
    }

    /// Reads the text of a query.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Parser {
            tokens: tokens(text),
            at: 0,
        };
        let mut requirements = Vec::new();
        loop {
            match parser.peek() {
                Token::End => break,
                Token::Word(_) | Token::Not => {}
                other => {
                    return Err(format!(
                        "found '{}', expected: !, identifier, or 'end of string'",
                        other.text()
                    ));
                }
            }
            let requirement = parser
                .requirement()
                .map_err(|error| format!("unable to parse requirement: {error}"))?;
            requirements.push(requirement);
            match parser.next() {
                Token::End => break,
                Token::Comma => match parser.peek() {
                    Token::Word(_) | Token::Not => {}
                    other => return Err(format!("found '{}', expected: identifier after ','", other.text())),
                },
                other => return Err(format!("found '{}', expected: ',' or 'end of string'", other.text())),
            }
        }
        requirements.sort_by(|left, right| left.key.cmp(&right.key));
        Ok(Self {
            requirements,
            nothing: false,
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Not,
    Comma,
    Open,
    Close,
    /// `=`, `==`, `!=`, `<`, `>`.
    Sign(&'static str),
    End,
}

impl Token {
    fn text(&self) -> &str {
        match self {
            Self::Word(word) => word,
            Self::Not => "!",
            Self::Comma => ",",
            Self::Open => "(",
            Self::Close => ")",
            Self::Sign(sign) => sign,
            Self::End => "",
        }
    }
}

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let (token, length) = match c {
            c if c.is_whitespace() => {
                rest = &rest[c.len_utf8()..];
                continue;
            }
            ',' => (Token::Comma, 1),
            '(' => (Token::Open, 1),
            ')' => (Token::Close, 1),
            _ if rest.starts_with("==") => (Token::Sign("=="), 2),
            _ if rest.starts_with("!=") => (Token::Sign("!="), 2),
            '=' => (Token::Sign("="), 1),
            '<' => (Token::Sign("<"), 1),
            '>' => (Token::Sign(">"), 1),
            '!' => (Token::Not, 1),
            _ => {
                let end = rest
                    .find(|c: char| c.is_whitespace() || ",()=!<>".contains(c))
                    .unwrap_or(rest.len());
                (Token::Word(rest[..end].to_owned()), end)
            }
        };
        tokens.push(token);
        rest = &rest[length..];
    }
    tokens.push(Token::End);
    tokens
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn peek(&self) -> Token {
        self.tokens.get(self.at).cloned().unwrap_or(Token::End)
    }

    fn next(&mut self) -> Token {
        let token = self.peek();
        self.at += 1;
        token
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let mut operator = None;
        let mut token = self.next();
        if token == Token::Not {
            operator = Some(Operator::DoesNotExist);
            token = self.next();
        }
        let Token::Word(key) = token else {
            return Err(format!("found '{}', expected: identifier", token.text()));
        };
        let wrong = names::label_key(&key);
        if !wrong.is_empty() {
            return Err(format!("<nil>: Invalid value: \"{key}\": {}", wrong.join("; ")));
        }
        if matches!(self.peek(), Token::End | Token::Comma) {
            operator = operator.or(Some(Operator::Exists));
        }
        if let Some(operator) = operator {
            return Ok(Requirement {
                key,
                operator,
                values: Vec::new(),
            });
        }
        let (operator, values) = match self.next() {
            Token::Word(word) if word == "in" => (Operator::In, self.values()?),
            Token::Word(word) if word == "notin" => (Operator::NotIn, self.values()?),
            Token::Sign("=" | "==") => (Operator::In, vec![self.value()?]),
            Token::Sign("!=") => (Operator::NotIn, vec![self.value()?]),
            Token::Sign(sign) => {
                let value = self.value()?;
                if value.parse::<i64>().is_err() {
                    return Err(format!(
                        "values[0]: Invalid value: \"{value}\": for 'Gt', 'Lt' operators, the value must be an integer"
                    ));
                }
                let operator = if sign == ">" {
                    Operator::GreaterThan
                } else {
                    Operator::LessThan
                };
                (operator, vec![value])
            }
            other => {
                return Err(format!(
                    "found '{}', expected: in, notin, =, ==, !=, gt, lt",
                    other.text()
                ));
            }
        };
        for (index, value) in values.iter().enumerate() {
            let wrong = names::label_value(value);
            if !wrong.is_empty() {
                return Err(format!(
                    "values[{index}][{key}]: Invalid value: \"{value}\": {}",
                    wrong.join("; ")
                ));
            }
        }
        Ok(Requirement { key, operator, values })
    }

    fn value(&mut self) -> Result<String, String> {
        match self.peek() {
            Token::End | Token::Comma => Ok(String::new()),
            Token::Word(word) => {
                self.at += 1;
                Ok(word)
            }
            other => Err(format!("found '{}', expected: identifier", other.text())),
        }
    }

    fn values(&mut self) -> Result<Vec<String>, String> {
        let open = self.next();
        if open != Token::Open {
            return Err(format!("found '{}' expected: '('", open.text()));
        }
        let mut values = std::collections::BTreeSet::new();
        let mut wanted = true;
        loop {
            match self.next() {
                Token::Word(word) => {
                    values.insert(word);
                    wanted = false;
                    if !matches!(self.peek(), Token::Comma | Token::Close) {
                        return Err(format!("found '{}', expected: ',' or ')'", self.peek().text()));
                    }
                }
                Token::Comma => {
                    if wanted {
                        values.insert(String::new());
                    }
                    wanted = true;
                }
                Token::Close => {
                    if wanted {
                        values.insert(String::new());
                    }
                    return Ok(values.into_iter().collect());
                }
                other => return Err(format!("found '{}', expected: ',', or identifier", other.text())),
            }
        }
    }
}
