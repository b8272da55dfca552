// SPDX-License-Identifier: BSD-2-Clause
//! Which space has which end of a pipe how often.

use crate::limits::HOLDERS;
use alloc::vec::Vec;
use ebb_proto::Error;
use ebb_proto::pipe::End;
use ebb_proto::vm::Space;

#[derive(Debug)]
struct Holder {
    space: Space,
    /// Ends to read from, to write to. Never both 0.
    counts: [u32; 2],
}

/// The holders of one pipe's ends.
#[derive(Debug, Default)]
pub struct Ends {
    holders: Vec<Holder>,
}

fn place(end: End) -> usize {
    match end {
        End::Read => 0,
        End::Write => 1,
    }
}

impl Ends {
    /// Spaces that have an end.
    pub fn holders(&self) -> usize {
        self.holders.len()
    }

    /// Whether a space has an end.
    pub fn has(&self, space: Space, end: End) -> bool {
        self.holders.iter().any(|h| h.space == space && h.counts[place(end)] > 0)
    }

    /// Whether anybody has it.
    pub fn open(&self, end: End) -> bool {
        self.holders.iter().any(|h| h.counts[place(end)] > 0)
    }

    /// Whether a space has anything of the pipe.
    pub fn knows(&self, space: Space) -> bool {
        self.holders.iter().any(|h| h.space == space)
    }

    /// One more. `NoMemory`: too many spaces have one, or one has too many.
    pub fn add(&mut self, space: Space, end: End) -> Result<(), Error> {
        if let Some(holder) = self.holders.iter_mut().find(|h| h.space == space) {
            let count = &mut holder.counts[place(end)];
            *count = count.checked_add(1).ok_or(Error::NoMemory)?;
            return Ok(());
        }
        if self.holders.len() >= HOLDERS {
            return Err(Error::NoMemory);
        }
        let mut counts = [0; 2];
        counts[place(end)] = 1;
        self.holders.push(Holder { space, counts });
        Ok(())
    }

    /// One less. `BadFile`: the space has none.
    pub fn remove(&mut self, space: Space, end: End) -> Result<(), Error> {
        let at = self.holders.iter().position(|h| h.space == space).ok_or(Error::BadFile)?;
        let holder = self.holders.get_mut(at).ok_or(Error::BadFile)?;
        let count = &mut holder.counts[place(end)];
        *count = count.checked_sub(1).ok_or(Error::BadFile)?;
        if holder.counts == [0, 0] {
            self.holders.swap_remove(at);
        }
        Ok(())
    }

    /// Gives one space what another has. `NoMemory` as above; then nothing was given.
    pub fn inherit(&mut self, from: Space, to: Space) -> Result<(), Error> {
        let Some(counts) = self.holders.iter().find(|h| h.space == from).map(|h| h.counts) else {
            return Ok(());
        };
        if self.holders.len() >= HOLDERS || self.knows(to) {
            return Err(Error::NoMemory);
        }
        self.holders.push(Holder { space: to, counts });
        Ok(())
    }

    /// All that a space has.
    pub fn remove_all(&mut self, space: Space) {
        self.holders.retain(|h| h.space != space);
    }
}
