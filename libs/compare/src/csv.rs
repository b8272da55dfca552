// SPDX-License-Identifier: BSD-2-Clause
//! Points as CSV (RFC 4180): a line a point, without what is a list.

use crate::point::PERCENTILES;
use crate::results::Results;

const COLUMNS: &str = "workload,policy,mem,disk,seed,ok,cause,elapsed_us,slowdown,bytes,touches,major_faults,miss_ratio,faults,written,read,\
scanned,evictions,policy_instructions,instructions_per_eviction,replacements";

/// All points.
#[must_use]
pub fn csv(results: &Results) -> String {
    let mut text = COLUMNS.to_string();
    PERCENTILES.iter().for_each(|p| text += &format!(",fault_us_{p}"));
    text += "\r\n";
    for point in results.points() {
        let spec = &point.spec;
        let mut fields = vec![
            spec.workload.name.to_string(),
            spec.policy.to_string(),
            spec.mem.to_string(),
            results.plan.disk.clone(),
            spec.seed.to_string(),
            point.measures().is_some().to_string(),
            point.failure().unwrap_or_default().to_string(),
        ];
        if let Some(m) = point.measures() {
            let or_nothing = |v: Option<String>| v.unwrap_or_default();
            let slowdown = results.slowdown(spec.mem, spec.workload, spec.policy);
            fields.extend([
                m.elapsed_us.to_string(),
                or_nothing(slowdown.map(|s| format!("{s:.6}"))),
                m.bytes.to_string(),
                m.touches.to_string(),
                m.major_faults.to_string(),
                format!("{:.6}", m.miss_ratio()),
                m.faults.to_string(),
                m.written.to_string(),
                m.read.to_string(),
                m.scanned.to_string(),
                m.evictions.to_string(),
                or_nothing(m.policy_instructions.map(|i| i.to_string())),
                or_nothing(m.instructions_per_eviction().map(|i| format!("{i:.3}"))),
                m.replacements.len().to_string(),
            ]);
            fields.extend(m.fault_us.iter().map(|v| format!("{v:.3}")));
        }
        fields.resize(COLUMNS.split(',').count() + PERCENTILES.len(), String::new());
        text += &fields.iter().map(|f| quoted(f)).collect::<Vec<_>>().join(",");
        text += "\r\n";
    }
    text
}

/// A field that holds what separates fields is quoted.
fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_are_quoted() {
        assert_eq!(quoted("plain"), "plain");
        assert_eq!(quoted("a,b"), "\"a,b\"");
        assert_eq!(quoted("say \"x\"\nthen"), "\"say \"\"x\"\"\nthen\"");
    }
}
