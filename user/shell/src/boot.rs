// SPDX-License-Identifier: BSD-2-Clause
//! What a first shell does before anybody types: every disk named `swap…` is used for swap (`/etc/rc`'s `swapon -a`). What goes wrong is
//! told in the log, and does not keep the shell from starting.

use crate::shell::Shell;
use ebb_rt::client::call;
use ebb_rt::log;
use ebb_rt::proto::block::Disks;
use ebb_rt::proto::vm::SwapOn;

/// Puts the swap disks to use.
pub fn swap_disks(shell: &Shell) {
    let disks = match call(shell.block, &Disks {}) {
        Ok(disks) => disks,
        Err(error) => return log!("cannot ask for disks: {error}"),
    };
    for (number, disk) in disks.iter().enumerate().filter(|(_, d)| d.name.starts_with("swap")) {
        match call(shell.vm, &SwapOn { disk: number as u8 }) {
            Ok(slots) => log!("{}: {slots} slots of swap", disk.name),
            Err(error) => log!("{}: cannot swap there: {error}", disk.name),
        }
    }
}
