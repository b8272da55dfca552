// SPDX-License-Identifier: BSD-2-Clause
//! What a program was given at its start: arguments, environment, working directory. It may change the last two for itself and for the programs that it starts.

use crate::fs;
use crate::thread::Mutex;
use alloc::string::String;
use alloc::vec::Vec;
use ebb_proto::Error;

struct Environment {
    variables: Vec<(String, String)>,
    directory: String,
}

static ENVIRONMENT: Mutex<Option<Environment>> = Mutex::new(None);

fn with<T>(f: impl FnOnce(&mut Environment) -> T) -> T {
    let mut guard = ENVIRONMENT.lock();
    let environment = guard.get_or_insert_with(|| {
        let info = crate::start::info();
        let directory = info.map_or("", |i| i.cwd.as_str());
        Environment {
            variables: info.map_or(Vec::new(), |i| i.env.clone()),
            directory: String::from(if directory.is_empty() { "/" } else { directory }),
        }
    });
    f(environment)
}

/// The arguments, without the program's name.
pub fn args() -> Vec<String> {
    crate::start::info().map_or(Vec::new(), |i| i.args.clone())
}

/// The program's name.
pub fn name() -> &'static str {
    crate::start::info().map_or("?", |i| i.name.as_str())
}

/// A variable.
pub fn var(name: &str) -> Option<String> {
    with(|e| e.variables.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone()))
}

/// All variables.
pub fn vars() -> Vec<(String, String)> {
    with(|e| e.variables.clone())
}

/// Sets a variable.
pub fn set_var(name: &str, value: &str) {
    with(|e| match e.variables.iter_mut().find(|(n, _)| n == name) {
        Some((_, v)) => *v = String::from(value),
        None => e.variables.push((String::from(name), String::from(value))),
    });
}

/// Removes a variable.
pub fn remove_var(name: &str) {
    with(|e| e.variables.retain(|(n, _)| n != name));
}

/// The working directory.
pub fn current_dir() -> String {
    with(|e| e.directory.clone())
}

/// Changes the working directory. `NotFound`, `NotDirectory`, …
pub fn set_current_dir(path: &str) -> Result<(), Error> {
    let path = crate::path::normal(&crate::path::absolute(path));
    if fs::metadata(&path)?.kind != fs::Kind::Directory {
        return Err(Error::NotDirectory);
    }
    with(|e| e.directory = path);
    Ok(())
}
