// SPDX-License-Identifier: BSD-2-Clause
//! `cargo xtask trace`: which pages a program references, as a trace that `sim` and `replay` read.
//!
//! On the host valgrind sees every access ([`host`]).

mod host;

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use ebb_sim::record::{Files, Summary};

use crate::terminal;

/// Options of `trace`.
#[derive(Args)]
pub struct Options {
    /// The trace: NAME.u32, or NAME.u32.zst to have it compressed. NAME.dirty says which references write, NAME.json what it is
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Drop references to the N pages used last [default: 1, which makes one reference of consecutive ones]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    filter: Option<u16>,
    /// The program and its arguments
    #[arg(last = true, required = true)]
    program: Vec<String>,
}

/// Records a trace. Returns the program's status.
///
/// # Errors
/// What [`host::record`] says.
pub fn main(options: &Options) -> Result<u8> {
    terminal::catch_signals();
    host::record(&options.output, options.filter.unwrap_or(1), &options.program)
}

/// Says what was recorded.
fn tell(files: &Files, summary: &Summary, filtered: &str) {
    let Summary { seen, refs, pages, writes } = summary;
    eprintln!("xtask: {seen} references to {pages} pages; after {filtered} {refs}, of which {writes} write");
    eprintln!("xtask: {}, {}, {}", files.refs.display(), files.dirty.display(), files.about.display());
}
