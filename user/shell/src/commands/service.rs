// SPDX-License-Identifier: BSD-2-Clause
//! `services`, `service`.

use super::{flags, show};
use crate::shell::Shell;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use ebb_args::{Args, Failure, Spec};
use ebb_report::{Column, Listing};
use ebb_rt::client::call;
use ebb_rt::println;
use ebb_rt::proto::Error;
use ebb_rt::proto::init::{Images, Kill, Replace, Restart, Service, Services, Stop};

const COLUMNS: &[Column] = &[
    Column { key: "role", heading: "ROLE" },
    Column { key: "image", heading: "IMAGE" },
    Column { key: "pid", heading: "PID" },
    Column { key: "state", heading: "STATE" },
    Column { key: "level", heading: "LEVEL" },
    Column { key: "starts", heading: "STARTS" },
    Column { key: "deaths", heading: "DEATHS" },
    Column { key: "up_us", heading: "" },
    Column { key: "failure", heading: "" },
];

impl Shell {
    fn all_services(&self) -> Result<Vec<Service>, Failure> {
        call(self.init, &Services {}).map_err(|e| Failure::of("init", e))
    }

    /// Whether a service runs. One that does not would let a caller wait until it is started again.
    pub fn runs(&self, role: &str) -> Result<bool, Failure> {
        Ok(self.all_services()?.iter().any(|s| s.role == role && s.state == "running"))
    }
}

pub fn services(shell: &mut Shell, args: &[String]) -> Result<(), Failure> {
    let json = flags(args, &["--json"])?.flag("--json");
    let mut list = Listing::new(COLUMNS);
    let mut failures = Vec::new();
    for s in shell.all_services()? {
        if !s.failure.is_empty() {
            failures.push(format!("{}: last failure: {}", s.role, s.failure));
        }
        list.row([
            s.role.into(),
            s.image.into(),
            s.space.into(),
            s.state.into(),
            s.level.into(),
            s.starts.0.into(),
            s.starts.1.into(),
            s.up_us.into(),
            s.failure.into(),
        ]);
    }
    show(&list, json);
    if !json {
        failures.iter().for_each(|failure| println!("{failure}"));
    }
    Ok(())
}

pub fn service(shell: &mut Shell, args: &[String]) -> Result<(), Failure> {
    let args = Args::parse(args, &Spec { values: &[], flags: &[], operands: 3 })?;
    let words: Vec<&str> = args.operands().iter().map(String::as_str).collect();
    let (what, role) = match words.as_slice() {
        ["replace", role, _] => ("replace", *role),
        [what @ ("restart" | "stop" | "kill"), role] => (*what, *role),
        _ => return Err(Failure::Usage("usage: service replace ROLE IMAGE | restart|stop|kill ROLE".into())),
    };
    let services = shell.all_services()?;
    let old = services
        .into_iter()
        .find(|s| s.role == role)
        .ok_or_else(|| Failure::Usage(format!("{role}: no such service (see services)")))?;
    let name: String = role.into();
    match what {
        "replace" => {
            let image = words[2];
            let r = call(shell.init, &Replace { role: name, image: image.into() })
                .map_err(|error| replace_failure(shell, role, image, error))?;
            println!(
                "{role}: {} -> {image}, held {} us, {} pages in {} us",
                old.image, r.held_us, r.pages, r.took_us
            );
        }
        "restart" => {
            let r = call(shell.init, &Restart { role: name }).map_err(|e| refused(role, e))?;
            println!("{role}: {} restarted, held {} us, {} pages", old.image, r.held_us, r.pages);
        }
        "stop" => {
            call(shell.init, &Stop { role: name }).map_err(|e| refused(role, e))?;
            println!("{role}: stopped");
        }
        _ => {
            call(shell.init, &Kill { role: name }).map_err(|e| refused(role, e))?;
            println!("{role}: killed");
        }
    }
    Ok(())
}

fn refused(role: &str, error: Error) -> Failure {
    match error {
        Error::Unsupported => Failure::Trouble(format!("{role}: the machine cannot do without it")),
        error => Failure::of(role, error),
    }
}

/// Says which images there are, if it was that.
fn replace_failure(shell: &Shell, role: &str, image: &str, error: Error) -> Failure {
    match error {
        Error::NotFound => {
            let prefix = format!("{role}/");
            let images = call(shell.init, &Images {}).unwrap_or_default();
            let there: Vec<&str> = images.iter().filter_map(|i| i.strip_prefix(prefix.as_str())).collect();
            Failure::Usage(format!("{role}: no image {image} (there are: {})", there.join(" ")))
        }
        Error::Unsupported => Failure::Trouble(format!("{role}: it cannot be replaced")),
        Error::Dead => {
            let services = shell.all_services().unwrap_or_default();
            let service = services.into_iter().find(|s| s.role == role);
            let (plays, why) = service.map(|s| (s.image, s.failure)).unwrap_or_default();
            Failure::Trouble(format!("{role}: {plays} goes on; {why}"))
        }
        error => Failure::of(role, error),
    }
}
