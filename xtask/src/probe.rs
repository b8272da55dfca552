// SPDX-License-Identifier: BSD-2-Clause
//! Whether KVM works here: a `/dev/kvm` that exists may still hang at the firmware. Believed is only a loader that
//! came up in it and ended the machine, within a time limit. The answer holds until the host boots again or QEMU
//! changes.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::image::{self, Contents};
use crate::progress::Progress;
use crate::qemu::{Boot, Config, Engine, FIRMWARE_MEMORY, Machine, Sink};
use crate::run::Folder;
use crate::status::End;
use crate::{compile, setup};

/// A working KVM needs less than two seconds for this.
const LIMIT: Duration = Duration::from_secs(10);

/// Whether KVM runs our loader; why not, if it does not.
///
/// # Errors
/// The loader could not be built or its image not written, which says nothing about KVM.
pub fn kvm() -> Result<std::result::Result<(), String>> {
    if fs::OpenOptions::new().read(true).write(true).open("/dev/kvm").is_err() {
        return Ok(Err("/dev/kvm cannot be opened".to_string()));
    }
    let answer = crate::scratch_dir().join("kvm-probe");
    let key = key();
    if let Ok(text) = fs::read_to_string(&answer)
        && let Some(verdict) = text.strip_prefix(&format!("{key}\n"))
    {
        return Ok(if verdict == "works" { Ok(()) } else { Err(verdict.to_string()) });
    }
    let mut progress = Progress::new("KVM");
    progress.tell("trying it, at most 10 s");
    let verdict = try_it()?;
    let text = verdict.as_ref().map_or_else(String::as_str, |()| "works");
    fs::write(&answer, format!("{key}\n{text}"))
        .with_context(|| format!("{} not written", answer.display()))?;
    Ok(verdict)
}

fn try_it() -> Result<std::result::Result<(), String>> {
    let loader = compile::loader()?;
    let folder = Folder::new(false)?;
    // The entry is never loaded: 'probe' ends the machine before. The kernel's file only has to exist.
    let contents =
        Contents { kernel: loader.clone(), cmdline: "exit=qemu probe".to_string(), ..Contents::default() };
    let boot = folder.path().join("probe.img");
    fs::write(&boot, image::system_partition(&contents, &loader)?)?;
    let config = Config {
        memory: FIRMWARE_MEMORY,
        engine: Engine::Kvm,
        gdb: false,
        place: None,
        busy_host: None,
        boot: (boot, Boot::Virtio),
        disks: Vec::new(),
        spare: crate::size::Size(0),
        loaded: Vec::new(),
        folder: folder.path().to_path_buf(),
    };
    let outcome = match Machine::start(&config, Sink::Capture, Sink::Capture)?.wait(Some(LIMIT)) {
        Ok(outcome) => outcome,
        Err(error) => return Ok(Err(error.to_string().replace('\n', " "))),
    };
    let said = outcome.complaints.lines().next().map(|l| format!(" ({l})")).unwrap_or_default();
    Ok(match outcome.end {
        End::Probed => Ok(()),
        End::TimedOut => Err(format!("it hangs: our loader was not up after {} s{said}", LIMIT.as_secs())),
        end => Err(format!("{end}{said}")),
    })
}

/// What the answer depends on: this boot of the host, and this QEMU.
fn key() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let version = std::process::Command::new(setup::QEMU).arg("--version").output();
    let version = version.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default();
    format!("{} {}", boot.trim(), version.lines().next().unwrap_or_default())
}
