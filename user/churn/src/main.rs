// SPDX-License-Identifier: BSD-2-Clause
//! Writes, renames and deletes files for ever, and says each step before it begins it and after it was answered: who listens knows what must be there when the machine dies
//! in the middle of it (`ebb_workload::churn`).
#![no_std]
#![no_main]
#![deny(unsafe_code)]

extern crate alloc;

use alloc::format;
use alloc::string::String;
use ebb_rt::fs::{Error, File, metadata, remove_file, rename};
use ebb_rt::io::write_all;
use ebb_rt::{StartInfo, eprintln, println};
use ebb_workload::churn::{Step, contents, name};

ebb_rt::program!(main);

fn main(info: &'static StartInfo) -> u8 {
    let (folder, seed, steps) = match info.args.as_slice() {
        [folder, seed] => (folder, seed.parse(), Ok(u64::MAX)),
        [folder, seed, steps] => (folder, seed.parse(), steps.parse()),
        _ => {
            println!("usage: churn FOLDER SEED [STEPS]\n  files in FOLDER are written, renamed and deleted");
            return if info.args.first().is_some_and(|a| a == "--help") { 0 } else { 2 };
        }
    };
    let (Ok(seed), Ok(steps)) = (seed, steps) else {
        eprintln!("churn: SEED and STEPS are numbers");
        return 2;
    };
    for n in 0..steps {
        let step = Step::nth(seed, n);
        println!("{}", step.begun());
        match carry_out(folder, step) {
            Ok(there) => println!("{}", step.done(there)),
            Err(error) => {
                eprintln!("churn: step {n}, {step:?}: {}", error.posix().1);
                return 1;
            }
        }
    }
    0
}

/// Carries a step out; whether there was a file to do it to.
fn carry_out(folder: &str, step: Step) -> Result<bool, Error> {
    let path = |number| -> String { format!("{folder}/{}", name(number)) };
    let there = |result| match result {
        Ok(()) => Ok(true),
        Err(Error::NotFound) => Ok(false),
        Err(error) => Err(error),
    };
    match step {
        Step::Write(file, number) => {
            let mut file = File::create(&path(file))?;
            write_all(&mut file, &contents(number))?;
            file.sync()?;
            Ok(true)
        }
        Step::Rename(from, to) => there(metadata(&path(from)).map(|_| ()))?
            .then(|| rename(&path(from), &path(to)))
            .transpose()
            .map(|r| r.is_some()),
        Step::Delete(file) => there(remove_file(&path(file))),
    }
}
