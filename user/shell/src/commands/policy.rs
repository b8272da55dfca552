// SPDX-License-Identifier: BSD-2-Clause
//! `policy`: what the pageout policy counts.

use super::{flags, show_json};
use crate::shell::Shell;
use alloc::string::String;
use ebb_args::Failure;
use ebb_report::Value;
use ebb_rt::client::call;
use ebb_rt::println;
use ebb_rt::proto::policy::Stats;

pub fn policy(shell: &mut Shell, args: &[String]) -> Result<(), Failure> {
    let json = flags(args, &["--json"])?.flag("--json");
    // One that does not run would answer when it is started again, with nothing to tell.
    if !shell.runs("pageout")? {
        return Err(Failure::Trouble("pageout does not run".into()));
    }
    let stats = call(shell.pageout, &Stats {}).map_err(|e| Failure::of("pageout", e))?;
    if json {
        show_json(&Value::Object(stats.into_iter().map(|(name, value)| (name, value.into())).collect()));
        return Ok(());
    }
    let width = stats.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    stats.iter().for_each(|(name, value)| println!("{name:<width$}  {value:>14}"));
    Ok(())
}
