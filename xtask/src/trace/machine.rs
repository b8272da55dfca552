// SPDX-License-Identifier: BSD-2-Clause
//! A program in the machine: its `trace` writes the references down as `vm` sees them, in a file, which is fetched when the machine has ended.
//!
//! `vm` leaves only a window of pages mapped, and notes each fault on another page. A plugin of QEMU's translator would see the references within the window too, but
//! not whose they are: this version of its interface shows neither registers nor address spaces.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use ebb_sim::record::{self, Files, Summary};
use serde_json::Value;

use crate::run::{self, Folder};

/// Records a command, with the machine's `options`. `run` runs the machine and returns its status, which is returned too.
///
/// # Errors
/// A machine that does not start or end as it should, or a file that cannot be written.
pub fn record(
    output: &Path,
    window: u32,
    command: &str,
    options: &run::Options,
    run: impl FnOnce(&run::Options) -> Result<u8>,
) -> Result<(Summary, u8)> {
    let files = Files::of(output)?;
    let folder = Folder::new(false)?;
    let save = folder.path().join("data");
    let options = run::Options {
        exec: Some(format!("trace -o /data/{NAME}.u32 -w {window} {command}")),
        save: Some(save.clone()),
        ..options.clone()
    };
    let status = run(&options)?;
    let from = Files::of(&save.join(format!("{NAME}.u32")))?;
    let about = match fs::read_to_string(&from.about) {
        Ok(text) if !text.is_empty() => text,
        _ => bail!("nothing was recorded (status {status})"),
    };
    let mut about: Value = serde_json::from_str(&about).context("what the machine says of its trace")?;
    about["name"] = files.name.clone().into();
    let number = |name: &str| about[name].as_u64().unwrap_or_default();
    let refs = number("refs");
    let summary =
        Summary { seen: refs, refs, pages: number("unique_pages") as u32, writes: number("dirty_refs") };
    for (from, to) in [(&from.refs, &files.refs), (&from.dirty, &files.dirty)] {
        let bytes = fs::read(from).with_context(|| format!("{} of the machine", from.display()))?;
        record::store(to, &bytes)?;
    }
    record::store(&files.about, format!("{about:#}\n").as_bytes())?;
    Ok((summary, status))
}

/// What the trace is called in the machine. Nobody else's files are there but those of `--files`.
const NAME: &str = "recorded-trace";
