// SPDX-License-Identifier: BSD-2-Clause
//! `df`: room on the mounted file systems.

use crate::context::{Context, End, Outcome, Tool};
use crate::number::{human, multiplied};
use crate::options::{Arg, Options, unknown};
use crate::system::{Follow, Mount};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// The tool.
pub const TOOL: Tool = Tool {
    name: "df",
    help: "\
usage: df [-hkmPTi] [-B SIZE] [FILE...]
Shows the room on the file systems, or on those of each FILE.
  -h       sizes with units    -k, -m, -B SIZE  in units of 1 KiB (as usual), 1 MiB, SIZE
  -T       kinds as well       -i  inodes instead of blocks
  -P       (one line each, always)",
    trouble: 1,
    main,
};

struct How {
    human: bool,
    unit: u64,
    kinds: bool,
    inodes: bool,
}

fn main(context: &mut Context<'_>, args: &[&str]) -> Outcome {
    let mut how = How { human: false, unit: 1024, kinds: false, inodes: false };
    let mut operands = Vec::new();
    let mut options = Options::new(args);
    while let Some(arg) = options.argument()? {
        match arg {
            Arg::Short('h') | Arg::Long("human-readable") => how.human = true,
            Arg::Short('k') => how.unit = 1 << 10,
            Arg::Short('m') => how.unit = 1 << 20,
            Arg::Short('B') | Arg::Long("block-size") => {
                let text = options.value()?;
                // A unit alone means one of it.
                let number = if text.starts_with(|c: char| c.is_ascii_digit()) {
                    text.to_string()
                } else {
                    format!("1{text}")
                };
                how.unit = multiplied(&number)
                    .filter(|n| *n > 0)
                    .ok_or_else(|| End::Usage(format!("invalid size '{text}'")))?;
            }
            Arg::Short('T') | Arg::Long("print-type") => how.kinds = true,
            Arg::Short('i') | Arg::Long("inodes") => how.inodes = true,
            Arg::Short('P' | 'a') | Arg::Long("portability" | "all") => {}
            Arg::Positional(path) => operands.push(path),
            other => return Err(unknown(other)),
        }
    }
    let mounts =
        context.system.mounts().map_err(|error| End::of("cannot list the mounted file systems", error))?;
    let mut rows = Vec::from([heading(&how)]);
    if operands.is_empty() {
        rows.extend(mounts.iter().map(|mount| row(mount, &how)));
    }
    for path in operands {
        let there = context.system.status(path, Follow::Yes);
        if context.ok(path, there).is_none() {
            continue;
        }
        // Of those that the path lies below the one with the longest name; a relative path is on the root's.
        let below = |mount: &&Mount| {
            let at = mount.path.trim_end_matches('/');
            path.strip_prefix(at).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                || at.is_empty()
        };
        if let Some(mount) = mounts.iter().filter(below).max_by_key(|m| m.path.len()) {
            rows.push(row(mount, &how));
        }
    }
    if rows.len() == 1 {
        return Err(End::Trouble("no file systems".into()));
    }
    write_table(context, &rows)
}

fn heading(how: &How) -> Vec<String> {
    let blocks = match how.unit {
        _ if how.human => "Size".to_string(),
        1024 => "1K-blocks".to_string(),
        0x10_0000 => "1M-blocks".to_string(),
        unit => format!("{}B-blocks", human(unit)).replace("BB", "B"),
    };
    let columns: [&str; 4] = if how.inodes {
        ["Inodes", "IUsed", "IFree", "IUse%"]
    } else {
        [&blocks, "Used", if how.human { "Avail" } else { "Available" }, "Use%"]
    };
    let mut cells = Vec::from(["Filesystem".to_string()]);
    if how.kinds {
        cells.push("Type".to_string());
    }
    cells.extend(columns.map(ToString::to_string));
    cells.push("Mounted on".to_string());
    cells
}

fn row(mount: &Mount, how: &How) -> Vec<String> {
    let ((all, free), bytes) =
        if how.inodes { (mount.inodes, 1) } else { (mount.blocks, u64::from(mount.block_bytes)) };
    let used = all.saturating_sub(free);
    let shown = |count: u64| {
        let total = count.saturating_mul(bytes);
        match (how.human, how.inodes) {
            (true, _) => human(total),
            (false, true) => count.to_string(),
            (false, false) => total.div_ceil(how.unit).to_string(),
        }
    };
    let share = match all {
        0 => "-".to_string(),
        _ => format!("{}%", (u128::from(used) * 100).div_ceil(u128::from(all))),
    };
    let mut cells = Vec::from([mount.disk.clone()]);
    if how.kinds {
        cells.push(mount.kind.clone());
    }
    cells.extend([shown(all), shown(used), shown(free), share, mount.path.clone()]);
    cells
}

/// Names to the left, numbers to the right.
fn write_table(context: &mut Context<'_>, rows: &[Vec<String>]) -> Outcome {
    let columns = rows.first().map_or(0, Vec::len);
    let numbers = columns.saturating_sub(5)..columns.saturating_sub(1);
    let widths: Vec<usize> = (0..columns)
        .map(|column| rows.iter().filter_map(|r| r.get(column)).map(|c| c.len()).max().unwrap_or(0))
        .collect();
    for row in rows {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            if column > 0 {
                line.push(' ');
            }
            if numbers.contains(&column) {
                line.push_str(&format!("{cell:>width$}"));
            } else {
                // The first column is at least as wide as people are used to.
                let width = if column == 0 { (*width).max(14) } else { *width };
                line.push_str(&format!("{cell:<width$}"));
            }
        }
        writeln!(context.out, "{}", line.trim_end())?;
    }
    Ok(())
}
