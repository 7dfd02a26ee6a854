//! The way of one call: what befalls it, when it is carried out, and what its caller is told.

use std::io;

use bytes::Bytes;
use http::Response;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use jiff::SignedDuration;
use tokio::sync::oneshot;

use super::{Call, Route, Service};
use crate::kubernetes::{
    accept::{self, Syntax},
    faults::{Befallen, Failure, Fault, Stop},
    reply::{Body, Reply},
};

/// One call on its way.
#[derive(Clone)]
struct Exchange {
    service: Service,
    route: Route,
    call: Call,
    /// Its number in the record.
    number: u64,
}

/// What a client sees of a connection that is cut.
fn cut() -> io::Error {
    io::Error::new(
        io::ErrorKind::ConnectionReset,
        "connection closed before message completed",
    )
}

impl Service {
    /// Answers a call, or cuts its connection.
    pub(super) async fn exchange(self, route: Route, mut call: Call) -> io::Result<Response<Body>> {
        let simulation = self.simulation.clone();
        let (number, befallen) = {
            let mut world = simulation.world();
            let befallen = simulation.faults().befall(&call, &mut world);
            call.fault = match &befallen {
                Befallen::Fault(fault) => fault.clone(),
                Befallen::Stopped(_, Stop::BeforeEffect) => Some(Fault::Held),
                Befallen::Stopped(_, Stop::AfterEffect) => Some(Fault::AnswerHeld),
            };
            (
                simulation.record().came(&call, world.now(), call.fault.clone()),
                befallen,
            )
        };
        let fault = call.fault.clone();
        let exchange = Exchange {
            service: self,
            route,
            call,
            number,
        };
        match (befallen, fault) {
            (Befallen::Stopped(stop, Stop::BeforeEffect), _) => {
                stop.hold().await;
                exchange.answer()
            }
            (Befallen::Stopped(stop, Stop::AfterEffect), _) => {
                let reply = exchange.carry_out();
                stop.hold().await;
                exchange.tell(reply)
            }
            (_, Some(fault)) => exchange.befallen(fault).await,
            (_, None) => exchange.answer(),
        }
    }
}

impl Exchange {
    async fn befallen(self, fault: Fault) -> io::Result<Response<Body>> {
        match fault {
            Fault::Latency { request, answer } => self.delayed(request, answer).await,
            Fault::Refused(failure) => self.fail(&failure),
            Fault::Failed(failure) => {
                self.carry_out();
                self.fail(&failure)
            }
            Fault::Cut => Err(cut()),
            Fault::AnswerLost => {
                self.carry_out();
                Err(cut())
            }
            Fault::DeliveredLate(by) => {
                let simulation = self.service.simulation.clone();
                simulation.at(simulation.now() + by, move |_| {
                    self.carry_out();
                });
                Err(cut())
            }
            Fault::BrokenOff if !self.watches() => {
                let reply = self.carry_out();
                break_off(self.tell(reply)?).await
            }
            Fault::BrokenOff | Fault::WatchCut(_) | Fault::Withheld | Fault::Stale(_) => self.answer(),
            Fault::Held => {
                self.service.simulation.faults().hold().await;
                self.answer()
            }
            Fault::AnswerHeld => {
                let reply = self.carry_out();
                self.service.simulation.faults().hold().await;
                self.tell(reply)
            }
        }
    }

    /// Whatever becomes of its caller, a request that is on its way arrives.
    async fn delayed(self, request: SignedDuration, answer: SignedDuration) -> io::Result<Response<Body>> {
        let simulation = self.service.simulation.clone();
        let (sender, receiver) = oneshot::channel();
        let exchange = self.clone();
        simulation.at(simulation.now() + request, move |simulation| {
            let reply = exchange.carry_out();
            // A caller who has gone is told nothing.
            simulation.at(simulation.now() + answer, move |_| drop(sender.send(reply)));
        });
        match receiver.await {
            Ok(reply) => self.tell(reply),
            Err(_) => Err(cut()),
        }
    }

    fn watches(&self) -> bool {
        self.call.about.as_ref().is_some_and(|about| about.verb == "watch")
    }

    /// Carries it out, and writes down what it did.
    fn carry_out(&self) -> Reply {
        let simulation = &self.service.simulation;
        let mut world = simulation.world();
        let (now, before) = (world.now(), world.revision());
        let uid = self.call.named(&world).map(|object| object.uid().to_string());
        let reply = self.service.carry_out(&mut world, &self.route, &self.call);
        let changed = world.revision() != before;
        simulation.record().note(self.number, |recorded| {
            recorded.carried_out = Some(now);
            recorded.uid = uid;
            recorded.changed = changed;
        });
        reply.unwrap_or_else(Reply::from)
    }

    /// Tells its caller.
    fn tell(&self, reply: Reply) -> io::Result<Response<Body>> {
        let simulation = &self.service.simulation;
        let reply = match accept::accepted(&self.call.headers, false) {
            Ok((_, Syntax::Yaml)) => reply.in_yaml(),
            _ => reply,
        };
        simulation
            .record()
            .note(self.number, |recorded| recorded.status = Some(reply.code));
        if reply.code == 200
            && let Some(about) = self.call.about.as_ref().filter(|about| about.verb == "list")
            && let Some((resource, _)) = &about.resource
            && simulation.faults().listed(resource.id)
        {
            simulation.world().wake();
        }
        Ok(reply.into_response())
    }

    fn answer(&self) -> io::Result<Response<Body>> {
        let reply = self.carry_out();
        self.tell(reply)
    }

    fn fail(&self, failure: &Failure) -> io::Result<Response<Body>> {
        self.tell(failure.reply(&self.call))
    }
}

/// Half of an answer, and then the end of the connection.
async fn break_off(response: Response<Body>) -> io::Result<Response<Body>> {
    let (head, body) = response.into_parts();
    let bytes: Bytes = body.collect().await?.to_bytes();
    let half = bytes.slice(..bytes.len() / 2);
    let frames = futures::stream::iter([Ok(Frame::data(half)), Err(cut())]);
    Ok(Response::from_parts(head, StreamBody::new(frames).boxed_unsync()))
}
