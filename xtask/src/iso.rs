// SPDX-License-Identifier: BSD-2-Clause
//! `cargo xtask iso`: one image that boots as a CD-ROM and, written byte for byte to a disk, as a disk. With our loader
//! its EFI system partition carries everything; with Limine's files the ISO file system does.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::compile::{self, Built};
use crate::image::{self, Contents};
use crate::progress::Progress;
use crate::root::{self, Sizing};
use crate::run::{Folder, RootSize, root_size};
use crate::setup::{self, Need};
use crate::size::{self, Size};

/// Files of Limine that the image is made of.
const LIMINE_FILES: [&str; 4] =
    ["BOOTX64.EFI", "limine-bios-cd.bin", "limine-uefi-cd.bin", "limine-bios.sys"];

/// Bytes of a partition that a CD's boot catalogue can name: it counts sectors in 16 bits.
const CD_PARTITION: usize = 0xffff * 512;

/// Options of `iso`.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// The image to write
    #[arg(short, value_name = "FILE")]
    pub output: PathBuf,
    /// Use the real Limine's files (BOOTX64.EFI, limine-bios-cd.bin, limine-uefi-cd.bin, limine-bios.sys) from this
    /// folder instead of our loader; with its program 'limine' there as well, BIOSes boot the image as a disk too
    #[arg(long, value_name = "DIR")]
    pub limine: Option<PathBuf>,
    /// Memory that the kernel may use [default: all that there is]
    #[arg(long, value_name = "SIZE", value_parser = size::memory)]
    pub mem: Option<Size>,
    /// A folder of the host, copied to /data
    #[arg(long, value_name = "DIR")]
    pub files: Option<PathBuf>,
    /// Size of the root disk, which lies in the machine's memory: what is written to it is gone when the machine is
    /// [default: a little more than what is on it]; none: no root disk, and the programs of the boot image only
    #[arg(long, value_name = "SIZE", value_parser = root_size)]
    pub root: Option<RootSize>,
    /// More words for the kernel's command line
    #[arg(long, value_name = "WORDS", default_value = "")]
    pub cmdline: String,
    /// A script that the shell runs by itself
    #[arg(long, value_name = "COMMANDS")]
    pub exec: Option<String>,
    /// Take this kernel alone, without any module
    #[arg(long, value_name = "FILE", hide = true)]
    pub kernel: Option<PathBuf>,
}

/// Makes the image.
///
/// # Errors
/// Missing tools or files, a failed build, or what xorriso said.
pub fn main(options: &Options) -> Result<()> {
    if let Some(dir) = &options.limine
        && let Some(missing) = LIMINE_FILES.iter().find(|f| !dir.join(f).is_file())
    {
        bail!("--limine {}: no file '{missing}' there; it wants {}", dir.display(), LIMINE_FILES.join(", "));
    }
    if options.root == Some(RootSize::None) && options.files.is_some() {
        bail!("--files needs a root disk");
    }
    setup::ensure(&[Need::Targets, Need::Xorriso, Need::E2fsprogs])?;
    let built = match &options.kernel {
        Some(kernel) => Built {
            loader: compile::loader()?,
            kernel: kernel.clone(),
            modules: Vec::new(),
            programs: Vec::new(),
        },
        None => compile::all()?,
    };
    make(options, &built)?;
    eprintln!("xtask: {} is made", options.output.display());
    Ok(())
}

/// Makes the image from what was built.
///
/// # Errors
/// As [`main`].
pub fn make(options: &Options, built: &Built) -> Result<()> {
    let mem = options.mem.map(|size| format!("mem={}", size.0)).unwrap_or_default();
    let cmdline = format!("{mem} {}", options.cmdline).trim().to_string();
    let mut contents = Contents::new(built, cmdline, options.exec.clone());
    let folder = Folder::new(false)?;
    let size = match options.root {
        Some(RootSize::None) => None,
        _ if options.kernel.is_some() => None,
        Some(RootSize::Size(size)) => Some(Sizing::Given(size)),
        None => Some(Sizing::InMemory),
    };
    if let Some(size) = size {
        let image = root::make(folder.path(), built, options.files.as_deref(), size)?;
        contents.modules.push((root::SERIAL.to_string(), image));
    }
    let tree = folder.path().join("tree");
    fs::create_dir_all(&tree)?;
    let mut progress = Progress::new("iso");
    progress.tell("xorriso");
    let mut xorriso = Command::new("xorriso");
    xorriso.args(["-as", "mkisofs", "-quiet", "-R", "-J", "-V", "EBB"]).arg("-o").arg(&options.output);
    match &options.limine {
        None => own(&mut xorriso, &contents, &built.loader, folder.path())?,
        Some(dir) => limine(&mut xorriso, &contents, dir, &tree)?,
    }
    call(xorriso.arg(&tree), "xorriso")?;
    if let Some(tool) = options.limine.as_ref().map(|dir| dir.join("limine")).filter(|tool| tool.is_file()) {
        call(Command::new(tool).arg("bios-install").arg(&options.output), "limine bios-install")?;
    }
    Ok(())
}

/// Our loader: a FAT partition after the ISO file system, which El Torito and the partition table both name.
fn own(xorriso: &mut Command, contents: &Contents, loader: &Path, folder: &Path) -> Result<()> {
    let partition = folder.join("esp.img");
    let bytes = image::system_partition(contents, loader)?;
    if bytes.len() > CD_PARTITION {
        eprintln!(
            "xtask: {} MiB: this boots as a disk only; for a CD at most {} MiB, or --limine",
            bytes.len() >> 20,
            CD_PARTITION >> 20
        );
    }
    fs::write(&partition, bytes)?;
    xorriso.args(["-append_partition", "2", "0xef"]).arg(&partition);
    xorriso.args(["-appended_part_as_gpt", "-e", "--interval:appended_partition_2:all::", "-no-emul-boot"]);
    Ok(())
}

/// Limine: the files on the ISO file system, its own images for BIOS and UEFI.
fn limine(xorriso: &mut Command, contents: &Contents, dir: &Path, tree: &Path) -> Result<()> {
    let mut files = contents.files()?;
    for (name, place) in LIMINE_FILES.iter().zip(["EFI/BOOT", "boot/limine", "boot/limine", "boot/limine"]) {
        let bytes = fs::read(dir.join(name)).with_context(|| format!("{name} cannot be read"))?;
        files.push((format!("{place}/{name}"), bytes));
    }
    for (path, bytes) in files {
        let file = tree.join(path);
        fs::create_dir_all(file.parent().unwrap_or(tree))?;
        fs::write(&file, bytes).with_context(|| format!("{} cannot be written", file.display()))?;
    }
    xorriso.args(["-b", "boot/limine/limine-bios-cd.bin", "-no-emul-boot", "-boot-load-size", "4"]);
    xorriso.args(["-boot-info-table", "--efi-boot", "boot/limine/limine-uefi-cd.bin", "-efi-boot-part"]);
    xorriso.args(["--efi-boot-image", "--protective-msdos-label"]);
    Ok(())
}

fn call(command: &mut Command, name: &str) -> Result<()> {
    let done = command.output().with_context(|| format!("{name} does not start"))?;
    if !done.status.success() {
        bail!("{name} failed:\n{}", String::from_utf8_lossy(&done.stderr).trim_end());
    }
    Ok(())
}
