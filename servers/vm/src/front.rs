// SPDX-License-Identifier: BSD-2-Clause
//! What a swap pager has in front of its devices: memory that outlives it, given when it would be of use and there is some; and the way back, when another pager takes its place that knows
//! only of devices.

use crate::machine::Machine;
use crate::vm::Vm;
use alloc::vec::Vec;
use ebb_abi::PAGE_SIZE;
use ebb_policy::gate::Wiring;
use ebb_proto::Error;
use ebb_proto::pager::{CHUNK_PAGES, Completion, FRONT, Op, Outcome};
use ebb_proto::vm::{Retiring, Space};

/// Share of the machine's memory that may lie in front of the devices, in hundredths: guessed; Linux gives its zswap as much.
const PERCENT: u64 = 20;

/// The memory.
#[derive(Default)]
pub struct Front {
    /// Its segments, in the order of their addresses.
    segments: Vec<u32>,
    /// A segment was offered, and the pager has not answered.
    offered: bool,
    /// The pager would not take the last one: no more is offered to it.
    declined: bool,
    /// What the pager has said about bringing everything to its devices, since somebody asked for it.
    retiring: Option<Retiring>,
    /// It was asked, and has not answered.
    asked: bool,
    /// It has ended everything, and does nothing more.
    sealed: bool,
}

impl Front {
    /// The pager is gone: what it was asked is not answered any more.
    pub(crate) fn detached(&mut self) {
        (self.offered, self.declined, self.asked, self.sealed) = (false, false, false, false);
        // That nothing lies in front stays true: nobody is there who could put anything.
        self.retiring = self.retiring.filter(|r| *r == Retiring::Done);
    }
}

impl<M: Machine> Vm<M> {
    /// Most pages that may lie in front of the devices.
    fn front_most(&self) -> u64 {
        self.frames.gate.page_count() as u64 * PERCENT / 100 / CHUNK_PAGES * CHUNK_PAGES
    }

    /// Maps what lies in front of the devices into a new pager's space; if the last one has left nothing there it is given up instead. Pages that there are, and that there may be.
    pub(crate) fn map_front(&mut self, space: Space) -> Result<(u64, u64), Error> {
        if self.pager.front.retiring.take() == Some(Retiring::Done) {
            for segment in core::mem::take(&mut self.pager.front.segments) {
                self.segment_drop(segment);
            }
        }
        for n in 0..self.pager.front.segments.len() {
            let segment = self.pager.front.segments[n];
            self.map_segment_at(space, segment, address_of(n))?;
        }
        Ok((self.pager.front.segments.len() as u64 * CHUNK_PAGES, self.front_most()))
    }

    /// The pager would like more memory. It gets some while there is plenty; it asks again with its next page.
    pub(crate) fn front_wanted(&mut self) {
        let front = &self.pager.front;
        let n = front.segments.len();
        let gate = &self.frames.gate;
        // Page tables for it come from there as well.
        let spare = gate.free_count().saturating_sub(gate.thresholds().free_min) as u64;
        if front.offered
            || front.declined
            || front.retiring.is_some()
            || !self.pager.ch.attached()
            || spare < CHUNK_PAGES + 4
            || (n as u64 + 1) * CHUNK_PAGES > self.front_most()
        {
            return;
        }
        // There is no memory after all: the pager does without it.
        let Ok(segment) = self.segment_new(CHUNK_PAGES, Wiring::System) else { return };
        if let Err(error) = self.map_segment_at(self.pager.ch.space(), segment, address_of(n)) {
            self.m.log(format_args!("memory for the swap pager: {error}"));
            // Parts of it may be mapped: it is used as soon as there is another pager.
            self.pager.front.declined = true;
            self.pager.front.segments.push(segment);
            return;
        }
        self.pager.front.segments.push(segment);
        self.pager.front.offered = true;
        self.submit_control(Op::AddMemory, [address_of(n), CHUNK_PAGES, 0]);
    }

    /// The pager has answered about that memory.
    pub(crate) fn front_answered(&mut self, c: &Completion) {
        let front = &mut self.pager.front;
        match c.op {
            Op::AddMemory => {
                front.offered = false;
                front.declined = c.outcome != Outcome::Ok;
            }
            Op::Retire => {
                front.asked = false;
                front.retiring = front.retiring.map(|_| match c.outcome {
                    Outcome::Ok => Retiring::Done,
                    Outcome::Again => Retiring::UnderWay(Some(c.results[0])),
                    _ => Retiring::Failed(c.results[1].max(1)),
                });
            }
            Op::Seal => self.pager.front.sealed = c.outcome == Outcome::Ok,
            // Resume: there is nothing to be done about an answer.
            _ => {}
        }
    }

    /// Has everything brought to the devices.
    pub(crate) fn pager_retire(&mut self) -> Result<Retiring, Error> {
        if !self.pager.ch.attached() {
            return Err(Error::Dead);
        }
        let said = *self.pager.front.retiring.get_or_insert(Retiring::UnderWay(None));
        if !self.pager.front.asked && said != Retiring::Done {
            self.pager.front.asked = true;
            self.submit_control(Op::Retire, [0; 3]);
        }
        Ok(said)
    }

    /// Has the pager end everything, and gives it nothing more to do. Whether it has.
    pub(crate) fn pager_seal(&mut self) -> Result<bool, Error> {
        if !self.pager.ch.attached() {
            return Err(Error::Dead);
        }
        // Conversations with it come to their end first.
        if !self.pager.ch.is_closed() && self.swap_change.is_none() && self.pager.control.is_empty() {
            self.submit_control(Op::Seal, [0; 3]);
            if self.pager.control.back().is_some_and(|(_, submitted)| *submitted) {
                let now = self.m.now();
                self.pager.ch.close(now);
            }
        }
        Ok(self.pager.front.sealed)
    }

    /// The pager goes on after all.
    pub(crate) fn pager_resume(&mut self) {
        if self.pager.front.retiring.take().is_some() && self.pager.ch.attached() {
            self.submit_control(Op::Resume, [0; 3]);
        }
    }
}

/// Where the n-th segment is.
fn address_of(n: usize) -> u64 {
    FRONT + n as u64 * CHUNK_PAGES * PAGE_SIZE as u64
}
