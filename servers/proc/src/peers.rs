// SPDX-License-Identifier: BSD-2-Clause
//! Whom the server calls. With `proc-fails=N` on the kernel's command line it dies before or after one of its next N calls: the test of what the next instance does with what is half done.

use core::cell::Cell;
use ebb_abi::Handle;
use ebb_proto::{Error, Operation};
use ebb_rt::client::{call, call_with};
use ebb_sys::time::tsc;

/// Option of the kernel's command line.
const OPTION: &str = "proc-fails=";

/// `vm` and `pipe`.
pub struct Peers {
    vm: Handle,
    pipe: Handle,
    /// Within how many calls it is to die; 0: it is not.
    fails: Cell<u64>,
    /// Calls that are left, half ones; 0: as many as there are.
    left: Cell<u64>,
}

impl Peers {
    pub fn new(vm: Handle, pipe: Handle, cmdline: &str) -> Peers {
        let fails =
            cmdline.split_whitespace().find_map(|word| word.strip_prefix(OPTION)?.parse::<u64>().ok());
        Peers { vm, pipe, fails: Cell::new(fails.unwrap_or(0)), left: Cell::new(0) }
    }

    /// Whether it is to die, and does not know yet when.
    pub fn is_to_fail(&self) -> bool {
        self.fails.get() > 0
    }

    /// From now on it may die.
    pub fn arm(&self) {
        let calls = self.fails.take().max(1);
        self.left.set(tsc() / 64 % (2 * calls) + 1);
    }

    fn burn(&self) {
        match self.left.get() {
            0 => {}
            1 => ebb_rt::start::abort(),
            left => self.left.set(left - 1),
        }
    }

    /// Calls `vm`.
    pub fn vm<O: Operation>(&self, operation: &O) -> Result<O::Reply, Error> {
        self.vm_with(operation, &[]).map(|(reply, _)| reply)
    }

    /// Calls `vm` with handles, and for one.
    pub fn vm_with<O: Operation>(
        &self,
        operation: &O,
        handles: &[Handle],
    ) -> Result<(O::Reply, Handle), Error> {
        self.burn();
        let answer = call_with(self.vm, operation, handles);
        self.burn();
        answer
    }

    /// Calls `pipe`.
    pub fn pipe<O: Operation>(&self, operation: &O) -> Result<O::Reply, Error> {
        self.burn();
        let answer = call(self.pipe, operation);
        self.burn();
        answer
    }

    /// `vm`, for a report.
    pub fn vm_handle(&self) -> Handle {
        self.vm
    }
}
