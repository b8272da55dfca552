// SPDX-License-Identifier: BSD-2-Clause
//! A program of the host: valgrind's lackey says each access, which goes into the trace as it comes; nothing else is stored.

use std::fs;
use std::io::{BufRead, BufReader, PipeReader, Read};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitStatus};

use anyhow::{Context, Result, bail};
use ebb_sim::Recorder;
use ebb_sim::record::{Files, Summary};
use ebb_sim::trace::lackey_line;
use serde_json::json;

use crate::progress::Progress;
use crate::setup::{self, Need, VALGRIND};

/// The descriptor on which valgrind writes, in its process.
const LOG_FD: i32 = 9;
/// Bytes of a line at most; lackey's have some twenty.
const LONGEST: u64 = 4096;
/// References between two looks at how far it is.
const TOLD: u64 = 1 << 22;

/// Records a program. Returns how it ended too.
///
/// # Errors
/// No valgrind, a program that does not start, or a file that cannot be written.
pub fn record(output: &Path, filter: u16, program: &[String]) -> Result<(Summary, ExitStatus)> {
    // A wrong name is said before anything is installed.
    let files = Files::of(output)?;
    setup::ensure(&[Need::Valgrind])?;
    let recorded = run(output, filter, program);
    if recorded.is_err() {
        for file in [&files.refs, &files.dirty, &files.about] {
            // It may not have been made yet; half a trace must not be taken for one.
            let _ = fs::remove_file(file);
        }
    }
    recorded
}

fn run(output: &Path, filter: u16, program: &[String]) -> Result<(Summary, ExitStatus)> {
    let mut recorder = Recorder::create(output, filter.into())?;
    let (log, theirs) = std::io::pipe()?;
    let fd = theirs.as_raw_fd();
    let mut command = Command::new(VALGRIND);
    command.args(["--tool=lackey", "--basic-counts=no", "--trace-mem=yes"]);
    command.arg(format!("--log-fd={LOG_FD}")).arg("--").args(program);
    // SAFETY: dup2 is async-signal-safe and touches no memory of ours.
    unsafe {
        command.pre_exec(move || {
            if libc::dup2(fd, LOG_FD) < 0 {
                return Err(std::io::Error::last_os_error());
            }
            // dup2 of a descriptor to itself leaves it to be closed.
            if fd == LOG_FD && libc::fcntl(fd, libc::F_SETFD, 0) < 0 {
                return Err(std::io::Error::last_os_error());
            }
            Ok(())
        });
    }
    let mut child = command.spawn().with_context(|| format!("{VALGRIND} does not start"))?;
    // Only the child's copy keeps the pipe open.
    drop(theirs);
    let read = read(log, &mut recorder);
    if read.is_err() {
        // It may have ended already; what went wrong is told below.
        let _ = child.kill();
    }
    let status = child.wait()?;
    let said = read?;
    if recorder.summary().refs == 0 {
        bail!("{} made no reference: it did not run (status {status})\n{said}", program[0]);
    }
    let about = json!({
        "source": "valgrind lackey",
        "program": program,
        "filter": "lru",
        "what": "data and instruction references of user mode, of all threads; kernel accesses are not in it",
    });
    Ok((recorder.finish(about)?, status))
}

/// Reads all that lackey writes. Returns the end of what valgrind said itself.
fn read(log: PipeReader, recorder: &mut Recorder) -> Result<String> {
    let mut log = BufReader::with_capacity(1 << 16, log);
    let (mut line, mut number, mut said) = (Vec::new(), 0u64, String::new());
    let mut progress = Progress::new("trace");
    loop {
        line.clear();
        if log.by_ref().take(LONGEST).read_until(b'\n', &mut line)? == 0 {
            return Ok(said);
        }
        number += 1;
        let text = String::from_utf8_lossy(&line);
        match lackey_line(&text) {
            Ok(Some((pages, write))) => {
                for page in pages {
                    recorder.push(page, write)?;
                }
            }
            Ok(None) if said.len() < 4096 => said.push_str(&text),
            Ok(None) => {}
            Err(what) => bail!("line {number} of {VALGRIND}: {what}: {}", text.trim_end()),
        }
        if number.is_multiple_of(TOLD) {
            let Summary { seen, refs, pages, .. } = recorder.summary();
            progress.tell(&format!("{} M references, {refs} kept, {pages} pages", seen >> 20));
        }
    }
}
