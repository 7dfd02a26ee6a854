//! Who owns which field: `metadata.managedFields`, and server-side apply, which is nothing but a merge that respects it.

mod apply;
mod compare;
mod managed;
pub mod scaled;
mod set;
#[cfg(test)]
mod tests;
mod typed;

pub use apply::{ApplyError, Conflict, apply};
pub use managed::{Identity, Managed};
pub use set::Set;
pub use typed::judge;

use serde_json::Value;

use super::schema::View;
use compare::compare;

/// Writes down that a manager has brought an object from one state to another. Takes from others what it changed.
pub fn update(old: &Value, new: &mut Value, view: View<'_>, manager: &Identity, now: &str) {
    let difference = compare(old, new, view);
    let changed = difference.added.union(&difference.modified);
    let as_it_was = new["metadata"]["managedFields"] == old["metadata"]["managedFields"];
    if as_it_was && managed::stands(old, manager, &changed, &difference.removed) {
        return;
    }
    let mut managed = Managed::read(old);
    managed.take(manager, &changed, &difference.removed);
    let before = managed.get(manager).unwrap_or_default();
    let after = stripped(
        before
            .difference(&difference.removed)
            .union(&difference.modified)
            .union(&difference.added),
        manager,
    );
    managed.put(manager, after, now);
    managed.write(new);
}

/// Without what nobody owns: identity, and the half that another endpoint writes.
fn stripped(set: Set, manager: &Identity) -> Set {
    let mut set = set;
    for path in [
        &["f:apiVersion"][..],
        &["f:kind"],
        &["f:metadata", "f:name"],
        &["f:metadata", "f:namespace"],
        &["f:metadata", "f:creationTimestamp"],
        &["f:metadata", "f:selfLink"],
        &["f:metadata", "f:uid"],
        &["f:metadata", "f:generation"],
        &["f:metadata", "f:managedFields"],
        &["f:metadata", "f:resourceVersion"],
    ] {
        set.cut(path);
    }
    set.disown(&["f:metadata"]);
    match manager.subresource.as_deref() {
        Some("status") => set.cut(&["f:spec"]),
        None => set.cut(&["f:status"]),
        _ => {}
    }
    set
}
