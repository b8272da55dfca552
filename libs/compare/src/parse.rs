// SPDX-License-Identifier: BSD-2-Clause
//! Reads what a machine said on its console. Every line that is JSON is known by the fields that it has; what else is there is for people.

use serde_json::{Map, Value};

use crate::point::{Measures, PERCENTILES, Replacement};

/// What a console said, line by line.
#[derive(Default)]
struct Said {
    workload: Option<Map<String, Value>>,
    counters: Option<Map<String, Value>>,
    policy: Option<Map<String, Value>>,
    services: Option<Vec<Value>>,
    audit: Option<Map<String, Value>>,
    /// Moments, in microseconds since the machine's start.
    uptimes: Vec<u64>,
    /// Replacements, with the number of moments before them.
    replacements: Vec<(usize, Replacement)>,
}

/// Reads what a machine measured.
///
/// # Errors
/// What is missing or wrong in it: a workload that found a wrong byte, a server that died, records of memory that do not agree.
pub fn measures(console: &str) -> Result<Measures, String> {
    let said = Said::read(console);
    let audit = said.audit.ok_or("no audit")?;
    if audit.get("clean") != Some(&Value::Bool(true)) {
        let problems = audit.get("problems").map(Value::to_string).unwrap_or_default();
        return Err(format!("the audit found problems: {problems}"));
    }
    for service in said.services.ok_or("no list of services")? {
        let text = |key: &str| service.get(key).and_then(Value::as_str).unwrap_or("?").to_string();
        match service.get("deaths").and_then(Value::as_u64) {
            Some(0) => {}
            _ => return Err(format!("{} ({}) died", text("role"), text("image"))),
        }
    }
    let counters = said.counters.ok_or("no counters")?;
    let workload = said.workload.ok_or("the workload printed no result")?;
    if workload.get("verified") != Some(&Value::Bool(true)) {
        return Err("the workload did not verify its result".into());
    }
    let counter = |name: &str| number(&counters, name);
    if counter("v_ejected")? > 0 {
        return Err("the policy was ejected".into());
    }
    let own = |name: &str| number(&workload, name);
    let latency = workload.get("fault_us").ok_or("no fault_us")?;
    let mut fault_us = [0.0; PERCENTILES.len()];
    for (slot, name) in fault_us.iter_mut().zip(PERCENTILES) {
        *slot = latency.get(name).and_then(Value::as_f64).ok_or_else(|| format!("no {name} in fault_us"))?;
    }
    let replacements = placed(&said.uptimes, said.replacements)?;
    let replaced = replacements.iter().any(|r| r.role == "pageout");
    Ok(Measures {
        elapsed_us: own("elapsed_us")?.max(1),
        bytes: own("bytes").unwrap_or(0),
        touches: own("touches")?,
        major_faults: own("major_faults")?,
        faults: counter("v_vm_faults")?,
        fault_us,
        written: counter("v_swappgsout")? + counter("v_vnodepgsout")?,
        read: counter("v_swappgsin")? + counter("v_vnodepgsin")?,
        scanned: counter("v_pdpages")?,
        evictions: counter("v_dfree")?,
        policy_instructions: if replaced {
            None
        } else {
            Some(number(&said.policy.ok_or("no counters of the policy")?, "scan_cycles")?)
        },
        progress: progress(&workload)?,
        replacements,
        counters,
    })
}

impl Said {
    fn read(console: &str) -> Self {
        let mut said = Self::default();
        for line in console.lines().map(str::trim) {
            if let Some(replacement) = replacement(line) {
                said.replacements.push((said.uptimes.len(), replacement));
                continue;
            }
            match serde_json::from_str(line) {
                Ok(Value::Object(object)) => said.object(object),
                Ok(Value::Array(list)) if list.iter().any(|s| s.get("role").is_some()) => {
                    said.services = Some(list);
                }
                _ => {}
            }
        }
        said
    }

    fn object(&mut self, object: Map<String, Value>) {
        if object.contains_key("touches") {
            self.workload = Some(object);
        } else if object.contains_key("v_page_count") {
            self.counters = Some(object);
        } else if object.contains_key("scan_cycles") {
            self.policy = Some(object);
        } else if object.contains_key("clean") {
            self.audit = Some(object);
        } else if let Some(up) = object.get("up_us").and_then(Value::as_u64) {
            self.uptimes.push(up);
        }
    }
}

fn number(object: &Map<String, Value>, name: &str) -> Result<u64, String> {
    object.get(name).and_then(Value::as_u64).ok_or_else(|| format!("no {name}"))
}

/// The samples of the workload, if it has any.
fn progress(workload: &Map<String, Value>) -> Result<Vec<(u64, u64)>, String> {
    let Some(samples) = workload.get("progress") else { return Ok(Vec::new()) };
    let samples: Vec<(u64, u64)> =
        serde_json::from_value(samples.clone()).map_err(|e| format!("progress: {e}"))?;
    if samples.windows(2).all(|w| w[0].0 <= w[1].0 && w[0].1 <= w[1].1) {
        Ok(samples)
    } else {
        Err("progress goes back".into())
    }
}

/// Reads `pageout: a -> b, held 12 us, 34 pages in 56 us`.
fn replacement(line: &str) -> Option<Replacement> {
    let (role, rest) = line.split_once(": ")?;
    let (images, rest) = rest.split_once(", held ")?;
    let (from, to) = images.split_once(" -> ")?;
    let (held, rest) = rest.split_once(" us, ")?;
    let (pages, took) = rest.split_once(" pages in ")?;
    Some(Replacement {
        at_us: 0,
        role: role.into(),
        from: from.into(),
        to: to.into(),
        held_us: held.parse().ok()?,
        pages: pages.parse().ok()?,
        took_us: took.strip_suffix(" us")?.parse().ok()?,
    })
}

/// Gives each replacement the moment that was told before it, from the first, which is the workload's start.
fn placed(uptimes: &[u64], replacements: Vec<(usize, Replacement)>) -> Result<Vec<Replacement>, String> {
    let place = |(moments, mut replacement): (usize, Replacement)| {
        let at = moments.checked_sub(1).and_then(|i| uptimes.get(i));
        let (start, at) = uptimes.first().zip(at).ok_or("a replacement without its moment")?;
        replacement.at_us = at.saturating_sub(*start);
        Ok(replacement)
    };
    replacements.into_iter().map(place).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// What a machine says that is well.
    pub(crate) const CONSOLE: &str = concat!(
        "ebb\n{\"up_us\":1000}\n",
        "{\"up_us\":3000}\r\npageout: clock -> sieve, held 55 us, 11 pages in 77 us\n",
        "{\"workload\":\"sort\",\"seed\":1,\"bytes\":8192,\"verified\":true,\"elapsed_us\":5000,\"touches\":400,\"major_faults\":20,",
        "\"fault_us\":{\"p50\":2.5,\"p90\":3,\"p99\":100.125,\"p99.9\":200,\"max\":300},\"progress\":[[1000,100],[5000,400]]}\n",
        "{\"v_page_count\":16384,\"v_vm_faults\":90,\"v_swappgsout\":7,\"v_vnodepgsout\":1,\"v_swappgsin\":5,\"v_vnodepgsin\":2,",
        "\"v_pdpages\":1000,\"v_dfree\":100,\"v_ejected\":0,\"tsc\":5}\n",
        "{\"runs\":2,\"scan_cycles\":5000}\n",
        "[{\"role\":\"vm\",\"image\":\"vm\",\"deaths\":0}]\n",
        "{\"clean\":true,\"checked\":{},\"problems\":[]}\n"
    );

    #[test]
    fn a_console_is_read() {
        let m = measures(CONSOLE).unwrap();
        assert_eq!((m.elapsed_us, m.bytes, m.touches, m.major_faults, m.faults), (5000, 8192, 400, 20, 90));
        assert_eq!(m.fault_us, [2.5, 3.0, 100.125, 200.0, 300.0]);
        assert_eq!((m.written, m.read, m.scanned, m.evictions), (8, 7, 1000, 100));
        assert_eq!(m.progress, [(1000, 100), (5000, 400)]);
        let [r] = &m.replacements[..] else { panic!("{:?}", m.replacements) };
        assert_eq!((r.at_us, r.held_us, r.pages, r.took_us, r.to.as_str()), (2000, 55, 11, 77, "sieve"));
        assert_eq!(m.instructions_per_eviction(), None, "more than one policy has worked");
        let alone = CONSOLE.replace("pageout: clock", "nothing: clock");
        assert_eq!(measures(&alone).unwrap().instructions_per_eviction(), Some(50.0));
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (from, to, cause) in [
            ("\"verified\":true", "\"verified\":false", "did not verify"),
            ("\"clean\":true", "\"clean\":false", "audit"),
            ("\"deaths\":0", "\"deaths\":1", "vm (vm) died"),
            ("\"v_ejected\":0", "\"v_ejected\":1", "ejected"),
            ("\"touches\"", "\"touched\"", "no result"),
            ("\"p99\"", "\"p98\"", "p99"),
            ("[1000,100]", "[9000,100]", "goes back"),
            ("[1000,100]", "[1000]", "progress"),
            ("\"v_dfree\":100", "\"v_dfree\":-1", "v_dfree"),
            ("{\"up_us\"", "{\"up\"", "moment"),
        ] {
            let error = measures(&CONSOLE.replace(from, to)).unwrap_err();
            assert!(error.contains(cause), "{error}");
        }
        // Cut anywhere, nothing panics; only the whole is enough.
        for end in 0..CONSOLE.len() - 1 {
            assert!(measures(&CONSOLE[..end]).is_err());
        }
    }
}
