// SPDX-License-Identifier: BSD-2-Clause
//! The end of the machine: programs end, files get to the disk, the power goes off.
//!
//! `vm` writes the files through the vnode pager, which may die under it. So `init` does not wait in a call: it asks `vm` to begin, and goes on serving, deaths of
//! servers above all, until `vm` says that it is done or the time is up.

use crate::pagers::FILES;
use crate::serve::{Init, fail};
use ebb_abi::boot::handles;
use ebb_proto::vm;
use ebb_rt::client::call;
use ebb_rt::clock;
use ebb_rt::server::Call;

/// How long the files may take.
const PATIENCE_US: u64 = 30_000_000;
/// Exit values for QEMU: a clean end is `CLEAN | status`.
const CLEAN: u8 = 64;
/// Highest status that an exit value can carry.
const MAX_STATUS: u8 = 63;
/// Status when all went well but a server died that nobody had asked to.
const SERVER_DIED: u8 = 62;
/// Status when all went well but something that was written to files did not get to the disk.
const NOT_WRITTEN: u8 = 61;

/// A shutdown under way.
pub struct Shutdown {
    status: u8,
    until_us: u64,
    /// Who asked for it: there is no answer, and no return from the call.
    _caller: Option<Call>,
}

impl Init {
    /// Begins the machine's end. The first who asks gives the status.
    pub fn shut_down(&mut self, status: u8, caller: Option<Call>) {
        if self.shutdown.is_some() {
            return;
        }
        let until_us = clock::now_us() + PATIENCE_US;
        self.shutdown = Some(Shutdown { status, until_us, _caller: caller });
        if !self.serves_files() {
            self.power_off(status);
        }
        // What runs could go on writing, and nobody would know up to where it is on the disk.
        self.end_programs();
        if let Err(error) = call(self.vm, &vm::SyncStart {}) {
            ebb_rt::log!("files cannot be written: {error}");
            self.power_off(not_written(status));
        }
    }

    /// Whether there are files: the pager of them runs, or did, and can be started once more.
    fn serves_files(&mut self) -> bool {
        let Some(at) = self.service(FILES) else { return false };
        match self.services.get(at) {
            Some(service) if service.running.is_some() => true,
            Some(service) if service.was_started() => {
                let image = service.image.clone();
                self.start_again(at, &image);
                true
            }
            _ => false,
        }
    }

    /// `vm` has written the files.
    pub fn synced(&mut self, errors: u32) {
        let Some(shutdown) = &self.shutdown else { return };
        let status = shutdown.status;
        if errors == 0 {
            self.power_off(status);
        }
        ebb_rt::log!("{errors} pages of files could not be written");
        self.power_off(not_written(status));
    }

    /// Looks after a shutdown under way; microseconds that are left for it.
    pub fn tend_shutdown(&mut self) -> Option<u64> {
        let shutdown = self.shutdown.as_ref()?;
        let (left, status) = (shutdown.until_us.saturating_sub(clock::now_us()), shutdown.status);
        if left == 0 {
            ebb_rt::log!("files were not written within {} s", PATIENCE_US / 1_000_000);
            self.power_off(not_written(status));
        }
        Some(left)
    }

    fn power_off(&self, status: u8) -> ! {
        let mut status = status.min(MAX_STATUS);
        if self.unexpected > 0 && status == 0 {
            ebb_rt::log!("{} times a server died that nobody had asked to", self.unexpected);
            status = SERVER_DIED;
        }
        ebb_rt::log!("shutdown, status {status}");
        if let Err(error) = ebb_sys::device::power_off(handles::IO_PORT, CLEAN | status) {
            ebb_rt::log!("cannot power off: {error:?}");
        }
        fail()
    }
}

fn not_written(status: u8) -> u8 {
    if status == 0 { NOT_WRITTEN } else { status }
}
