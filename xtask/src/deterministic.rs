// SPDX-License-Identifier: BSD-2-Clause
//! Machines that count instructions, with disks in memory: the same run twice, at the same time, must print the same bytes.

use anyhow::{Result, anyhow, ensure};

use crate::compile::Built;
use crate::qemu::Outcome;
use crate::run::{Kind, Options, Prepared};
use crate::size::Size;
use crate::test;

/// What is run: faults, files, programs, and the time of each.
const SCRIPT: &str = "uptime; thrash --mem 1.5x --pattern zipf --rounds 1 --verify --json; seq 2000 | sort -rn > /tmp/down; \
    sha256sum /bin/thrash /tmp/down; uptime; ps; vmstat --json; audit --json";

/// A machine with this kind of disk.
fn once(built: &Built, kind: Kind) -> Result<Outcome> {
    let options = Options {
        mem: Size::mib(32),
        swap: vec![Size::mib(64)],
        disk: Some(kind),
        icount: true,
        exec: Some(SCRIPT.to_string()),
        timeout: Some(300),
        ..Options::default()
    };
    let outcome = Prepared::new(&options, built)?.capture()?;
    ensure!(outcome.end.status() == 0, "  {kind:?}: {}\n{}", outcome.end, test::evidence_of(&outcome));
    Ok(outcome)
}

/// Two machines at the same time.
fn both(built: &Built, kinds: [Kind; 2]) -> Result<[Outcome; 2]> {
    let [one, other] = kinds;
    std::thread::scope(|scope| {
        let other = scope.spawn(move || once(built, other));
        let one = once(built, one);
        let other = other.join().map_err(|_| anyhow!("a thread panicked"))?;
        Ok([one?, other?])
    })
}

/// Two of a kind say the same, and two of other kinds do not.
///
/// # Errors
/// A machine that ended badly, or two that did not say the same.
pub fn twice(built: &Built) -> Result<()> {
    let [ssd, again] = both(built, [Kind::Ssd; 2])?;
    for (what, a, b) in [("console", &ssd.console, &again.console), ("log", &ssd.log, &again.log)] {
        let (a, b) = (String::from_utf8_lossy(&a.machine), String::from_utf8_lossy(&b.machine));
        let differ = a.lines().zip(b.lines()).find(|(a, b)| a != b);
        ensure!(a == b, "  the {what} differs: {differ:?}\n{}", test::evidence_of(&ssd));
    }
    let [hdd, nvme] = both(built, [Kind::Hdd, Kind::Nvme])?;
    let [hdd, ssd, nvme] = [hdd, ssd, nvme].map(|outcome| {
        let said = String::from_utf8_lossy(&outcome.console.machine);
        test::number(&said, "elapsed_us").unwrap_or_default()
    });
    ensure!(hdd > 4.0 * ssd && ssd > nvme && nvme > 0.0, "  us: hdd {hdd}, ssd {ssd}, nvme {nvme}");
    Ok(())
}
