// SPDX-License-Identifier: BSD-2-Clause
//! Who is at the other end of two rings: entries come on one and go on the other, and a doorbell wakes the other side.
//!
//! The other side is not believed: if the indexes of a ring are impossible it is broken, that is said once, and from then on nothing comes and nothing goes.
#![no_std]
#![forbid(unsafe_code)]

use core::sync::atomic::AtomicU64;
use ebb_abi::Handle;
use ebb_proto::{Error, block, pager};
use ebb_ring::{Broken, Consumer, Producer};
use ebb_rt::start::Given;
use ebb_rt::{StartInfo, log, shared};
use ebb_sys::ipc;

/// What `block`'s notification is signalled with: there are submissions.
const SUBMISSIONS: u64 = 1 << 1;

/// An entry of a ring.
pub type Entry = [u64; 4];

type Cells = &'static [AtomicU64];

/// The other side.
pub struct Peer {
    /// As the log calls it.
    name: &'static str,
    from: Consumer<'static>,
    to: Producer<'static>,
    doorbell: Handle,
    /// What the doorbell is rung with.
    bits: u64,
    broken: bool,
}

impl Peer {
    /// `vm`, as a pager has it; its doorbell is rung with this bit. Its entries come on the first half of the segment.
    ///
    /// # Errors
    /// `Fault`: there is no segment; `Invalid`: there are no rings in it; `NotFound`: something was not given.
    pub fn vm(info: &StartInfo, bit: u32) -> Result<Peer, Error> {
        let doorbell = u32::try_from(info.value("vm_doorbell")?).map_err(|_| Error::Invalid)?;
        let (from, to) = halves(pager::RINGS, pager::RING_PAGES)?;
        Self::new("vm", from, to, Handle(doorbell), 1 << bit)
    }

    /// `block`. Our entries go on the first half of the segment.
    ///
    /// # Errors
    /// As [`Peer::vm`].
    pub fn block(info: &StartInfo) -> Result<Peer, Error> {
        let (to, from) = halves(info.value("block_ring")?, block::SEGMENT_PAGES)?;
        Self::new("block", from, to, info.handle("block_notify")?, SUBMISSIONS)
    }

    fn new(name: &'static str, from: Cells, to: Cells, doorbell: Handle, bits: u64) -> Result<Peer, Error> {
        let (from, to) =
            (Consumer::new(from).ok_or(Error::Invalid)?, Producer::new(to).ok_or(Error::Invalid)?);
        Ok(Peer { name, from, to, doorbell, bits, broken: false })
    }

    /// The next entry that came.
    pub fn pop(&mut self) -> Option<Entry> {
        let entry = self.from.pop();
        self.believe(entry).flatten()
    }

    /// Entries that there is room for on the way to the other side.
    pub fn room(&mut self) -> usize {
        let room = self.to.room();
        self.believe(room).unwrap_or(0)
    }

    /// Sends an entry, for which there was room.
    pub fn push(&mut self, entry: &Entry) {
        let pushed = self.to.push(entry);
        if self.believe(pushed) == Some(false) {
            log!("an entry for {} was lost: its ring has less room than it said", self.name);
        }
    }

    /// Rings the doorbell if the other side waits for what was sent.
    pub fn ring(&mut self) {
        if self.to.must_ring()
            && let Err(error) = ipc::signal(self.doorbell, self.bits)
        {
            log!("the doorbell of {} cannot be rung: {error:?}", self.name);
        }
    }

    /// Asks to be rung for the next entry; `false`: there is one already.
    pub fn sleep(&self) -> bool {
        self.broken || self.from.sleep()
    }

    /// Whether nothing comes and nothing goes any more.
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    fn believe<T>(&mut self, result: Result<T, Broken>) -> Option<T> {
        if result.is_err() && !core::mem::replace(&mut self.broken, true) {
            log!("the rings with {} are broken: not used any more", self.name);
        }
        result.ok()
    }
}

fn halves(address: u64, pages: u64) -> Result<(Cells, Cells), Error> {
    let cells = shared::segment(address, pages).ok_or(Error::Fault)?;
    Ok(cells.split_at(cells.len() / 2))
}
