//! Conditions and expectations: CEL on the live object. The one user of the cel crate.
//!
//! An [`Expression`] is checked when its runbook is read: syntax, the names of variables and functions, whether its
//! result can be true or false at all, and the limits below. The crate has none of its own, and an expression that
//! nests deep enough would overflow the stack and end the process.
//!
//! What the cluster says enters through [`Variables`]. An absent field is an error, not `false`: authors write `.?` and
//! `orValue` where a field may be absent, and everything else refuses.

mod check;
mod syntax;
mod variables;

use std::{
    fmt,
    sync::{Arc, LazyLock},
};

use cel::{Env, ExecutionError, Value, common::ast::IdedExpr};
use thiserror::Error;

pub use self::variables::Variables;

/// The variables of an expression.
pub const VARIABLES: &[&str] = &["target", "root", "labels", "annotations", "now"];
/// The functions, methods and macros of an expression.
pub const FUNCTIONS: &[&str] = &[
    "has",
    "all",
    "exists",
    "exists_one",
    "map",
    "filter",
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "int",
    "uint",
    "double",
    "string",
    "bytes",
    "bool",
    "dyn",
    "type",
    "timestamp",
    "duration",
    "getFullYear",
    "getMonth",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getHours",
    "getMinutes",
    "getSeconds",
    "getMilliseconds",
    "hasValue",
    "value",
    "or",
    "orValue",
    "of",
    "none",
    "ofNonZeroValue",
];
/// An expression may not be longer, in bytes.
pub const MAX_LENGTH: usize = 1024;
/// Lists may not be walked (`all`, `exists`, `map` …) within each other, or one after the other, deeper than this.
pub const MAX_WALK_DEPTH: usize = 2;
/// Lists may not be walked more often in one expression.
pub const MAX_WALKS: usize = 4;
/// `+` may not stand more often inside such walks: there, each can double a text.
pub const MAX_WALK_ADDITIONS: usize = 4;

/// The parser's own bound on nesting.
const MAX_PARSE_DEPTH: u16 = 96;
/// Parsing and evaluating recurse; a debug build needs most of this for the longest expression.
const STACK: usize = 64 << 20;

/// The standard library with optional syntax.
static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// An expression that was checked, ready to be evaluated any number of times, on any thread.
#[derive(Clone)]
pub struct Expression(Arc<Checked>);

struct Checked {
    source: String,
    tree: IdedExpr,
}

/// Why a text cannot be used as a condition, and where in it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct ExpressionError {
    /// What is wrong and what to do about it.
    pub message: String,
    /// 1-based.
    pub line: u32,
    /// 1-based, in characters.
    pub column: u32,
}

/// Why an expression is neither true nor false of these objects.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EvaluationError {
    /// A field or label is not there.
    #[error("there is no `{0}`: where it may be absent, write `.?{0}` or `[?\"{0}\"]`, and `.orValue(…)` at the end")]
    Absent(String),
    /// A field was looked for in something that is null.
    #[error(
        "a field of something absent: write `.?` before the first field that may be absent, and `.orValue(…)` at the end"
    )]
    AbsentObject,
    /// The result is something else than true or false.
    #[error("the result is of type {0}: it must be true or false")]
    NotBoolean(String),
    /// Anything else; never with a value of the object in it, because that could be a secret.
    #[error("{0}")]
    Failed(String),
}

impl Expression {
    /// Reads and checks an expression.
    pub fn compile(source: &str) -> Result<Self, ExpressionError> {
        if source.trim().is_empty() {
            return Err(error_at(
                1,
                1,
                "an expression is missing: write for example `target.spec.replicas > 1`",
            ));
        }
        if source.len() > MAX_LENGTH {
            let message = format!("the expression is {} bytes long: at most {MAX_LENGTH}", source.len());
            return Err(error_at(1, 1, message));
        }
        stacker::grow(STACK, || {
            let (tree, positions) = ENV
                .parser()
                .max_recursion_depth(MAX_PARSE_DEPTH)
                .parse_with_source_info(source)
                .map_err(|errors| syntax::error(source, &errors))?;
            check::check(source, &positions, &tree)?;
            Ok(Self(Arc::new(Checked {
                source: source.to_owned(),
                tree,
            })))
        })
    }

    /// As the author wrote it.
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// Whether it is true of these objects.
    ///
    /// Takes time in proportion to the objects' size, squared at worst: not for an asynchronous thread.
    pub fn evaluate(&self, variables: &Variables) -> Result<bool, EvaluationError> {
        stacker::grow(STACK, || match Value::resolve(&self.0.tree, variables.context()) {
            Ok(Value::Bool(result)) => Ok(result),
            Ok(other) => Err(EvaluationError::NotBoolean(type_name(&other))),
            Err(error) => Err(told(error)),
        })
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.0.source).finish()
    }
}

fn error_at(line: usize, column: usize, message: impl Into<String>) -> ExpressionError {
    ExpressionError {
        message: message.into(),
        line: u32::try_from(line).unwrap_or(u32::MAX),
        column: u32::try_from(column).unwrap_or(u32::MAX),
    }
}

fn type_name(value: &Value) -> String {
    value.type_of().to_string()
}

/// The crate's errors print the values that they are about; an object's values may be secrets, so only types are told.
fn told(error: ExecutionError) -> EvaluationError {
    use EvaluationError::{Absent, AbsentObject, Failed};
    match error {
        ExecutionError::NoSuchKey(key) => Absent(key.to_string()),
        ExecutionError::NoSuchOverload(overload) => {
            let types = overload.argument_types();
            if matches!(overload.function(), "_._" | "_[_]") && types.first().is_some_and(|name| name == "null_type") {
                return AbsentObject;
            }
            Failed(format!(
                "`{}` does not work on {}",
                operator(overload.function()),
                types.join(" and ")
            ))
        }
        ExecutionError::UnsupportedBinaryOperator(name, one, other) => Failed(format!(
            "`{}` does not work on {} and {}",
            operator(name),
            type_name(&one),
            type_name(&other)
        )),
        ExecutionError::ValuesNotComparable(one, other) => Failed(format!(
            "{} and {} cannot be compared",
            type_name(&one),
            type_name(&other)
        )),
        ExecutionError::UndeclaredReference(name) => Failed(format!("`{name}` is not known")),
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => Failed("division by zero".to_owned()),
        ExecutionError::Overflow(..) => Failed("a number became too large".to_owned()),
        ExecutionError::IndexOutOfBounds(_) => {
            Failed("the list is shorter than that: write `list[?0]`, and `.orValue(…)` at the end".to_owned())
        }
        ExecutionError::UnexpectedType { got, want } => Failed(format!("a {want} is needed, not a {got}")),
        ExecutionError::FunctionError { function, .. } => Failed(format!("`{function}` cannot read its argument")),
        ExecutionError::InvalidArgumentCount { expected, actual } => {
            Failed(format!("a function takes {expected} arguments, not {actual}"))
        }
        ExecutionError::UnsupportedTargetType { target } | ExecutionError::NotSupportedAsMethod { target, .. } => {
            Failed(format!("a function does not work on {}", type_name(&target)))
        }
        ExecutionError::UnsupportedKeyType(value) => Failed(format!("a {} cannot be a key", type_name(&value))),
        ExecutionError::UnsupportedIndex(one, other) => {
            Failed(format!("a {} cannot index a {}", type_name(&one), type_name(&other)))
        }
        _ => Failed("the expression failed".to_owned()),
    }
}

/// `_<_` is `<` to its author.
fn operator(name: &str) -> &str {
    match name {
        "add" => "+",
        "sub" => "-",
        "mul" => "*",
        "div" => "/",
        "rem" => "%",
        "_[_]" => "[ ]",
        "_._" => ".",
        name => name.trim_matches(['_', '@']),
    }
}

#[cfg(test)]
mod tests;
