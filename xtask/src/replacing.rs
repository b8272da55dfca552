// SPDX-License-Identifier: BSD-2-Clause
//! The machine test that replaces policies and pagers at random under load.

use std::fmt::Write;

use anyhow::{Result, ensure};
use ebb_proto::levels;
use ebb_workload::Random;

use crate::compile::Built;
use crate::run::{Options, Prepared, RootSize};
use crate::size::{self, Size};
use crate::test;

/// Replacements.
const TIMES: usize = 1000;
/// One in so many is a pager's, the others are policies'.
const PAGERS: u64 = 4;
/// Rounds of the workload: more than there are replacements for.
const ROUNDS: u32 = 60;

/// So many replacements in an order that `seed` says, as commands.
fn script(seed: u64) -> String {
    let mut random = Random::new(seed);
    let mut text = format!("thrash --mem 3x --pattern zipf --rounds {ROUNDS} --verify & ");
    for _ in 0..TIMES {
        let role = if random.below(PAGERS) == 0 { "swap-pager" } else { "pageout" };
        let images = levels::server(role).map_or(&[][..], |server| server.images);
        let image = images.get(random.below(images.len() as u64) as usize).copied().unwrap_or(role);
        // Writing to a string cannot fail.
        let _ = write!(text, "service replace {role} {image}; ");
    }
    text + "jobs; wait; services --json; vmstat --json; audit"
}

/// What does not depend on the machine's speed: the workload lasts, every byte of it is right, and every replacement went well.
pub fn at_random(built: &Built) -> Result<()> {
    let options = Options {
        exec: Some(script(5)),
        swap: vec![size::disk("512M").map_err(anyhow::Error::msg)?],
        mem: Size::mib(64),
        root: Some(RootSize::None),
        timeout: Some(900),
        ..Options::default()
    };
    let outcome = Prepared::new(&options, built)?.capture()?;
    let said = String::from_utf8_lossy(&outcome.console.machine).into_owned();
    let evidence = || test::evidence_of(&outcome);
    ensure!(outcome.end.status() == 0, "status {}: {}\n{}", outcome.end.status(), outcome.end, evidence());
    let held: Vec<u64> = said.lines().filter_map(held_us).collect();
    ensure!(held.len() == TIMES, "{} of {TIMES} replacements went well\n{}", held.len(), evidence());
    ensure!(
        said.lines().any(|l| l.contains("thrash") && l.contains("running")),
        "the workload was too short\n{said}"
    );
    ensure!(said.contains("verified            true"), "{said}");
    ensure!(said.contains("audit: clean"), "{said}");
    let number = |key| test::number(&said, key).unwrap_or(f64::NAN);
    ensure!(number("v_ejected") == 0.0, "{} policies were ejected\n{}", number("v_ejected"), evidence());
    ensure!(
        number("v_swappgsout") > 100_000.0 && number("v_swappgsin") > 100_000.0,
        "it hardly paged\n{said}"
    );
    Ok(())
}

/// The microseconds of `ROLE: OLD -> NEW, held N us, M pages`.
fn held_us(line: &str) -> Option<u64> {
    line.split_once(", held ")?.1.split_once(" us")?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_has_every_image_and_fits() {
        let script = script(5);
        assert!(script.len() < 64 << 10, "{}", script.len());
        assert_eq!(script.matches("service replace ").count(), TIMES);
        for role in ["pageout", "swap-pager"] {
            for image in levels::server(role).expect("a server").images {
                let times = script.matches(&format!("service replace {role} {image};")).count();
                assert!(times > 20, "{role} {image}: {times}");
            }
        }
        assert_eq!(held_us("pageout: fifo -> clock, held 4361 us, 10919 pages"), Some(4361));
        assert_eq!(held_us("pageout: cannot"), None);
    }
}
