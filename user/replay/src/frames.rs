// SPDX-License-Identifier: BSD-2-Clause
//! A machine in which the recording has so many page frames and no more (`--frames`), so that its misses can be laid beside those of a simulation.
//!
//! What can hold pages of the recording is what is free or on a policy's queues, without those that stay free (the page daemon begins its work at
//! `vm.pageout_wakeup_thresh`), and those that programs had on the queues before: this one uses its own all the time. What is more than asked for is locked in a region of ballast,
//! of which some is given back as page tables and the tables of swap grow. The wake-up threshold is moved so near to the target that the daemon frees as few pages in one go
//! as the simulator's. No page is read ahead.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use ebb_report::Value;
use ebb_rig::{Failure, map};
use ebb_rt::StartInfo;
use ebb_rt::abi::meter::Counter;
use ebb_rt::abi::{Handle, PAGE_SIZE};
use ebb_rt::client::call;
use ebb_rt::proto::vm::{Advice, Advise, Regions, SetTunable, Unwire, Wire};
use ebb_rt::shared::meter;
use ebb_rt::start::Given;
use ebb_workload::{CHUNK_PAGES, CHUNK_TOTAL, Probe, Workload};

const PAGE: u64 = PAGE_SIZE as u64;
/// Pages freed in one go, in thousandths of the frames: what the simulator's machine does (`ebb_sim::sampled`).
const BURST_PER_MILLE: u64 = 14;
/// References between two looks at what is resident.
const LOOK: u64 = 1 << 12;
/// Least frames: the daemon's own steps are no longer small beside fewer.
pub const LEAST: u64 = 128;

/// The frames, and what was seen of them.
pub struct Frames {
    vm: Handle,
    wanted: u64,
    /// Pages freed in one go.
    burst: u64,
    /// Pages that programs had on the queues before the recording.
    own: u64,
    /// Addresses of the recording's memory.
    chunks: Vec<u64>,
    ballast: u64,
    /// Pages of it that are locked.
    locked: u64,
    /// Looks, the sum of what was resident, the most.
    looks: u64,
    sum: u64,
    most: u64,
}

/// Pages that a policy can take.
fn queued() -> u64 {
    meter(Counter::v_active_count) + meter(Counter::v_inactive_count)
}

fn trouble(what: &'static str) -> impl Fn(ebb_rt::proto::Error) -> Failure {
    move |error| Failure::Trouble(format!("{what}: {error}"))
}

impl Frames {
    /// Leaves `wanted` frames to a recording of `pages` pages, for which the workload gets its memory.
    pub fn leave<P: Probe>(
        info: &StartInfo,
        workload: &mut Workload<'static, P>,
        wanted: u64,
        pages: u64,
    ) -> Result<Frames, Failure> {
        let vm = info.handle("vm").map_err(trouble("vm"))?;
        let total = meter(Counter::v_page_count);
        let mut frames = Frames {
            vm,
            wanted,
            burst: 0,
            own: 0,
            chunks: Vec::new(),
            ballast: 0,
            locked: 0,
            looks: 0,
            sum: 0,
            most: 0,
        };
        frames.set("vm.max_wired", total)?;
        let (target, reserved) = (meter(Counter::v_free_target), meter(Counter::v_free_reserved));
        frames.burst =
            (wanted * BURST_PER_MILLE).div_ceil(1000).clamp(1, target.saturating_sub(reserved + 1).max(1));
        frames.set("vm.pageout_wakeup_thresh", target - frames.burst)?;
        while workload.capacity() < pages {
            let memory = map(info, CHUNK_TOTAL)?;
            let address = memory.as_ptr() as u64;
            let advise = Advise { space: 0, address, pages: CHUNK_TOTAL, advice: Advice::Random };
            call(vm, &advise).map_err(trouble("madvise"))?;
            // What each page holds is known from here on without a fault.
            let versions =
                Wire { space: 0, address: address + CHUNK_PAGES * PAGE, pages: CHUNK_TOTAL - CHUNK_PAGES };
            call(vm, &versions).map_err(trouble("mlock"))?;
            frames.chunks.push(address);
            workload.grow(memory);
        }
        frames.own = queued();
        let spare = frames.left().checked_sub(wanted).ok_or_else(|| {
            Failure::Trouble(format!("--frames {wanted}: the machine has only {}", frames.left()))
        })?;
        if spare > 0 {
            frames.ballast = map(info, spare)?.as_ptr() as u64;
            frames.lock(spare)?;
        }
        Ok(frames)
    }

    fn set(&self, name: &str, value: u64) -> Result<(), Failure> {
        let set = SetTunable { name: String::from(name), value: value as i64 };
        call(self.vm, &set).map_err(|e| Failure::Trouble(format!("{name}={value}: {e}")))
    }

    /// Frames that can hold pages of the recording. To be asked for while no page is on its way: such a one is nowhere counted.
    fn left(&self) -> u64 {
        let frames = meter(Counter::v_free_count) + queued();
        frames.saturating_sub(meter(Counter::pageout_wakeup_thresh) + self.own)
    }

    fn lock(&mut self, pages: u64) -> Result<(), Failure> {
        let address = self.ballast + self.locked * PAGE;
        call(self.vm, &Wire { space: 0, address, pages }).map_err(trouble("mlock"))?;
        self.locked += pages;
        Ok(())
    }

    /// Gives frames back that something else has wired meanwhile, and looks now and then at what is resident. To be called at each reference.
    #[inline]
    pub fn tend(&mut self, reference: u64, seen: u64) -> Result<(), Failure> {
        if reference.is_multiple_of(LOOK) { self.look(seen) } else { Ok(()) }
    }

    fn look(&mut self, seen: u64) -> Result<(), Failure> {
        let left = self.left();
        if left < self.wanted && self.locked > 0 {
            let pages = (self.wanted - left).min(self.locked);
            let address = self.ballast + (self.locked - pages) * PAGE;
            call(self.vm, &Unwire { space: 0, address, pages }).map_err(trouble("munlock"))?;
            let free = Advise { space: 0, address, pages, advice: Advice::Free };
            call(self.vm, &free).map_err(trouble("madvise"))?;
            self.locked -= pages;
        }
        // Before there are as many pages as frames nothing is known of how many can be there.
        if seen >= self.wanted {
            let resident = self.resident()?;
            self.looks += 1;
            self.sum += resident;
            self.most = self.most.max(resident);
        }
        Ok(())
    }

    /// Resident pages of the recording.
    fn resident(&self) -> Result<u64, Failure> {
        let mut resident = 0;
        for chunk in &self.chunks {
            let regions = call(self.vm, &Regions { space: 0, from: *chunk }).map_err(trouble("vm"))?;
            let within = |address: u64| (*chunk..*chunk + CHUNK_PAGES * PAGE).contains(&address);
            // The locked part is a region of its own.
            resident += regions.iter().filter(|r| within(r.address)).map(|r| r.resident).sum::<u64>();
        }
        Ok(resident)
    }

    /// What a report says of it.
    pub fn values(&self) -> [(&'static str, Value); 6] {
        [
            ("frames", self.wanted.into()),
            ("burst", self.burst.into()),
            ("own_pages", self.own.into()),
            ("ballast", self.locked.into()),
            ("resident_mean", self.sum.checked_div(self.looks).unwrap_or(0).into()),
            ("resident_most", self.most.into()),
        ]
    }
}
