// SPDX-License-Identifier: BSD-2-Clause
//! Variables, and the arguments of the script.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// A variable.
#[derive(Clone, Debug)]
pub(crate) struct Variable {
    name: String,
    value: String,
    exported: bool,
}

/// What the name of a variable that is not exported begins with in the environment of a shell that goes on here.
const UNEXPORTED: char = '.';

/// All variables of a shell.
#[derive(Clone, Debug, Default)]
pub struct Variables {
    list: Vec<Variable>,
    /// `$0`.
    pub name: String,
    /// `$1` and so on.
    pub args: Vec<String>,
    /// `$?`.
    pub status: u8,
    /// `$$`.
    pub process: u32,
    /// `$!`.
    pub last_background: u32,
    /// What `exit` asked for.
    pub exit: Option<u8>,
    /// Loops that `break` (false) or `continue` (true) still has to leave.
    pub leave: Option<(bool, u32)>,
    /// `set -e`: a command that fails ends the script.
    pub errors_end: bool,
    /// `set -u`: a variable that is not set is an error.
    pub unset_is_error: bool,
    /// A mistake in an expansion ends the script, as POSIX has it where no person is at the shell.
    pub mistakes_end: bool,
}

impl Variables {
    /// Those of an environment, all exported; of [`Variables::inherited`] what it was made of.
    pub fn new(env: &[(String, String)]) -> Variables {
        let mut variables = Variables::default();
        for (name, value) in env {
            match name.as_str() {
                "?" => variables.status = value.parse().unwrap_or(0),
                "$" => variables.process = value.parse().unwrap_or(0),
                "-" => {
                    variables.errors_end = value.contains('e');
                    variables.unset_is_error = value.contains('u');
                }
                name => {
                    let (name, exported) = name.strip_prefix(UNEXPORTED).map_or((name, true), |n| (n, false));
                    let (name, value) = (String::from(name), value.clone());
                    variables.list.push(Variable { name, value, exported });
                }
            }
        }
        variables
    }

    /// The value of a variable, also of `?`, `#`, `$`, `!`, `@`, `*` and numbers. `None`: it is not set.
    pub fn get(&self, name: &str) -> Option<String> {
        match name {
            "?" => Some(self.status.to_string()),
            "#" => Some(self.args.len().to_string()),
            "$" => Some(self.process.to_string()),
            "!" => (self.last_background != 0).then(|| self.last_background.to_string()),
            "@" | "*" => (!self.args.is_empty()).then(|| self.args.join(" ")),
            "0" => Some(self.name.clone()),
            _ => match name.parse::<usize>() {
                Ok(n) => self.args.get(n.wrapping_sub(1)).cloned(),
                Err(_) => self.list.iter().find(|v| v.name == name).map(|v| v.value.clone()),
            },
        }
    }

    /// Sets a variable.
    pub fn set(&mut self, name: &str, value: &str) {
        match self.list.iter_mut().find(|v| v.name == name) {
            Some(v) => v.value = String::from(value),
            None => self.list.push(Variable {
                name: String::from(name),
                value: String::from(value),
                exported: false,
            }),
        }
    }

    /// Forgets a variable.
    pub fn unset(&mut self, name: &str) {
        self.list.retain(|v| v.name != name);
    }

    /// Programs get it from now on.
    pub fn export(&mut self, name: &str) {
        if self.get(name).is_none() {
            self.set(name, "");
        }
        if let Some(v) = self.list.iter_mut().find(|v| v.name == name) {
            v.exported = true;
        }
    }

    /// What programs get.
    pub fn environment(&self) -> Vec<(String, String)> {
        self.list.iter().filter(|v| v.exported).map(|v| (v.name.clone(), v.value.clone())).collect()
    }

    /// The environment of a shell that goes on with a part of this one's work: also variables that are not exported, their names after a dot, and the values of `$?`, `$$` and
    /// `$-` under those names. `errors`: whether `set -e` holds there as well.
    pub fn inherited(&self, errors: bool) -> Vec<(String, String)> {
        let mut env = self.environment();
        let unexported = self.list.iter().filter(|v| !v.exported);
        env.extend(unexported.map(|v| (format!("{UNEXPORTED}{}", v.name), v.value.clone())));
        let options = [(self.errors_end && errors, 'e'), (self.unset_is_error, 'u')];
        let options = options.into_iter().filter_map(|(on, c)| on.then_some(c)).collect();
        env.push((String::from("-"), options));
        env.push((String::from("?"), self.status.to_string()));
        env.push((String::from("$"), self.process.to_string()));
        env
    }

    /// Sets a variable; what it was before.
    pub(crate) fn replace(&mut self, name: &str, value: &str) -> Option<Variable> {
        let old = self.list.iter().find(|v| v.name == name).cloned();
        self.set(name, value);
        old
    }

    /// Makes a variable what it was.
    pub(crate) fn restore(&mut self, name: &str, old: Option<Variable>) {
        self.unset(name);
        self.list.extend(old);
    }
}
