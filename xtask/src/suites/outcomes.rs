//! What a run said about each test.

use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outcome {
    Passed,
    Skipped,
    Failed,
}

/// Tests by name. A name that comes more than once has the worst that was said of it.
#[derive(Debug, Default)]
pub(super) struct Outcomes(BTreeMap<String, Outcome>);

impl Outcomes {
    pub(super) fn add(&mut self, name: &str, outcome: Outcome) {
        // One line each in the lists, whatever stands in a title.
        let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
        let kept = self.0.entry(name).or_insert(outcome);
        *kept = (*kept).max(outcome);
    }

    pub(super) fn passed(&self, name: &str) -> bool {
        self.0.get(name) == Some(&Outcome::Passed)
    }

    pub(super) fn passing(&self) -> impl Iterator<Item = &str> {
        self.all(Outcome::Passed)
    }

    pub(super) fn failing(&self) -> impl Iterator<Item = &str> {
        self.all(Outcome::Failed)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn all(&self, wanted: Outcome) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(_, outcome)| **outcome == wanted).map(|(name, _)| name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_tests_with_one_name_the_worse_counts() {
        let mut outcomes = Outcomes::default();
        outcomes.add("a  b", Outcome::Failed);
        outcomes.add("a\nb", Outcome::Passed);
        outcomes.add("c", Outcome::Passed);
        assert_eq!(outcomes.failing().collect::<Vec<_>>(), ["a b"]);
        assert_eq!(outcomes.passing().collect::<Vec<_>>(), ["c"]);
    }
}
