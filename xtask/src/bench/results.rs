//! Figures as they come in: by case and measure, for each system, one a round.

use super::system::System;
use std::collections::BTreeMap;

/// One figure's values over the rounds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spread(Vec<f64>);

impl Spread {
    pub(crate) fn add(&mut self, value: f64) {
        self.0.push(value);
        self.0.sort_by(f64::total_cmp);
    }

    pub(crate) fn min(&self) -> f64 {
        self.0.first().copied().unwrap_or(f64::NAN)
    }

    pub(crate) fn max(&self) -> f64 {
        self.0.last().copied().unwrap_or(f64::NAN)
    }

    pub(crate) fn median(&self) -> f64 {
        let middle = self.0.len() / 2;
        match self.0.len() {
            0 => f64::NAN,
            odd if odd % 2 == 1 => self.0[middle],
            _ => self.0[middle - 1].midpoint(self.0[middle]),
        }
    }
}

/// What a row of the table is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Measure {
    pub(crate) case: &'static str,
    pub(crate) what: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) better: Better,
    /// What Ottla's median over Kafka's is to be, at most or at least.
    pub(crate) goal: Option<Goal>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Better {
    Less,
    More,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Goal {
    /// Of Kafka's median.
    Ratio(f64),
    /// In the row's own unit.
    Absolute(f64),
}

impl Eq for Goal {}

#[derive(Default)]
pub(crate) struct Results {
    /// In the order of their first figure.
    rows: Vec<(Measure, BTreeMap<System, Spread>)>,
}

impl Results {
    pub(crate) fn add(&mut self, measure: Measure, system: System, value: f64) {
        let at = match self.rows.iter().position(|(known, _)| *known == measure) {
            Some(at) => at,
            None => {
                self.rows.push((measure, BTreeMap::new()));
                self.rows.len() - 1
            }
        };
        self.rows[at].1.entry(system).or_default().add(value);
    }

    pub(crate) fn rows(&self) -> &[(Measure, BTreeMap<System, Spread>)] {
        &self.rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_count_lies_between() {
        let mut spread = Spread::default();
        assert!(spread.median().is_nan());
        for value in [4.0, 1.0, 2.0] {
            spread.add(value);
        }
        assert_eq!((spread.min(), spread.median(), spread.max()), (1.0, 2.0, 4.0));
        spread.add(3.0);
        assert_eq!(spread.median(), 2.5);
    }
}
