// SPDX-License-Identifier: BSD-2-Clause
//! `sysctl`: tunables and read-only values by name.

use crate::machine::Machine;
use crate::vm::Vm;
use alloc::string::String;
use alloc::vec::Vec;
use ebb_abi::meter::Counter;
use ebb_policy::TunableError;
use ebb_policy::tunables::TUNABLES;
use ebb_proto::Error;
use ebb_proto::vm::Tunable;

const WAKEUP: &str = "vm.pageout_wakeup_thresh";
const MAX_WIRED: &str = "vm.max_wired";
const DEADLINE: &str = "vm.policy_deadline";
const SYNC_PERIOD: &str = "vm.sync_period";

impl<M: Machine> Vm<M> {
    /// All tunables.
    pub fn tunable_list(&self) -> Vec<Tunable> {
        let t = self.frames.gate.thresholds();
        let own = [
            (WAKEUP, t.wakeup_thresh as i64, true),
            (MAX_WIRED, t.max_wired as i64, true),
            (DEADLINE, self.policy_deadline_ms as i64, true),
            (SYNC_PERIOD, self.sync_period_ms as i64, true),
            ("vm.dmmax", 32, false),
            ("vm.nswapdev", self.pager.devices.iter().filter(|d| d.active).count() as i64, false),
        ];
        let policy = TUNABLES.iter().map(|r| (r.name, self.tunables.get(r.name).unwrap_or(0), true));
        own.into_iter()
            .chain(policy)
            .map(|(name, value, writable)| Tunable { name: String::from(name), value, writable })
            .collect()
    }

    /// Sets a tunable.
    pub fn tunable_set(&mut self, name: &str, value: i64) -> Result<(), Error> {
        self.frames.meter.add(Counter::tunables_generation, 1);
        let error = |e| match e {
            TunableError::Unknown => Error::NotFound,
            TunableError::ReadOnly => Error::NotPermitted,
            TunableError::OutOfRange { .. } => Error::Invalid,
        };
        match name {
            WAKEUP => {
                let wake = self.frames.gate.set_wakeup_thresh(value).map_err(error)?;
                self.frames.wake.clients += wake.clients;
                self.frames.publish_thresholds();
                Ok(())
            }
            MAX_WIRED => self.frames.gate.set_max_wired(value).map_err(error),
            // Below 10 ms no policy could keep it; above a minute it is none.
            DEADLINE if (10..=60_000).contains(&value) => {
                self.policy_deadline_ms = value as u64;
                Ok(())
            }
            DEADLINE => Err(Error::Invalid),
            // From a tenth of a second to a day.
            SYNC_PERIOD if (100..=86_400_000).contains(&value) => {
                self.sync_period_ms = value as u64;
                self.sync_due = self.m.now() + self.sync_period_ms * self.cycles_per_ms;
                Ok(())
            }
            SYNC_PERIOD => Err(Error::Invalid),
            "vm.dmmax" | "vm.nswapdev" => Err(Error::NotPermitted),
            _ => self.tunables.set(name, value).map_err(error),
        }
    }
}
