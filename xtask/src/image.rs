// SPDX-License-Identifier: BSD-2-Clause
//! The EFI system partition: loader, configuration, kernel and modules on a FAT file system, made in memory.

use std::fs;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use fatfs::{FileSystem, FormatVolumeOptions, FsOptions};

use crate::compile::Built;

/// Name of the module that carries the script of `--exec`.
pub const EXEC: &str = "exec";
/// Room for the file system's own structures and what grows by rounding, in bytes; generous, and sparse on disk.
const SLACK: usize = 2 << 20;
/// Smallest image in bytes: small FAT volumes are where firmwares differ.
const MIN_IMAGE: usize = 8 << 20;

/// What the machine boots with.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    /// The kernel's file.
    pub kernel: PathBuf,
    /// Name and file of each module.
    pub modules: Vec<(String, PathBuf)>,
    /// The script that the shell runs by itself.
    pub exec: Option<String>,
    /// The kernel's command line.
    pub cmdline: String,
}

impl Contents {
    /// What was built, with a command line and a script.
    pub fn new(built: &Built, cmdline: String, exec: Option<String>) -> Self {
        Self { kernel: built.kernel.clone(), modules: built.modules.clone(), exec, cmdline }
    }

    /// The configuration that our loader and Limine both read.
    pub fn config(&self) -> String {
        let mut text = format!(
            "timeout: 0\nserial: yes\n\n/Ebb\n    protocol: limine\n    path: boot():/boot/kernel\n    cmdline: {}\n",
            self.cmdline
        );
        for name in self.modules.iter().map(|(name, _)| name.as_str()).chain(self.exec.as_ref().map(|_| EXEC))
        {
            // The string has two names: Limine's versions know the one or the other, and ignore what they do not know.
            text += &format!(
                "    module_path: boot():/boot/{name}\n    module_cmdline: {name}\n    module_string: {name}\n"
            );
        }
        text
    }

    /// The files of the image, path and bytes; folders come before what is in them.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn files(&self) -> Result<Vec<(String, Vec<u8>)>> {
        let mut files = vec![("limine.conf".to_string(), self.config().into_bytes())];
        files.push(("boot/kernel".to_string(), read(&self.kernel)?));
        for (name, file) in &self.modules {
            files.push((format!("boot/{name}"), read(file)?));
        }
        if let Some(script) = &self.exec {
            files.push((format!("boot/{EXEC}"), script.clone().into_bytes()));
        }
        Ok(files)
    }
}

/// Makes a FAT image with these files and the loader `efi` at the place where firmware looks for it.
///
/// # Errors
/// A file that cannot be read; the image is in memory, so writing it can hardly fail.
pub fn system_partition(contents: &Contents, efi: &Path) -> Result<Vec<u8>> {
    let mut files = contents.files()?;
    files.push(("EFI/BOOT/BOOTX64.EFI".to_string(), read(efi)?));
    fat(&files)
}

/// A FAT image with these files.
fn fat(files: &[(String, Vec<u8>)]) -> Result<Vec<u8>> {
    let size: usize =
        files.iter().map(|(_, bytes)| bytes.len().next_multiple_of(32 << 10)).sum::<usize>() + SLACK;
    let mut image = vec![0; size.next_multiple_of(1 << 20).max(MIN_IMAGE)];
    let options = FormatVolumeOptions::new().volume_label(*b"EBB        ");
    fatfs::format_volume(Cursor::new(&mut image[..]), options).context("formatting the boot image")?;
    let volume = FileSystem::new(Cursor::new(&mut image[..]), FsOptions::new())?;
    for (path, bytes) in files {
        let mut at = 0;
        while let Some(slash) = path[at..].find('/') {
            at += slash;
            volume.root_dir().create_dir(&path[..at])?;
            at += 1;
        }
        let mut file = volume.root_dir().create_file(path)?;
        file.write_all(bytes).with_context(|| format!("{path} does not fit into the boot image"))?;
    }
    volume.unmount()?;
    Ok(image)
}

fn read(file: &Path) -> Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("{} cannot be read", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn the_configuration_names_what_is_in_the_image() {
        let contents = Contents {
            kernel: "/k".into(),
            modules: vec![("init".into(), "/i".into()), ("swap-pager".into(), "/s".into())],
            exec: Some("audit".into()),
            cmdline: "mem=1 log=com2".into(),
        };
        let config = contents.config();
        assert!(config.contains("    path: boot():/boot/kernel\n    cmdline: mem=1 log=com2\n"));
        let modules: Vec<_> = config.lines().filter(|l| l.contains("module_path")).collect();
        assert_eq!(
            modules,
            ["init", "swap-pager", "exec"].map(|m| format!("    module_path: boot():/boot/{m}"))
        );
    }

    #[test]
    fn a_fat_image_gives_its_files_back() {
        let files = vec![
            ("boot/swap-pager".to_string(), (0..100_000u32).map(|i| i as u8).collect::<Vec<_>>()),
            ("boot/empty".to_string(), vec![]),
            ("EFI/BOOT/BOOTX64.EFI".to_string(), b"MZ".to_vec()),
        ];
        let mut image = fat(&files).unwrap();
        let volume = FileSystem::new(Cursor::new(&mut image[..]), FsOptions::new()).unwrap();
        for (path, bytes) in &files {
            let mut read = Vec::new();
            volume.root_dir().open_file(path).unwrap().read_to_end(&mut read).unwrap();
            assert_eq!(&read, bytes, "{path}");
        }
    }
}
