//! The running of a world: its lock, its controllers, and the one way in which its time moves.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;

use super::{
    calls::{Record, Recorded},
    faults::Faults,
    resources::ResourceId,
    world::{Change, Due, World},
};

/// Turns at one moment after which controllers that still answer each other are taken for a fault of theirs.
const TURNS: usize = 10_000;

/// Something that makes the cluster what it is said to be. Called under the lock, one at a time, in the order of their coming.
pub trait Controller: Fork + Send {
    /// Its name, to which what it puts on the queue comes back. It is also who owns the fields that it writes.
    fn name(&self) -> &'static str;

    /// The resources whose changes it hears of; all when there are none.
    fn resources(&self) -> &[ResourceId];

    /// What changed since its last turn, oldest first.
    fn changed(&mut self, world: &mut World, changes: &[Change]);

    /// Something that it had put on the queue has come due.
    fn due(&mut self, world: &mut World, due: &Due);
}

/// What a controller knows, once more. Whatever can be cloned can be forked.
pub trait Fork {
    /// The same controller for another cluster.
    fn fork(&self) -> Box<dyn Controller>;
}

impl<C: Controller + Clone + 'static> Fork for C {
    fn fork(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }
}

/// To whom an errand on the queue belongs.
const ERRAND: &str = "errand";

/// Something that is done once at a moment.
type Errand = Box<dyn FnOnce(&Simulation) + Send>;

/// The errands that have not come due.
#[derive(Default)]
struct Errands {
    waiting: BTreeMap<u64, Errand>,
    count: u64,
}

struct Running {
    controller: Box<dyn Controller>,
    feed: usize,
}

/// A simulated cluster. Clones are the same one.
#[derive(Clone)]
pub struct Simulation {
    world: Arc<Mutex<World>>,
    controllers: Arc<Mutex<Vec<Running>>>,
    errands: Arc<Mutex<Errands>>,
    faults: Arc<Faults>,
    record: Arc<Record>,
}

impl Simulation {
    /// A cluster with nothing in it but its namespaces, at a moment.
    pub fn new(now: Timestamp, seed: u64) -> Self {
        let mut world = World::new(now, seed);
        for namespace in ["default", "kube-node-lease", "kube-public", "kube-system"] {
            world
                .create_namespace(namespace)
                .expect("an empty world has room for a namespace");
        }
        Self {
            world: Arc::new(Mutex::new(world)),
            controllers: Arc::default(),
            errands: Arc::default(),
            faults: Arc::new(Faults::new()),
            record: Arc::default(),
        }
    }

    /// Another cluster that stands as this one does, and goes its own way from here. It has no faults, and was asked nothing.
    ///
    /// Requests that are on their way cannot be in two places: there must be none.
    pub fn fork(&self) -> Self {
        let controllers = self.controllers.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(self.errands().waiting.is_empty(), "a request is on its way");
        let forked = controllers.iter().map(|running| Running {
            controller: running.controller.fork(),
            feed: running.feed,
        });
        Self {
            world: Arc::new(Mutex::new(self.world().fork())),
            controllers: Arc::new(Mutex::new(forked.collect())),
            errands: Arc::default(),
            faults: Arc::new(Faults::new()),
            record: Arc::default(),
        }
    }

    /// Adds a controller. It hears of everything that is there already as if it had just come.
    pub fn add(&self, controller: impl Controller + 'static) {
        let mut controllers = self.controllers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut world = self.world();
        let mut controller: Box<dyn Controller> = Box::new(controller);
        let feed = world.feeds().open(controller.resources());
        let there = world.as_changes(controller.resources());
        controller.changed(&mut world, &there);
        controllers.push(Running { controller, feed });
    }

    /// The world, locked. Never hold it across an await.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the world.
    pub fn with<T>(&self, what: impl FnOnce(&mut World) -> T) -> T {
        what(&mut self.world())
    }

    /// What goes wrong between its clients and its API server.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// What its API server was asked so far, in the order in which it came: the latest hundred thousand calls.
    pub fn calls(&self) -> Vec<Recorded> {
        self.record.all()
    }

    pub(super) fn record(&self) -> &Record {
        &self.record
    }

    /// Has something done when the time comes to a moment; one in the past is now. It may do whatever a client can, but
    /// not move the time.
    pub fn at(&self, moment: Timestamp, what: impl FnOnce(&Self) + Send + 'static) {
        let mut world = self.world();
        let mut errands = self.errands();
        errands.count += 1;
        let number = errands.count;
        errands.waiting.insert(number, Box::new(what));
        let due = Due {
            to: ERRAND,
            what: "run",
            about: None,
            number,
        };
        world.schedule(moment, due);
    }

    fn errands(&self) -> MutexGuard<'_, Errands> {
        self.errands.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The simulated time.
    pub fn now(&self) -> Timestamp {
        self.world().now()
    }

    /// Moves the time: at every moment on the way everything that is due happens in its order, and the controllers
    /// work until nothing changes any more. A moment in the past is now.
    pub fn advance(&self, to: Timestamp) {
        let mut controllers = self.controllers.lock().unwrap_or_else(PoisonError::into_inner);
        self.settle(&mut controllers);
        loop {
            {
                let mut world = self.world();
                let Some((at, due)) = world.next_due(to) else {
                    world.set_now(to);
                    world.wake();
                    return;
                };
                world.set_now(at);
                if due.to == ERRAND {
                    drop(world);
                    let errand = self.errands().waiting.remove(&due.number);
                    if let Some(errand) = errand {
                        errand(self);
                    }
                } else if let Some(running) = controllers
                    .iter_mut()
                    .find(|running| running.controller.name() == due.to)
                {
                    running.controller.due(&mut world, &due);
                }
            }
            self.settle(&mut controllers);
        }
    }

    /// Lets the controllers work until nothing changes. The lock is given back between two turns.
    fn settle(&self, controllers: &mut [Running]) {
        for _ in 0..TURNS {
            let mut quiet = true;
            for running in controllers.iter_mut() {
                let mut world = self.world();
                let changes = world.feeds().drain(running.feed);
                if !changes.is_empty() {
                    quiet = false;
                    running.controller.changed(&mut world, &changes);
                }
            }
            if quiet {
                return;
            }
        }
        let names: Vec<_> = controllers.iter().map(|running| running.controller.name()).collect();
        panic!("controllers answer each other without end at one moment: {names:?}");
    }
}
