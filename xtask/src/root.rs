// SPDX-License-Identifier: BSD-2-Clause
//! The root disk: an ext4 file system with the programs in `/bin` and a folder of the host in `/data`, made and read by e2fsprogs.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::compile::Built;
use crate::size::Size;

/// Serial of the disk, by which `init` knows it.
pub const SERIAL: &str = "root";
/// Room beside what is on it.
const ROOM: u64 = 256 << 20;
/// What the machine's file system has, and what it has not: `dir_index`, because the library that serves it counts the blocks of an indexed directory wrong; the others, because it does
/// not know them. A journal of 4 MiB is the smallest that e2fsprogs makes; what is not checkpointed of it takes memory in the machine. UUID, hash seed and time are fixed, so
/// that the same files make the same image.
const OPTIONS: &[&str] = &[
    "-q",
    "-F",
    "-t",
    "ext4",
    "-b",
    "4096",
    "-m",
    "0",
    "-J",
    "size=4",
    "-O",
    "^orphan_file,^metadata_csum_seed,^resize_inode,^dir_index",
    "-E",
    "lazy_itable_init=0,root_owner=0:0,hash_seed=6562622d-0000-4000-8000-000000000002",
    "-U",
    "6562622d-0000-4000-8000-000000000001",
    "-L",
    "ebb",
];

/// A program of e2fsprogs, which distributions keep where ordinary users do not look.
fn tool(name: &str) -> PathBuf {
    let places = ["/usr/sbin", "/sbin", "/usr/local/sbin"].map(|dir| Path::new(dir).join(name));
    places.into_iter().find(|file| file.is_file()).unwrap_or_else(|| PathBuf::from(name))
}

/// Whether e2fsprogs are there.
pub fn has_tools() -> bool {
    ["mke2fs", "e2fsck", "debugfs"].iter().all(|name| Command::new(tool(name)).arg("-V").output().is_ok())
}

/// Makes the image in a folder. `files`: what is put into `/data`.
///
/// # Errors
/// A file that cannot be read, or an image that cannot be made.
pub fn make(folder: &Path, built: &Built, files: Option<&Path>, size: Option<Size>) -> Result<PathBuf> {
    let staging = folder.join("root");
    for dir in ["bin", "data", "tmp", "etc"] {
        fs::create_dir_all(staging.join(dir))
            .with_context(|| format!("{} cannot be made", staging.display()))?;
    }
    let mut bytes = 0;
    for (name, file) in &built.programs {
        bytes += program(file, &staging.join("bin").join(name))?;
    }
    if let Some(files) = files {
        bytes += copy_tree(files, &staging.join("data"))?;
    }
    let image = folder.join("root.img");
    let size = size.map_or((bytes * 3 + ROOM).next_multiple_of(1 << 20), |s| s.0);
    fs::File::create(&image)
        .and_then(|f| f.set_len(size))
        .with_context(|| format!("{} cannot be made {size} bytes long", image.display()))?;
    let made = Command::new(tool("mke2fs"))
        .args(OPTIONS)
        .arg("-d")
        .arg(&staging)
        .arg(&image)
        .env("SOURCE_DATE_EPOCH", "1767225600")
        .env("E2FSPROGS_FAKE_TIME", "1767225600")
        .output()
        .context("mke2fs does not start: install Debian's package 'e2fsprogs'")?;
    if !made.status.success() {
        bail!("the root disk cannot be made: {}", String::from_utf8_lossy(&made.stderr).trim());
    }
    fs::remove_dir_all(&staging).with_context(|| format!("{} cannot be removed", staging.display()))?;
    Ok(image)
}

/// Puts a program into a folder for the machine, without symbols where the host can strip them. Returns its bytes.
pub fn program(from: &Path, to: &Path) -> Result<u64> {
    let stripped = Command::new("strip").arg("-s").arg("-o").arg(to).arg(from).output();
    if !stripped.is_ok_and(|s| s.status.success()) {
        fs::copy(from, to).with_context(|| format!("{} cannot be copied", from.display()))?;
    }
    fs::set_permissions(to, fs::Permissions::from_mode(0o755))?;
    Ok(fs::metadata(to)?.len())
}

/// Copies a folder, links as links. Returns the bytes of its files.
fn copy_tree(from: &Path, to: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(from).with_context(|| format!("--files {}", from.display()))? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let context = || format!("--files: {}", source.display());
        let kind = entry.file_type().with_context(context)?;
        if kind.is_dir() {
            fs::create_dir(&target).with_context(context)?;
            bytes += copy_tree(&source, &target)? + 4096;
            fs::set_permissions(&target, fs::metadata(&source)?.permissions()).with_context(context)?;
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&source).with_context(context)?, &target)
                .with_context(context)?;
        } else if kind.is_file() {
            bytes += fs::copy(&source, &target).with_context(context)?.next_multiple_of(4096);
        } else {
            bail!("{}: neither a file, nor a folder, nor a link", context());
        }
    }
    Ok(bytes)
}

/// What the checker says of an image after the machine ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing to be done, or the journal alone.
    Clean,
    /// It had to be repaired beyond the journal, or could not be: what the checker said.
    Damaged(String),
}

/// Lets the checker replay the journal and look at everything.
///
/// # Errors
/// It does not start.
pub fn check(image: &Path) -> Result<Verdict> {
    let done = Command::new(tool("e2fsck")).args(["-f", "-p"]).arg(image).output();
    let done = done.context("e2fsck does not start: install Debian's package 'e2fsprogs'")?;
    let said = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
    let harmless = |line: &&str| {
        let rest = line.split_once(": ").map_or(*line, |(_, rest)| rest);
        rest.is_empty()
            || rest == "recovering journal"
            || rest.contains(" files (")
            || rest.starts_with("Clearing orphaned inode")
            || rest.ends_with("could be narrower.  IGNORED.")
            || rest.ends_with("could be shorter.  IGNORED.")
    };
    let code = done.status.code().unwrap_or(128);
    if code <= 1 && said.lines().all(|line| harmless(&line)) {
        return Ok(Verdict::Clean);
    }
    Ok(Verdict::Damaged(said))
}

/// Copies `/data` of an image out to a folder that does not exist or is empty.
///
/// # Errors
/// What cannot be copied, or a file system that had to be repaired.
pub fn save(image: &Path, to: &Path) -> Result<()> {
    let verdict = check(image)?;
    fs::create_dir_all(to).with_context(|| format!("--save {}", to.display()))?;
    let parent = image.parent().unwrap_or(Path::new("."));
    let out = parent.join("saved");
    fs::create_dir_all(&out)?;
    let done = Command::new(tool("debugfs"))
        .arg("-R")
        .arg(format!("rdump /data \"{}\"", out.display()))
        .arg(image)
        .output()
        .context("debugfs does not start: install Debian's package 'e2fsprogs'")?;
    let said = String::from_utf8_lossy(&done.stderr);
    let complaints: Vec<&str> =
        said.lines().filter(|l| !l.starts_with("debugfs ") && !l.contains("changing ownership")).collect();
    let data = out.join("data");
    if !done.status.success() || !complaints.is_empty() || !data.is_dir() {
        bail!("--save: /data cannot be read from the disk: {}", complaints.join("; "));
    }
    for entry in fs::read_dir(&data)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if fs::rename(entry.path(), &target).is_err() {
            // Another file system of the host.
            let done = Command::new("cp").arg("-a").arg(entry.path()).arg(&target).status()?;
            if !done.success() {
                bail!("--save: {} cannot be written", target.display());
            }
        }
    }
    match verdict {
        Verdict::Clean => Ok(()),
        Verdict::Damaged(said) => bail!("the machine's file system had to be repaired:\n{}", said.trim_end()),
    }
}
