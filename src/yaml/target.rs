//! The target of a runbook.

use super::{
    reader::{Fields, Reader},
    runbook::{ProgramsRead, invalid_name},
    texts::template,
};
use crate::{domain::runbook::TargetTemplate, suggestion};

/// Kinds whose group everybody knows: a wrong one is a slip, and would only show on the first alert.
const WELL_KNOWN: &[(&str, &str, bool)] = &[
    ("Pod", "v1", true),
    ("Service", "v1", true),
    ("PersistentVolumeClaim", "v1", true),
    ("Node", "v1", false),
    ("Namespace", "v1", false),
    ("PersistentVolume", "v1", false),
    ("Deployment", "apps/v1", true),
    ("StatefulSet", "apps/v1", true),
    ("DaemonSet", "apps/v1", true),
    ("ReplicaSet", "apps/v1", true),
    ("Job", "batch/v1", true),
    ("CronJob", "batch/v1", true),
    ("HorizontalPodAutoscaler", "autoscaling/v2", true),
];

/// Reads `target`.
pub(super) fn read(reader: &mut Reader<'_>, spec: &Fields<'_>, programs: &mut ProgramsRead) -> Option<TargetTemplate> {
    let node = reader.require(spec, "target", "{apiVersion: v1, kind: Pod, …}")?;
    let fields = reader.fields(
        node,
        "target",
        spec.at("target"),
        &["apiVersion", "kind", "namespace", "name"],
        &["cluster", "climb", "uid"],
    )?;
    let api_version = reader.require(&fields, "apiVersion", "apps/v1").and_then(|node| {
        let text = reader.text(node, "apiVersion")?;
        if is_api_version(text) {
            return Some(text.to_owned());
        }
        reader.error(
            node.at,
            format!("`{text}` is not a group and version"),
            "write for example `v1` or `apps/v1`",
        );
        None
    });
    let kind = reader.require(&fields, "kind", "Deployment").and_then(|node| {
        let text = reader.text(node, "kind")?;
        if text.starts_with(|c: char| c.is_ascii_uppercase()) && text.chars().all(|c| c.is_ascii_alphanumeric()) {
            return Some(text.to_owned());
        }
        let names = WELL_KNOWN.iter().map(|(kind, ..)| *kind);
        let singular = text.trim_end_matches('s');
        let help = match suggestion::nearest(singular, names) {
            Some(kind) => format!("did you mean `{kind}`?"),
            None => "write it as in a manifest: `Deployment`, not `deployments`".to_owned(),
        };
        reader.error(node.at, format!("`{text}` is not a kind"), help);
        None
    });
    let name = reader.require(&fields, "name", "\"{{labels.deployment}}\"");
    let name = name.and_then(|node| template(reader, node, "name"));
    let namespace = fields
        .get("namespace")
        .and_then(|node| template(reader, node, "namespace"));
    if let (Some(api_version), Some(kind)) = (&api_version, &kind) {
        well_known(reader, &fields, api_version, kind);
    }

    let (name, name_template) = name.unzip();
    let (namespace, namespace_template) = namespace.unzip();
    programs.name = name_template;
    programs.namespace = namespace_template;
    Some(TargetTemplate {
        api_version: api_version?,
        kind: kind?,
        namespace,
        name: name?,
    })
}

fn is_api_version(text: &str) -> bool {
    let (group, version) = text.rsplit_once('/').unwrap_or(("", text));
    let group_fits = !text.contains('/') || invalid_name(group).is_none();
    let digits = version.strip_prefix('v').unwrap_or_default();
    group_fits
        && digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
}

fn well_known(reader: &mut Reader<'_>, fields: &Fields<'_>, api_version: &str, kind: &str) {
    let Some((_, right, namespaced)) = WELL_KNOWN.iter().find(|(known, ..)| *known == kind) else {
        return;
    };
    if api_version != *right {
        let at = fields.get("apiVersion").map_or(fields.at, |node| node.at);
        reader.error(
            at,
            format!("a {kind} is not in `{api_version}`"),
            format!("write `apiVersion: {right}`"),
        );
    }
    match (namespaced, fields.get("namespace")) {
        (true, None) => {
            let message = format!("a {kind} stands in a namespace, and `target` has no `namespace`");
            reader.error(fields.at, message, "write `namespace: \"{{labels.namespace}}\"`");
        }
        (false, Some(_)) => {
            reader.error(
                fields.at("namespace"),
                format!("a {kind} stands in no namespace"),
                "remove the line",
            );
        }
        _ => {}
    }
}
