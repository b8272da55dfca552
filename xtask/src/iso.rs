// SPDX-License-Identifier: BSD-2-Clause
#[derive(clap::Args)]
pub struct Options {}
pub fn main(_: &Options) -> anyhow::Result<()> {
    Ok(())
}
