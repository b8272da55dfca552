// SPDX-License-Identifier: BSD-2-Clause
//! What programs may have, each by itself and groups together. Mappings beyond a limit are refused here ([`crate::charge`]). For resident pages (`RLIMIT_RSS`) `vm` keeps the limits and notices
//! that one is crossed; what is done about it is the daemon's ([`crate::trim`]).
//!
//! The kernel counts each task's mappings as they come and go, so nobody ever walks a space to know its size. A fault of a program with a limit costs an addition: what was
//! mapped at the last look and what was entered since is never less than what is mapped. Only when that passes the limit the kernel is asked for the truth.

use crate::charge::Charges;
use crate::machine::Machine;
use crate::space::Spaces;
use crate::vm::Vm;
use alloc::vec::Vec;
use ebb_abi::Handle;
use ebb_abi::thread::TaskOp;
use ebb_proto::Error;
use ebb_proto::vm::{Bounds, INIT, Limited, LimitedGroup, NO_LIMIT, OVER_BIT, SWAP_OUT_SHIFT, Space};
use ebb_rt::client::from_sys;

/// Groups that there may be: they take `vm`'s own memory.
const MAX_GROUPS: usize = 64;
/// Elements of one answer.
const AT_ONCE: usize = 32;

/// Watches a count that is known now and then.
#[derive(Clone, Copy, Debug)]
struct Watch {
    limit: u64,
    /// At the last look.
    known: u64,
    /// Since.
    entered: u64,
    /// Above this somebody has to look.
    tell_at: u64,
    /// The daemon has not been told yet that the limit was crossed, or has not asked.
    over: bool,
}

impl Watch {
    const fn new(limit: u64) -> Watch {
        Watch { limit, known: 0, entered: 0, tell_at: limit, over: false }
    }

    fn most(&self) -> u64 {
        self.known.saturating_add(self.entered)
    }

    /// The count was looked at.
    fn look(&mut self, now: u64) {
        (self.known, self.entered) = (now, 0);
    }

    /// The count was looked at when trimming was over. One that cannot come below its limit (wired pages) is told of again when it has grown by a sixteenth, not at each fault.
    fn rest(&mut self, now: u64) {
        self.look(now);
        let slack = (self.limit / 16).max(1);
        self.tell_at = if now <= self.limit { self.limit } else { now.saturating_add(slack) };
    }
}

/// What a space may have.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    watch: Watch,
    /// What its mappings may come to.
    bounds: Bounds,
    group: u32,
    /// Spared when memory is exhausted.
    pub spared: bool,
    /// Where trimming stopped.
    pub hand: crate::trim::Hand,
}

impl Default for Limit {
    fn default() -> Limit {
        let (watch, hand) = (Watch::new(NO_LIMIT), crate::trim::Hand::default());
        Limit { watch, bounds: Bounds::NONE, group: 0, spared: false, hand }
    }
}

impl Limit {
    /// A fault is about to enter a page. Whether somebody has to look.
    #[inline]
    pub fn entered(&mut self) -> bool {
        if self.watch.limit == NO_LIMIT && self.group == 0 {
            return false;
        }
        self.watch.entered += 1;
        self.group != 0 || self.watch.most() > self.watch.tell_at
    }
}

struct Group {
    number: u32,
    watch: Watch,
}

/// Who enforces limits, and the groups, by number.
pub struct Limits {
    allowed: Space,
    daemon: Space,
    notification: Handle,
    groups: Vec<Group>,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { allowed: 0, daemon: 0, notification: Handle::NONE, groups: Vec::new() }
    }
}

impl Limits {
    fn group(&mut self, number: u32) -> Option<&mut Group> {
        self.groups.iter_mut().find(|g| g.number == number)
    }

    /// Spaces that are in a group that does not exist, and servers with limits: for the audit.
    pub(crate) fn wrong(&self, spaces: &Spaces) -> Vec<Space> {
        let known = |group| group == 0 || self.groups.iter().any(|g| g.number == group);
        let limited = |l: &Limit| l.bounds != Bounds::NONE || l.group != 0 || l.spared;
        let wrong = |s: &&crate::space::Space| !known(s.limit.group) || (s.protected && limited(&s.limit));
        spaces.iter().filter(wrong).map(|s| s.id).collect()
    }
}

impl<M: Machine> Vm<M> {
    /// Lets a space attach as the daemon.
    pub fn daemon_allow(&mut self, space: Space) -> Result<(), Error> {
        self.spaces.get(space).ok_or(Error::NotFound)?;
        self.limits.allowed = space;
        Ok(())
    }

    /// Attaches the daemon.
    pub fn daemon_attach(&mut self, caller: Space, notification: Handle) -> Result<(), Error> {
        if caller != self.limits.allowed {
            return Err(Error::NotPermitted);
        }
        if notification == Handle::NONE {
            return Err(Error::Invalid);
        }
        self.daemon_detach();
        self.limits.daemon = caller;
        self.limits.notification = notification;
        Ok(())
    }

    fn daemon_detach(&mut self) {
        if core::mem::take(&mut self.limits.daemon) != 0 {
            let notification = core::mem::replace(&mut self.limits.notification, Handle::NONE);
            self.m.handle_close(notification);
        }
    }

    /// A space is gone.
    pub(crate) fn limits_forget(&mut self, space: Space) {
        if self.limits.allowed == space {
            self.limits.allowed = 0;
        }
        if self.limits.daemon == space {
            self.daemon_detach();
        }
    }

    /// Whether this is the daemon.
    pub(crate) fn only_daemon(&self, caller: Space) -> Result<(), Error> {
        if caller == self.limits.daemon && caller != 0 { Ok(()) } else { Err(Error::NotPermitted) }
    }

    /// Whether this may set limits.
    pub(crate) fn may_limit(&self, caller: Space) -> Result<(), Error> {
        if caller == INIT { Ok(()) } else { self.only_daemon(caller) }
    }

    /// Whether this may limit a space: its manager may too.
    pub(crate) fn may_limit_space(&self, caller: Space, space: Space) -> Result<(), Error> {
        self.may_limit(caller).or_else(|_| self.managed(caller, space).map(|_| ()))
    }

    /// Pages that a space has mapped.
    pub fn mapped(&mut self, space: Space) -> Result<u64, Error> {
        let task = self.spaces.get(space).ok_or(Error::NotFound)?.task;
        let (resident, _, _) = self.m.task_control(task, TaskOp::Info, 0, 0).map_err(from_sys)?;
        Ok(resident)
    }

    fn program(&mut self, space: Space) -> Result<&mut Limit, Error> {
        match self.spaces.get_mut(space) {
            None => Err(Error::NotFound),
            Some(s) if s.protected => Err(Error::NotPermitted),
            Some(s) => Ok(&mut s.limit),
        }
    }

    /// Limits a space.
    pub fn limits_set(&mut self, space: Space, bounds: Bounds) -> Result<(), Error> {
        let pages = bounds.resident;
        let limit = self.program(space)?;
        limit.bounds = bounds;
        if limit.watch.limit == pages {
            return Ok(());
        }
        limit.watch = Watch::new(pages);
        let mapped = self.mapped(space)?;
        let watch = &mut self.program(space)?.watch;
        watch.look(mapped);
        if mapped > pages {
            watch.over = true;
            watch.tell_at = u64::MAX;
            self.tell_daemon();
        }
        Ok(())
    }

    /// Whether a space may have more mappings. `NoMemory`: not so many.
    pub(crate) fn may_charge(&self, space: Space, more: Charges) -> Result<(), Error> {
        let space = self.spaces.get(space).ok_or(Error::NotFound)?;
        let may = space.map.charges().may_grow(more, &space.limit.bounds);
        if may { Ok(()) } else { Err(Error::NoMemory) }
    }

    /// What a space has of what can be limited.
    pub fn usage(&mut self, id: Space) -> Result<Bounds, Error> {
        let resident = self.mapped(id)?;
        let Charges { mapped, data, swap } = self.spaces.get(id).ok_or(Error::NotFound)?.map.charges();
        Ok(Bounds { resident, mapped, data, swap })
    }

    /// A child has its parent's limits and is in its group. Nobody spares it yet.
    pub(crate) fn limit_inherit(&mut self, parent: Space, child: Space) {
        let Some(limit) = self.spaces.get(parent).map(|s| s.limit) else { return };
        if let Some(space) = self.spaces.get_mut(child) {
            let Limit { bounds, group, .. } = limit;
            space.limit = Limit { watch: Watch::new(bounds.resident), bounds, group, ..Limit::default() };
        }
    }

    /// Spares a program when memory is exhausted, or no longer.
    pub fn spare(&mut self, space: Space, spare: bool) -> Result<(), Error> {
        self.program(space)?.spared = spare;
        Ok(())
    }

    /// Limits a group.
    pub fn group_set(&mut self, number: u32, pages: u64) -> Result<(), Error> {
        if number == 0 {
            return Err(Error::Invalid);
        }
        if pages == NO_LIMIT {
            self.limits.groups.retain(|g| g.number != number);
            self.spaces.each(|s| {
                if s.limit.group == number {
                    s.limit.group = 0;
                }
            });
            return Ok(());
        }
        let watch = Watch::new(pages);
        let full = self.limits.groups.len() >= MAX_GROUPS;
        match self.limits.group(number) {
            Some(group) => group.watch = watch,
            None if full => return Err(Error::NoMemory),
            None => self.limits.groups.push(Group { number, watch }),
        }
        self.group_look(number, 0);
        Ok(())
    }

    /// Puts a space into a group.
    pub fn group_join(&mut self, space: Space, group: u32) -> Result<(), Error> {
        if group != 0 && self.limits.group(group).is_none() {
            return Err(Error::NotFound);
        }
        self.program(space)?.group = group;
        self.group_look(group, 0);
        Ok(())
    }

    /// Pages that a group's members have mapped, and how many they are.
    fn group_mapped(&mut self, number: u32) -> (u64, u32) {
        let (m, mut resident, mut members) = (&mut self.m, 0, 0);
        for space in self.spaces.iter().filter(|s| s.limit.group == number) {
            // A task that does not answer is being taken apart, and holds nothing for long.
            resident += m.task_control(space.task, TaskOp::Info, 0, 0).map_or(0, |(r, _, _)| r);
            members += 1;
        }
        (resident, members)
    }

    /// Looks at a group of which `more` pages are about to be entered; tells the daemon if it is over its limit.
    fn group_look(&mut self, number: u32, more: u64) {
        let resident = self.group_mapped(number).0 + more;
        let Some(group) = self.limits.group(number) else { return };
        group.watch.look(resident);
        if resident > group.watch.tell_at {
            group.watch.over = true;
            group.watch.tell_at = u64::MAX;
            self.tell_daemon();
        }
    }

    /// A fault of a limited program is about to enter a page, and perhaps one too many.
    #[inline(never)]
    pub(crate) fn limit_crossed(&mut self, id: Space) {
        let Some(limit) = self.spaces.get(id).map(|s| s.limit) else { return };
        if limit.watch.most() > limit.watch.tell_at
            && let Ok(mapped) = self.mapped(id)
            && let Some(space) = self.spaces.get_mut(id)
        {
            let watch = &mut space.limit.watch;
            watch.look(mapped + 1);
            if mapped + 1 > watch.tell_at {
                watch.over = true;
                watch.tell_at = u64::MAX;
                self.tell_daemon();
            }
        }
        if let Some(group) = self.limits.group(limit.group) {
            group.watch.entered += 1;
            if group.watch.most() > group.watch.tell_at {
                self.group_look(limit.group, 1);
            }
        }
    }

    fn tell_daemon(&mut self) {
        let notification = self.limits.notification;
        if notification != Handle::NONE {
            self.m.signal(notification, OVER_BIT);
        }
    }

    /// The policy wants whole processes swapped out.
    pub(crate) fn swap_out_wanted(&mut self, bits: u8) {
        let notification = self.limits.notification;
        if notification != Handle::NONE {
            self.m.signal(notification, u64::from(bits & 3) << SWAP_OUT_SHIFT);
        }
    }

    /// Who crossed a limit since this was last asked, and whether a group did.
    pub fn limits_over(&mut self) -> (Vec<Limited>, bool) {
        let mut ids = Vec::new();
        let mut more = false;
        self.spaces.each(|s| {
            if s.limit.watch.over && ids.len() < AT_ONCE {
                s.limit.watch.over = false;
                ids.push(s.id);
            }
            more |= s.limit.watch.over;
        });
        let mut any = false;
        for group in &mut self.limits.groups {
            any |= core::mem::take(&mut group.watch.over);
        }
        if more {
            self.tell_daemon();
        }
        (ids.into_iter().filter_map(|id| self.limited(id)).collect(), any)
    }

    /// A piece of trimming is done.
    pub(crate) fn limit_rest(&mut self, id: Space, mapped: u64) {
        if let Some(space) = self.spaces.get_mut(id) {
            space.limit.watch.rest(mapped);
        }
    }

    /// Programs from a number on.
    pub fn limit_list(&mut self, from: Space) -> Vec<Limited> {
        let mut ids: Vec<Space> =
            self.spaces.iter().filter(|s| !s.protected && s.id >= from).map(|s| s.id).collect();
        ids.sort_unstable();
        ids.truncate(AT_ONCE);
        ids.into_iter().filter_map(|id| self.limited(id)).collect()
    }

    fn limited(&mut self, id: Space) -> Option<Limited> {
        let resident = self.mapped(id).ok()?;
        let space = self.spaces.get(id)?;
        let limit = &space.limit;
        Some(Limited {
            space: id,
            name: space.name.clone(),
            resident,
            limit: limit.watch.limit,
            group: limit.group,
            spared: limit.spared,
            out: space.parked.is_some(),
        })
    }

    /// Groups from a number on. If the daemon asks, its work on them is done.
    pub fn group_list(&mut self, caller: Space, from: u32) -> Vec<LimitedGroup> {
        let mut numbers: Vec<u32> =
            self.limits.groups.iter().map(|g| g.number).filter(|n| *n >= from).collect();
        numbers.sort_unstable();
        numbers.truncate(AT_ONCE);
        let done = self.only_daemon(caller).is_ok();
        let mut list = Vec::with_capacity(numbers.len());
        for group in numbers {
            let (resident, members) = self.group_mapped(group);
            let Some(g) = self.limits.group(group) else { continue };
            if done {
                g.watch.rest(resident);
            }
            list.push(LimitedGroup { group, resident, limit: g.watch.limit, members });
        }
        list
    }
}
