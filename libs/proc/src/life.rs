// SPDX-License-Identifier: BSD-2-Clause
//! From the start of a process to its end.
//!
//! | step | store that counts | until then |
//! |---|---|---|
//! | [`Table::begin`] | the head: `Making` | nothing |
//! | [`Table::made`] | number and space | the space is nobody's; `vm` takes it back with who made it |
//! | [`Table::started`] | the head: `Running` | [`Table::repair`] has it undone |
//! | [`Table::end`] | the head: `Ended`, with the status | it runs |
//! | [`Table::cleared`] | the space: none | [`Table::repair`] has the space freed |
//! | [`Table::forget`] | the head: `Free` | its parent can ask |

use crate::limits::Limits;
use crate::record::*;
use crate::table::{Slot, Table};
use crate::words::Words;
use ebb_proto::Error;
use ebb_proto::proc::{Ended, Group, Pid, Resource};
use ebb_proto::vm::Space;

/// Ended children that are remembered of one parent. One that never asks loses the oldest: memory is bounded.
pub const MAX_ENDED_OF_ONE: usize = 256;

/// What a new process is.
pub struct New<'a> {
    /// Its name; what is longer than [`MAX_NAME`] bytes is cut off.
    pub name: &'a str,
    /// Who starts it; `None`: nobody, it is the first.
    pub parent: Option<Slot>,
    /// Its group.
    pub group: Group,
    /// The boot module that is started.
    pub image: u16,
    /// The limits of one that inherits none.
    pub initial: Limits,
    /// The thread that it will be, if it shares its parent's space; 0: it gets one of its own.
    pub thread: u8,
}

impl<W: Words> Table<W> {
    /// Makes a record for a new process, which inherits what its parent has. `Busy`: its parent may not start another one, or there are too many; `NotFound`: no such group.
    pub fn begin(&mut self, new: &New<'_>) -> Result<Slot, Error> {
        let limits = new.parent.map_or(new.initial, |p| self.limits(p));
        if self.population() as u64 >= limits[Resource::Processes as usize].soft {
            return Err(Error::Busy);
        }
        let group = match (new.group, new.parent) {
            (Group::Inherited, Some(parent)) => self.group(parent),
            // What its number will be is not known yet.
            (Group::Inherited, None) | (Group::Own, _) => 0,
            (Group::Of(group), _) => self.known_group(new.parent, group)?,
        };
        let slot = match self.vacant() {
            Some(slot) => slot,
            None => {
                let oldest = self.oldest_ended(|_| true).ok_or(Error::Busy)?;
                self.forget(oldest);
                oldest
            }
        };
        let (nice, ignored) = new.parent.map_or((0, 0), |p| (self.nice(p), self.get(p, IGNORED)));
        let parent = new.parent.map_or(0, |p| self.pid(p));
        self.put(slot, IDS, 0);
        self.put(slot, FAMILY, pair(parent, group));
        self.put(slot, IGNORED, ignored);
        self.put(slot, WHEN, 0);
        put_text(&mut self.words, Self::at(slot, NAME), LIMITS - NAME, new.name);
        for (n, limit) in limits.iter().enumerate() {
            self.put(slot, LIMITS + 2 * n, limit.soft);
            self.put(slot, LIMITS + 2 * n + 1, limit.hard);
        }
        self.set_head(
            slot,
            Head { kind: Kind::Making, nice, image: new.image, thread: new.thread, ..Head::FREE },
        );
        Ok(slot)
    }

    /// The space of a new process is there; it is its number too.
    pub fn made(&mut self, slot: Slot, space: Space) {
        self.made_in(slot, space, space);
    }

    /// A new process has a number and shares a space.
    pub fn made_in(&mut self, slot: Slot, pid: Pid, space: Space) {
        if self.group(slot) == 0 {
            self.put(slot, FAMILY, pair(self.parent(slot), pid));
        }
        self.set_ids(slot, pid, space);
    }

    /// It runs.
    pub fn started(&mut self, slot: Slot) {
        self.change(slot, |head| head.kind = Kind::Running);
    }

    /// It has another space from now on, and another program in it.
    pub fn replaced(&mut self, slot: Slot, space: Space, name: &str, image: u16) {
        self.set_ids(slot, self.pid(slot), space);
        put_text(&mut self.words, Self::at(slot, NAME), LIMITS - NAME, name);
        self.change(slot, |head| {
            head.image = image;
            head.notes &= !note::WATCHES;
        });
    }

    /// It could not be started.
    pub fn abandon(&mut self, slot: Slot) {
        self.free(slot);
    }

    /// It has ended; its space is still to be freed ([`Table::cleared`]). Its children are nobody's from now on. Returns whether its parent is there to ask.
    pub fn end(&mut self, slot: Slot, ended: &Ended) -> bool {
        put_text(&mut self.words, Self::at(slot, REASON), WORDS - REASON, &ended.reason);
        let when = self.next_sequence();
        self.put(slot, WHEN, when);
        self.change(slot, |head| {
            head.kind = Kind::Ended;
            head.status = ended.status;
            head.notes = 0;
        });
        self.orphan(self.pid(slot));
        self.alive(self.parent(slot)).is_some()
    }

    /// The space of one that has ended is freed. Where nobody will ask, it is forgotten.
    pub fn cleared(&mut self, slot: Slot) {
        let parent = self.parent(slot);
        if self.alive(parent).is_none() {
            return self.free(slot);
        }
        self.set_ids(slot, self.pid(slot), 0);
        let of_one = |table: &Self, s: Slot| table.parent(s) == parent;
        let count = self.slots().filter(|s| self.head(*s).kind == Kind::Ended && of_one(self, *s)).count();
        if count > MAX_ENDED_OF_ONE
            && let Some(oldest) = self.oldest_ended(|s| of_one(self, s))
        {
            self.forget(oldest);
        }
    }

    /// How one has ended.
    pub fn ended(&self, slot: Slot) -> Option<Ended> {
        let head = self.head(slot);
        let reason = get_text(&self.words, Self::at(slot, REASON), WORDS - REASON);
        (head.kind == Kind::Ended).then_some(Ended { status: head.status, reason })
    }

    /// Its parent knows how it ended, or will never ask.
    pub fn forget(&mut self, slot: Slot) {
        self.free(slot);
    }

    /// The one that ended first, of those whose space is freed.
    fn oldest_ended(&self, which: impl Fn(Slot) -> bool) -> Option<Slot> {
        let ended = |s: &Slot| self.head(*s).kind == Kind::Ended && self.space(*s) == 0 && which(*s);
        self.slots().filter(ended).min_by_key(|s| self.get(*s, WHEN))
    }

    /// A process has ended: its children are nobody's, and those of them that have ended too are forgotten.
    pub(crate) fn orphan(&mut self, pid: Pid) {
        for slot in self.slots() {
            let head = self.head(slot);
            if head.kind == Kind::Free || self.parent(slot) != pid {
                continue;
            }
            if head.kind == Kind::Ended && self.space(slot) == 0 {
                self.free(slot);
            } else {
                self.put(slot, FAMILY, pair(0, self.group(slot)));
            }
        }
    }
}
