//! One object.

use super::Ask;
use crate::simulation::kubernetes::{outgoing, refusal::Refusal, reply::Reply, world::World};

/// Answers with one object.
pub fn get(world: &World, ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let current = ask.current(world);
    super::list::judge_version(current, ask.call.query.text("resourceVersion"))?;
    let found = world
        .find_at(ask.served.resource.id, ask.namespace(), ask.name(), current)
        .ok_or_else(|| Refusal::not_found(ask.details(), ask.name()))?;
    Ok(outgoing::reply(
        world,
        &ask.served,
        ask.form,
        ask.include(),
        200,
        found.value(),
    ))
}
