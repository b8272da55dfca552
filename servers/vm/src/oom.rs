// SPDX-License-Identifier: BSD-2-Clause
//! Memory is exhausted: one program is ended (`vm_pageout_oom`).
//!
//! Charged is what would really be freed: resident pages and copies in swap (W11, W12: no lock, nothing allocated); of memory that it has together with others since a `fork`, a program is
//! charged its part. Servers are never chosen. The memory is back when this returns, but for pages whose I/O is under way.

use crate::machine::Machine;
use crate::map::{Backing, Region};
use crate::vm::Vm;
use alloc::string::String;
use ebb_abi::meter::Counter;
use ebb_proto::vm::Happening;

/// Parts of a page in which shared memory is charged.
const PARTS: u64 = 1 << 12;
/// How long a pager that is gone is waited for before memory counts as exhausted without it. Guessed: a restart takes a hundredth of it.
const PAGER_AWAY_MS: u64 = 10_000;

impl<M: Machine> Vm<M> {
    /// Whether ending a program can be the answer: somebody waits for a page, and it is not that the pager is being started again.
    pub fn is_exhausted(&self) -> bool {
        let (now, patience) = (self.m.now(), PAGER_AWAY_MS * self.cycles_per_ms);
        let swap_comes = !self.pager.devices.is_empty() && self.pager.ch.is_awaited(now, patience);
        let pager_comes = swap_comes || self.vnode.ch.is_awaited(now, patience);
        self.waiting.for_memory() > 0 && !pager_comes
    }

    /// Ends the program that holds most. With none to end nothing happens but a line in the log.
    pub fn out_of_memory(&mut self) {
        let mut victim = None;
        let mut most = 0;
        for space in self.spaces.iter().filter(|s| !s.protected) {
            let mut parts = (0, 0);
            // Segments and modules would not come back, and pages of files can be had without ending anybody.
            let anonymous = |r: &&Region| match r.backing {
                Backing::Object { object, .. } => {
                    self.objects.get(object).is_some_and(|o| o.file().is_none())
                }
                _ => false,
            };
            for region in space.map.iter().filter(anonymous) {
                let charged = self.charge(region);
                parts = (parts.0 + charged.0, parts.1 + charged.1);
            }
            if parts.0 + parts.1 > most {
                most = parts.0 + parts.1;
                let held = (parts.0.div_ceil(PARTS), parts.1.div_ceil(PARTS));
                victim = Some((space.id, space.name.clone(), held));
            }
        }
        let free = self.frames.gate.free_count() as u64;
        let minimum = self.frames.gate.thresholds().free_min as u64;
        let total: u64 = self.pager.devices.iter().filter(|d| d.active).map(|d| d.slots).sum();
        let used = self.objects.iter().map(|(_, o)| o.in_swap() as u64).sum();
        let Some((id, name, held)) = victim else {
            self.m.log(format_args!("out of memory, and no program to end: {free} pages free"));
            return;
        };
        self.m.log(format_args!(
            "out of memory: ending {name} ({id}), which holds {} resident and {} swapped pages; free {free}, minimum {minimum}, swap {used} of {total} used, {} waiting",
            held.0, held.1, self.waiting.for_memory()
        ));
        self.frames.meter.add(Counter::v_oom_kills, 1);
        let manager = self.spaces.get(id).map_or(ebb_proto::vm::INIT, |s| s.manager);
        // Its manager hears of it whatever the end of the task brings.
        let _ = self.space_free(id);
        self.tell_manager(
            manager,
            Happening::OutOfMemory {
                space: id,
                name: String::from(name.as_str()),
                held,
                state: (free, minimum, total.saturating_sub(used)),
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
}
