// SPDX-License-Identifier: BSD-2-Clause
//! Memory in front of the devices: where copies of pages may be kept instead of being written (Linux calls the place of this hook "frontswap").
//!
//! Every copy has a slot on a device, whether it lies there or in front of it, so swap space is counted as ever, and there is always room for what is written out later. What
//! is in front belongs to the slot, not to the page: copies change hands without it.
//!
//! | state of a slot | record in the table | in front |
//! |---|---|---|
//! | on the device | committed | nothing |
//! | in front | committed | the copy |
//! | being written out | committed | the copy, marked |
//! | given up while it was being written out | pending | the mark alone |
//!
//! What is in front is valid only as long as the slot's record is committed. It is there before the record is, and it is taken away before the slot is used again, so whenever the pager is
//! killed the record says which of the two holds.

use crate::world::World;
use core::fmt::Arguments;
use ebb_proto::pager::PoolStatus;

/// A slot of a device.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Spot {
    /// The device's disk.
    pub disk: u8,
    /// The slot.
    pub slot: u32,
}

/// What is kept cannot be read any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Damaged;

/// What became of a copy that was being written out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WrittenOut {
    /// It is the slot's still.
    Kept,
    /// The slot was given up meanwhile: it is free now.
    GivenUp,
}

/// The memory.
pub trait Front<'a> {
    /// Keeps the page in `frame` as the copy of a slot, of which there is nothing. `false`: it has to be written to the device.
    fn keep(&mut self, world: &mut impl World<'a>, at: Spot, frame: u32) -> bool;
    /// Whether the slot's copy is here.
    fn has(&self, at: Spot) -> bool;
    /// Brings a copy into a frame. It stays.
    ///
    /// # Errors
    /// [`Damaged`]: it is not what was kept.
    fn bring(&mut self, world: &mut impl World<'a>, at: Spot, frame: u32) -> Result<(), Damaged>;
    /// Whether the slot is being written out.
    fn is_going_out(&self, at: Spot) -> bool;
    /// The slot's copy is no longer needed. One that is going out leaves its mark until [`Front::written_out`].
    fn forget(&mut self, at: Spot);
    /// A slot whose copy should be written to its device now, if there is one and it is not going out already.
    fn next_out(&mut self) -> Option<Spot>;
    /// Marks a copy as going out, and brings it into a frame. `false`: there is none, or it is going out already.
    fn begin_out(&mut self, world: &mut impl World<'a>, at: Spot, frame: u32) -> bool;
    /// Writing a copy out has ended. If `ok` and it is the slot's still, it is on the device from now on.
    fn written_out(&mut self, at: Spot, ok: bool) -> WrittenOut;
    /// Everything is to be written out, and nothing new is kept (`true`), or all is as ever again.
    fn retire(&mut self, retiring: bool);
    /// Copies that are here.
    fn copies(&self) -> u64;
    /// Copies that could not be written out since [`Front::retire`].
    fn refused(&self) -> u64;
    /// More memory for it.
    fn add_memory(&mut self, world: &mut impl World<'a>, address: u64, pages: u64) -> bool;
    /// Whether more memory would be of use.
    fn wants_memory(&self) -> bool;
    /// Drops what the instance before has left for slots that hold no copy, after all devices were adopted.
    fn adopt(&mut self, valid: &dyn Fn(Spot) -> bool, log: &mut dyn FnMut(Arguments<'_>));
    /// Checks the books; returns the number of inconsistencies.
    fn audit(&self, valid: &dyn Fn(Spot) -> bool, log: &mut dyn FnMut(Arguments<'_>)) -> u64;
    /// What `swapinfo` shows.
    fn status(&self) -> Option<PoolStatus>;
}

/// No memory in front of the devices.
#[derive(Default)]
pub struct Direct;

impl<'a> Front<'a> for Direct {
    fn keep(&mut self, _: &mut impl World<'a>, _: Spot, _: u32) -> bool {
        false
    }
    fn has(&self, _: Spot) -> bool {
        false
    }
    fn bring(&mut self, _: &mut impl World<'a>, _: Spot, _: u32) -> Result<(), Damaged> {
        Err(Damaged)
    }
    fn is_going_out(&self, _: Spot) -> bool {
        false
    }
    fn forget(&mut self, _: Spot) {}
    fn next_out(&mut self) -> Option<Spot> {
        None
    }
    fn begin_out(&mut self, _: &mut impl World<'a>, _: Spot, _: u32) -> bool {
        false
    }
    fn written_out(&mut self, _: Spot, _: bool) -> WrittenOut {
        WrittenOut::Kept
    }
    fn retire(&mut self, _: bool) {}
    fn copies(&self) -> u64 {
        0
    }
    fn refused(&self) -> u64 {
        0
    }
    fn add_memory(&mut self, _: &mut impl World<'a>, _: u64, _: u64) -> bool {
        false
    }
    fn wants_memory(&self) -> bool {
        false
    }
    fn adopt(&mut self, _: &dyn Fn(Spot) -> bool, _: &mut dyn FnMut(Arguments<'_>)) {}
    fn audit(&self, _: &dyn Fn(Spot) -> bool, _: &mut dyn FnMut(Arguments<'_>)) -> u64 {
        0
    }
    fn status(&self) -> Option<PoolStatus> {
        None
    }
}
