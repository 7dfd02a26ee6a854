//! Conditions and expectations of a runbook, evaluated on live objects.

use std::time::Duration;

use serde_json::Value;

use super::Scene;
use crate::{
    cel::{Expression, Variables},
    domain::{alert::Labels, reason::Reason},
    store::RunAlert,
};

/// How long one runbook's expressions may take; they take microseconds.
const LIMIT: Duration = Duration::from_secs(2);

/// How much of an expression is told.
const LONGEST: usize = 120;

/// What an expression came to, when it was not `true`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmet {
    /// `condition_false` or `condition_error`.
    pub reason: Reason,
    /// In words, with the runbook's own reason.
    pub detail: String,
}

/// Whether all conditions hold of this object; the first that does not.
pub async fn hold(
    scene: &Scene<'_>,
    alert: Option<&RunAlert>,
    target: &Value,
    root: Option<&Value>,
) -> Result<(), Unmet> {
    let named = scene
        .runbook
        .conditions
        .iter()
        .cloned()
        .zip(&scene.runbook.runbook.conditions)
        .map(|(expression, condition)| {
            (
                expression,
                format!("{}: {}", condition.reason, brief(&condition.expr.source)),
            )
        })
        .collect();
    evaluate(scene, named, alert, Some(target), root).await
}

/// Whether all expectations hold; the first that does not.
pub async fn expected(
    scene: &Scene<'_>,
    alert: Option<&RunAlert>,
    target: Option<&Value>,
    root: Option<&Value>,
) -> Result<(), Unmet> {
    let named = scene
        .runbook
        .expect
        .iter()
        .cloned()
        .zip(&scene.runbook.runbook.verify.expect)
        .map(|(expression, text)| (expression, brief(&text.source)))
        .collect();
    evaluate(scene, named, alert, target, root).await
}

/// The beginning of an expression: who is woken up reads the reason, and finds the rest in the runbook.
fn brief(source: &str) -> String {
    match source.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", source[..end].trim_end()),
        None => source.to_owned(),
    }
}

/// Off the asynchronous threads, and with an end: nothing that an author writes may stop the engine.
async fn evaluate(
    scene: &Scene<'_>,
    expressions: Vec<(Expression, String)>,
    alert: Option<&RunAlert>,
    target: Option<&Value>,
    root: Option<&Value>,
) -> Result<(), Unmet> {
    if expressions.is_empty() {
        return Ok(());
    }
    let (target, root) = (target.cloned(), root.cloned());
    let none = Labels::new;
    let (labels, annotations) = alert.map_or_else(
        || (none(), none()),
        |alert| (alert.labels.clone(), alert.annotations.clone()),
    );
    let now = scene.now;
    let work = tokio::task::spawn_blocking(move || {
        let variables = Variables::new(target.as_ref(), root.as_ref(), &labels, &annotations, now);
        for (expression, name) in &expressions {
            match expression.evaluate(&variables) {
                Ok(true) => {}
                Ok(false) => {
                    return Err(Unmet {
                        reason: Reason::ConditionFalse,
                        detail: name.clone(),
                    });
                }
                Err(error) => {
                    return Err(Unmet {
                        reason: Reason::ConditionError,
                        detail: format!("{name}: {error}"),
                    });
                }
            }
        }
        Ok(())
    });
    let unmet = |detail: &str| Unmet {
        reason: Reason::ConditionError,
        detail: detail.to_owned(),
    };
    match tokio::time::timeout(LIMIT, work).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => Err(unmet("evaluating the runbook's expressions failed")),
        Err(_) => Err(unmet("evaluating the runbook's expressions took too long")),
    }
}
