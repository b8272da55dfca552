// SPDX-License-Identifier: BSD-2-Clause
//! Policies that fail: ejected by `vm`, dead, or never ready. Meanwhile `vm` reclaims by itself; here it is seen to that this ends.

use crate::serve::Init;
use crate::service::State;
use alloc::format;
use alloc::string::{String, ToString};
use ebb_abi::meter::Counter;
use ebb_proto::ejection::Ejection;
use ebb_proto::vm::Space;
use ebb_rt::clock;
use ebb_rt::shared::meter;

/// The role whose next instance is started before the last one ends, and which may be played by what somebody wrote yesterday.
pub const POLICY: &str = "pageout";
/// How long a new policy may take to become ready.
pub const READY_US: u64 = 10_000_000;
/// Failures of an image in a row after which the default takes its place.
const SUBSTITUTED: u32 = 3;
/// A policy that has worked for so long begins anew: an earlier failure does not count.
const TRUSTED_US: u64 = 60_000_000;

/// What became of the instances of a role.
#[derive(Default)]
pub struct Fate {
    /// How the last that failed did so; empty if none has.
    pub last: String,
    /// Failures of the image that plays the role now, in a row.
    in_a_row: u32,
    /// Until when the policy that was started must be ready, if it is not yet.
    ready_until_us: Option<u64>,
}

impl Fate {
    /// An instance was started. `of_itself`: not after one of the same image has failed.
    pub fn started(&mut self, role: &str, of_itself: bool) {
        self.ready_until_us = (role == POLICY).then(|| clock::now_us() + READY_US);
        if of_itself {
            self.in_a_row = 0;
        }
    }
}

impl Init {
    /// `vm` does not believe the policy any more: another one is started.
    pub fn policy_ejected(&mut self, space: Space, ejection: &Ejection) {
        let Some(at) = self.service_in(space) else { return };
        self.failed(at, &format!("ejected: {ejection}"));
        self.service_died(at);
    }

    /// An instance of a role has failed like this; to be said before it is started again.
    pub fn failed(&mut self, at: usize, how: &str) {
        let Some(service) = self.services.get_mut(at) else { return };
        if clock::now_us().saturating_sub(service.since_us) > TRUSTED_US {
            service.fate.in_a_row = 0;
        }
        service.fate.in_a_row += 1;
        service.fate.ready_until_us = None;
        service.fate.last = format!("{}: {how}", service.image);
        ebb_rt::log!("{}: {}", service.server.role, service.fate.last);
    }

    /// The image that is to follow one that has failed: the same, or the default if that is hopeless.
    pub fn successor(&self, at: usize) -> String {
        let Some(service) = self.services.get(at) else { return String::new() };
        let default = service.server.images.first().copied().unwrap_or(service.server.role);
        if service.server.role != POLICY || service.fate.in_a_row < SUBSTITUTED || service.image == default {
            return service.image.clone();
        }
        ebb_rt::log!(
            "{}: {} failed {SUBSTITUTED} times: {default} takes its place",
            service.server.role,
            service.image
        );
        default.to_string()
    }

    /// Looks whether the policy that was started is ready; one that takes too long has failed. Returns whether one is waited for.
    pub fn tend_policy(&mut self) -> bool {
        let Some(at) = self.service(POLICY) else { return false };
        let replaced = self.replacement.is_some();
        let Some(service) = self.services.get_mut(at) else { return false };
        let Some(until) = service.fate.ready_until_us else { return false };
        if replaced {
            return false;
        }
        if service.state != State::Running || meter(Counter::policy_attached) != 0 {
            service.fate.ready_until_us = None;
            return false;
        }
        if clock::now_us() < until {
            return true;
        }
        self.failed(at, "did not become ready");
        self.service_died(at);
        self.services.get(at).is_some_and(|s| s.fate.ready_until_us.is_some())
    }
}
