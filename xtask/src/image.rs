// SPDX-License-Identifier: BSD-2-Clause
//! The EFI system partition: loader, configuration, kernel and modules on a FAT file system, made in memory.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::compile::Built;
use crate::fat;

/// Name of the module that carries the script of `--exec`.
pub const EXEC: &str = "exec";
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
/// A file that cannot be read, or more than the file system holds.
pub fn system_partition(contents: &Contents, efi: &Path) -> Result<Vec<u8>> {
    let mut files = contents.files()?;
    files.push(("EFI/BOOT/BOOTX64.EFI".to_string(), read(efi)?));
    fat::image("EBB", &files)
}

fn read(file: &Path) -> Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("{} cannot be read", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
