//! What most logs have nothing of, and what costs such a log a pointer then: a node may have a million of them.
//!
//! To change it makes a place for it, and so does a `retain` that has nothing to do; [`Rare::clear`] takes the place away.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Deref, DerefMut};

#[derive(Clone, Debug)]
pub(crate) struct Rare<T>(Option<Box<T>>);

/// What a reader finds where nothing is.
pub(crate) trait Empty: Default + 'static {
    const EMPTY: &'static Self;
}

impl<K: 'static, V: 'static> Empty for BTreeMap<K, V> {
    const EMPTY: &'static Self = &BTreeMap::new();
}

impl<T: 'static> Empty for BTreeSet<T> {
    const EMPTY: &'static Self = &BTreeSet::new();
}

impl<T> Default for Rare<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Rare<T> {
    pub(crate) fn clear(&mut self) {
        self.0 = None;
    }
}

impl<T: Empty> Deref for Rare<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_deref().unwrap_or(T::EMPTY)
    }
}

impl<T: Empty> DerefMut for Rare<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.get_or_insert_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_reads_as_empty() {
        let mut rare: Rare<BTreeMap<i64, i64>> = Rare::default();
        assert!(rare.is_empty() && rare.0.is_none());
        rare.insert(1, 2);
        assert_eq!(rare.get(&1), Some(&2));
        rare.clear();
        assert!(rare.is_empty() && rare.0.is_none());
    }
}
