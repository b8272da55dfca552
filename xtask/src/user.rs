// SPDX-License-Identifier: BSD-2-Clause
//! `cargo xtask user`: programs of one's own, which live outside this workspace. They are made from `user/template`, and
//! built for the machine as the workspace's programs are.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use serde_json::Value;

use crate::setup::{self, MACHINE_TARGET, Need};

/// What can be done.
#[derive(Subcommand, Clone, Debug)]
pub enum What {
    /// Make a new program from the template
    New(New),
    /// Build a program for the machine, and print where its file is
    Build(Build),
}

/// Options of `user new`.
#[derive(Args, Clone, Debug)]
pub struct New {
    /// The folder to be made; the program has its name
    path: PathBuf,
}

/// Options of `user build`.
#[derive(Args, Clone, Debug)]
pub struct Build {
    /// The program's folder
    path: PathBuf,
    /// Copy the program to this folder, which is made if it is not there; for `run --files DIR`
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    /// Cargo's profile
    #[arg(long, value_name = "NAME", default_value = "release")]
    profile: String,
}

/// Does it.
///
/// # Errors
/// A folder that cannot be read or written, or a program that cannot be built.
pub fn main(what: &What) -> Result<()> {
    match what {
        What::New(options) => {
            let folder = new(&options.path)?;
            println!("{}", folder.display());
            Ok(())
        }
        What::Build(options) => {
            setup::ensure(&[Need::Targets])?;
            for mut program in build(&options.path, &options.profile, None, Stdio::inherit())? {
                if let Some(folder) = &options.to {
                    program = put(&program, folder)?;
                }
                println!("{}", program.display());
            }
            Ok(())
        }
    }
}

/// What the template is called in its own manifest, and where it finds the runtime.
const TEMPLATE_NAME: &str = "name = \"template\"";
const TEMPLATE_RUNTIME: &str = "path = \"../../libs/rt\"";

/// Makes a program from the template; its folder. Its name is the folder's.
///
/// # Errors
/// A name that cannot be a program's, a folder with something in it, or one that cannot be written.
pub fn new(path: &Path) -> Result<PathBuf> {
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    let good = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    if !good {
        bail!("'{}': a program's name is letters, digits, '-' and '_', a letter first", path.display());
    }
    let around = std::path::absolute(path)?.parent().unwrap_or(Path::new("/")).to_path_buf();
    fs::create_dir_all(&around).with_context(|| format!("{} cannot be made", around.display()))?;
    let around = fs::canonicalize(around)?;
    if around == fs::canonicalize(crate::root().join("user"))? {
        bail!("user/ holds the workspace's own programs; name a folder elsewhere");
    }
    let folder = around.join(name);
    if fs::read_dir(&folder).is_ok_and(|mut d| d.next().is_some()) {
        bail!("{}: there is something in it; name a new folder", folder.display());
    }
    let template = crate::root().join("user/template");
    let manifest = read(&template.join("Cargo.toml"))?;
    let runtime = crate::root().join("libs/rt");
    let runtime = runtime.to_str().with_context(|| format!("{} is not UTF-8", runtime.display()))?;
    // A string in JSON is one in TOML.
    let manifest = manifest.replacen(TEMPLATE_NAME, &format!("name = \"{name}\""), 1).replacen(
        TEMPLATE_RUNTIME,
        &format!("path = {}", Value::from(runtime)),
        1,
    );
    write(&folder.join("Cargo.toml"), &manifest)?;
    for file in ["src/main.rs", ".gitignore"] {
        write(&folder.join(file), &read(&template.join(file))?)?;
    }
    // The versions that the runtime is tested with; Cargo drops what the program does not use.
    write(&folder.join("Cargo.lock"), &read(&crate::root().join("Cargo.lock"))?)?;
    Ok(folder)
}

/// Builds the program in a folder, with what comes of it in `target` or where Cargo has it otherwise; the files of its
/// binaries.
///
/// # Errors
/// No program is there, or it cannot be built; what the compiler says goes to `messages`.
pub fn build(path: &Path, profile: &str, target: Option<&Path>, messages: Stdio) -> Result<Vec<PathBuf>> {
    let folder = fs::canonicalize(path).with_context(|| path.display().to_string())?;
    if !folder.join("Cargo.toml").is_file() {
        bail!("{}: no Cargo.toml in it; 'cargo xtask user new' makes a program", path.display());
    }
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    if let Some(target) = target {
        cargo.env("CARGO_TARGET_DIR", target);
    }
    let done = cargo
        .current_dir(&folder)
        .args(["build", "--target", MACHINE_TARGET, "--profile", profile])
        .arg("--message-format=json-render-diagnostics")
        // Where programs are linked to, and how, stands there and nowhere else.
        .arg("--config")
        .arg(crate::root().join(".cargo/config.toml"))
        // These would take the place of the configuration's flags, and the program would not be loaded.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .stdin(Stdio::null())
        .stderr(messages)
        .output()
        .context("cargo does not start")?;
    if !done.status.success() {
        bail!("{} cannot be built", path.display());
    }
    let programs = executables(&String::from_utf8_lossy(&done.stdout));
    if programs.is_empty() {
        bail!("{}: it has no program, only a library", path.display());
    }
    Ok(programs)
}

/// The binaries that Cargo's messages, one JSON object a line, tell of.
fn executables(messages: &str) -> Vec<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|message| message.get("executable")?.as_str().map(PathBuf::from))
        .collect()
}

/// Copies a program, under its own name, to a folder that may have to be made.
pub fn put(program: &Path, folder: &Path) -> Result<PathBuf> {
    fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let to = folder.join(program.file_name().context("a program without a name")?);
    crate::root::program(program, &to)?;
    Ok(to)
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))
}

fn write(file: &Path, text: &str) -> Result<()> {
    let folder = file.parent().unwrap_or(Path::new("/"));
    let written = fs::create_dir_all(folder).and_then(|()| fs::write(file, text));
    written.with_context(|| format!("{} cannot be written", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Folder;

    #[test]
    fn a_copy_of_the_template_can_be_built_elsewhere() {
        let folder = Folder::new(false).unwrap();
        let path = folder.path().join("count-words");
        let made = new(&path).unwrap();
        let manifest = read(&made.join("Cargo.toml")).unwrap();
        assert!(
            manifest.contains("name = \"count-words\"") && !manifest.contains("../../libs/rt"),
            "{manifest}"
        );
        // In the workspace's target folder the runtime may be built already.
        let programs = build(&path, "release", Some(&crate::target_dir()), Stdio::inherit()).unwrap();
        let [program] = programs.as_slice() else { panic!("{programs:?}") };
        // Where the workspace's programs are linked to, and so where the machine's loader takes them: entry at byte 24.
        let elf = fs::read(put(program, &folder.path().join("a/b")).unwrap()).unwrap();
        let entry = u64::from_le_bytes(elf[24..32].try_into().unwrap());
        assert_eq!(&elf[..4], b"\x7fELF");
        assert!((0x20_0000..0x4000_0000).contains(&entry), "{entry:#x}");
        assert!(new(&path).unwrap_err().to_string().contains("something in it"));
    }

    #[test]
    fn what_is_no_program_is_said() {
        let folder = Folder::new(false).unwrap();
        for name in ["1st", "a b", "é", "..", "x.y"] {
            assert!(new(&folder.path().join(name)).is_err(), "{name}");
        }
        assert!(new(&crate::root().join("user/mine")).unwrap_err().to_string().contains("elsewhere"));
        assert!(!crate::root().join("user/mine").exists());
        assert!(
            build(folder.path(), "release", Some(&crate::target_dir()), Stdio::null())
                .unwrap_err()
                .to_string()
                .contains("user new")
        );
        let broken = new(&folder.path().join("broken")).unwrap();
        write(&broken.join("src/main.rs"), "not a program").unwrap();
        assert!(
            build(&broken, "release", Some(&crate::target_dir()), Stdio::null())
                .unwrap_err()
                .to_string()
                .contains("cannot be built")
        );
    }

    #[test]
    fn binaries_are_found_among_the_messages() {
        let messages =
            "{\"reason\":\"compiler-artifact\",\"executable\":null}\nnoise\n{\"executable\":\"/t/a\"}\n";
        assert_eq!(executables(messages), [PathBuf::from("/t/a")]);
    }
}
