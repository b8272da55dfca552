// SPDX-License-Identifier: BSD-2-Clause
//! `pageout`: the process of [`ebb_pageout`] around a replacement policy of `ebb-policy`; which one, its first argument says.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![deny(unsafe_code)]

#[cfg(target_os = "none")]
fn main(info: &'static ebb_rt::StartInfo) -> ! {
    let name = info.args.first().map_or("freebsd", |name| name.as_str());
    ebb_pageout::run(info, name, |nr_frames| ebb_policy::by_name(name, nr_frames))
}

#[cfg(target_os = "none")]
ebb_rt::entry!(main);

#[cfg(not(target_os = "none"))]
fn main() {}
