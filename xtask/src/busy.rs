// SPDX-License-Identifier: BSD-2-Clause
//! A busy host, on purpose: the machine stands still for a moment now and then, as one does whose host has other work. Its clock goes on meanwhile, so several timers are due at
//! once when it goes on, in an order that a quiet host never shows.

use std::io;
use std::time::{Duration, Instant};

/// How long a machine stands still, and how long it runs: in milliseconds, at least and below.
const STILL_MS: (u64, u64) = (50, 300);
const RUNS_MS: (u64, u64) = (100, 800);

/// When a machine stands still.
#[derive(Debug)]
pub struct BusyHost {
    /// What the next moments are taken from: xorshift64, never 0.
    state: u64,
    still: bool,
    until: Instant,
}

impl BusyHost {
    /// Begins now; the moments follow from the seed.
    pub fn new(seed: u64, now: Instant) -> Self {
        let mut host = Self { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1, still: false, until: now };
        host.until = now + host.moment(RUNS_MS);
        host
    }

    fn moment(&mut self, (least, below): (u64, u64)) -> Duration {
        for shift in [13, -7, 17] {
            let s = self.state;
            self.state ^= if shift > 0 { s << shift } else { s >> -shift };
        }
        Duration::from_millis(least + self.state % (below - least))
    }

    /// What is to be done now: nothing, or whether the machine stands still from now on.
    fn next(&mut self, now: Instant) -> Option<bool> {
        if now < self.until {
            return None;
        }
        self.still = !self.still;
        self.until = now + self.moment(if self.still { STILL_MS } else { RUNS_MS });
        Some(self.still)
    }

    /// Stops a process, which is ours and not waited for yet, or lets it go on, if it is time.
    ///
    /// # Errors
    /// It cannot be signalled.
    pub fn tend(&mut self, process: u32, now: Instant) -> io::Result<()> {
        let Some(still) = self.next(now) else { return Ok(()) };
        let process = libc::pid_t::try_from(process).map_err(io::Error::other)?;
        // SAFETY: a signal to a child of ours, whose number is its own until it is waited for.
        match unsafe { libc::kill(process, if still { libc::SIGSTOP } else { libc::SIGCONT }) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_stands_still_and_runs_in_turn_within_bounds() {
        let begun = Instant::now();
        let mut host = BusyHost::new(1, begun);
        let (mut now, mut since, mut changes) = (begun, begun, Vec::new());
        while now < begun + Duration::from_secs(60) {
            if let Some(still) = host.next(now) {
                changes.push((still, now - since));
                since = now;
            }
            now += Duration::from_millis(1);
        }
        assert!(changes.len() > 60, "{changes:?}");
        for (n, (still, took)) in changes.iter().enumerate() {
            assert_eq!(*still, n % 2 == 0);
            // What ends here is the other of the two.
            let (least, below) = if *still { RUNS_MS } else { STILL_MS };
            let ms = u64::try_from(took.as_millis()).unwrap();
            assert!((least..=below).contains(&ms), "{ms} ms");
        }
        let again = |seed| {
            let mut host = BusyHost::new(seed, begun);
            (0..20).map(|_| host.moment(STILL_MS)).collect::<Vec<_>>()
        };
        assert_eq!(again(1), again(1));
        assert_ne!(again(1), again(2));
    }

    #[test]
    fn a_process_is_stopped_and_goes_on() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let state = || {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
            stat.rsplit_once(") ").unwrap().1.chars().next().unwrap()
        };
        let begun = Instant::now();
        let mut host = BusyHost::new(3, begun);
        let becomes = |wanted: bool| {
            (0..1000).any(|_| {
                std::thread::sleep(Duration::from_millis(1));
                (state() == 'T') == wanted
            })
        };
        host.tend(child.id(), begun + Duration::from_millis(RUNS_MS.1)).unwrap();
        assert!(becomes(true));
        host.tend(child.id(), begun + Duration::from_millis(RUNS_MS.1 + STILL_MS.1)).unwrap();
        assert!(becomes(false));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
