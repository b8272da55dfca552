// SPDX-License-Identifier: BSD-2-Clause
//! Memory is exhausted: one program is ended (`vm_pageout_oom`).
//!
//! Charged is what would really be freed: resident pages and copies in swap (W11, W12: no lock, nothing allocated); of memory that it has together with others since a `fork`, a program
//! is charged its part. Servers and who is spared are never chosen. The memory is back when this returns, but for pages whose I/O is under way; until those are back nobody else is ended (W15).

use crate::channel::Channel;
use crate::machine::Machine;
use crate::map::{Backing, Region};
use crate::page::{Flags, Place};
use crate::space::Space;
use crate::vm::Vm;
use ebb_abi::meter::Counter;
use ebb_policy::OomReason;
use ebb_policy::victim::{self, Candidate};
use ebb_proto::vm::{Happening, lacking};

/// Parts of a page in which shared memory is charged.
const PARTS: u64 = 1 << 12;
/// How long a pager that is gone is waited for before memory counts as exhausted without it. Guessed: a restart takes a hundredth of it.
const PAGER_AWAY_MS: u64 = 10_000;
/// How long one that is back is given to write something: who asks for a victim counts from when nothing could be written. Guessed: a write takes a hundredth of it.
const PAGER_BACK_MS: u64 = 1_000;
/// How long a victim's last pages are waited for. Guessed: a write takes a thousandth of it.
const VICTIM_MS: u64 = 5_000;

impl<M: Machine> Vm<M> {
    /// Whether ending a program can be the answer: somebody waits for a page, and it is not that a pager is being started again or just was, nor that the last victim's pages are to come yet.
    pub fn is_exhausted(&self) -> bool {
        let now = self.m.now();
        let (away, back) = (PAGER_AWAY_MS * self.cycles_per_ms, PAGER_BACK_MS * self.cycles_per_ms);
        let comes = |ch: &Channel| ch.is_awaited(now, away) || ch.is_back(now, back);
        let swap_comes = !self.pager.devices.is_empty() && comes(&self.pager.ch);
        let pager_comes = swap_comes || comes(&self.vnode.ch);
        self.waiting.for_memory() > 0 && !pager_comes && self.victim_is_gone(now)
    }

    /// Whether a policy that says that nothing can be reclaimed may be right: swap is full, or writing to it fails, or there is no page that could go. One look at all
    /// frames: asked only when the rest speaks for it.
    pub(crate) fn is_reclaim_hopeless(&self) -> bool {
        let could_go = |frame| {
            let page = self.frames.page(frame);
            page.place == Place::Object
                && page.wired == 0
                && page.flags.intersects(Flags::QUEUED)
                && !page.flags.intersects(Flags::BUSY)
        };
        self.free_slots() == 0 || self.pager.fails || !(0..self.frames.nr_frames()).any(could_go)
    }

    /// Whether the memory of the last victim is back, or has not come for too long.
    fn victim_is_gone(&self, now: u64) -> bool {
        let held = self.objects.iter().filter(|(_, o)| o.dead).map(|(_, o)| o.busy as u64).sum();
        victim::may_choose(held, self.oom_since, now, VICTIM_MS * self.cycles_per_ms)
    }

    /// What a program would give back.
    fn candidate(&self, space: &Space) -> Candidate {
        let mut parts = (0, 0);
        // Segments and modules would not come back, and pages of files can be had without ending anybody.
        let anonymous = |r: &&Region| match r.backing {
            Backing::Object { object, .. } => self.objects.get(object).is_some_and(|o| o.file().is_none()),
            _ => false,
        };
        for region in space.map.iter().filter(anonymous) {
            let charged = self.charge(region);
            parts = (parts.0 + charged.0, parts.1 + charged.1);
        }
        let (resident, swapped) = (parts.0.div_ceil(PARTS), parts.1.div_ceil(PARTS));
        let protected = space.protected || space.limit.spared;
        // None is passing: a space is taken apart in one step, and one that is being made has its memory already.
        Candidate { id: space.id, protected, passing: false, resident, swapped }
    }

    /// Ends the program that holds most. With none to end nothing happens but a line in the log.
    pub fn out_of_memory(&mut self, reason: OomReason) {
        let chosen = victim::choose(reason, self.spaces.iter().map(|s| self.candidate(s)));
        self.oom_report(reason);
        let what = lacking(reason as u8);
        let name = chosen.and_then(|c| self.spaces.get(c.id)).map(|s| s.name.clone());
        let (Some(c), Some(name)) = (chosen, name) else {
            self.m.log(format_args!("out of {what}: no program to end"));
            return;
        };
        if self.tunables.panic_on_oom {
            self.m.log(format_args!(
                "out of {what}: {name} ({}) would be ended, but vm.panic_on_oom is set",
                c.id
            ));
            self.m.stop();
            return;
        }
        let (free, minimum, _, slots) = self.levels();
        self.m.log(format_args!(
            "out of {what}: ending {name} ({}), which holds {} resident and {} swapped pages",
            c.id, c.resident, c.swapped
        ));
        self.frames.meter.add(Counter::v_oom_kills, 1);
        self.oom_since = self.m.now();
        let manager = self.spaces.get(c.id).map_or(ebb_proto::vm::INIT, |s| s.manager);
        if let Err(error) = self.space_free(c.id) {
            self.m.log(format_args!("ending {name} ({}): {error}", c.id));
        }
        self.tell_manager(
            manager,
            Happening::OutOfMemory {
                reason: reason as u8,
                space: c.id,
                name,
                held: (c.resident, c.swapped),
                state: (free, minimum, slots),
            },
        );
    }

    /// What a region holds, resident and in swap, in parts of pages: of each object in its chain as much as falls to one of those who refer to it.
    fn charge(&self, region: &Region) -> (u64, u64) {
        let (mut at, mut among, mut charged) = (*region, 1, (0, 0));
        while let Backing::Object { object, offset } = at.backing
            && let Some(o) = self.objects.get(object).filter(|o| o.file().is_none())
        {
            let held = self.held_by(&at);
            among *= (o.holders.count as u64 + o.shadows.count as u64).max(1);
            charged.0 += held.resident * PARTS / among;
            charged.1 += held.swapped * PARTS / among;
            let Some((below, first)) = o.behind().filter(|_| among < PARTS) else { break };
            at.backing = Backing::Object { object: below, offset: first + offset };
        }
        charged
    }

    /// Free pages, their minimum, slots of swap, and free ones of these.
    fn levels(&self) -> (u64, u64, u64, u64) {
        let total: u64 = self.pager.devices.iter().filter(|d| d.active).map(|d| d.slots).sum();
        let used: u64 = self.objects.iter().map(|(_, o)| o.in_swap() as u64).sum();
        let gate = &self.frames.gate;
        (gate.free_count() as u64, gate.thresholds().free_min as u64, total, total.saturating_sub(used))
    }

    /// What there was and who had it.
    fn oom_report(&mut self, reason: OomReason) {
        let (free, _, total, slots) = self.levels();
        let thresholds = *self.frames.gate.thresholds();
        self.m.log(format_args!(
            "out of {}: {free} pages free, {} waiting, {} being written, {} wired, {slots} of {total} slots of swap free; {thresholds:?}",
            lacking(reason as u8),
            self.waiting.for_memory(),
            self.writing(),
            self.frames.gate.wire_count(),
        ));
        for space in self.spaces.iter() {
            let c = self.candidate(space);
            let kept = match c.protected {
                true if space.protected => ", a server",
                true => ", spared",
                false => "",
            };
            self.m.log(format_args!(
                "  {} ({}): {} resident, {} swapped, {} of the kernel{kept}",
                space.name, c.id, c.resident, c.swapped, space.kernel_frames
            ));
        }
    }
}
