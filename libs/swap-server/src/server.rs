// SPDX-License-Identifier: BSD-2-Clause
//! The process: doorbells and calls.

use crate::ports::Ports;
use alloc::format;
use ebb_abi::{Handle, PAGE_SIZE};
use ebb_proto::Error;
use ebb_proto::pager::{CHUNK_PAGES, FRONT, MAX_DEVICES, Outcome, Request, Status};
use ebb_rt::server::{self, Call};
use ebb_rt::start::Given;
use ebb_rt::{StartInfo, clock, log};
use ebb_swap::{Front, SwapPager};
use ebb_sys::ipc::{self, Message, Received};
use ebb_sys::{object, time};

/// Bit of the own notification: time to look again.
const POLL_BIT: u64 = 1 << 2;
/// How long `vm` has to empty its ring, until it is looked at again.
const POLL_US: u64 = 500;

/// The process.
pub struct Server<F> {
    endpoint: Handle,
    notification: Handle,
    ports: Ports,
    pager: SwapPager<'static, F>,
}

impl<F: Front<'static>> Server<F> {
    /// Takes over what an earlier instance has left.
    pub fn new(info: &StartInfo, front: F) -> Result<Server<F>, Error> {
        let mut ports = Ports::new(info)?;
        let mut pager = SwapPager::behind(front);
        for chunk in 0..info.value("front_pages").unwrap_or(0) / CHUNK_PAGES {
            let address = FRONT + chunk * CHUNK_PAGES * PAGE_SIZE as u64;
            if pager.add_memory(&mut ports, address, CHUNK_PAGES) != Outcome::Ok {
                log!("the memory at {address:#x} cannot be used");
                break;
            }
        }
        for device in 0..MAX_DEVICES {
            let value = |what: &str| info.value(&format!("device{device}{what}"));
            let (Ok(segment), Ok(disk)) = (value(""), value("_disk")) else { continue };
            let heap = value("_heap").unwrap_or(0);
            match u8::try_from(disk) {
                Ok(disk) => pager.adopt(&mut ports, disk, segment, heap),
                Err(_) => log!("device {device}: {disk} is no disk"),
            }
        }
        pager.adopt_front(&mut ports);
        Ok(Server {
            endpoint: info.handle("endpoint")?,
            notification: info.handle("notification")?,
            ports,
            pager,
        })
    }

    /// Serves until receiving fails, and returns why.
    pub fn run(&mut self) -> Error {
        loop {
            self.pager.pump(&mut self.ports);
            self.ports.ring();
            let stalled = self.pager.is_stalled(&mut self.ports);
            if !self.ports.sleep(stalled) {
                continue;
            }
            if stalled && self.pager.is_idle() {
                // `vm` takes completions without saying so.
                let deadline = time::tsc() + clock::cycles_of(POLL_US);
                if let Err(error) = ipc::timer(self.notification, POLL_BIT, deadline) {
                    log!("no timer: {error:?}");
                }
            }
            match server::receive(self.endpoint) {
                // Whoever rang: both are looked at.
                Ok(Received::Bits(_)) => {}
                Ok(Received::Message { reply, message, .. }) => self.serve(Call::new(reply), &message),
                Err(error) => return error,
            }
        }
    }

    fn serve(&mut self, call: Call, message: &Message) {
        let bytes = server::bytes(message);
        for handle in server::handles(message) {
            if let Err(error) = object::handle_close(handle) {
                log!("a handle cannot be closed: {error:?}");
            }
        }
        match Request::decode(message.tag.label(), &bytes) {
            Ok(Request::Status(_)) => call.answer::<Status>(Ok(self.pager.summary())),
            Err(_) => call.fail(Error::Malformed),
        }
    }
}
