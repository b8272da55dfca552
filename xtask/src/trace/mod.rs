// SPDX-License-Identifier: BSD-2-Clause
//! `cargo xtask trace`: which pages a program references, as a trace that `sim` and `replay` read.
//!
//! On the host valgrind sees every access ([`host`]), in the machine `vm` those outside a small window ([`machine`]).

mod host;
pub mod known;
mod machine;

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use ebb_sim::record::{Files, Summary};

use crate::setup::{self, Need};
use crate::size::{self, Size};
use crate::{compile, run, terminal};

/// Options of `trace`.
#[derive(Args)]
pub struct Options {
    /// The trace: NAME.u32, or NAME.u32.zst to have it compressed. NAME.dirty says which references write, NAME.json what it is
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Drop references to the N pages used last [default: 1, which makes one reference of consecutive ones]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    filter: Option<u16>,
    /// Trace a program in the machine instead, the one that --exec begins with
    #[arg(long, requires = "exec", conflicts_with = "filter")]
    machine: bool,
    /// The command for the machine's shell; only its first program is traced
    #[arg(long, value_name = "COMMAND", requires = "machine")]
    exec: Option<String>,
    /// Pages of the program that stay mapped in the machine: references to them are not seen [default: 8, what one instruction may touch]
    #[arg(long, value_name = "PAGES", requires = "machine", value_parser = clap::value_parser!(u32).range(8..=256))]
    window: Option<u32>,
    /// The machine's memory
    #[arg(long, value_name = "SIZE", requires = "machine", value_parser = size::memory)]
    mem: Option<Size>,
    /// A swap disk of the machine
    #[arg(long, value_name = "SIZE", requires = "machine", value_parser = size::disk)]
    swap: Vec<Size>,
    /// A folder of the host, copied to the machine's /data before
    #[arg(long, value_name = "DIR", requires = "machine")]
    files: Option<PathBuf>,
    /// Deterministic: the same trace every time
    #[arg(long, requires = "machine")]
    icount: bool,
    /// Kill the machine after so many seconds [default: 3600]
    #[arg(long, value_name = "SECONDS", requires = "machine", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    timeout: Option<u64>,
    /// The program and its arguments
    #[arg(last = true, required_unless_present = "machine", conflicts_with = "machine")]
    program: Vec<String>,
}

/// Seconds that a machine gets if nobody says otherwise: a traced program runs many times slower.
const TIMEOUT_S: u64 = 3600;

/// Records a trace. Returns the program's status.
///
/// # Errors
/// What [`host::record`] and [`machine::record`] say.
pub fn main(options: &Options) -> Result<u8> {
    terminal::catch_signals();
    if let Some(command) = &options.exec {
        // A wrong name is said before anything is built.
        Files::of(&options.output)?;
        setup::ensure(&Need::BOOT)?;
        let machine = run::Options {
            mem: options.mem.unwrap_or(Size::mib(64)),
            swap: options.swap.clone(),
            files: options.files.clone(),
            icount: options.icount,
            timeout: Some(options.timeout.unwrap_or(TIMEOUT_S)),
            ..run::Options::default()
        };
        let window = options.window.unwrap_or(LEAST_WINDOW);
        let built = compile::all()?;
        let run = |options: &run::Options| run::on(options, &built);
        let (summary, status) = machine::record(&options.output, window, command, &machine, run)?;
        tell(&options.output, &summary, &format!("a window of {window} pages"))?;
        return Ok(status);
    }
    let filter = options.filter.unwrap_or(1);
    let (summary, status) = host::record(&options.output, filter, &options.program)?;
    tell(&options.output, &summary, &format!("a filter of {filter} page(s)"))?;
    let program = options.program.first().map_or("", String::as_str);
    Ok(match (status.code(), status.signal()) {
        (Some(code), _) => {
            eprintln!("xtask: {program} ended with status {code}");
            code as u8
        }
        (None, signal) => {
            let signal = signal.unwrap_or_default();
            eprintln!("xtask: {program} was ended by signal {signal}");
            (128 + signal) as u8
        }
    })
}

/// Pages that stay mapped in the machine at least.
pub const LEAST_WINDOW: u32 = 8;

/// Says what was recorded.
fn tell(output: &Path, summary: &Summary, filtered: &str) -> Result<()> {
    let Summary { seen, refs, pages, writes } = summary;
    eprintln!("xtask: {seen} references to {pages} pages; after {filtered} {refs}, of which {writes} write");
    let files = Files::of(output)?;
    eprintln!("xtask: {}, {}, {}", files.refs.display(), files.dirty.display(), files.about.display());
    Ok(())
}
