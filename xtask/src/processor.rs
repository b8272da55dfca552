// SPDX-License-Identifier: BSD-2-Clause
//! Which of the host's processors a machine runs on.
//!
//! QEMU has a thread that executes instructions and one that serves timers. Where instructions are counted, the second moves the clock on
//! when the first is idle. On two processors it may see that a few instructions too early, before they are counted: seldom, but then all that follows
//! comes so many nanoseconds later, and the run is not quite the same. On one processor they take turns; they are also faster then, because they do
//! little at the same time anyway.

use std::io;
use std::mem::{self, MaybeUninit};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A set of one processor.
#[derive(Clone, Copy)]
pub struct Processor(libc::cpu_set_t);

impl Processor {
    /// The `n`th of those that we may use, counted around; nothing if the host does not tell.
    pub fn nth(n: usize) -> Option<Self> {
        let mut ours = MaybeUninit::<libc::cpu_set_t>::zeroed();
        // SAFETY: the call fills no more than the structure, of which all bytes are initialised already.
        let ours = unsafe {
            let done = libc::sched_getaffinity(0, mem::size_of::<libc::cpu_set_t>(), ours.as_mut_ptr());
            (done == 0).then(|| ours.assume_init())
        }?;
        // SAFETY: the macros only look at a set.
        let (count, allowed) = unsafe { (libc::CPU_COUNT(&ours), |i: &usize| libc::CPU_ISSET(*i, &ours)) };
        let count = usize::try_from(count).ok().filter(|c| *c > 0)?;
        let one = (0..libc::CPU_SETSIZE as usize).filter(allowed).nth(n % count)?;
        // SAFETY: an empty set is all zeroes, and the number is below the size of a set.
        let set = unsafe {
            let mut set: libc::cpu_set_t = mem::zeroed();
            libc::CPU_SET(one, &mut set);
            set
        };
        Some(Self(set))
    }

    /// One after the other: machines that are started at the same time do not share one if they need not.
    pub fn next() -> Option<Self> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        // Not all processes of ours begin at the first.
        let first = std::process::id() as usize;
        Self::nth(first.wrapping_add(COUNT.fetch_add(1, Ordering::Relaxed)))
    }

    /// Binds the calling thread, and those that it will make. Async-signal-safe.
    ///
    /// # Errors
    /// The host's.
    pub fn bind(&self) -> io::Result<()> {
        // SAFETY: the set is whole, and is only read.
        match unsafe { libc::sched_setaffinity(0, mem::size_of::<libc::cpu_set_t>(), &raw const self.0) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_bound_to_one() {
        let last = Processor::nth(usize::MAX).unwrap();
        std::thread::spawn(move || {
            last.bind().unwrap();
            let left = Processor::nth(5).unwrap();
            // SAFETY: the macros only look at sets.
            let (count, same) = unsafe { (libc::CPU_COUNT(&left.0), libc::CPU_EQUAL(&last.0, &left.0)) };
            assert!(count == 1 && same, "there is only one left");
        })
        .join()
        .unwrap();
    }
}
