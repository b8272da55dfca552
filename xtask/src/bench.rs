// SPDX-License-Identifier: BSD-2-Clause
//! `cargo xtask bench`: the program `bench` on a machine under `-icount`, its figures beside the targets.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::{Value, json};

use crate::compile;
use crate::progress::Progress;
use crate::qemu::Outcome;
use crate::run::{self, Prepared};
use crate::setup::{self, Need};
use crate::size::Size;
use crate::status::End;
use crate::terminal;

/// A figure to reach, in instructions.
struct Target {
    /// The row's name.
    name: &'static str,
    /// What it is, for people.
    what: &'static str,
    /// The best peer's figure, and who that is.
    peer: Option<(u64, &'static str)>,
    /// What must be reached, and what is aimed at; none where nobody has set any.
    bounds: Option<(u64, u64)>,
    /// Which of the row's figures these are.
    by: Figure,
}

/// Which figure of a row is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Figure {
    /// What one operation costs when nothing else happens.
    Median,
    /// Everything that the machine did, divided by the operations.
    Mean,
}

impl Figure {
    fn of(self, row: &Row) -> f64 {
        match self {
            Self::Median => row.median,
            Self::Mean => row.mean.unwrap_or(row.median),
        }
    }
}

/// The figures of the rows that this machine has. A notification's target is one signal that wakes; there and back are
/// two. Policy work has a bound and no aim.
const TARGETS: [Target; 25] = [
    Target {
        name: "null_syscall",
        what: "null system call",
        peer: Some((249, "seL4")),
        bounds: Some((120, 80)),
        by: Figure::Median,
    },
    Target {
        name: "ipc_call_reply_0",
        what: "IPC call + reply, 0 words",
        peer: Some((457, "seL4")),
        bounds: Some((450, 350)),
        by: Figure::Median,
    },
    Target {
        name: "ipc_call_reply_4",
        what: "IPC call + reply, 4 words",
        peer: Some((503, "seL4")),
        bounds: Some((500, 400)),
        by: Figure::Median,
    },
    Target {
        name: "notification_round_trip",
        what: "notification there and back",
        peer: Some((1104, "2 x seL4")),
        bounds: Some((1000, 700)),
        by: Figure::Median,
    },
    Target {
        name: "first_touch",
        what: "first touch of an anonymous page",
        peer: Some((3125, "Linux")),
        bounds: Some((3000, 2000)),
        by: Figure::Median,
    },
    Target {
        name: "copy_on_write",
        what: "copy-on-write fault after fork",
        peer: Some((5130, "Linux")),
        bounds: Some((4500, 3000)),
        by: Figure::Median,
    },
    Target {
        name: "write_barrier",
        what: "write barrier: protect, fault, resolve",
        peer: Some((7752, "Linux")),
        bounds: Some((2500, 1500)),
        by: Figure::Median,
    },
    Target {
        name: "write_barrier_batch",
        what: "the same, protected in a batch",
        peer: None,
        bounds: Some((2500, 1500)),
        by: Figure::Median,
    },
    Target {
        name: "protect_and_back",
        what: "protect a page and back",
        peer: Some((5678, "Linux")),
        bounds: Some((2500, 1500)),
        by: Figure::Median,
    },
    Target {
        name: "file_read_fault",
        what: "read fault, cached file page",
        peer: Some((2168, "Linux")),
        bounds: Some((2500, 1500)),
        by: Figure::Median,
    },
    Target {
        name: "private_write_fault",
        what: "private write fault (copy)",
        peer: Some((5130, "Linux")),
        bounds: Some((4500, 3000)),
        by: Figure::Median,
    },
    Target {
        name: "file_read_cached",
        what: "read of 4 KiB, cached",
        peer: None,
        bounds: None,
        by: Figure::Median,
    },
    Target {
        name: "file_read_ahead",
        what: "read-ahead, a page of a file",
        peer: None,
        bounds: None,
        by: Figure::Mean,
    },
    Target {
        name: "file_read_disk",
        what: "read of 4 KiB, from disk",
        peer: Some((12_827, "Linux, direct")),
        bounds: Some((9000, 5000)),
        by: Figure::Mean,
    },
    Target {
        name: "file_write",
        what: "a page of a new file written, fsync included",
        peer: None,
        bounds: None,
        by: Figure::Mean,
    },
    Target {
        name: "page_out_seq",
        what: "page out, sequential dirtying",
        peer: Some((11_980, "Linux")),
        bounds: Some((9000, 5000)),
        by: Figure::Mean,
    },
    Target {
        name: "page_in_seq",
        what: "page in, sequential, clean",
        peer: Some((14_287, "Linux")),
        bounds: Some((8000, 6000)),
        by: Figure::Mean,
    },
    Target {
        name: "page_in_random",
        what: "page in, random, clean",
        peer: None,
        bounds: None,
        by: Figure::Mean,
    },
    Target {
        name: "fault_in_random",
        what: "major fault, random, clean",
        peer: Some((23_464, "Linux")),
        bounds: Some((20_000, 12_000)),
        by: Figure::Mean,
    },
    Target {
        name: "fault_rmw_random",
        what: "major fault, read-modify-write",
        peer: Some((30_102, "Linux")),
        bounds: Some((25_000, 15_000)),
        by: Figure::Mean,
    },
    Target {
        name: "fork_exit_wait",
        what: "fork + exit + wait",
        peer: Some((300_129, "Linux")),
        bounds: Some((300_000, 100_000)),
        by: Figure::Median,
    },
    Target {
        name: "process_swap_out",
        what: "swap-out of a process, whole",
        peer: None,
        bounds: None,
        by: Figure::Median,
    },
    Target {
        name: "process_swap_in",
        what: "swap-in of a process, from memory",
        peer: None,
        bounds: None,
        by: Figure::Median,
    },
    Target {
        name: "policy_scan",
        what: "policy, a page scanned",
        peer: None,
        bounds: Some((150, 150)),
        by: Figure::Mean,
    },
    Target {
        name: "policy_replace",
        what: "replacement: reclaim held",
        peer: None,
        bounds: None,
        by: Figure::Median,
    },
];

/// Options of `bench`.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Write the figures to this file as well
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Only these rows (names as in the table; see `bench --help` on the machine)
    names: Vec<String>,
    /// Memory of the machine
    #[arg(long, value_name = "SIZE", default_value = "64M", value_parser = crate::size::memory)]
    mem: Size,
    /// Kill the machine after so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    timeout: u64,
}

/// A measured row.
#[derive(Clone, Debug, PartialEq)]
struct Row {
    name: String,
    unit: String,
    rounds: u64,
    min: f64,
    median: f64,
    mean: Option<f64>,
}

/// Measures, prints, writes. The status is the machine's.
///
/// # Errors
/// The host's side failed, or the machine printed no figure.
pub fn main(options: &Options) -> Result<u8> {
    setup::ensure(&Need::BOOT)?;
    let built = compile::all()?;
    terminal::catch_signals();
    let exec =
        ["bench --json"].into_iter().chain(options.names.iter().map(String::as_str)).collect::<Vec<_>>();
    let swap = Size(options.mem.0 * 4);
    // Larger than memory, and no hole anywhere.
    let folder = run::Folder::new(false)?;
    let file = std::fs::File::create(folder.path().join("bench"))?;
    let mut file = std::io::BufWriter::new(file);
    let mut random = ebb_workload::Random::new(1);
    for _ in 0..options.mem.0 * 2 / 8 {
        std::io::Write::write_all(&mut file, &random.bits().to_le_bytes())?;
    }
    std::io::Write::flush(&mut file)?;
    drop(file);
    let run = run::Options {
        mem: options.mem,
        swap: vec![swap],
        files: Some(folder.path().to_path_buf()),
        exec: Some(exec.join(" ")),
        timeout: Some(options.timeout),
        icount: true,
        ..run::Options::default()
    };
    let prepared = Prepared::new(&run, &built)?;
    let mut progress = Progress::new("bench");
    progress.tell("the machine measures");
    let Outcome { end, console, log, .. } = prepared.capture()?;
    drop(progress);
    let out = String::from_utf8_lossy(&console.machine);
    let (rows, rest) = rows(&out);
    rest.iter().for_each(|line| eprintln!("{line}"));
    if end != End::Clean(0) {
        eprint!("{}", String::from_utf8_lossy(&log.machine));
        eprintln!("xtask: {end}");
    }
    if rows.is_empty() {
        bail!("the machine printed no figure");
    }
    print!("{}", table(&rows));
    if let Some(file) = &options.json {
        let list: Vec<Value> = rows.iter().map(as_json).collect();
        let text = serde_json::to_string_pretty(&list)? + "\n";
        std::fs::write(file, text).with_context(|| format!("{} cannot be written", file.display()))?;
    }
    Ok(end.status())
}

/// The figures among the lines, and the lines that are none.
fn rows(out: &str) -> (Vec<Row>, Vec<&str>) {
    let mut rows = Vec::new();
    let mut rest = Vec::new();
    for line in out.lines().map(str::trim).filter(|l| !l.is_empty()) {
        match serde_json::from_str(line).ok().and_then(|value| row(&value)) {
            Some(row) => rows.push(row),
            None => rest.push(line),
        }
    }
    (rows, rest)
}

fn row(value: &Value) -> Option<Row> {
    Some(Row {
        name: value.get("name")?.as_str()?.to_string(),
        unit: value.get("unit")?.as_str()?.to_string(),
        rounds: value.get("rounds")?.as_u64()?,
        min: value.get("min")?.as_f64()?,
        median: value.get("median")?.as_f64()?,
        mean: value.get("mean").and_then(Value::as_f64),
    })
}

fn target(row: &Row) -> Option<&'static Target> {
    TARGETS.iter().find(|t| t.name == row.name)
}

/// How a row stands to its target.
fn verdict(row: &Row) -> String {
    let Some((target, (must, aim))) = target(row).and_then(|t| Some((t, t.bounds?))) else {
        return String::new();
    };
    let figure = target.by.of(row);
    let stands = match figure {
        f if f <= aim as f64 => "aim reached",
        f if f <= must as f64 => "reached",
        _ => "missed",
    };
    format!("{stands} ({})", if target.by == Figure::Mean { "mean" } else { "median" })
}

fn table(rows: &[Row]) -> String {
    let heading = ["what", "rounds", "min", "median", "mean", "peer", "must", "aim", ""].map(String::from);
    let mut lines = vec![heading];
    for r in rows {
        let t = target(r);
        let bound = |pick: fn((u64, u64)) -> u64| {
            t.and_then(|t| t.bounds).map_or_else(|| "-".to_string(), |b| pick(b).to_string())
        };
        lines.push([
            t.map_or_else(|| r.name.clone(), |t| t.what.to_string()),
            r.rounds.to_string(),
            format!("{:.0}", r.min),
            format!("{:.0}", r.median),
            r.mean.map_or_else(|| "-".to_string(), |m| format!("{m:.0}")),
            t.and_then(|t| t.peer).map_or_else(|| "-".to_string(), |(n, who)| format!("{n} ({who})")),
            bound(|b| b.0),
            bound(|b| b.1),
            verdict(r),
        ]);
    }
    let widths: Vec<usize> = (0..9).map(|c| lines.iter().map(|l| l[c].len()).max().unwrap_or(0)).collect();
    let mut text = String::new();
    for line in &lines {
        let cells = line.iter().zip(&widths).enumerate().map(|(c, (cell, &width))| match c {
            0 | 8 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        text += cells.collect::<Vec<_>>().join("  ").trim_end();
        text.push('\n');
    }
    text
}

fn as_json(r: &Row) -> Value {
    let bounds = target(r).and_then(|t| t.bounds);
    json!({
        "name": r.name, "unit": r.unit, "rounds": r.rounds, "min": r.min, "median": r.median, "mean": r.mean,
        "peer": target(r).and_then(|t| t.peer).map(|p| p.0), "must": bounds.map(|b| b.0), "aim": bounds.map(|b| b.1),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUT: &str = "{\"name\":\"null_syscall\",\"unit\":\"instructions\",\"rounds\":1000,\"min\":90,\"median\":100,\
                       \"mean\":101}\nbench: paging: no swap\n{\"name\":\"other\",\"unit\":\"instructions\",\
                       \"rounds\":5,\"min\":1,\"median\":2}\n";

    #[test]
    fn figures_are_told_from_other_lines() {
        let (rows, rest) = rows(OUT);
        assert_eq!(rest, ["bench: paging: no swap"]);
        assert_eq!((rows.len(), rows[0].mean, rows[1].mean), (2, Some(101.0), None));
    }

    #[test]
    fn medians_stand_beside_their_targets() {
        let (mut rows, _) = rows(OUT);
        assert_eq!((verdict(&rows[0]).as_str(), verdict(&rows[1]).as_str()), ("reached (median)", ""));
        rows[0].median = 80.0;
        assert_eq!(verdict(&rows[0]), "aim reached (median)");
        rows[0].median = 121.0;
        assert_eq!(verdict(&rows[0]), "missed (median)");
        let table = table(&rows);
        assert!(table.lines().nth(1).unwrap().contains("249 (seL4)   120   80  missed (median)"), "{table}");
        let paging =
            Row { name: "page_out_seq".to_string(), median: 1.0, mean: Some(9001.0), ..rows[0].clone() };
        assert_eq!(verdict(&paging), "missed (mean)");
        assert_eq!(as_json(&rows[0])["must"], 120);
    }
}
