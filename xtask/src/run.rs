// SPDX-License-Identifier: BSD-2-Clause
//! `cargo xtask run`: a machine in this terminal, or a script on a machine.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};

use crate::compile::{self, Built};
use crate::dashboard::Dashboard;
use crate::image::{self, Contents};
use crate::qemu::{Boot, Config, Disk, Engine, FIRMWARE_MEMORY, Machine, Outcome, Sink};
use crate::root::Sizing;
use crate::setup::{self, Need};
use crate::size::{self, Size};
use crate::status::End;
use crate::{probe, root, terminal};

/// Seconds that a script gets if nobody says otherwise.
const EXEC_LIMIT_S: u64 = 600;
/// Logs of interactive machines that are kept.
const KEPT_LOGS: usize = 8;
/// Bytes of a sector; disks are whole sectors.
const SECTOR: u64 = 512;
/// Bytes of a frame of memory.
const PAGE: u64 = 4096;
/// Memory comes in multiples of this.
const SPARE_UNIT: u64 = 2 << 20;
/// Nanoseconds: firmware takes one second and a little, which depends on the host's disk; the kernel begins at a multiple of this.
const ALIGN: u64 = 4_000_000_000;
/// Bytes of the kernel's command line.
const MAX_CMDLINE: usize = 512;
/// Bytes of a script; the loader would carry more, but then it is no command line any more.
const MAX_SCRIPT: usize = 64 << 10;

/// How to execute the machine's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Accel {
    /// KVM if it passes the probe, else TCG
    Auto,
    /// QEMU's translator
    Tcg,
    /// The host's processor, after a probe that really booted in it
    Kvm,
}

/// What disks in memory behave like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// A hard disk of 7200 revolutions a minute
    Hdd,
    /// Flash behind SATA
    Ssd,
    /// Flash behind PCIe
    Nvme,
    /// Nothing but memory: requests take no time
    Memory,
}

impl Kind {
    /// Its name on the machine's command line.
    fn name(self) -> &'static str {
        match self {
            Self::Hdd => "hdd",
            Self::Ssd => "ssd",
            Self::Nvme => "nvme",
            Self::Memory => "memory",
        }
    }
}

/// Options of `run`.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Memory that the kernel may use (QEMU gets 64M more, because its firmware needs 48M to start)
    #[arg(long, value_name = "SIZE", default_value = "64M", value_parser = size::memory)]
    pub mem: Size,
    /// A swap disk of this size; give it again for one more [default: 256M in this terminal, none with --exec]
    #[arg(long, value_name = "SIZE", value_parser = size::disk)]
    pub swap: Vec<Size>,
    /// All disks lie in memory that the machine has beside --mem, and take as long as disks of this kind would. With --icount the same run has the same
    /// figures every time
    #[arg(long, value_enum, value_name = "KIND", conflicts_with = "save")]
    pub disk: Option<Kind>,
    /// A file of the host as a read-only disk, input0 first; give it again for one more. The machine sees whole
    /// sectors: a private copy is padded with zeroes, and inputN=BYTES on the command line tells the length
    #[arg(long, value_name = "FILE")]
    pub input: Vec<PathBuf>,
    /// A folder of the host, copied to /data before the machine starts
    #[arg(long, value_name = "DIR")]
    pub files: Option<PathBuf>,
    /// Copy /data to this folder, which must be empty or not exist, after the machine ended
    #[arg(long, value_name = "DIR")]
    pub save: Option<PathBuf>,
    /// Size of the root disk [default: three times what is on it, and 256M]; none: no root disk, and the programs of
    /// the boot image only
    #[arg(long, value_name = "SIZE", value_parser = root_size)]
    pub root: Option<RootSize>,
    /// The pageout policy that the machine starts with
    #[arg(long, value_name = "NAME", value_parser = word)]
    pub policy: Option<String>,
    /// The swap pager that the machine starts with
    #[arg(long, value_name = "NAME", value_parser = word)]
    pub swap_pager: Option<String>,
    /// Show beside the shell what the machine does: queues, thresholds, rates, faults of each program
    #[arg(long, conflicts_with = "exec")]
    pub dashboard: bool,
    /// Run these commands in the shell and end with the status of the first that failed, else 0. Standard output is
    /// what they print and nothing else; log and diagnostics go to standard error
    #[arg(long, value_name = "COMMANDS", value_parser = script)]
    pub exec: Option<String>,
    /// Kill the machine after so many seconds, status 124 [default: 600 with --exec, else none]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub timeout: Option<u64>,
    /// Deterministic: one instruction is one nanosecond (-icount shift=0,sleep=off)
    #[arg(long)]
    pub icount: bool,
    /// Stop the machine for a moment now and then, at moments that follow from the seed, as a busy host does
    #[arg(long, value_name = "SEED")]
    pub busy_host: Option<u64>,
    /// How to execute instructions
    #[arg(long, value_enum, default_value = "tcg")]
    pub accel: Accel,
    /// Wait for a debugger on port 1234 before the first instruction
    #[arg(long)]
    pub gdb: bool,
    /// Keep the images and disks of this run, and say where
    #[arg(long)]
    pub keep: bool,
    /// Boot this kernel alone, without any module
    #[arg(long, value_name = "FILE", hide = true)]
    pub kernel: Option<PathBuf>,
    /// More words on the kernel's command line
    #[arg(long, value_name = "WORDS", hide = true)]
    pub cmdline: Option<String>,
}

/// The swap disk of a machine at this terminal, if nothing is said about it.
const USUAL_SWAP: Size = Size(256 << 20);

impl Default for Options {
    fn default() -> Self {
        Self {
            mem: Size::mib(64),
            swap: Vec::new(),
            disk: None,
            input: Vec::new(),
            files: None,
            save: None,
            root: None,
            policy: None,
            swap_pager: None,
            dashboard: false,
            exec: None,
            timeout: None,
            icount: false,
            busy_host: None,
            accel: Accel::Tcg,
            gdb: false,
            keep: false,
            kernel: None,
            cmdline: None,
        }
    }
}

/// Runs a machine and passes its status on.
///
/// # Errors
/// Something on the host failed: missing tools, a build, a file.
pub fn main(options: &Options) -> Result<u8> {
    options.check()?;
    let dashboard = options.dashboard.then(Dashboard::new).transpose()?;
    setup::ensure(&Need::BOOT)?;
    let built = options.built()?;
    terminal::catch_signals();
    let words = dashboard.iter().map(Dashboard::words).chain(options.cmdline.clone());
    let cmdline = words.reduce(|all, more| all + " " + &more);
    let options = &Options { cmdline, ..options.clone() };
    machine(options, &built, dashboard)
}

/// Runs a script on a machine that is built already, and passes its status on.
///
/// # Errors
/// As [`main`].
pub fn on(options: &Options, built: &Built) -> Result<u8> {
    options.check()?;
    machine(options, built, None)
}

/// As [`on`], but nothing is said. Returns the status and what the console said.
///
/// # Errors
/// As [`main`].
pub fn quietly(options: &Options, built: &Built) -> Result<(u8, String)> {
    options.check()?;
    let prepared = Prepared::new(options, built)?;
    let outcome = prepared.capture()?;
    if let (Some(to), Some(image)) = (&options.save, prepared.root_image()) {
        root::save(image, to)?;
    }
    Ok((outcome.end.status(), String::from_utf8_lossy(&outcome.console.machine).into_owned()))
}

fn machine(options: &Options, built: &Built, dashboard: Option<Dashboard>) -> Result<u8> {
    let prepared = Prepared::new(options, built)?;
    let status = if options.exec.is_some() {
        scripted(options, &prepared)?
    } else {
        interactive(options, &prepared, dashboard)?
    };
    if let (Some(to), Some(image)) = (&options.save, prepared.root_image()) {
        root::save(image, to)?;
    }
    Ok(status)
}

/// The size of the root disk, or that there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RootSize {
    /// No root disk.
    None,
    /// One of this size.
    Size(Size),
}

/// Reads one.
pub fn root_size(text: &str) -> Result<RootSize, String> {
    if text == "none" { Ok(RootSize::None) } else { size::disk(text).map(RootSize::Size) }
}

impl Options {
    /// What can be said before anything is built.
    fn check(&self) -> Result<()> {
        if let Some(host) = size::host_memory()
            && self.mem.0.saturating_add(FIRMWARE_MEMORY.0) > host.0
        {
            bail!("--mem {} is more than this host has ({} MiB)", self.mem, host.0 >> 20);
        }
        if self.icount && self.accel == Accel::Kvm {
            bail!("--icount counts translated instructions: it cannot go with --accel kvm");
        }
        if self.root == Some(RootSize::None) && (self.files.is_some() || self.save.is_some()) {
            bail!("--files and --save need the root disk: leave --root none out");
        }
        if let Some(dir) = &self.files
            && !dir.is_dir()
        {
            bail!("--files {}: not a folder", dir.display());
        }
        if let Some(dir) = &self.save {
            // Now, and not after the machine has worked for an hour.
            fs::create_dir_all(dir).with_context(|| format!("--save {}", dir.display()))?;
            if fs::read_dir(dir)?.next().is_some() {
                bail!("--save {}: there is something in it; name a new folder", dir.display());
            }
        }
        for file in &self.input {
            let data = fs::metadata(file).with_context(|| format!("--input {}", file.display()))?;
            if !data.is_file() || data.len() == 0 {
                bail!("--input {}: not a file with something in it", file.display());
            }
        }
        Ok(())
    }

    /// Builds the machine, or takes the kernel that was named.
    ///
    /// # Errors
    /// As [`compile::all`].
    pub fn built(&self) -> Result<Built> {
        match &self.kernel {
            Some(kernel) => Ok(Built {
                loader: compile::loader()?,
                kernel: kernel.clone(),
                modules: Vec::new(),
                programs: Vec::new(),
            }),
            None => compile::all(),
        }
    }

    fn engine(&self) -> Result<Engine> {
        if self.icount {
            return Ok(Engine::Icount);
        }
        match self.accel {
            Accel::Tcg => Ok(Engine::Tcg),
            Accel::Kvm => match probe::kvm()? {
                Ok(()) => Ok(Engine::Kvm),
                Err(why) => bail!("KVM does not work here: {why}; use --accel tcg"),
            },
            Accel::Auto => Ok(match probe::kvm()? {
                Ok(()) => Engine::Kvm,
                Err(why) => {
                    eprintln!("xtask: TCG, because KVM does not work here: {why}");
                    Engine::Tcg
                }
            }),
        }
    }

    /// How long the machine may run.
    fn limit(&self) -> Option<Duration> {
        let default = (self.exec.is_some() && !self.gdb).then_some(EXEC_LIMIT_S);
        self.timeout.or(default).map(Duration::from_secs)
    }

    /// The kernel's command line.
    fn cmdline(&self, input_lengths: &[u64]) -> String {
        let mut line = format!("mem={} log=com2 exit=qemu", self.mem.0);
        if self.icount {
            line += &format!(" align={ALIGN}");
        }
        if let Some(policy) = &self.policy {
            line += &format!(" policy={policy}");
        }
        if let Some(pager) = &self.swap_pager {
            line += &format!(" swap_pager={pager}");
        }
        for (i, length) in input_lengths.iter().enumerate() {
            line += &format!(" input{i}={length}");
        }
        if let Some(words) = &self.cmdline {
            line += &format!(" {words}");
        }
        line
    }
}

/// A machine whose images are made.
pub struct Prepared {
    /// The machine.
    pub config: Config,
    folder: Folder,
    limit: Option<Duration>,
}

impl Prepared {
    /// Makes the images in a folder of their own.
    ///
    /// # Errors
    /// A file that cannot be read or written, or KVM that was asked for and does not work.
    pub fn new(options: &Options, built: &Built) -> Result<Self> {
        let engine = options.engine()?;
        let folder = Folder::new(options.keep)?;
        let mut disks = Vec::new();
        // A person gets a machine that pages; a script gets exactly what it asks for.
        let usual = (options.exec.is_none() && options.swap.is_empty() && options.kernel.is_none())
            .then_some(USUAL_SWAP);
        for (i, size) in options.swap.iter().chain(&usual).enumerate() {
            let file = folder.path().join(format!("swap{i}.img"));
            let disk = File::create(&file).and_then(|f| f.set_len(size.0));
            disk.with_context(|| format!("{} cannot be made {size} long", file.display()))?;
            disks.push(Disk { file, serial: format!("swap{i}"), writable: true, broken: None });
        }
        let root = options.root != Some(RootSize::None) && options.kernel.is_none();
        if root {
            let size = match options.root {
                Some(RootSize::Size(size)) => Sizing::Given(size),
                _ if options.disk.is_some() => Sizing::Beside,
                _ => Sizing::Roomy,
            };
            let file = root::make(folder.path(), built, options.files.as_deref(), size)?;
            disks.push(Disk { file, serial: root::SERIAL.into(), writable: true, broken: None });
        }
        let mut lengths = Vec::new();
        for (i, given) in options.input.iter().enumerate() {
            let (file, length) = whole_sectors(given, &folder.path().join(format!("input{i}.img")))?;
            disks.push(Disk { file, serial: format!("input{i}"), writable: false, broken: None });
            lengths.push(length);
        }
        let boot = folder.path().join("boot.img");
        let mut config = Config {
            memory: Size(options.mem.0 + FIRMWARE_MEMORY.0),
            engine,
            gdb: options.gdb,
            place: None,
            busy_host: options.busy_host,
            boot: (boot.clone(), Boot::Virtio),
            disks,
            spare: Size(0),
            loaded: Vec::new(),
            folder: folder.path().to_path_buf(),
        };
        let mut cmdline = options.cmdline(&lengths);
        if let Some(kind) = options.disk {
            cmdline += &into_memory(&mut config, kind)?;
        }
        if cmdline.len() > MAX_CMDLINE {
            bail!(
                "the kernel's command line has {} bytes, at most {MAX_CMDLINE} fit: fewer disks or words",
                cmdline.len()
            );
        }
        let contents = Contents::new(built, cmdline, options.exec.clone());
        fs::write(&boot, image::system_partition(&contents, &built.loader)?)
            .with_context(|| format!("{} cannot be written", boot.display()))?;
        Ok(Self { config, folder, limit: options.limit() })
    }

    /// Where the root disk's image is, if there is one.
    pub fn root_image(&self) -> Option<&Path> {
        self.config.disks.iter().find(|d| d.serial == root::SERIAL).map(|d| d.file.as_path())
    }

    /// Runs it without any terminal: what it says is captured.
    ///
    /// # Errors
    /// QEMU does not start.
    pub fn capture(&self) -> Result<Outcome> {
        Machine::start(&self.config, Sink::Capture, Sink::Capture)?.wait(self.limit)
    }
}

/// Puts the disks into the machine's spare memory, one after the other; what the command line has to say of them. What is written to them is gone with the machine.
fn into_memory(config: &mut Config, kind: Kind) -> Result<String> {
    let mut words = String::new();
    let mut at = config.spare_address();
    for disk in std::mem::take(&mut config.disks) {
        let length = fs::metadata(&disk.file).with_context(|| disk.file.display().to_string())?.len();
        let read_only = if disk.writable { "" } else { ":ro" };
        words +=
            &format!(" ramdisk={}:{}:{}:{}{read_only}", disk.serial, at / PAGE, length / SECTOR, kind.name());
        // A swap disk is empty, and memory is so from the start.
        if !disk.serial.starts_with("swap") {
            config.loaded.push((disk.file, at));
        }
        at += length.next_multiple_of(PAGE);
    }
    config.spare = Size((at - config.spare_address()).next_multiple_of(SPARE_UNIT));
    Ok(words)
}

/// The file as a disk: itself if it is whole sectors long, else a padded copy; and its length in bytes.
fn whole_sectors(given: &Path, copy: &Path) -> Result<(PathBuf, u64)> {
    let context = || format!("--input {}", given.display());
    let length = fs::metadata(given).with_context(context)?.len();
    if length.is_multiple_of(SECTOR) {
        return Ok((fs::canonicalize(given).with_context(context)?, length));
    }
    fs::copy(given, copy).with_context(context)?;
    let padded = fs::OpenOptions::new().write(true).open(copy)?;
    padded.set_len(length.next_multiple_of(SECTOR))?;
    Ok((copy.to_path_buf(), length))
}

/// With `--exec`: the console is standard output, the log standard error.
fn scripted(options: &Options, prepared: &Prepared) -> Result<u8> {
    announce(options, prepared);
    let out = Sink::To(Box::new(std::io::stdout()));
    let log = Sink::To(Box::new(std::io::stderr()));
    let outcome = Machine::start(&prepared.config, out, log)?.wait(prepared.limit)?;
    report(&outcome, None);
    Ok(outcome.end.status())
}

/// Without: the console is this terminal, the log a file.
fn interactive(options: &Options, prepared: &Prepared, mut dashboard: Option<Dashboard>) -> Result<u8> {
    let log_file = log_file()?;
    let log = File::create(&log_file).with_context(|| format!("{} cannot be written", log_file.display()))?;
    announce(options, prepared);
    eprintln!("xtask: booting; Ctrl-A x ends the machine; log in {}", log_file.display());
    let (console, log): (Box<dyn Write + Send>, Box<dyn Write + Send>) = match &dashboard {
        Some(dashboard) => (dashboard.console(), dashboard.log(log)),
        None => (Box::new(std::io::stdout()), Box::new(log)),
    };
    let machine = Machine::start(&prepared.config, Sink::To(console), Sink::To(log))?;
    let raw = terminal::Raw::enter();
    let whole = dashboard.is_some().then(terminal::Whole::enter);
    if let (Some(dashboard), Some(whole)) = (&mut dashboard, &whole) {
        dashboard.start(whole)?;
    }
    let mut keyboard = machine.keyboard.try_clone()?;
    // Ends with the process: there is no other way to stop a read of the terminal.
    std::thread::spawn(move || terminal::pass_keys(|keys| keyboard.write_all(keys)));
    let ended = machine.wait(prepared.limit);
    let left = dashboard.map(Dashboard::stop);
    drop(whole);
    drop(raw);
    // What the shell showed at the end stays.
    if let Some(text) = left.transpose()? {
        println!("{text}");
    }
    let outcome = ended?;
    println!();
    report(&outcome, Some(&log_file));
    Ok(outcome.end.status())
}

/// A new log file; the oldest ones make room.
fn log_file() -> Result<PathBuf> {
    let mut old = Vec::new();
    for entry in fs::read_dir(crate::scratch_dir())? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("log-") {
            old.push((entry.metadata()?.modified()?, entry.path()));
        }
    }
    old.sort();
    for (_, path) in old.iter().take(old.len().saturating_sub(KEPT_LOGS)) {
        fs::remove_file(path).with_context(|| format!("{} cannot be removed", path.display()))?;
    }
    Ok(crate::scratch_dir().join(format!("log-{}.txt", std::process::id())))
}

fn announce(options: &Options, prepared: &Prepared) {
    if options.gdb {
        eprintln!(
            "xtask: waiting for a debugger: gdb KERNEL -ex 'target remote localhost:1234' -ex continue"
        );
    }
    if options.keep {
        eprintln!("xtask: images are kept in {}", prepared.folder.path().display());
    }
}

/// Says how a machine ended, if it did not end well, with what helps to understand it. `log_file`: where the log is,
/// if it was not shown already.
fn report(outcome: &Outcome, log_file: Option<&Path>) {
    let Outcome { end, console, log, complaints } = outcome;
    if !console.marked && end.is_failure() {
        let said = console.firmware_text();
        eprintln!("{}", if said.is_empty() { "(the firmware said nothing)" } else { &said });
    }
    if !complaints.is_empty() {
        eprintln!("{complaints}");
    }
    match end {
        End::Clean(_) | End::Quit => return,
        _ => eprintln!("xtask: {end}"),
    }
    if let Some(file) = log_file.filter(|_| end.is_failure()) {
        let text = String::from_utf8_lossy(&log.machine);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(40)..].iter().for_each(|l| eprintln!("{l}"));
        eprintln!("xtask: the whole log is in {}", file.display());
    }
}

/// The files of one run: a folder of its own that goes with it.
pub struct Folder {
    path: PathBuf,
    keep: bool,
}

impl Folder {
    /// Makes one.
    ///
    /// # Errors
    /// The target folder cannot be written.
    pub fn new(keep: bool) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = crate::scratch_dir().join(format!("run-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).with_context(|| format!("{} cannot be made", path.display()))?;
        Ok(Self { path, keep })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.keep
            && let Err(error) = fs::remove_dir_all(&self.path)
        {
            eprintln!("xtask: {} cannot be removed: {error}", self.path.display());
        }
    }
}

/// A value that goes on the kernel's command line must be one word.
fn word(text: &str) -> Result<String, String> {
    let good = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    if good { Ok(text.to_string()) } else { Err("a name is letters, digits, '-', '_' and '.'".to_string()) }
}

fn script(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        Err("no command in it".to_string())
    } else if text.len() > MAX_SCRIPT {
        Err(format!("longer than {MAX_SCRIPT} bytes"))
    } else {
        Ok(text.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_is_told_what_was_asked_for() {
        let options = Options { mem: Size::mib(32), policy: Some("fifo".into()), ..Options::default() };
        assert_eq!(
            options.cmdline(&[5, 512]),
            "mem=33554432 log=com2 exit=qemu policy=fifo input0=5 input1=512"
        );
    }

    #[test]
    fn scripts_have_a_limit_and_people_have_none() {
        assert_eq!(Options::default().limit(), None);
        let exec = Options { exec: Some("audit".into()), ..Options::default() };
        assert_eq!(exec.limit(), Some(Duration::from_secs(600)));
        assert_eq!(Options { timeout: Some(5), ..exec }.limit(), Some(Duration::from_secs(5)));
    }

    #[test]
    fn names_cannot_smuggle_options_in() {
        assert!(word("freebsd").is_ok());
        assert!(word("a b").is_err() && word("").is_err() && word("x\ny").is_err());
        assert!(script(" ").is_err() && script("audit; vmstat").is_ok());
    }

    #[test]
    fn odd_inputs_are_padded_in_a_copy() {
        let folder = Folder::new(false).unwrap();
        let (given, copy) = (folder.path().join("given"), folder.path().join("copy"));
        fs::write(&given, [7; 600]).unwrap();
        assert_eq!(whole_sectors(&given, &copy).unwrap(), (copy.clone(), 600));
        let padded = fs::read(&copy).unwrap();
        assert_eq!((padded.len(), &padded[..600], &padded[600..]), (1024, &[7; 600][..], &[0; 424][..]));
        fs::write(&given, [7; 1024]).unwrap();
        assert_eq!(whole_sectors(&given, &copy).unwrap(), (fs::canonicalize(&given).unwrap(), 1024));
    }
}
