// SPDX-License-Identifier: BSD-2-Clause
//! One line on stderr for what takes long: on a terminal it is rewritten in place and disappears at the end, elsewhere
//! every step is a line of its own.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Steps younger than this are not shown on a terminal: nothing flickers when there is nothing to do.
const PATIENCE: Duration = Duration::from_millis(300);

/// A step under way.
pub struct Progress {
    what: &'static str,
    since: Instant,
    terminal: bool,
    shown: bool,
}

impl Progress {
    /// Begins a step.
    pub fn new(what: &'static str) -> Self {
        Self { what, since: Instant::now(), terminal: std::io::stderr().is_terminal(), shown: false }
    }

    /// Says what of the step is being done.
    pub fn tell(&mut self, detail: &str) {
        let mut stderr = std::io::stderr().lock();
        // A closed stderr is no reason to stop the work that it would have told of.
        let _ = if !self.terminal {
            writeln!(stderr, "{}: {detail}", self.what)
        } else if self.since.elapsed() >= PATIENCE {
            self.shown = true;
            let short: String = detail.chars().take(60).collect();
            write!(stderr, "\r\x1b[K{} {}s: {short}", self.what, self.since.elapsed().as_secs())
                .and_then(|()| stderr.flush())
        } else {
            Ok(())
        };
    }
}

impl Progress {
    /// Takes the line away, for one that stays.
    pub fn clear(&mut self) {
        if std::mem::take(&mut self.shown) {
            let mut stderr = std::io::stderr().lock();
            // As in `tell`.
            let _ = write!(stderr, "\r\x1b[K").and_then(|()| stderr.flush());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}
