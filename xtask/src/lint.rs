// SPDX-License-Identifier: BSD-2-Clause
//! `cargo xtask lint`: formatting, and clippy for each of the three worlds: host, machine, loader; and for the template of
//! people's programs. Every check runs
//! even if one before it failed.

use anyhow::{Context, Result};

use crate::run::Folder;
use crate::setup::{self, LOADER_TARGET, MACHINE_TARGET, Need};
use crate::{compile, user};

/// Runs the checks; 1 if one of them failed.
///
/// # Errors
/// Cargo does not start, or the targets are missing.
pub fn main() -> Result<u8> {
    setup::ensure(&[Need::Targets, Need::Linters])?;
    let machine = compile::machine_packages()?;
    let mut on_machine = vec!["clippy", "--release", "--target", MACHINE_TARGET];
    machine.iter().for_each(|p| on_machine.extend(["-p", p]));
    // As it is where people have it: outside the workspace.
    let folder = Folder::new(false)?;
    let template = user::new(&folder.path().join("template"))?.join("Cargo.toml");
    let template = template.to_str().context("the target folder's path is not UTF-8")?;
    let mut doc = vec![
        "doc",
        "--quiet",
        "--no-deps",
        "--document-private-items",
        "--keep-going",
        "--release",
        "--target",
        MACHINE_TARGET,
    ];
    machine.iter().for_each(|p| doc.extend(["-p", p]));
    let checks: [(&str, Vec<&str>); 8] = [
        ("formatting", vec!["fmt", "--all", "--check"]),
        ("clippy, host", vec!["clippy", "--all-targets"]),
        ("clippy, machine", on_machine),
        ("clippy, loader", vec!["clippy", "--release", "--target", LOADER_TARGET, "-p", "ebb-loader"]),
        ("formatting, template", vec!["fmt", "--check", "--manifest-path", "user/template/Cargo.toml"]),
        (
            "clippy, template",
            vec!["clippy", "--release", "--target", MACHINE_TARGET, "--manifest-path", template],
        ),
        (
            "documentation, host",
            vec!["doc", "--quiet", "--no-deps", "--document-private-items", "--keep-going"],
        ),
        ("documentation, machine", doc),
    ];
    let mut failed = 0;
    for (name, mut arguments) in checks {
        eprintln!("lint: {name}");
        if arguments[0] == "clippy" {
            arguments.extend(["--quiet", "--keep-going", "--", "-D", "warnings"]);
        }
        let status = crate::cargo()
            .args(&arguments)
            // One folder for all, or the template's would be beside its copy, and go with it.
            .env("CARGO_TARGET_DIR", crate::target_dir())
            .env("RUSTDOCFLAGS", "-D warnings")
            .status()
            .context("cargo does not start")?;
        if !status.success() {
            eprintln!("lint: {name} FAILED: cargo {}", arguments.join(" "));
            failed = 1;
        }
    }
    Ok(failed)
}
