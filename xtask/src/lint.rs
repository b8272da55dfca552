// SPDX-License-Identifier: BSD-2-Clause
//! `cargo xtask lint`: formatting, and clippy for each of the three worlds: host, machine, loader. Every check runs
//! even if one before it failed.

use anyhow::{Context, Result};

use crate::compile;
use crate::setup::{self, LOADER_TARGET, MACHINE_TARGET, Need};

/// Runs the checks; 1 if one of them failed.
///
/// # Errors
/// Cargo does not start, or the targets are missing.
pub fn main() -> Result<u8> {
    setup::ensure(&[Need::Targets, Need::Linters])?;
    let machine = compile::machine_packages()?;
    let mut on_machine = vec!["clippy", "--release", "--target", MACHINE_TARGET];
    machine.iter().for_each(|p| on_machine.extend(["-p", p]));
    let checks: [(&str, Vec<&str>); 4] = [
        ("formatting", vec!["fmt", "--all", "--check"]),
        ("clippy, host", vec!["clippy", "--all-targets"]),
        ("clippy, machine", on_machine),
        ("clippy, loader", vec!["clippy", "--release", "--target", LOADER_TARGET, "-p", "ebb-loader"]),
    ];
    let mut failed = 0;
    for (name, mut arguments) in checks {
        eprintln!("lint: {name}");
        if arguments[0] == "clippy" {
            arguments.extend(["--quiet", "--keep-going", "--", "-D", "warnings"]);
        }
        let status = crate::cargo().args(&arguments).status().context("cargo does not start")?;
        if !status.success() {
            eprintln!("lint: {name} FAILED: cargo {}", arguments.join(" "));
            failed = 1;
        }
    }
    Ok(failed)
}
