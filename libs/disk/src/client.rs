// SPDX-License-Identifier: BSD-2-Clause
//! A client: its two rings, and what it is owed.

use crate::gather::{self, Gathered};
use alloc::collections::VecDeque;
use core::sync::atomic::{AtomicU64, Ordering};
use ebb_proto::block::Completion;
use ebb_ring::{Broken, Consumer, Producer};

/// The client.
#[derive(Debug)]
pub struct Client<'a> {
    submissions: Consumer<'a>,
    completions: Producer<'a>,
    begun: Option<Gathered>,
    /// Completions that the ring had no room for.
    held: VecDeque<Completion>,
    /// Requests of it that are under way.
    pub(crate) under_way: usize,
    /// Nothing more is taken from it.
    pub(crate) detaching: bool,
    /// Its rings are not used any more.
    pub(crate) broken: bool,
    /// Completions were written since the last doorbell.
    told: bool,
}

impl<'a> Client<'a> {
    /// A client over a segment: submissions in its first half, completions in its second. The segment is cleared: what an earlier
    /// owner of it had submitted or was owed is nobody's any more. `None`: it is too small.
    pub fn new(cells: &'a [AtomicU64], most: usize) -> Option<Client<'a>> {
        for cell in cells {
            cell.store(0, Ordering::Release);
        }
        let (submissions, completions) = cells.split_at(cells.len() / 2);
        Some(Client {
            submissions: Consumer::new(submissions)?,
            completions: Producer::new(completions)?,
            begun: None,
            held: VecDeque::with_capacity(most),
            under_way: 0,
            detaching: false,
            broken: false,
            told: false,
        })
    }

    /// Takes the next whole request; entries of one that is not whole yet are kept.
    pub(crate) fn next(&mut self) -> Option<Gathered> {
        while !self.detaching && !self.broken {
            match self.submissions.pop() {
                Ok(Some(entry)) => {
                    if let Some(request) = gather::push(&mut self.begun, &entry) {
                        return Some(request);
                    }
                }
                Ok(None) => return None,
                Err(Broken) => self.broken = true,
            }
        }
        None
    }

    /// Tells it how a request ended; what does not fit is held.
    pub(crate) fn complete(&mut self, completion: Completion) {
        self.held.push_back(completion);
        self.push_held();
    }

    /// Writes held completions while there is room.
    pub(crate) fn push_held(&mut self) {
        while !self.broken
            && let Some(completion) = self.held.front()
        {
            match self.completions.push(&completion.pack()) {
                Ok(true) => {
                    self.held.pop_front();
                    self.told = true;
                }
                Ok(false) => return,
                Err(Broken) => self.broken = true,
            }
        }
        if self.broken {
            self.held.clear();
        }
    }

    /// Completions that it is owed.
    pub(crate) fn owed(&self) -> usize {
        self.under_way + self.held.len()
    }

    /// Whether completions are held back.
    pub(crate) fn is_held_up(&self) -> bool {
        !self.held.is_empty()
    }

    /// Whether it waits for a doorbell now.
    pub(crate) fn must_ring(&mut self) -> bool {
        core::mem::replace(&mut self.told, false) && self.completions.must_ring()
    }

    /// Asks for a doorbell at its next submission; `false`: there is one already.
    pub(crate) fn sleep(&self) -> bool {
        self.detaching || self.broken || self.submissions.sleep()
    }
}
