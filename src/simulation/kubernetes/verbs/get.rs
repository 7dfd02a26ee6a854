//! One object.

use super::Ask;
use crate::kubernetes::{
    measured, outgoing,
    refusal::Refusal,
    reply::Reply,
    resources::{NODE_METRICS, POD_METRICS},
    world::World,
};

/// Answers with one object.
pub fn get(world: &World, ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let current = ask.current(world);
    if ask.call.query.get("export").is_some() {
        let words = "the export parameter, deprecated since v1.14, is no longer supported";
        return Err(Refusal::bad_request(words));
    }
    super::list::judge_one_version(current, ask.call.query.text("resourceVersion"))?;
    let id = ask.served.resource.id;
    let found = match id {
        NODE_METRICS | POD_METRICS => measured::find(world, id, ask.namespace(), ask.name()),
        _ => world.find_at(id, ask.namespace(), ask.name(), current).cloned(),
    };
    let found = found.ok_or_else(|| Refusal::not_found(ask.details(), ask.name()))?;
    super::list::judge_form(ask, false)?;
    Ok(outgoing::reply(
        world,
        &ask.served,
        ask.form,
        ask.include(),
        200,
        found.value(),
    ))
}
