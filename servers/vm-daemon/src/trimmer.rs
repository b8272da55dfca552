// SPDX-License-Identifier: BSD-2-Clause
//! [`Trimmer`] by calls of `vm`, a piece at a time.

use ebb_abi::Handle;
use ebb_policy::enforce::Trimmer;
use ebb_proto::Error;
use ebb_proto::vm::Trim;
use ebb_rt::client::call;

/// Trims by calls of `vm`.
pub struct Live {
    /// `vm`.
    pub vm: Handle,
    /// Pages looked at.
    pub looked: u64,
    /// Calls.
    pub pieces: u64,
}

impl Trimmer for Live {
    fn trim(&mut self, space: u32, target: u64, hard: bool) -> Option<u64> {
        let mut anew = true;
        loop {
            match call(self.vm, &Trim { space, target, hard, anew }) {
                Ok(t) => {
                    self.looked += u64::from(t.looked);
                    self.pieces += 1;
                    // With a target of 0 the end of the lap is what takes the rest.
                    if t.lap || (target > 0 && t.resident <= target) {
                        return Some(t.resident);
                    }
                }
                // Programs come and go.
                Err(Error::NotFound) => return None,
                Err(error) => {
                    ebb_rt::log!("trimming {space}: {error}");
                    return None;
                }
            }
            anew = false;
        }
    }
}
