//! Who owns which field: `metadata.managedFields`, and server-side apply, which is nothing but a merge that respects it.

mod apply;
mod children;
mod compare;
mod kept;
mod managed;
pub mod scaled;
mod set;
mod standing;
#[cfg(test)]
mod tests;
mod typed;

pub use apply::{ApplyError, Conflict, apply};
pub use kept::{Kept, Share};
pub use managed::{Identity, Managed};
pub use set::Set;
pub use typed::judge;

use jiff::Timestamp;
use serde_json::Value;

use super::{
    schema::View,
    world::{Shelf, stamp},
};
use compare::{Difference, compare, compare_field};

/// Writes down that a manager has brought an object from one state to another. Takes from others what it changed.
pub fn update(old: &Value, new: &mut Value, view: View<'_>, manager: &Identity, now: &str) {
    let mut managed = Managed::read(old);
    managed.follow(&compare(old, new, view), manager, now);
    managed.write(new);
}

/// What a change was: an object before and after, or only one field of it.
#[derive(Clone, Copy)]
pub enum Change<'a> {
    /// The object.
    Whole(&'a Value, &'a Value),
    /// A field of it.
    Field(&'a str, &'a Value, &'a Value),
}

/// Who owns what after a manager has made a change: as [`update`], with what is kept apart. `view` is of the object.
pub(super) fn after(
    kept: &Kept,
    change: Change<'_>,
    view: View<'_>,
    manager: &Identity,
    now: Timestamp,
    shelf: &mut Shelf,
) -> Kept {
    let difference = match change {
        Change::Whole(old, new) => compare(old, new, view),
        Change::Field(name, old, new) => compare_field(name, old, new, view),
    };
    let changed = stripped(difference.changed(), manager);
    if kept.stands(manager, &changed, &difference.removed) {
        return kept.clone();
    }
    let mut managed = kept.open(manager, &changed, &difference.removed);
    managed.follow(&difference, manager, &stamp(now));
    managed.put_in_order();
    managed.keep(shelf)
}

impl Managed {
    fn follow(&mut self, difference: &Difference, manager: &Identity, now: &str) {
        self.take(manager, &difference.changed(), &difference.removed);
        let before = self.get(manager).unwrap_or_default();
        let after = stripped(
            before
                .difference(&difference.removed)
                .union(&difference.modified)
                .union(&difference.added),
            manager,
        );
        self.put(manager, after, now);
    }
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
