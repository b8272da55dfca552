// SPDX-License-Identifier: BSD-2-Clause
//! Swapping out (`uvm_swapout_threads`): every process that has slept long; if there is none and memory is very short, one more: by sleep time, then by residence.

use crate::machine::Machine;
use crate::swapper::Swapper;
use crate::thread::{Place, Process, State, ThreadId};
use alloc::vec::Vec;

/// What a process is to the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// A thread of it may not go out, or it came in too short a time ago.
    Stays,
    /// All its threads wait, the last one for so many seconds.
    Asleep(u32),
    /// Some could run; it has been in for so many seconds.
    Runnable(u32),
}

impl Swapper {
    /// What a process is to the policy.
    #[must_use]
    pub fn standing(&self, process: Process) -> Standing {
        let (mut slept, mut resident, mut asleep, mut any) = (u32::MAX, u32::MAX, true, false);
        for (_, t) in self.of(process) {
            // A thread that is out already went before its process did: another swapper's half work, and no reason to stay.
            if t.place == Place::Out {
                continue;
            }
            if !t.is_swappable() {
                return Standing::Stays;
            }
            any = true;
            resident = resident.min(t.swap_time);
            asleep &= t.is_asleep();
            if t.is_asleep() {
                slept = slept.min(t.sleep_time);
            }
        }
        if !any || resident < self.tunables.min_residence_s() {
            Standing::Stays
        } else if asleep {
            Standing::Asleep(slept)
        } else {
            Standing::Runnable(resident)
        }
    }

    /// One pass; called when memory is short. Returns how many processes went out.
    pub fn swap_out(&mut self, m: &mut impl Machine) -> u32 {
        self.drain(m);
        if !self.enabled {
            return 0;
        }
        let (mut done, mut asleep, mut runnable) = (0, (0, None), (0, None));
        // The cursor is a number, which no ending invalidates (W11).
        let mut next = Some(0);
        while let Some(process) = next.and_then(|from| self.process_from(from)) {
            next = process.checked_add(1);
            match self.standing(process) {
                Standing::Stays => {}
                Standing::Asleep(s) if s >= self.tunables.max_sleep_s() => {
                    done += u32::from(self.put_out(m, process));
                    self.drain(m);
                }
                Standing::Asleep(s) if s > asleep.0 => asleep = (s, Some(process)),
                Standing::Runnable(s) if s > runnable.0 => runnable = (s, Some(process)),
                Standing::Asleep(_) | Standing::Runnable(_) => {}
            }
        }
        if done == 0
            && let Some(process) = asleep.1.or(runnable.1)
        {
            let pages = self.of(process).map(|(_, t)| t.pages).max().unwrap_or(0);
            if m.free_pages() <= pages {
                // Looked at again: it is named by its number, and may have changed or gone (W10).
                self.drain(m);
                done += u32::from(self.put_out(m, process));
            }
        }
        done
    }

    /// The first process from a number on.
    fn process_from(&self, from: Process) -> Option<Process> {
        self.threads.range(ThreadId(from, 0)..).next().map(|(id, _)| id.0)
    }

    /// Puts a process out, if all of it may go; whether it went (W12).
    pub fn put_out(&mut self, m: &mut impl Machine, process: Process) -> bool {
        self.standing(process) != Standing::Stays && self.put_out_now(m, process)
    }

    /// Puts a process out, however short a time ago it came in, if all of it may go; whether it went. For a person, who knows better than the policy.
    pub fn put_out_now(&mut self, m: &mut impl Machine, process: Process) -> bool {
        let ids: Vec<ThreadId> =
            self.of(process).filter(|(_, t)| t.place == Place::In).map(|(id, _)| id).collect();
        let may = self.of(process).all(|(_, t)| t.place == Place::Out || t.is_swappable());
        // They may have woken since they were looked at (PRS-124).
        if ids.is_empty() || !may || !m.stop(process) {
            return false;
        }
        // None of it runs any more before the first is touched.
        for id in &ids {
            let Some(t) = self.threads.get_mut(id) else { continue };
            t.place = Place::GoingOut;
            t.swap_time = 0;
            if t.state == State::Runnable {
                m.dequeue(*id);
            }
        }
        for id in &ids {
            let Some(t) = self.threads.get_mut(id) else { continue };
            t.swaps += 1;
            self.counts.1 += 1;
            m.save(*id);
            m.export(*id);
            if let Some(t) = self.threads.get_mut(id) {
                t.place = Place::Out;
            }
            self.requeue(*id);
        }
        m.collect(process);
        m.all_out(process, true);
        true
    }
}
