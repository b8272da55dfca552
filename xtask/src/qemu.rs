// SPDX-License-Identifier: BSD-2-Clause
//! One QEMU: its command line, its two serial ports, its end.
//!
//! Both serial ports first carry what the firmware and the loader say. The loader ends that with [`MARK`]; what
//! follows is the machine's own, byte for byte.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::busy::BusyHost;
use crate::processor::Processor;
use crate::size::Size;
use crate::status::End;
use crate::tpm::FailedTpm;
use crate::{setup, terminal};

/// What the loader writes to both serial ports right before it enters the kernel.
pub const MARK: &[u8] = b"\x1b]ebb;machine\x07";
/// What QEMU gets beyond what the kernel is told to use: firmware needs 48 MiB to start.
pub const FIRMWARE_MEMORY: Size = Size::mib(64);
/// What QEMU's q35 puts below the hole for devices at most, whatever the size of its memory, and where the rest begins.
const LOW_MEMORY: u64 = 2 << 30;
const HIGH_MEMORY: u64 = 4 << 30;
/// What QEMU warns of if most memory lies above the hole: of no interest here.
const NO_COMPLAINT: &str = "size of max-ram-below-4g";
/// What QEMU says that waited in vain for the TPM's answer, and how often it is started at most.
const NO_TPM: &str = "is not a TPM device";
const TPM_STARTS: u32 = 5;
/// For how long QEMU is watched until it has asked the TPM.
const TPM_PATIENCE: Duration = Duration::from_secs(30);
/// Names of the serial ports.
const CONSOLE: &str = "console";
const LOG: &str = "log";
/// Bytes of a pipe: what Linux allows everybody.
const PIPE_BYTES: libc::c_int = 1 << 20;
/// How often the end of the machine is looked for.
const POLL: Duration = Duration::from_millis(5);

/// How instructions are executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// Translated.
    Tcg,
    /// Translated, one instruction a nanosecond: the same run every time.
    Icount,
    /// By the host's processor.
    Kvm,
}

/// A disk of the machine.
#[derive(Clone, Debug)]
pub struct Disk {
    /// Raw image.
    pub file: PathBuf,
    /// Its serial, by which the machine knows it.
    pub serial: String,
    /// Whether the machine may write to it.
    pub writable: bool,
    /// A sector that cannot be read: an I/O error.
    pub broken: Option<u64>,
}

/// What the machine boots from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boot {
    /// A virtio disk, the fastest way.
    Virtio,
    /// A SATA disk.
    Sata,
    /// A CD-ROM.
    Cd,
}

/// A machine to start.
#[derive(Clone, Debug)]
pub struct Config {
    /// Memory of QEMU's machine, firmware included.
    pub memory: Size,
    /// How instructions are executed.
    pub engine: Engine,
    /// Under which number a processor of the host is chosen, if instructions are counted; nothing: any.
    pub place: Option<usize>,
    /// A seed of moments in which the machine stands still.
    pub busy_host: Option<u64>,
    /// Whether to wait for a debugger on port 1234.
    pub gdb: bool,
    /// The boot image, and as what it is attached.
    pub boot: (PathBuf, Boot),
    /// Other disks.
    pub disks: Vec<Disk>,
    /// Memory that is no part of `memory`: disks of the machine's own making, from [`Config::spare_address`] on.
    pub spare: Size,
    /// Files that are there already, and at what address.
    pub loaded: Vec<(PathBuf, u64)>,
    /// A folder for the machine's own copy of the firmware's variables.
    pub folder: PathBuf,
}

impl Config {
    /// Memory below the hole for devices.
    fn low(&self) -> u64 {
        self.memory.0.min(LOW_MEMORY)
    }

    /// Where spare memory begins: behind the other, none of which lies above the hole if that is possible.
    pub fn spare_address(&self) -> u64 {
        HIGH_MEMORY + (self.memory.0 - self.low())
    }

    /// QEMU's arguments. The serial ports are at [`CONSOLE`] and [`LOG`] in the folder.
    fn arguments(&self, code: &Path, vars: &Path) -> Vec<String> {
        let file = |path: &Path| path.display().to_string().replace(',', ",,");
        let accelerator = if self.engine == Engine::Kvm { "kvm" } else { "tcg" };
        // Page tables of five levels would only cost: firmware newer than our kernel might switch them on.
        let mut line: Vec<String> = ["-cpu", "max,la57=off", "-smp", "1", "-nodefaults", "-no-reboot"]
            .into_iter()
            .chain(["-display", "none", "-monitor", "none", "-boot", "menu=off,strict=on"])
            .chain(["-device", "isa-debug-exit,iobase=0xf4,iosize=4", "-accel", accelerator])
            .map(String::from)
            .collect();
        let mut add = |option: &str, value: String| line.extend([option.to_string(), value]);
        let split =
            if self.spare.0 > 0 { format!(",max-ram-below-4g={}", self.low()) } else { String::new() };
        add("-machine", format!("q35{split}"));
        add("-m", format!("{}K", (self.memory.0 + self.spare.0).div_ceil(1024)));
        for (path, address) in &self.loaded {
            add("-device", format!("loader,force-raw=on,addr={address:#x},file={}", file(path)));
        }
        add("-drive", format!("if=pflash,format=raw,unit=0,readonly=on,file={}", file(code)));
        add("-drive", format!("if=pflash,format=raw,unit=1,file={}", file(vars)));
        // Pipes and not sockets: of single bytes, as a serial port sends them, a socket holds few hundred. Where a reader is slow the machine would have to wait, and
        // for how long is nothing that `-icount` counts.
        let [console, log] = [CONSOLE, LOG].map(|name| file(&self.folder.join(name)));
        add("-chardev", format!("pipe,id=console,path={console}"));
        add("-chardev", format!("file,id=log,path={log}"));
        for name in [CONSOLE, LOG] {
            add("-serial", format!("chardev:{name}"));
        }
        let (image, boot) = &self.boot;
        let device = match boot {
            Boot::Virtio => "virtio-blk-pci,serial=ebb-boot,disable-legacy=on",
            Boot::Sata => "ide-hd,bus=ide.0,serial=ebb-boot",
            Boot::Cd => "ide-cd,bus=ide.0,serial=ebb-boot",
        };
        // A SATA disk cannot be read-only: what is written goes nowhere.
        let kept = if *boot == Boot::Sata { "snapshot=on" } else { "readonly=on" };
        add("-drive", format!("if=none,id=boot,format=raw,{kept},file={}", file(image)));
        // The question for its name is answered at once then, and not when another thread of QEMU comes to it.
        let at_once =
            if *boot == Boot::Virtio && self.engine == Engine::Icount { ",ioeventfd=off" } else { "" };
        add("-device", format!("{device}{at_once},drive=boot,bootindex=0"));
        for disk in &self.disks {
            let Disk { serial, writable, .. } = disk;
            let read_only = if *writable { "off" } else { "on" };
            let mut place = file(&disk.file);
            if let Some(sector) = disk.broken {
                let rules = self.folder.join(format!("{serial}.blkdebug"));
                let text =
                    format!("[inject-error]\nevent = \"read_aio\"\nerrno = \"5\"\nsector = \"{sector}\"\n");
                // Without the file QEMU does not start, and says so.
                if let Err(error) = std::fs::write(&rules, text) {
                    eprintln!("xtask: {} cannot be written: {error}", rules.display());
                }
                place = format!("blkdebug:{}:{place}", file(&rules));
            }
            // The disk dies with the run: no flush needs to reach the host's.
            add(
                "-drive",
                format!(
                    "if=none,id={serial},format=raw,readonly={read_only},cache=unsafe,werror=report,rerror=report,file={place}"
                ),
            );
            add("-device", format!("virtio-blk-pci,drive={serial},serial={serial},disable-legacy=on"));
        }
        if self.engine == Engine::Icount {
            add("-icount", "shift=0,sleep=off".to_string());
            // Not even the date may differ from run to run.
            add("-rtc", "base=2026-01-01,clock=vm".to_string());
        }
        if self.gdb {
            add("-gdb", "tcp:127.0.0.1:1234".to_string());
            line.push("-S".to_string());
        }
        line
    }
}

/// What came over a serial port.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// What firmware and loader said.
    pub firmware: Vec<u8>,
    /// The end of what the machine said, or all of it if the port was captured.
    pub machine: Vec<u8>,
    /// Whether the kernel was entered.
    pub marked: bool,
}

/// How a machine ended, and what it said until then.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// How it ended.
    pub end: End,
    /// What came over the console.
    pub console: Heard,
    /// What came over the log port.
    pub log: Heard,
    /// What QEMU itself said.
    pub complaints: String,
}

/// Where a serial port's bytes go. They are also remembered: [`TAIL`] of them, or all if they go nowhere else.
pub enum Sink {
    /// Passed on.
    To(Box<dyn Write + Send>),
    /// Only remembered.
    Capture,
}

/// Bytes of a passed-on port that are remembered, to be shown after a failure.
const TAIL: usize = 64 << 10;

/// A QEMU that runs. It dies with this.
pub struct Machine {
    child: Child,
    /// The machine's console, to be written to.
    pub keyboard: PipeWriter,
    console: JoinHandle<Heard>,
    log: JoinHandle<Heard>,
    complaints: JoinHandle<String>,
    busy: Option<BusyHost>,
    /// Answers as long as QEMU may ask.
    _tpm: FailedTpm,
}

impl Machine {
    /// Starts QEMU.
    ///
    /// # Errors
    /// No firmware, no QEMU, or a folder that cannot be written.
    pub fn start(config: &Config, console: Sink, log: Sink) -> Result<Self> {
        let (code, template) = setup::firmware()?;
        let vars = config.folder.join("vars.fd");
        std::fs::copy(&template, &vars).with_context(|| format!("{} cannot be written", vars.display()))?;
        let (console_ours, console_theirs) = wide_pipe()?;
        let (log_ours, log_theirs) = wide_pipe()?;
        let (keyboard_theirs, keyboard) = io::pipe()?;
        let fds = [keyboard_theirs.as_raw_fd(), console_theirs.as_raw_fd(), log_theirs.as_raw_fd()];
        // By name, because no other way leads to a pipe that is not its standard input or output.
        let [input, output, log_output] = fds;
        for (name, end, fd) in [(CONSOLE, ".in", input), (CONSOLE, ".out", output), (LOG, "", log_output)] {
            let link = config.folder.join(format!("{name}{end}"));
            let made = match std::fs::remove_file(&link) {
                // Not the first machine in this folder.
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => symlink(format!("/proc/self/fd/{fd}"), &link),
            };
            made.with_context(|| format!("{} cannot be made", link.display()))?;
        }
        let processor = match (config.engine, config.place) {
            (Engine::Icount, Some(place)) => Processor::nth(place),
            (Engine::Icount, None) => Processor::next(),
            _ => None,
        };
        let (child, tpm, complaints) =
            begin(Path::new(setup::QEMU), &config.arguments(&code, &vars), fds, processor)?;
        Ok(Self {
            child,
            keyboard,
            console: std::thread::spawn(move || listen(console_ours, console)),
            log: std::thread::spawn(move || listen(log_ours, log)),
            complaints,
            busy: config.busy_host.map(|seed| BusyHost::new(seed, Instant::now())),
            _tpm: tpm,
        })
    }

    /// Waits for the end: of the machine, of the time, or of the user's patience.
    ///
    /// # Errors
    /// QEMU refused to start, with what it said.
    pub fn wait(mut self, limit: Option<Duration>) -> Result<Outcome> {
        let since = Instant::now();
        let end = loop {
            if let Some(status) = self.child.try_wait()? {
                break End::of_qemu(status.code());
            }
            let reason = if terminal::interrupted() {
                Some(End::Interrupted)
            } else if terminal::quit() {
                Some(End::Quit)
            } else {
                limit.filter(|&l| since.elapsed() >= l).map(|_| End::TimedOut)
            };
            if let Some(reason) = reason {
                self.child.kill()?;
                self.child.wait()?;
                break reason;
            }
            if let Some(busy) = &mut self.busy {
                busy.tend(self.child.id(), Instant::now()).context("QEMU cannot be stopped")?;
            }
            std::thread::sleep(POLL);
        };
        let heard =
            |thread: JoinHandle<Heard>| thread.join().map_err(|_| anyhow::anyhow!("a listener panicked"));
        let (console, log) = (heard(self.console)?, heard(self.log)?);
        let complaints = self.complaints.join().unwrap_or_default().trim_end().to_string();
        if end == End::Qemu(Some(1)) && console.firmware.is_empty() {
            bail!("QEMU refused to start:\n{complaints}");
        }
        Ok(Outcome { end, console, log, complaints })
    }
}

/// Starts QEMU, until it has taken our TPM for one. It gives a TPM a second to answer, which where the host stands still is not enough; then it says so and ends, and nothing
/// of the machine has begun: it is started once more.
///
/// # Errors
/// There is no QEMU, or it refuses to start, with what it said.
fn begin(
    program: &Path,
    arguments: &[String],
    fds: [i32; 3],
    processor: Option<Processor>,
) -> Result<(Child, FailedTpm, JoinHandle<String>)> {
    let mut starts = 0;
    loop {
        starts += 1;
        let (mut child, tpm, complaints) = spawn(program, arguments, fds, processor)?;
        let since = Instant::now();
        let is_open = || !tpm.is_known() && since.elapsed() < TPM_PATIENCE && !terminal::interrupted();
        while is_open() && child.try_wait()?.is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        // Whoever waits for the end of one that neither asks nor ends has a time limit.
        if tpm.is_known() || child.try_wait()?.is_none() {
            return Ok((child, tpm, complaints));
        }
        let said = complaints.join().unwrap_or_default();
        if starts == TPM_STARTS || !said.contains(NO_TPM) {
            bail!("QEMU refused to start:\n{}", said.trim_end());
        }
    }
}

/// Starts QEMU once.
fn spawn(
    program: &Path,
    arguments: &[String],
    fds: [i32; 3],
    processor: Option<Processor>,
) -> Result<(Child, FailedTpm, JoinHandle<String>)> {
    let mut command = Command::new(program);
    command.args(arguments);
    let tpm = FailedTpm::start().context("no terminal for the TPM")?;
    command.args(tpm.arguments());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0);
    // SAFETY: prctl, fcntl and what binds to a processor are async-signal-safe and touch no memory of ours.
    unsafe {
        command.pre_exec(move || {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            if let Some(processor) = &processor {
                processor.bind()?;
            }
            for fd in fds {
                if libc::fcntl(fd, libc::F_SETFD, 0) < 0 {
                    return Err(io::Error::last_os_error());
                }
            }
            Ok(())
        });
    }
    let mut child = command.spawn().with_context(|| format!("{} does not start", program.display()))?;
    let mut stderr = child.stderr.take().context("QEMU has no stderr")?;
    let complaints = std::thread::spawn(move || {
        let mut text = Vec::new();
        // Read as far as it goes: this is only shown when QEMU has failed already.
        let _ = stderr.read_to_end(&mut text);
        let text = String::from_utf8_lossy(&text);
        text.lines().filter(|l| !l.contains(NO_COMPLAINT)).map(|l| format!("{l}\n")).collect()
    });
    Ok((child, tpm, complaints))
}

/// A pipe that holds as much as one may.
fn wide_pipe() -> io::Result<(PipeReader, PipeWriter)> {
    let (reader, writer) = io::pipe()?;
    // One that stays as it is holds less, which matters only where the host is very busy.
    // SAFETY: a descriptor of ours.
    unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_SETPIPE_SZ, PIPE_BYTES) };
    Ok((reader, writer))
}

/// Reads a port to its end.
fn listen(mut port: PipeReader, mut sink: Sink) -> Heard {
    let mut heard = Heard::default();
    let mut buffer = [0; 16 << 10];
    // An error is the other side's end, like 0.
    while let Ok(n @ 1..) = port.read(&mut buffer) {
        let mut own = heard.take(&buffer[..n]);
        if let Sink::To(out) = &mut sink {
            // A reader of ours that has gone away must not stop the machine; it ends by itself or by signal.
            let _ = out.write_all(&own).and_then(|()| out.flush());
            if heard.machine.len() > 2 * TAIL {
                heard.machine.drain(..heard.machine.len() - TAIL);
            }
        }
        heard.machine.append(&mut own);
    }
    heard
}

impl Heard {
    /// Takes bytes in; what is the machine's own is given back.
    fn take(&mut self, bytes: &[u8]) -> Vec<u8> {
        if self.marked {
            return bytes.to_vec();
        }
        // The mark may have begun in the bytes before.
        let from = self.firmware.len().saturating_sub(MARK.len());
        self.firmware.extend_from_slice(bytes);
        let Some(at) = self.firmware[from..].windows(MARK.len()).position(|w| w == MARK) else {
            return Vec::new();
        };
        self.marked = true;
        let own = self.firmware.split_off(from + at + MARK.len());
        self.firmware.truncate(from + at);
        own
    }

    /// What firmware and loader said, without the control sequences that would act on a terminal.
    pub fn firmware_text(&self) -> String {
        let mut text = String::new();
        let mut rest = self.firmware.iter().copied();
        while let Some(byte) = rest.next() {
            match byte {
                // ESC [ parameters final: the final byte is the first from '@' on after the bracket.
                0x1b => {
                    let _final = rest.by_ref().skip(1).find(|b| (0x40..0x7f).contains(b));
                }
                b'\n' | b' '..=b'~' => text.push(char::from(byte)),
                _ => {}
            }
        }
        text.trim().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn what_follows_the_mark_is_the_machines() {
        let stream =
            [b"\x1b[2J\x1b[01;01HBdsDxe: loading\r\n".as_slice(), MARK, b"ebb# \x1b]ebb;machine\x07"]
                .concat();
        for cut in 0..stream.len() {
            let mut heard = Heard::default();
            let own = [heard.take(&stream[..cut]), heard.take(&stream[cut..])].concat();
            assert_eq!(own, b"ebb# \x1b]ebb;machine\x07", "cut at {cut}");
            assert_eq!(heard.firmware_text(), "BdsDxe: loading");
        }
    }

    #[test]
    fn without_a_mark_nothing_is_the_machines() {
        let mut heard = Heard::default();
        assert_eq!(heard.take(b"ebb-loader: /boot/kernel: not there\x1b"), b"");
        assert!(!heard.marked);
    }

    #[test]
    fn the_command_line_says_what_was_asked_for() {
        let config = Config {
            memory: Size::mib(96),
            engine: Engine::Icount,
            gdb: false,
            place: None,
            busy_host: None,
            boot: ("/a,b".into(), Boot::Virtio),
            disks: vec![Disk { file: "/s".into(), serial: "swap0".into(), writable: true, broken: None }],
            folder: "/".into(),
            spare: Size::mib(256),
            loaded: vec![("/r".into(), 1 << 32)],
        };
        assert_eq!(config.spare_address(), 1 << 32);
        let large = Config { memory: Size(3 << 30), ..config.clone() };
        assert_eq!(large.spare_address(), 5 << 30);
        let line = config.arguments(Path::new("/c"), Path::new("/v")).join(" ");
        for part in [
            "-machine q35,max-ram-below-4g=100663296 -m 360448K",
            "-device loader,force-raw=on,addr=0x100000000,file=/r",
            "-accel tcg",
            "-icount shift=0,sleep=off",
            "file=/a,,b -device virtio-blk-pci,serial=ebb-boot,disable-legacy=on,ioeventfd=off,",
            "id=swap0,format=raw,readonly=off",
            "serial=swap0,disable-legacy=on",
            "-chardev pipe,id=console,path=/console -chardev file,id=log,path=/log -serial chardev:console -serial chardev:log",
        ] {
            assert!(line.contains(part), "{part:?} is not in {line}");
        }
        assert!(!line.contains("-gdb"));
    }

    /// The shell in the place of QEMU: what came of starting it with this script, and how often it was started.
    fn begun(script: &str) -> (Result<()>, usize) {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let starts = std::env::temp_dir().join(format!("ebb-starts-{}-{number}", std::process::id()));
        let script = format!("starts={}; echo >> $starts; {script}", starts.display());
        let (reader, writer) = io::pipe().unwrap();
        let fds = [reader.as_raw_fd(), writer.as_raw_fd(), writer.as_raw_fd()];
        let arguments = ["-c".to_string(), script, "qemu".to_string()];
        let result =
            begin(Path::new("/bin/sh"), &arguments, fds, None).map(|(mut child, _tpm, _complaints)| {
                child.kill().unwrap();
                child.wait().unwrap();
            });
        let times = fs::read_to_string(&starts).unwrap().lines().count();
        fs::remove_file(&starts).unwrap();
        (result, times)
    }

    /// Finds the TPM in its arguments and asks it for its sizes.
    const ASK: &str = r#"for a; do case $a in passthrough*) tpm=${a#*,path=}; tpm=${tpm%%,*};; esac; done
        exec 3<> $tpm; printf '\200\001\0\0\0\026\0\0\001\172\0\0\0\006\0\0\001\036\0\0\0\001' >&3; exec sleep 60"#;
    const GAVE_UP: &str = "echo \"qemu: tpm: '/dev/pts/9' is not a TPM device.\" >&2; exit 1";

    #[test]
    fn qemu_that_gave_the_tpm_up_is_started_once_more() {
        let (result, times) = begun(ASK);
        result.unwrap();
        assert_eq!(times, 1);
        let (result, times) = begun(&format!("if [ $(wc -l < $starts) -lt 3 ]; then {GAVE_UP}; fi; {ASK}"));
        result.unwrap();
        assert_eq!(times, 3);
    }

    #[test]
    fn qemu_that_refuses_is_believed() {
        let (result, times) = begun(GAVE_UP);
        let said = result.unwrap_err().to_string();
        assert!(said.contains(NO_TPM) && times == TPM_STARTS as usize, "{times} starts: {said}");
        let (result, times) = begun("echo no such machine >&2; exit 1");
        let said = result.unwrap_err().to_string();
        assert!(said.contains("no such machine") && times == 1, "{times} starts: {said}");
    }
}
