//! A network namespace: the network of one host.
//!
//! A thread of its own lives in it from [`Namespace::new`] until the value is dropped and does
//! everything that must happen inside: making sockets, changing devices, starting processes.
//! A namespace is no more than that thread, the sockets made by it and the processes started
//! by it, so the kernel clears it away with the last of them, however this process ends.
//! It must never be entered by a thread that goes on to do other work.

use std::any::Any;
use std::io;
use std::net::Ipv4Addr;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use futures::TryStreamExt;
use rtnetlink::packet_route::link::LinkFlags;
use rtnetlink::{AddressMessageBuilder, Handle, LinkMessageBuilder, LinkUnspec};
use rtnetlink::{RouteMessageBuilder, new_connection};
use rustix::net::{AddressFamily, SocketType, netdevice::name_to_index};
use tokio::runtime::Runtime;

use crate::error::LabError;
use crate::permission;
use crate::tap;

type Job = Box<dyn FnOnce(&Inside) + Send>;

/// What the namespace's thread holds.
struct Inside {
    runtime: Runtime,
    netlink: Handle,
}

/// The network of one host.
#[derive(Debug)]
pub struct Namespace {
    jobs: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Namespace {
    /// A new namespace with nothing but its loopback device, which is up.
    pub fn new() -> Result<Self, LabError> {
        let (jobs, queue) = sync_channel(1);
        let (ready, is_ready) = sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("lab-namespace".into())
            .spawn(move || live(&queue, &ready))
            .map_err(LabError::io("start a namespace's thread"))?;
        let namespace = Self { jobs: Some(jobs), thread: Some(thread) };
        is_ready.recv().unwrap_or_else(|_| Err(thread_ended()))?;
        namespace.set_up("lo", true)?;
        Ok(namespace)
    }

    /// Runs `job` on the thread inside and waits for its end: a socket that it makes belongs
    /// to this namespace for good. A job must not use this namespace's methods itself.
    pub fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, LabError> {
        self.inside(move |_| job())
    }

    /// Starts a process inside. It is killed when this namespace is dropped or this process
    /// ends; whoever holds the child still has to wait for it.
    pub fn spawn(&self, mut command: Command) -> Result<Child, LabError> {
        let what = format!("start {}", command.get_program().to_string_lossy());
        permission::die_with_parent(&mut command);
        self.run(move || command.spawn())?.map_err(LabError::io(what))
    }

    /// Sets a kernel parameter of this namespace: `sysctl("net/ipv4/ip_forward", "1")`.
    pub fn sysctl(&self, key: &str, value: &str) -> Result<(), LabError> {
        let path = format!("/proc/sys/{key}");
        let (target, value) = (path.clone(), value.to_owned());
        self.run(move || std::fs::write(target, value))?
            .map_err(LabError::io(format!("write {path}")))
    }

    /// Brings a device up or down. Down removes its routes.
    pub fn set_up(&self, device: &str, up: bool) -> Result<(), LabError> {
        let message = LinkMessageBuilder::<LinkUnspec>::new().name(device);
        let message = if up { message.up() } else { message.down() }.build();
        let what = format!("bring {device} {}", if up { "up" } else { "down" });
        self.ask(what, async move |netlink: Handle| netlink.link().set(message).execute().await)
    }

    /// Gives or takes a TAP device's carrier, as pulling its cable does. Its addresses and
    /// routes stay.
    pub fn set_carrier(&self, device: &str, carrier: bool) -> Result<(), LabError> {
        let message = LinkMessageBuilder::<LinkUnspec>::new().name(device).carrier(carrier).build();
        let what = format!("set the carrier of {device}");
        self.ask(what, async move |netlink: Handle| netlink.link().set(message).execute().await)
    }

    /// Whether a device has a carrier.
    pub fn has_carrier(&self, device: &str) -> Result<bool, LabError> {
        let name = device.to_owned();
        let find = move |inside: &Inside| {
            let mut links = inside.netlink.link().get().match_name(name).execute();
            inside.runtime.block_on(links.try_next())
        };
        let link = self.inside(find)?;
        let what = format!("find {device}");
        match link {
            Ok(Some(link)) => Ok(link.header.flags.contains(LinkFlags::LowerUp)),
            Ok(None) => Err(LabError::Netlink { what, reason: "no such device".into() }),
            Err(error) => Err(LabError::Netlink { what, reason: error.to_string() }),
        }
    }

    /// Gives a device an address.
    pub fn add_address(&self, device: &str, address: Ipv4Addr, prefix: u8) -> Result<(), LabError> {
        let index = self.index(device)?;
        let what = format!("add {address}/{prefix} to {device}");
        self.ask(what, async move |netlink: Handle| {
            netlink.address().add(index, address.into(), prefix).execute().await
        })
    }

    /// Takes an address from a device.
    pub fn remove_address(
        &self,
        device: &str,
        address: Ipv4Addr,
        prefix: u8,
    ) -> Result<(), LabError> {
        let message = AddressMessageBuilder::<Ipv4Addr>::new()
            .index(self.index(device)?)
            .address(address, prefix)
            .build();
        let what = format!("remove {address}/{prefix} from {device}");
        self.ask(what, async move |netlink: Handle| netlink.address().del(message).execute().await)
    }

    /// A default route over that device; the lowest metric is taken by sockets that are bound
    /// to none.
    pub fn add_default_route(
        &self,
        device: &str,
        gateway: Ipv4Addr,
        metric: u32,
    ) -> Result<(), LabError> {
        let message = RouteMessageBuilder::<Ipv4Addr>::new()
            .gateway(gateway)
            .output_interface(self.index(device)?)
            .priority(metric)
            .build();
        let what = format!("route by {gateway} over {device}");
        self.ask(what, async move |netlink: Handle| netlink.route().add(message).execute().await)
    }

    /// Makes a TAP device here; the file is its cable.
    pub(crate) fn tap(&self, device: &str) -> Result<std::fs::File, LabError> {
        let name = device.to_owned();
        self.run(move || tap::open(&name))?
            .map_err(|error| permission::explain("make a TAP device", error))
    }

    fn index(&self, device: &str) -> Result<u32, LabError> {
        let name = device.to_owned();
        let find = move || {
            let socket = rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None)?;
            Ok(name_to_index(socket, &name)?)
        };
        self.run(find)?.map_err(LabError::io(format!("find {device}")))
    }

    fn ask<F>(&self, what: String, request: F) -> Result<(), LabError>
    where
        F: AsyncFnOnce(Handle) -> Result<(), rtnetlink::Error> + Send + 'static,
    {
        let answer =
            self.inside(move |inside| inside.runtime.block_on(request(inside.netlink.clone())))?;
        answer.map_err(|error| LabError::Netlink { what, reason: error.to_string() })
    }

    fn inside<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Inside) -> T + Send + 'static,
    ) -> Result<T, LabError> {
        let (answer, answered) = sync_channel(1);
        let job: Job = Box::new(move |inside| {
            let result = catch_unwind(AssertUnwindSafe(|| job(inside)));
            let _ = answer.send(result);
        });
        let jobs = self.jobs.as_ref().ok_or_else(thread_ended)?;
        jobs.send(job).map_err(|_| thread_ended())?;
        let result: Result<T, Box<dyn Any + Send>> = answered.recv().map_err(|_| thread_ended())?;
        Ok(result.unwrap_or_else(|panic| resume_unwind(panic)))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn thread_ended() -> LabError {
    LabError::io("reach a namespace")(io::ErrorKind::BrokenPipe.into())
}

fn live(jobs: &Receiver<Job>, ready: &SyncSender<Result<(), LabError>>) {
    match move_in() {
        Ok(inside) => {
            let _ = ready.send(Ok(()));
            while let Ok(job) = jobs.recv() {
                job(&inside);
            }
        }
        Err(error) => {
            let _ = ready.send(Err(error));
        }
    }
}

fn move_in() -> Result<Inside, LabError> {
    permission::leave_network()
        .map_err(|error| permission::explain("make network namespaces", error))?;
    let failed = || LabError::io("open netlink");
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_io().build().map_err(failed())?;
    let entered = runtime.enter();
    let (connection, netlink, _) = new_connection().map_err(failed())?;
    drop(entered);
    runtime.spawn(connection);
    Ok(Inside { runtime, netlink })
}
