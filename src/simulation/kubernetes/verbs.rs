//! What can be done with objects: one file a verb. Each is a function of the world and a call, under the lock.

pub mod apply;
pub mod create;
pub mod delete;
pub mod get;
pub mod list;
pub mod patch;
mod token;
pub mod update;
pub mod watch;

use super::{
    accept::{self, Form, Syntax},
    faults::Fault,
    incoming::Served,
    refusal::{About as Details, Refusal},
    request::{About, Call},
    world::World,
};

/// A call about a resource that there is.
pub struct Ask<'a> {
    /// The call.
    pub call: &'a Call,
    /// What it is about.
    pub about: &'a About,
    /// How the resource is served there.
    pub served: Served<'a>,
    /// The form of the answer.
    pub form: Form,
}

impl<'a> Ask<'a> {
    /// Reads what a call is about; the resource is there and the verb allowed.
    pub fn new(call: &'a Call, about: &'a About) -> Result<Self, Refusal> {
        let (resource, conversion) = about.resource.as_ref().expect("the resource was looked up");
        let streams = matches!(about.verb, "list" | "watch");
        let (form, syntax) = accept::accepted(&call.headers, streams).map_err(|refusal| match &resource.custom {
            None => refusal,
            // There is nobody before them who knows what they are written in.
            Some(_) => accept::not_acceptable(accept::TYPES),
        })?;
        if about.verb == "watch" && syntax == Syntax::Yaml {
            // There is no stream of YAML.
            return Err(accept::not_acceptable(accept::STREAMS));
        }
        let include = call.query.text("includeObject").unwrap_or_default();
        if matches!(form, Form::Table(_)) && !matches!(include, "" | "Metadata" | "Object" | "None") {
            return Err(Refusal::bad_request(format!(
                "Unable to convert to Table as requested: includeObject: Invalid value: {include:?}: must be 'Metadata', \
                 'Object', 'None', or empty"
            )));
        }
        Ok(Self {
            call,
            about,
            served: Served {
                resource,
                version: &about.version,
                group: &about.group,
                conversion: *conversion,
            },
            form,
        })
    }

    /// Group and plural, for the details of a refusal.
    pub fn details(&self) -> Details<'_> {
        Details::new(&self.about.group, &self.about.plural)
    }

    /// Group and kind, for the details of a refusal of validation.
    pub fn kind(&self) -> Details<'_> {
        Details::new(&self.served.resource.group, &self.served.resource.kind)
    }

    /// The namespace; empty without one.
    pub fn namespace(&self) -> &str {
        self.about.namespace.as_deref().unwrap_or_default()
    }

    /// The name; empty without one.
    pub fn name(&self) -> &str {
        self.about.name.as_deref().unwrap_or_default()
    }

    /// The latest revision that a read may see.
    pub fn current(&self, world: &World) -> u64 {
        match &self.call.fault {
            Some(Fault::Stale(lag)) => {
                let oldest = world.oldest(self.served.resource.id);
                world.revision_at(world.now() - *lag).max(oldest)
            }
            _ => world.revision(),
        }
    }

    /// `includeObject` of a table.
    pub fn include(&self) -> &str {
        self.call.query.text("includeObject").unwrap_or("Metadata")
    }
}
