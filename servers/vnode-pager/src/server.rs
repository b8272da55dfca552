// SPDX-License-Identifier: BSD-2-Clause
//! The process: doorbells and calls.

use crate::ports::Ports;
use ebb_proto::Error;
use ebb_proto::block::{Disks, SECTORS_PER_PAGE};
use ebb_proto::fs::{self, Request};
use ebb_rt::server::{self, Call};
use ebb_rt::start::Given;
use ebb_rt::{StartInfo, client, clock, log, start};
use ebb_sys::abi::Handle;
use ebb_sys::ipc::{Message, Received};
use ebb_sys::object;
use ebb_vnode::{Geometry, Setup, VnodePager};

/// Bit of the own notification: time to look again.
pub const POLL_BIT: u64 = 1 << 2;
/// How long `vm` has to empty its ring, until it is looked at again.
const POLL_US: u64 = 500;
/// The disk with the files.
const DISK: &str = "root";

/// The process.
pub struct Server {
    endpoint: Handle,
    notification: Handle,
    pager: VnodePager<Ports>,
}

impl Server {
    /// Mounts the file system. `NotFound`: there is no disk for it.
    pub fn new(info: &StartInfo) -> Result<Server, Error> {
        let ports = Ports::new(info)?;
        let disks = client::call(info.handle("block")?, &Disks {})?;
        let (number, disk) =
            disks.into_iter().enumerate().find(|(_, d)| d.name == DISK).ok_or(Error::NotFound)?;
        let geometry = Geometry {
            disk: u8::try_from(number).map_err(|_| Error::Invalid)?,
            pages: disk.sectors / SECTORS_PER_PAGE,
            read_only: disk.read_only,
        };
        let cold = info.value("cold")? != 0;
        let pager = VnodePager::new(ports, Setup { geometry, name: disk.name, now_us, cold });
        Ok(Server { endpoint: info.handle("endpoint")?, notification: info.handle("notification")?, pager })
    }

    /// Serves until receiving fails, and returns why.
    pub fn run(&mut self) -> Error {
        loop {
            self.pager.pump();
            self.pager.with_world(Ports::ring);
            let stalled = self.pager.is_stalled();
            if !self.pager.with_world(|w| w.sleep(stalled)) {
                continue;
            }
            if stalled && self.pager.is_idle() {
                // `vm` takes completions without saying so.
                let notification = self.notification;
                self.pager.with_world(|w| w.wake_in(notification, POLL_US));
            }
            match server::receive(self.endpoint) {
                // Whoever rang: both are looked at.
                Ok(Received::Bits(_)) => {}
                Ok(Received::Message { badge, reply, message }) => {
                    self.serve(badge as u32, Call::new(reply), &message);
                }
                Err(error) => return error,
            }
        }
    }

    fn serve(&mut self, space: u32, call: Call, message: &Message) {
        let bytes = server::bytes(message);
        for handle in server::handles(message) {
            if let Err(error) = object::handle_close(handle) {
                log!("a handle cannot be closed: {error:?}");
            }
        }
        let Ok(request) = Request::decode(message.tag.label(), &bytes) else {
            return call.fail(Error::Malformed);
        };
        let p = &mut self.pager;
        match request {
            Request::Open(r) => call.answer::<fs::Open>(p.open(space, &r.path, r.flags, r.mode)),
            Request::Status(r) => call.answer::<fs::Status>(p.status(&r.path, r.follow)),
            Request::List(r) => call.answer::<fs::List>(p.list(&r.path, r.from)),
            Request::MakeDirectory(r) => {
                call.answer::<fs::MakeDirectory>(p.make_directory(&r.path, r.mode));
            }
            Request::Remove(r) => call.answer::<fs::Remove>(p.remove(&r.path)),
            Request::RemoveDirectory(r) => call.answer::<fs::RemoveDirectory>(p.remove_directory(&r.path)),
            Request::Rename(r) => call.answer::<fs::Rename>(p.rename(&r.from, &r.to)),
            Request::Link(r) => call.answer::<fs::Link>(p.link(&r.from, &r.to)),
            Request::MakeLink(r) => call.answer::<fs::MakeLink>(p.make_link(&r.target, &r.path)),
            Request::ReadLink(r) => call.answer::<fs::ReadLink>(p.read_link(&r.path)),
            Request::SetMode(r) => call.answer::<fs::SetMode>(p.set_mode(&r.path, r.mode)),
            Request::SetModified(r) => call.answer::<fs::SetModified>(p.set_modified(&r.path, r.us)),
            Request::Mounts(_) => call.answer::<fs::Mounts>(p.mounts()),
            Request::Summarise(_) => call.answer::<fs::Summarise>(Ok(p.summary())),
            Request::Check(_) => call.answer::<fs::Check>(Ok(p.check())),
        }
    }
}

/// Microseconds since 1970, or since the machine started if it does not know the time.
fn now_us() -> u64 {
    start::info().map_or(0, |info| info.epoch_us) + clock::now_us()
}
