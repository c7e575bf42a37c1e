//! The thread that the service lives in: it takes messages, commands and time to the
//! [`World`], and carries out what that says.
//!
//! It ends when nobody can command it any more.

use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;

use crate::view::View;
use crate::wire::{Incoming, Wire};
use crate::world::World;

/// What waits for the service to look a certain way.
pub(crate) struct Waiter {
    pub(crate) until: Box<dyn FnMut(&View) -> bool + Send>,
    pub(crate) seen: oneshot::Sender<View>,
}

/// What the handle wants.
pub(crate) enum Command {
    /// A look at the world, or a change of it.
    Do(Box<dyn FnOnce(&mut World) + Send>),
    /// To be told.
    Wait(Waiter),
    /// Off the bus, and everything forgotten that a daemon forgets.
    Stop(SyncSender<()>),
    /// Back on the bus.
    Resume(SyncSender<Result<(), dbus::Error>>),
}

/// How long nothing has to happen before the clock is looked at anyway.
const IDLE: Duration = Duration::from_secs(3600);

/// Runs the service; says first whether it is on the bus.
pub(crate) fn run(
    address: &str,
    adapters: usize,
    commands: UnboundedReceiver<Command>,
    started: &SyncSender<Result<(), dbus::Error>>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = started.send(Err(dbus::Error::new_failed(&error.to_string())));
            return;
        }
    };
    runtime.block_on(async {
        let (incoming, messages) = mpsc::unbounded_channel();
        let wire = match Wire::open(address, incoming.clone()).await {
            Ok(wire) => Some(wire),
            Err(error) => {
                let _ = started.send(Err(error));
                return;
            }
        };
        let mut world = World::new(adapters, Instant::now());
        // Nobody listens yet, so nobody is told of the adapters.
        world.tree.out.clear();
        let _ = started.send(Ok(()));
        let service = Service { address, wire, world, incoming, waiters: Vec::new() };
        service.serve(commands, messages).await;
    });
}

struct Service<'a> {
    address: &'a str,
    /// None while the service is stopped.
    wire: Option<Wire>,
    world: World,
    incoming: UnboundedSender<Incoming>,
    waiters: Vec<Waiter>,
}

impl Service<'_> {
    async fn serve(
        mut self,
        mut commands: UnboundedReceiver<Command>,
        mut messages: UnboundedReceiver<Incoming>,
    ) {
        loop {
            let next = self.world.due().unwrap_or_else(|| Instant::now() + IDLE);
            tokio::select! {
                command = commands.recv() => match command {
                    Some(command) => self.command(command, &mut messages).await,
                    None => return,
                },
                Some(incoming) = messages.recv() => {
                    self.world.now(Instant::now());
                    self.world.incoming(incoming);
                }
                () = tokio::time::sleep_until(next.into()) => {}
            }
            self.world.now(Instant::now());
            self.turn();
        }
    }

    /// Sends what there is to send, and tells those who wait.
    fn turn(&mut self) {
        let out = std::mem::take(&mut self.world.tree.out);
        if let Some(wire) = &self.wire {
            wire.send(out);
        }
        if self.waiters.is_empty() {
            return;
        }
        let mut view = self.world.view();
        view.up = self.wire.is_some();
        let mut waiting = Vec::new();
        for mut waiter in self.waiters.drain(..) {
            if (waiter.until)(&view) {
                let _ = waiter.seen.send(view.clone());
            } else if !waiter.seen.is_closed() {
                waiting.push(waiter);
            }
        }
        self.waiters = waiting;
    }

    async fn command(&mut self, command: Command, messages: &mut UnboundedReceiver<Incoming>) {
        match command {
            Command::Do(action) => {
                self.world.now(Instant::now());
                action(&mut self.world);
            }
            Command::Wait(waiter) => self.waiters.push(waiter),
            Command::Stop(done) => {
                if let Some(wire) = self.wire.take() {
                    wire.close().await;
                }
                self.world.forget();
                while messages.try_recv().is_ok() {}
                let _ = done.send(());
            }
            Command::Resume(done) => {
                let opened = match self.wire {
                    Some(_) => Ok(()),
                    None => Wire::open(self.address, self.incoming.clone())
                        .await
                        .map(|wire| self.wire = Some(wire)),
                };
                self.world.tree.out.clear();
                let _ = done.send(opened);
            }
        }
    }
}
