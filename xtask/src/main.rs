// SPDX-License-Identifier: BSD-2-Clause
//! `cargo xtask`: everything that one does with Ebb from a host. One file a concern.

mod bench;
mod busy;
mod cases;
mod compare;
mod compile;
mod dashboard;
mod deterministic;
mod documented;
mod fat;
mod files;
mod fsck;
mod image;
mod iso;
mod lint;
mod live;
mod probe;
mod processor;
mod programs;
mod progress;
mod qemu;
mod replacing;
mod root;
mod run;
mod setup;
mod sim;
mod size;
mod status;
mod terminal;
mod test;
mod tpm;
mod trace;
mod user;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Build, boot, test and measure Ebb.
#[derive(Parser)]
#[command(name = "cargo xtask", disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check for what the host needs and install it where possible
    Setup,
    /// Build what runs on the machine, and its loader
    Build,
    /// Boot a machine in this terminal (Ctrl-A x ends it), or run a script on it
    Run(run::Options),
    /// Make a hybrid image that boots as a CD-ROM and as a disk
    Iso(iso::Options),
    /// Run the host tests and the machine suite; the last line is `N passed, N failed`
    Test(test::Options),
    /// Measure the machine under -icount and compare with the targets
    Bench(bench::Options),
    /// Replay page reference traces against replacement policies, on the host
    Sim(sim::Options),
    /// Record which pages a program references, as a trace for `sim` and `replay`
    Trace(trace::Options),
    /// Compare replacement policies on the machine: tables, and a report with plots
    Compare(compare::Options),
    /// Open a report in a headless browser (chromium), and look for what is wrong in it
    CheckReport(compare::browser::Options),
    /// Make and build programs of one's own
    #[command(subcommand)]
    User(user::What),
    /// Check formatting and lints, warnings being errors
    Lint,
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Setup => setup::ensure(&setup::Need::ALL).map(|()| 0),
        Command::Build => setup::ensure(&[setup::Need::Targets]).and_then(|()| compile::all()).map(|_| 0),
        Command::Run(options) => run::main(&options),
        Command::Iso(options) => iso::main(&options).map(|()| 0),
        Command::Test(options) => test::main(&options),
        Command::Bench(options) => bench::main(&options),
        Command::Sim(options) => sim::main(&options).map(|()| 0),
        Command::Trace(options) => trace::main(&options),
        Command::Compare(options) => compare::main(&options),
        Command::CheckReport(options) => compare::browser::main(&options),
        Command::User(what) => user::main(&what).map(|()| 0),
        Command::Lint => lint::main(),
    };
    match done {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::from(status::HOST_FAILURE)
        }
    }
}

/// The root of the workspace.
fn root() -> PathBuf {
    let mut root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.pop();
    root
}

/// Cargo's target folder.
fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// Our own files below it: run folders, logs, answers worth keeping.
fn scratch_dir() -> PathBuf {
    target_dir().join("ebb")
}

/// The Cargo that runs us.
fn cargo() -> std::process::Command {
    let mut command = std::process::Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}
