// SPDX-License-Identifier: BSD-2-Clause
//! Throughput over time, from samples of what was done by when.

/// Intervals of a plot.
pub const INTERVALS: usize = 24;

/// Accesses a second in each interval of so many microseconds, with the middle of the interval in seconds. The last interval ends with the
/// run. Between samples the run is taken to be even.
#[must_use]
pub fn rates(progress: &[(u64, u64)], interval_us: u64) -> Vec<(f64, f64)> {
    let Some((end, _)) = progress.last().copied() else { return Vec::new() };
    let interval = interval_us.max(1);
    let mut rates = Vec::new();
    let mut from = 0;
    while from < end {
        let to = (from + interval).min(end);
        let done = done_by(progress, to) - done_by(progress, from);
        let seconds = (to - from) as f64 / 1e6;
        rates.push(((from + to) as f64 / 2e6, done / seconds));
        from = to;
    }
    rates
}

/// Accesses done by a moment.
fn done_by(progress: &[(u64, u64)], at: u64) -> f64 {
    let next = progress.partition_point(|(t, _)| *t < at);
    let before = next.checked_sub(1).and_then(|i| progress.get(i)).copied().unwrap_or((0, 0));
    let Some(after) = progress.get(next).copied() else { return before.1 as f64 };
    if after.0 <= before.0 {
        return after.1 as f64;
    }
    let share = at.saturating_sub(before.0) as f64 / (after.0 - before.0) as f64;
    before.1 as f64 + share * (after.1 - before.1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_even_run_has_one_rate() {
        let progress: Vec<(u64, u64)> = (1..=100).map(|i| (i * 10_000, i * 50)).collect();
        let rates = rates(&progress, 250_000);
        assert_eq!(rates.len(), 4);
        assert_eq!(rates[0].0, 0.125);
        assert!(rates.iter().all(|(_, r)| (r - 5000.0).abs() < 1e-6), "{rates:?}");
    }

    #[test]
    fn all_that_was_done_is_in_some_interval() {
        let progress = [(0, 0), (3, 10), (3, 12), (1000, 13), (70_000, 500)];
        for interval in [1, 7, 999, 70_000, 1_000_000] {
            let mut from = 0.0;
            let mut sum = 0.0;
            for (middle, rate) in rates(&progress, interval) {
                let width = 2.0 * (middle - from);
                sum += rate * width;
                from += width;
            }
            assert!((sum - 500.0).abs() < 1e-3, "{interval}: {sum}");
        }
        assert!(rates(&[], 5).is_empty());
    }
}
