// SPDX-License-Identifier: BSD-2-Clause
//! What the host must have: Rust's targets, QEMU, OVMF, xorriso, valgrind. Installs it where that needs no question, and else
//! says exactly what to type.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::progress::Progress;

/// Target of the kernel, the servers and the programs.
pub const MACHINE_TARGET: &str = "x86_64-unknown-none";
/// Target of the loader.
pub const LOADER_TARGET: &str = "x86_64-unknown-uefi";
/// The QEMU that is run.
pub const QEMU: &str = "qemu-system-x86_64";
/// What sees the references of the host's programs.
pub const VALGRIND: &str = "valgrind";

/// Firmware and its variables, where distributions put them.
const FIRMWARE: [(&str, &str); 3] = [
    ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
    ("/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"),
    ("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),
];

/// Something that a command needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Rust's libraries for the machine and the loader.
    Targets,
    /// Rust's formatter and linter.
    Linters,
    /// QEMU.
    Qemu,
    /// UEFI firmware for it.
    Firmware,
    /// The maker of ISO images.
    Xorriso,
    /// The maker and checker of ext4 file systems.
    E2fsprogs,
    /// The recorder of references.
    Valgrind,
}

impl Need {
    /// Everything that any command needs.
    pub const ALL: [Self; 7] = [
        Self::Targets,
        Self::Linters,
        Self::Qemu,
        Self::Firmware,
        Self::Xorriso,
        Self::E2fsprogs,
        Self::Valgrind,
    ];
    /// What booting needs.
    pub const BOOT: [Self; 4] = [Self::Targets, Self::Qemu, Self::Firmware, Self::E2fsprogs];

    /// The Debian package, and what a person would call it.
    fn package(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Targets | Self::Linters => None,
            Self::Qemu => Some(("qemu-system-x86", QEMU)),
            Self::Firmware => Some(("ovmf", "OVMF firmware (CODE and VARS of 4M)")),
            Self::Xorriso => Some(("xorriso", "xorriso")),
            Self::E2fsprogs => Some(("e2fsprogs", "mke2fs, e2fsck and debugfs")),
            Self::Valgrind => Some((VALGRIND, VALGRIND)),
        }
    }

    fn is_there(self) -> bool {
        match self {
            Self::Targets | Self::Linters => true,
            Self::Qemu => in_path(QEMU),
            Self::Firmware => firmware().is_ok(),
            Self::Xorriso => in_path("xorriso"),
            Self::E2fsprogs => crate::fsck::has_tools(),
            Self::Valgrind => in_path(VALGRIND),
        }
    }
}

/// Whether something is there, for those who can do without.
#[must_use]
pub fn has(need: Need) -> bool {
    need.is_there()
}

/// Makes sure that everything of `needs` is there.
///
/// # Errors
/// What is missing, and what to type to get it.
pub fn ensure(needs: &[Need]) -> Result<()> {
    if needs.contains(&Need::Targets) {
        targets()?;
    }
    if needs.contains(&Need::Linters) {
        linters()?;
    }
    let missing = |needs: &[Need]| -> Vec<(&str, &str)> {
        needs.iter().filter(|n| !n.is_there()).filter_map(|n| n.package()).collect()
    };
    let lacking = missing(needs);
    if lacking.is_empty() {
        return Ok(());
    }
    install(&lacking.iter().map(|(package, _)| *package).collect::<Vec<_>>())?;
    match missing(needs).as_slice() {
        [] => Ok(()),
        still => bail!(
            "installed, but still not found: {}",
            still.iter().map(|m| m.1).collect::<Vec<_>>().join(", ")
        ),
    }
}

/// The firmware's code and the template of its variables.
///
/// # Errors
/// That there is none, and what to install.
pub fn firmware() -> Result<(PathBuf, PathBuf)> {
    FIRMWARE
        .iter()
        .map(|(code, vars)| (PathBuf::from(code), PathBuf::from(vars)))
        .find(|(code, vars)| code.is_file() && vars.is_file())
        .context("no OVMF firmware found: install Debian's package 'ovmf'")
}

fn targets() -> Result<()> {
    let sysroot = Command::new("rustc")
        .args(["--print", "sysroot"])
        .current_dir(crate::root())
        .output()
        .context("rustc does not start: install Rust from https://rustup.rs")?;
    let sysroot = String::from_utf8(sysroot.stdout).context("rustc's sysroot is not UTF-8")?;
    for target in [MACHINE_TARGET, LOADER_TARGET] {
        if Path::new(sysroot.trim()).join("lib/rustlib").join(target).join("lib").is_dir() {
            continue;
        }
        rustup(&["target", "add", target])?;
    }
    Ok(())
}

fn linters() -> Result<()> {
    for (name, program) in [("rustfmt", "rustfmt"), ("clippy", "cargo-clippy")] {
        // Where rustup is, the program is always in the path, and says by itself whether there is anything behind it.
        if !succeeds(program, &["--version"]) {
            rustup(&["component", "add", name])?;
        }
    }
    Ok(())
}

fn rustup(arguments: &[&str]) -> Result<()> {
    let line = format!("rustup {}", arguments.join(" "));
    if !in_path("rustup") {
        bail!(
            "missing, and rustup is not there to get it: get it from https://rustup.rs, then type:\n  {line}"
        );
    }
    let mut progress = Progress::new("setup");
    progress.tell(&line);
    let done = Command::new("rustup").args(arguments).current_dir(crate::root()).output()?;
    if !done.status.success() {
        bail!("'{line}' failed:\n{}", String::from_utf8_lossy(&done.stderr).trim_end());
    }
    Ok(())
}

/// Installs Debian packages as root, or through a sudo that asks nothing.
fn install(packages: &[&str]) -> Result<()> {
    let list = packages.join(" ");
    if !in_path("apt-get") {
        bail!("missing: {list} (Debian's names); install them with this system's package manager");
    }
    let prefix: &[&str] = if is_root() {
        &[]
    } else if succeeds("sudo", &["-n", "true"]) {
        &["sudo", "-n"]
    } else {
        bail!("missing: {list}. Type:\n  sudo apt-get update && sudo apt-get install -y {list}");
    };
    let mut progress = Progress::new("setup");
    for arguments in [&["update"][..], &[&["install", "-y", "--no-install-recommends"], packages].concat()] {
        let line = [prefix, &["apt-get"], arguments].concat();
        progress.tell(&line.join(" "));
        let done = Command::new(line[0])
            .args(&line[1..])
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("{} does not start", line[0]))?;
        if !done.status.success() {
            bail!("'{}' failed:\n{}", line.join(" "), String::from_utf8_lossy(&done.stderr).trim_end());
        }
    }
    Ok(())
}

fn is_root() -> bool {
    // SAFETY: geteuid has no preconditions and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

fn succeeds(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|s| s.success())
}

fn in_path(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(program).is_file()))
}
