// SPDX-License-Identifier: BSD-2-Clause
//! Axes: where a value lies, and which values are written beside the axis.

use crate::text::number;

/// An axis from one place of the drawing to another.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    low: f64,
    high: f64,
    logarithmic: bool,
    from: f64,
    to: f64,
}

impl Scale {
    /// From 0 to at least `most`, ending at a tick.
    #[must_use]
    pub fn linear(most: f64, (from, to): (f64, f64)) -> Self {
        let most = if most.is_finite() && most > 0.0 { most } else { 1.0 };
        let step = step(most);
        Self { low: 0.0, high: (most / step).ceil() * step, logarithmic: false, from, to }
    }

    /// Powers of ten around the positive ones of these values.
    #[must_use]
    pub fn logarithmic(values: impl Iterator<Item = f64>, (from, to): (f64, f64)) -> Self {
        let positive = values.filter(|v| v.is_finite() && *v > 0.0);
        let (low, high) = positive.fold((f64::MAX, 0.0f64), |(l, h), v| (l.min(v), h.max(v)));
        let (low, high) = if high > 0.0 { (low.log10().floor(), high.log10().ceil()) } else { (0.0, 1.0) };
        Self { low, high: high.max(low + 1.0), logarithmic: true, from, to }
    }

    /// Where a value lies; what is beyond an end lies there.
    #[must_use]
    pub fn at(&self, value: f64) -> f64 {
        let value = if self.logarithmic { value.max(f64::MIN_POSITIVE).log10() } else { value };
        let share = ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
        self.from + share * (self.to - self.from)
    }

    /// Values that are written beside the axis, at most ten.
    #[must_use]
    pub fn ticks(&self) -> Vec<(f64, String)> {
        if self.logarithmic {
            let decades = (self.high - self.low).round() as i32;
            let every = (decades / 9 + 1) as usize;
            return (0..=decades)
                .step_by(every)
                .map(|d| {
                    let value = 10f64.powi(self.low as i32 + d);
                    (value, short(value))
                })
                .collect();
        }
        let step = step(self.high);
        let count = (self.high / step).round() as u32;
        (0..=count).map(|i| (f64::from(i) * step, short(f64::from(i) * step))).collect()
    }
}

/// A step of 1, 2 or 5 times a power of ten that divides a range into at most six.
fn step(range: f64) -> f64 {
    let rough = (range / 6.0).max(f64::MIN_POSITIVE);
    let power = 10f64.powf(rough.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|s| *s >= rough * 0.999_999).unwrap_or(rough)
}

/// A tick's value, short: `20k`, `1.5M`.
fn short(value: f64) -> String {
    let (divisor, unit) = match value.abs() {
        v if v >= 1e9 => (1e9, "G"),
        v if v >= 1e6 => (1e6, "M"),
        v if v >= 1e4 => (1e3, "k"),
        _ => (1.0, ""),
    };
    number(value / divisor) + unit
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ticks_are_round_numbers() {
        let labels = |s: Scale| s.ticks().into_iter().map(|(_, l)| l).collect::<Vec<_>>();
        assert_eq!(labels(Scale::linear(0.93, (0.0, 1.0))), ["0", "0.2", "0.4", "0.6", "0.8", "1"]);
        assert_eq!(labels(Scale::linear(48_000.0, (0.0, 1.0))), ["0", "10k", "20k", "30k", "40k", "50k"]);
        assert_eq!(
            labels(Scale::logarithmic([3.0, 2000.0].into_iter(), (0.0, 1.0))),
            ["1", "10", "100", "1000", "10k"]
        );
    }

    proptest! {
        #[test]
        fn every_value_lies_on_its_axis(values in prop::collection::vec(0.0..1e12f64, 1..20), log in any::<bool>()) {
            let most = values.iter().copied().fold(0.0, f64::max);
            let place = (60.0, 400.0);
            let scale = if log { Scale::logarithmic(values.iter().copied(), place) } else { Scale::linear(most, place) };
            for value in &values {
                prop_assert!((60.0..=400.0).contains(&scale.at(*value)));
            }
            let ticks = scale.ticks();
            prop_assert!((2..=10).contains(&ticks.len()), "{:?}", ticks);
            prop_assert!(ticks.windows(2).all(|w| scale.at(w[0].0) < scale.at(w[1].0)));
            prop_assert!((scale.at(ticks[0].0) - 60.0).abs() < 1e-6);
        }

        #[test]
        fn nothing_breaks_an_axis(most in prop::num::f64::ANY, value in prop::num::f64::NORMAL) {
            let scale = Scale::linear(most, (10.0, 20.0));
            prop_assert!((10.0..=20.0).contains(&scale.at(value)));
        }
    }
}
