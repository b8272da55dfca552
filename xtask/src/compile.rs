// SPDX-License-Identifier: BSD-2-Clause
//! Builds what runs on the machine: one Cargo invocation for kernel, servers and programs, one for the loader.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};

use crate::progress::Progress;
use crate::setup::{LOADER_TARGET, MACHINE_TARGET};

/// Programs that go into the image, in the order of the boot modules: binary name and folder. One whose folder is
/// not there yet is left out.
pub const MODULES: [(&str, &str); 18] = [
    ("init", "servers/init"),
    ("vm", "servers/vm"),
    ("block", "servers/block"),
    ("console", "servers/console"),
    ("swap-pager", "servers/swap-pager"),
    ("zswap-pager", "servers/zswap-pager"),
    ("vnode-pager", "servers/vnode-pager"),
    ("pageout", "servers/pageout"),
    ("vm-daemon", "servers/vm-daemon"),
    ("pipe", "servers/pipe"),
    ("proc", "servers/proc"),
    ("ld", "user/ld"),
    ("shell", "user/shell"),
    ("thrash", "user/thrash"),
    ("replay", "user/replay"),
    ("workload", "user/workload"),
    ("bench", "user/bench"),
    ("launch-test", "user/launch-test"),
];

/// What was built.
#[derive(Clone, Debug)]
pub struct Built {
    /// The UEFI loader.
    pub loader: PathBuf,
    /// The kernel.
    pub kernel: PathBuf,
    /// Name and file of each module.
    pub modules: Vec<(String, PathBuf)>,
    /// Name and file of each program that goes into `/bin`.
    pub programs: Vec<(String, PathBuf)>,
}

/// Builds everything.
///
/// # Errors
/// The compiler's messages, or a binary that did not come out of it.
pub fn all() -> Result<Built> {
    let mut progress = Progress::new("build");
    let packages = machine_packages()?;
    let mut arguments = vec!["build", "--release", "--target", MACHINE_TARGET];
    packages.iter().for_each(|p| arguments.extend(["-p", p]));
    cargo_build(&arguments, &mut progress)?;
    let loader = loader_with(&mut progress)?;
    let folder = crate::target_dir().join(MACHINE_TARGET).join("release");
    let binary = |name: &str| {
        let file = folder.join(name);
        if file.is_file() { Ok(file) } else { bail!("the build made no binary named '{name}'") }
    };
    let modules = MODULES
        .iter()
        .filter(|(_, dir)| crate::root().join(dir).join("Cargo.toml").is_file())
        .map(|(name, _)| Ok(((*name).to_string(), binary(name)?)))
        .collect::<Result<_>>()?;
    let programs = program_names()?.into_iter().map(|name| Ok((name.clone(), binary(&name)?)));
    let programs = programs.collect::<Result<_>>()?;
    Ok(Built { loader, kernel: binary("kernel")?, modules, programs })
}

/// Folders in `user/` that are no programs for people: what is booted in place of `init`, the loader, and policies that misbehave.
const NOT_IN_BIN: [&str; 3] = ["kernel-test", "ld", "saboteur"];

/// Names of the binaries of `user/`: those of `src/bin`, or the package's own.
fn program_names() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(crate::root().join("user")).context("user/ cannot be read")? {
        let folder = entry?.path();
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if NOT_IN_BIN.contains(&name.as_str()) || !folder.join("Cargo.toml").is_file() || name == "template" {
            continue;
        }
        match fs::read_dir(folder.join("src/bin")) {
            Ok(files) => {
                for file in files {
                    let file = file?.path();
                    if file.extension().is_some_and(|e| e == "rs") {
                        names.push(file.file_stem().unwrap_or_default().to_string_lossy().into_owned());
                    }
                }
            }
            Err(_) => names.push(name),
        }
    }
    names.sort();
    Ok(names)
}

/// Builds the program whose instructions are counted for policies, optimised as what runs on the machine.
///
/// # Errors
/// As [`all`].
pub fn cost_program() -> Result<PathBuf> {
    const NAME: &str = "ebb-sim-cost";
    cargo_build(&["build", "--release", "-p", "ebb-sim", "--bin", NAME], &mut Progress::new("build"))?;
    Ok(crate::target_dir().join("release").join(NAME))
}

/// Builds the loader alone.
///
/// # Errors
/// As [`all`].
pub fn loader() -> Result<PathBuf> {
    loader_with(&mut Progress::new("build"))
}

fn loader_with(progress: &mut Progress) -> Result<PathBuf> {
    cargo_build(&["build", "--release", "--target", LOADER_TARGET, "-p", "ebb-loader", "--bins"], progress)?;
    Ok(crate::target_dir().join(LOADER_TARGET).join("release/ebb-loader.efi"))
}

/// Names of the packages that are built for the machine.
///
/// # Errors
/// A folder or manifest that cannot be read.
pub fn machine_packages() -> Result<Vec<String>> {
    let root = crate::root();
    let mut folders = vec![root.join("microkernel")];
    for group in ["servers", "user"] {
        for entry in fs::read_dir(root.join(group)).with_context(|| format!("{group}/ cannot be read"))? {
            folders.push(entry?.path());
        }
    }
    // The template is no package of the workspace: copies of it are built elsewhere.
    folders.retain(|f| f.join("Cargo.toml").is_file() && !f.ends_with("user/template"));
    folders.sort();
    folders.iter().map(|f| package_name(&f.join("Cargo.toml"))).collect()
}

/// The first `name` of a manifest, which is the package's.
fn package_name(manifest: &Path) -> Result<String> {
    let text =
        fs::read_to_string(manifest).with_context(|| format!("{} cannot be read", manifest.display()))?;
    text.lines()
        .find_map(|l| l.strip_prefix("name = \"")?.strip_suffix('"'))
        .map(str::to_string)
        .with_context(|| format!("{} has no package name", manifest.display()))
}

fn cargo_build(arguments: &[&str], progress: &mut Progress) -> Result<()> {
    let mut child = crate::cargo()
        .args(arguments)
        .args(["--color", "never"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("cargo does not start")?;
    let stderr = child.stderr.take().context("cargo has no stderr")?;
    let mut messages = String::new();
    for line in BufReader::new(stderr).lines() {
        let line = line?;
        match line.trim_start().split_once(' ') {
            Some(("Compiling" | "Downloading" | "Downloaded" | "Updating" | "Blocking", _)) => {
                progress.tell(line.trim())
            }
            Some(("Finished" | "Locking" | "Adding", _)) => {}
            _ => {
                messages.push_str(&line);
                messages.push('\n');
            }
        }
    }
    if !child.wait()?.success() {
        bail!("'cargo {}' failed:\n{}", arguments.join(" "), messages.trim_end());
    }
    // Warnings of a build that went well.
    eprint!("{messages}");
    Ok(())
}
