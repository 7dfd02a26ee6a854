//! What can be known to be wrong before any object is seen.

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, SourceInfo, operators};

use super::{ExpressionError, FUNCTIONS, MAX_WALK_ADDITIONS, MAX_WALK_DEPTH, MAX_WALKS, VARIABLES, error_at};
use crate::suggestion;

/// Functions that exist only on `optional`, as in `optional.of(1)`.
const OPTIONAL: &[&str] = &["of", "none", "ofNonZeroValue"];
/// Names of types, for `type(x) == int`.
const TYPES: &[&str] = &[
    "int",
    "uint",
    "double",
    "bool",
    "string",
    "bytes",
    "list",
    "map",
    "null_type",
    "type",
];
/// Rewritten by the parser when their arguments are right; what is left of them had wrong ones.
const MACROS: &[(&str, &str)] = &[
    ("has", "has(target.spec.replicas)"),
    ("all", "list.all(c, c.ready)"),
    ("exists", "list.exists(c, c.ready)"),
    ("exists_one", "list.exists_one(c, c.ready)"),
    ("existsOne", "list.exists_one(c, c.ready)"),
    ("map", "list.map(c, c.name)"),
    ("filter", "list.filter(c, c.ready)"),
];
/// Calls whose result is never true or false.
const NEVER_BOOLEAN: &[&str] = &[
    operators::ADD,
    operators::SUBSTRACT,
    operators::MULTIPLY,
    operators::DIVIDE,
    operators::MODULO,
    operators::NEGATE,
    operators::OPT_SELECT,
    operators::OPT_INDEX,
    "size",
    "string",
    "int",
    "double",
    "duration",
    "timestamp",
];

/// Checks names, limits and what the result can be.
pub(super) fn check(source: &str, positions: &SourceInfo, tree: &IdedExpr) -> Result<(), ExpressionError> {
    let mut check = Check {
        source,
        positions,
        names: Vec::new(),
        walks: 0,
        additions: 0,
    };
    check.node(tree, 0)?;
    let never = match &tree.expr {
        Expr::Literal(literal) => !matches!(literal, LiteralValue::Boolean(_)),
        Expr::List(_) | Expr::Map(_) => true,
        Expr::Call(call) => NEVER_BOOLEAN.contains(&call.func_name.as_str()),
        Expr::Ident(name) => VARIABLES.contains(&name.as_str()),
        _ => false,
    };
    if never {
        return Err(error_at(
            1,
            1,
            "this is neither true nor false: compare it, for example `… == 1`",
        ));
    }
    Ok(())
}

struct Check<'c> {
    source: &'c str,
    positions: &'c SourceInfo,
    /// Names for elements, of the walks around the node.
    names: Vec<&'c str>,
    walks: usize,
    additions: usize,
}

impl<'c> Check<'c> {
    fn node(&mut self, node: &'c IdedExpr, depth: usize) -> Result<(), ExpressionError> {
        match &node.expr {
            Expr::Unspecified | Expr::Literal(_) => Ok(()),
            Expr::Ident(name) => self.name(node, name),
            Expr::Select(select) => self.node(&select.operand, depth),
            Expr::Call(call) => self.call(node, call, depth),
            Expr::Comprehension(walk) => self.walk(node, walk, depth),
            Expr::List(list) => list.elements.iter().try_for_each(|element| self.node(element, depth)),
            Expr::Map(map) => map.entries.iter().try_for_each(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => {
                    self.node(&entry.key, depth)?;
                    self.node(&entry.value, depth)
                }
                EntryExpr::StructField(field) => self.node(&field.value, depth),
            }),
            Expr::Struct(_) => Err(self.error(node, "objects cannot be made here: compare fields one by one")),
        }
    }

    fn name(&self, node: &IdedExpr, name: &str) -> Result<(), ExpressionError> {
        // The parser's own names for intermediate results.
        if name.starts_with('@') || self.names.contains(&name) || VARIABLES.contains(&name) || TYPES.contains(&name) {
            return Ok(());
        }
        let known = self.names.iter().chain(VARIABLES).copied();
        let message = match suggestion::nearest(name, known) {
            Some(near) => format!("`{name}` is not known: did you mean `{near}`?"),
            None => match name {
                "object" | "self" | "pod" | "resource" => {
                    format!("`{name}` is not known: the live object is `target`, its topmost controller `root`")
                }
                "metadata" | "spec" | "status" => format!("`{name}` is not known: did you mean `target.{name}`?"),
                _ => format!("`{name}` is not known: expected {}", suggestion::list(VARIABLES)),
            },
        };
        Err(self.error(node, message))
    }

    fn call(&mut self, node: &'c IdedExpr, call: &'c CallExpr, depth: usize) -> Result<(), ExpressionError> {
        let name = call.func_name.as_str();
        if let Some((_, example)) = MACROS.iter().find(|(macro_name, _)| *macro_name == name) {
            return Err(self.error_at_word(
                node,
                name,
                format!("`{name}` is not used like this: write for example `{example}`"),
            ));
        }
        let is_operator = name.contains(['_', '@', '!']) && name != "exists_one";
        if !is_operator && !FUNCTIONS.contains(&name) {
            let message = format!("there is no function `{name}`");
            let message = match suggestion::nearest(name, FUNCTIONS.iter().copied()) {
                Some(near) => format!("{message}: did you mean `{near}`?"),
                None => format!("{message} here"),
            };
            return Err(self.error_at_word(node, name, message));
        }
        if name == operators::ADD && !self.names.is_empty() {
            self.additions += 1;
            if self.additions > MAX_WALK_ADDITIONS {
                let message = format!(
                    "`+` may stand at most {MAX_WALK_ADDITIONS} times inside `all`, `exists`, `map` and `filter`"
                );
                return Err(self.error(node, message));
            }
        }
        if name == "matches" {
            self.pattern(call)?;
        }
        if let Some(target) = &call.target {
            let of_optional = matches!(&target.expr, Expr::Ident(name) if name == "optional");
            match (of_optional, OPTIONAL.contains(&name)) {
                (true, true) => {}
                (true, false) => {
                    let message = format!("there is no `optional.{name}`: expected {}", suggestion::list(OPTIONAL));
                    return Err(self.error_at_word(node, name, message));
                }
                (false, _) => self.node(target, depth)?,
            }
        }
        call.args.iter().try_for_each(|argument| self.node(argument, depth))
    }

    /// A regular expression that is written out is checked now rather than on the first alert.
    fn pattern(&self, call: &CallExpr) -> Result<(), ExpressionError> {
        let Some(argument) = call.args.last() else {
            return Ok(());
        };
        let Expr::Literal(LiteralValue::String(pattern)) = &argument.expr else {
            return Ok(());
        };
        let pattern = pattern.inner();
        match regex::Regex::new(pattern) {
            Ok(_) => Ok(()),
            Err(_) => Err(self.error(argument, format!("`{pattern}` is not a regular expression"))),
        }
    }

    fn walk(&mut self, node: &'c IdedExpr, walk: &'c ComprehensionExpr, depth: usize) -> Result<(), ExpressionError> {
        self.walks += 1;
        let depth = depth + 1;
        if self.walks > MAX_WALKS {
            let message = format!(
                "lists may be walked (`all`, `exists`, `map`, `filter`) at most {MAX_WALKS} times in one expression: split it"
            );
            return Err(self.error(node, message));
        }
        if depth > MAX_WALK_DEPTH {
            let message = format!(
                "lists may be walked (`all`, `exists`, `map`, `filter`) at most {MAX_WALK_DEPTH} deep: split the expression"
            );
            return Err(self.error(node, message));
        }
        self.node(&walk.iter_range, depth)?;
        self.node(&walk.accu_init, depth)?;
        let outer = self.names.len();
        self.names.push(&walk.iter_var);
        self.names.extend(walk.iter_var2.as_deref());
        for inner in [&walk.loop_cond, &walk.loop_step, &walk.result] {
            self.node(inner, depth)?;
        }
        self.names.truncate(outer);
        Ok(())
    }

    fn error(&self, node: &IdedExpr, message: impl Into<String>) -> ExpressionError {
        let (line, column) = self.place(self.offset(node));
        error_at(line, column, message)
    }

    /// The parser places a call at its parenthesis; the function's name stands before that.
    fn error_at_word(&self, node: &IdedExpr, word: &str, message: impl Into<String>) -> ExpressionError {
        let length = word.chars().count();
        let end = self.offset(node);
        let before: Vec<char> = self.source.chars().take(end).collect();
        let found = (0..=end.saturating_sub(length)).rev().find(|start| {
            before
                .get(*start..start + length)
                .is_some_and(|window| window.iter().copied().eq(word.chars()))
        });
        let (line, column) = self.place(found.unwrap_or(end));
        error_at(line, column, message)
    }

    /// In characters from the beginning.
    fn offset(&self, node: &IdedExpr) -> usize {
        self.positions
            .offset_for(node.id)
            .map_or(0, |(start, _)| start as usize)
    }

    fn place(&self, offset: usize) -> (usize, usize) {
        let before = self.source.chars().take(offset);
        before.fold((1, 1), |(line, column), c| match c {
            '\n' => (line + 1, 1),
            _ => (line, column + 1),
        })
    }
}
