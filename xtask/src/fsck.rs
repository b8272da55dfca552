// SPDX-License-Identifier: BSD-2-Clause
//! Looking at a file system after the machine ended, with e2fsprogs.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

/// A program of e2fsprogs, which distributions keep where ordinary users do not look.
fn tool(name: &str) -> PathBuf {
    let places = ["/usr/sbin", "/sbin", "/usr/local/sbin"].map(|dir| Path::new(dir).join(name));
    places.into_iter().find(|file| file.is_file()).unwrap_or_else(|| PathBuf::from(name))
}

/// Whether e2fsprogs are there.
pub fn has_tools() -> bool {
    ["mke2fs", "e2fsck", "debugfs"].iter().all(|name| Command::new(tool(name)).arg("-V").output().is_ok())
}

/// A program of e2fsprogs that speaks English.
pub fn command(name: &str) -> Command {
    let mut command = Command::new(tool(name));
    command.env("LC_ALL", "C");
    command
}

/// What the checker says of an image after the machine ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing to be done, or what any mount would do: replay the journal, and let go of files without a name.
    Clean,
    /// There was more to be repaired, and it has been: what the checker said before.
    Damaged(String),
}

/// Lets the checker do what any mount would do, and then look at everything. That has to be apart: its automatic
/// repair, which is also what lets go of files without a name, mends bitmaps and counts without a word.
///
/// # Errors
/// It does not start, or the image cannot be read.
pub fn check(image: &Path) -> Result<Verdict> {
    let run = |name: &str, options: &[&str]| -> Result<(i32, String)> {
        let done = command(name).args(options).arg(image).output();
        let done =
            done.with_context(|| format!("{name} does not start: install Debian's package 'e2fsprogs'"))?;
        let said = [done.stdout, done.stderr].concat();
        Ok((done.status.code().unwrap_or(128), String::from_utf8_lossy(&said).into_owned()))
    };
    let mut all = String::new();
    // A step: whether the program ended with no more than this status, and said these words.
    let mut step = |name: &str, options: &[&str], most: i32, words: &str| -> Result<bool> {
        let (code, said) = run(name, options)?;
        all += &said;
        Ok(code <= most && said.contains(words))
    };
    let good = step("e2fsck", &["-p", "-E", "journal_only"], 1, "")?
        && (!has_orphans(image)?
            // It was in use when it was left, and so the repair would look at everything. That mark is taken away, if it is
            // no mark of an error, and then it tells that it had nothing to look for.
            || (step("debugfs", &["-w", "-R", "set_super_value state 1"], 0, "")?
                && step("e2fsck", &["-p"], 1, ": clean,")?))
        && step("e2fsck", &["-f", "-n"], 0, "")?;
    if good {
        return Ok(Verdict::Clean);
    }
    // What can be saved shall be.
    let (code, said) = run("e2fsck", &["-f", "-y"])?;
    Ok(Verdict::Damaged(if code < 4 { all } else { all + &said }))
}

/// Whether the file system has files that have no name any more, and no error that it knows of.
fn has_orphans(image: &Path) -> Result<bool> {
    // In the superblock, at byte 1024 of the disk.
    const STATE: usize = 58;
    const LAST_ORPHAN: usize = 232;
    let mut block = [0; 1024];
    let read = fs::File::open(image).and_then(|f| f.read_exact_at(&mut block, 1024));
    read.with_context(|| format!("{} cannot be read", image.display()))?;
    let error = block[STATE] & 2 != 0;
    Ok(!error && block[LAST_ORPHAN..][..4] != [0; 4])
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::root::tests::image_of;
    use crate::run::Folder;

    /// Zeroes in the bitmap of used blocks. Where the first group's is stands in the first word of block 1.
    pub fn spoil_bitmap(image: &Path) {
        let disk = fs::OpenOptions::new().read(true).write(true).open(image).unwrap();
        let mut place = [0; 4];
        disk.read_exact_at(&mut place, 4096).unwrap();
        disk.write_all_at(&[0; 64], u64::from(u32::from_le_bytes(place)) * 4096).unwrap();
    }

    #[test]
    fn files_without_a_name_are_no_damage() {
        let folder = Folder::new(false).unwrap();
        let files = folder.path().join("files");
        fs::create_dir(&files).unwrap();
        fs::write(files.join("open"), vec![1; 50_000]).unwrap();
        fs::write(files.join("file"), "kept").unwrap();
        let image = image_of(folder.path(), &files, None).unwrap();
        let debugfs = |request: &str| {
            let done = command("debugfs").args(["-w", "-R", request]).arg(&image).output().unwrap();
            String::from_utf8_lossy(&done.stdout).into_owned()
        };
        // As it is when the machine dies with a file open that was removed.
        let told = debugfs("stat /data/open");
        let inode = told.split_whitespace().nth(1).unwrap().to_string();
        for request in [
            "unlink /data/open".to_string(),
            format!("set_inode_field <{inode}> links_count 0"),
            format!("set_super_value last_orphan {inode}"),
            "set_super_value state 0".to_string(),
        ] {
            debugfs(&request);
        }
        assert!(has_orphans(&image).unwrap());
        let spoilt = folder.path().join("spoilt.img");
        fs::copy(&image, &spoilt).unwrap();
        spoil_bitmap(&spoilt);
        assert_eq!(check(&image).unwrap(), Verdict::Clean);
        assert!(!has_orphans(&image).unwrap());
        assert!(matches!(check(&spoilt).unwrap(), Verdict::Damaged(_)));
    }
}
