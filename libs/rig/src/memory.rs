// SPDX-License-Identifier: BSD-2-Clause
//! Anonymous memory, and the machine as a workload sees it.

use crate::Failure;
use alloc::format;
use core::sync::atomic::AtomicU64;
use ebb_rt::StartInfo;
use ebb_rt::abi::PAGE_SIZE;
use ebb_rt::abi::meter::Counter;
use ebb_rt::client::call;
use ebb_rt::proto::vm::{Map, Protection, Source};
use ebb_rt::shared::{anonymous, meter};
use ebb_rt::start::Given;
use ebb_rt::sys::time::tsc;
use ebb_workload::{CHUNK_TOTAL, Probe, Workload};

/// The machine under a workload: its cycle counter, and the faults that `vm` has served. On a busy machine another program's fault that is served during a
/// touch counts as this touch's.
#[derive(Clone, Copy, Debug, Default)]
pub struct Machine;

impl Probe for Machine {
    #[inline(always)]
    fn cycles(&self) -> u64 {
        tsc()
    }

    #[inline(always)]
    fn faults(&self) -> (u64, u64) {
        (meter(Counter::v_vm_faults), meter(Counter::v_io_faults))
    }
}

/// Maps so many pages of anonymous memory, where `vm` chooses.
pub fn map(info: &StartInfo, pages: u64) -> Result<&'static [AtomicU64], Failure> {
    let refused =
        |error: &dyn core::fmt::Display| Failure::Trouble(format!("cannot map {pages} pages: {error}"));
    let vm = info.handle("vm").map_err(|e| refused(&e))?;
    let protection = (Protection::READ | Protection::WRITE).bits();
    let address = call(vm, &Map { space: 0, address: 0, pages, protection, source: Source::Anonymous })
        .map_err(|e| refused(&e))?;
    anonymous(address, pages * PAGE_SIZE as u64).ok_or_else(|| refused(&format!("vm gave {address:#x}")))
}

/// Gives a workload memory for at least so many pages.
pub fn grow_to<P: Probe>(
    workload: &mut Workload<'static, P>,
    info: &StartInfo,
    pages: u64,
) -> Result<(), Failure> {
    while workload.capacity() < pages {
        workload.grow(map(info, CHUNK_TOTAL)?);
    }
    Ok(())
}
