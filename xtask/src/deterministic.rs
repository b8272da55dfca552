// SPDX-License-Identifier: BSD-2-Clause
//! Machines that count instructions, with disks in memory: the same run twice, at the same time, must print the same bytes.

use anyhow::{Result, bail, ensure};

use crate::compile::Built;
use crate::qemu::Outcome;
use crate::run::{Kind, Options, Prepared};
use crate::size::Size;
use crate::test;

/// What is run: faults, files, programs, and the time of each.
const SCRIPT: &str = "uptime; thrash --mem 1.5x --pattern zipf --rounds 1 --verify --json; seq 2000 | sort -rn > /tmp/down; \
    sha256sum /bin/thrash /tmp/down; uptime; ps; vmstat --json; audit --json";

/// Each kind of disk twice.
///
/// # Errors
/// A machine that ended badly, or two that did not say the same.
pub fn twice(built: &Built) -> Result<()> {
    let mut seconds = Vec::new();
    for kind in [Kind::Hdd, Kind::Ssd, Kind::Nvme] {
        let options = Options {
            mem: Size::mib(32),
            swap: vec![Size::mib(64)],
            disk: Some(kind),
            icount: true,
            exec: Some(SCRIPT.to_string()),
            timeout: Some(300),
            ..Options::default()
        };
        let once = || -> Result<Outcome> { Prepared::new(&options, built)?.capture() };
        let (one, other) = std::thread::scope(|scope| {
            let other = scope.spawn(once);
            let one = once();
            (one, other.join())
        });
        let other = other.map_err(|_| anyhow::anyhow!("a thread panicked"))??;
        let one = one?;
        for outcome in [&one, &other] {
            ensure!(outcome.end.status() == 0, "  {kind:?}: {}\n{}", outcome.end, test::evidence_of(outcome));
        }
        for (what, a, b) in [("console", &one.console, &other.console), ("log", &one.log, &other.log)] {
            let (a, b) = (String::from_utf8_lossy(&a.machine), String::from_utf8_lossy(&b.machine));
            let differ = a.lines().zip(b.lines()).find(|(a, b)| a != b);
            ensure!(a == b, "  {kind:?}: the {what} differs: {differ:?}\n{}", test::evidence_of(&one));
        }
        seconds.push(test::number(&one, "seconds").unwrap_or_default());
    }
    // The kinds differ in what they are about: each is faster than the one before, the first by far.
    let [hdd, ssd, nvme] = seconds[..] else { bail!("  {} kinds of disks", seconds.len()) };
    ensure!(hdd > 5.0 * ssd && ssd > nvme && nvme > 0.0, "  hdd {hdd} s, ssd {ssd} s, nvme {nvme} s");
    Ok(())
}
