//! All ACLs of a cluster, so laid out that a request looks at those of its resource only.
//!
//! Names are sorted. The prefixes of a name are found by stepping down from it, each step jumping to what name and
//! entry have in common, so the cost follows the ACLs that apply, not the ACLs there are.
//!
//! A clone shares every list of rules with its origin: the metadata image keeps one version, a delta makes the next.

use crate::host::HostPattern;
use crate::{Acl, AclFilter, PatternType, Principal, ResourceType};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

/// The id of an ACL in the metadata log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AclId(pub [u8; 16]);

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct AclStore {
    by_id: BTreeMap<AclId, Arc<Acl>>,
    by_type: BTreeMap<ResourceType, Arc<Names>>,
}

/// The metadata log contradicts itself: replay stops here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    #[error("an ACL with id {0:?} already exists")]
    DuplicateId(AclId),
    #[error("there is an equal ACL under another id than {0:?}")]
    DuplicateAcl(AclId),
    #[error("there is no ACL with id {0:?}")]
    UnknownId(AclId),
}

/// The ACLs of one resource type.
#[derive(Debug, Clone, Default)]
struct Names {
    literal: BTreeMap<String, Arc<Vec<Rule>>>,
    prefixed: BTreeMap<String, Arc<Vec<Rule>>>,
}

/// An ACL with what a decision needs already read.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub(crate) acl: Arc<Acl>,
    /// `None` only for a principal without a colon, which the controller lets nobody create.
    pub(crate) principal: Option<Principal>,
    pub(crate) host: HostPattern,
}

impl AclStore {
    pub fn new() -> Self {
        Self::default()
    }

    /// Replays an AccessControlEntryRecord.
    pub fn add(&mut self, id: AclId, acl: Acl) -> Result<(), StoreError> {
        if self.by_id.contains_key(&id) {
            return Err(StoreError::DuplicateId(id));
        }
        if self.contains(&acl) {
            return Err(StoreError::DuplicateAcl(id));
        }
        let acl = Arc::new(acl);
        let rule =
            Rule { acl: Arc::clone(&acl), principal: acl.principal.parse().ok(), host: HostPattern::new(&acl.host) };
        let names = Arc::make_mut(self.by_type.entry(acl.resource_type).or_default());
        let rules = names.of_mut(acl.pattern_type).entry(acl.resource_name.clone()).or_default();
        Arc::make_mut(rules).push(rule);
        self.by_id.insert(id, acl);
        Ok(())
    }

    /// Replays a RemoveAccessControlEntryRecord.
    pub fn remove(&mut self, id: AclId) -> Result<Arc<Acl>, StoreError> {
        let acl = self.by_id.remove(&id).ok_or(StoreError::UnknownId(id))?;
        if let Some(names) = self.by_type.get_mut(&acl.resource_type) {
            let names = Arc::make_mut(names).of_mut(acl.pattern_type);
            if let Some(rules) = names.get_mut(&acl.resource_name) {
                let rules = Arc::make_mut(rules);
                rules.retain(|rule| rule.acl != acl);
                if rules.is_empty() {
                    names.remove(&acl.resource_name);
                }
            }
        }
        Ok(acl)
    }

    /// Whether there is an equal ACL, under whatever id: creating it again changes nothing.
    pub fn contains(&self, acl: &Acl) -> bool {
        self.by_type
            .get(&acl.resource_type)
            .and_then(|names| names.of(acl.pattern_type).get(&acl.resource_name))
            .is_some_and(|rules| rules.iter().any(|rule| *rule.acl == *acl))
    }

    pub fn get(&self, id: AclId) -> Option<&Acl> {
        self.by_id.get(&id).map(Arc::as_ref)
    }

    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Every ACL by id, as a snapshot writes them.
    pub fn iter(&self) -> impl Iterator<Item = (AclId, &Acl)> {
        self.by_id.iter().map(|(id, acl)| (*id, acl.as_ref()))
    }

    /// What DescribeAcls answers and DeleteAcls deletes. Looks at every ACL.
    pub fn matching<'a>(&'a self, filter: &'a AclFilter) -> impl Iterator<Item = (AclId, &'a Acl)> {
        self.iter().filter(|(_, acl)| filter.matches(acl))
    }

    /// The rules that apply to a resource: of its very name, of its prefixes, and of all names. Stops when told to.
    pub(crate) fn visit<'a>(
        &'a self,
        resource_type: ResourceType,
        name: &str,
        mut visit: impl FnMut(&'a Rule) -> std::ops::ControlFlow<()>,
    ) {
        let Some(names) = self.by_type.get(&resource_type) else {
            return;
        };
        let own = names.literal.get(name).filter(|_| name != crate::WILDCARD);
        let all = names.literal.get(crate::WILDCARD);
        for rules in own.into_iter().chain(prefixes(&names.prefixed, name)).chain(all) {
            for rule in rules.iter() {
                if visit(rule).is_break() {
                    return;
                }
            }
        }
    }

    /// Every rule of a type.
    pub(crate) fn of_type(&self, resource_type: ResourceType) -> impl Iterator<Item = &Rule> {
        self.by_type
            .get(&resource_type)
            .into_iter()
            .flat_map(|names| names.literal.values().chain(names.prefixed.values()).flat_map(|rules| rules.iter()))
    }
}

impl Names {
    /// Kafka takes whatever is not literal for a prefix.
    fn of(&self, pattern_type: PatternType) -> &BTreeMap<String, Arc<Vec<Rule>>> {
        match pattern_type {
            PatternType::Literal => &self.literal,
            _ => &self.prefixed,
        }
    }

    fn of_mut(&mut self, pattern_type: PatternType) -> &mut BTreeMap<String, Arc<Vec<Rule>>> {
        match pattern_type {
            PatternType::Literal => &mut self.literal,
            _ => &mut self.prefixed,
        }
    }
}

/// The entries whose key is a prefix of `name`, longest first.
///
/// An entry below `name` that is no prefix of it parts from it somewhere. Every prefix of `name` that is longer than
/// what they share sorts between the two, where there is nothing; so the search goes on at the shared part.
fn prefixes<'a, 'n, T>(map: &'a BTreeMap<String, T>, name: &'n str) -> impl Iterator<Item = &'a T> + use<'a, 'n, T> {
    let mut upper = Bound::Included(name);
    std::iter::from_fn(move || {
        loop {
            let (key, value) = map.range::<str, _>((Bound::Unbounded, upper)).next_back()?;
            let shared = shared_bytes(key, name);
            if shared == key.len() {
                upper = Bound::Excluded(&name[..shared]);
                return Some(value);
            }
            upper = Bound::Included(&name[..name.floor_char_boundary(shared)]);
        }
    })
}

fn shared_bytes(a: &str, b: &str) -> usize {
    a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acl::tests::acl;
    use proptest::prelude::*;

    fn id(n: u8) -> AclId {
        AclId([n; 16])
    }

    fn visited(store: &AclStore, name: &str) -> Vec<String> {
        let mut found = Vec::new();
        store.visit(ResourceType::Topic, name, |rule| {
            found.push(format!("{}:{}", rule.acl.pattern_type, rule.acl.resource_name));
            std::ops::ControlFlow::Continue(())
        });
        found
    }

    #[test]
    fn a_resource_meets_its_name_its_prefixes_and_the_wildcard() {
        let mut store = AclStore::new();
        for (n, (kind, name)) in [
            (PatternType::Prefixed, "gar"),
            (PatternType::Prefixed, "foobar"),
            (PatternType::Literal, "foob"),
            (PatternType::Prefixed, "foo"),
            (PatternType::Prefixed, "fb"),
            (PatternType::Prefixed, "f"),
            (PatternType::Literal, "*"),
        ]
        .into_iter()
        .enumerate()
        {
            store.add(id(u8::try_from(n).unwrap()), acl(kind, name)).unwrap();
        }
        assert_eq!(visited(&store, "foobar"), ["PREFIXED:foobar", "PREFIXED:foo", "PREFIXED:f", "LITERAL:*"]);
        assert_eq!(visited(&store, "foob"), ["LITERAL:foob", "PREFIXED:foo", "PREFIXED:f", "LITERAL:*"]);
        assert_eq!(visited(&store, "*"), ["LITERAL:*"]);
        assert_eq!(visited(&store, ""), ["LITERAL:*"]);
    }

    #[test]
    fn a_log_that_contradicts_itself_is_noticed() {
        let mut store = AclStore::new();
        let a = acl(PatternType::Literal, "a");
        store.add(id(1), a.clone()).unwrap();
        assert_eq!(store.add(id(1), acl(PatternType::Literal, "b")), Err(StoreError::DuplicateId(id(1))));
        assert_eq!(store.add(id(2), a.clone()), Err(StoreError::DuplicateAcl(id(2))));
        let before = store.clone();
        assert_eq!(*store.remove(id(1)).unwrap(), a);
        assert_eq!(store.remove(id(1)), Err(StoreError::UnknownId(id(1))));
        assert!(store.is_empty() && visited(&store, "a").is_empty());
        assert_eq!(visited(&before, "a"), ["LITERAL:a"], "an older version keeps what it had");
    }

    proptest! {
        #[test]
        fn lookups_find_what_a_full_scan_finds(
            acls in proptest::collection::btree_set(("[ab\u{e9}\u{1F600}]{1,5}|\\*", any::<bool>()), 0..40),
            removed in proptest::collection::vec(any::<bool>(), 40),
            name in "[ab\u{e9}\u{1F600}]{0,7}|\\*",
        ) {
            let mut store = AclStore::new();
            let mut expected = Vec::new();
            for (n, ((resource, literal), remove)) in acls.iter().zip(removed).enumerate() {
                let n = u8::try_from(n).unwrap();
                let kind = if *literal { PatternType::Literal } else { PatternType::Prefixed };
                store.add(id(n), acl(kind, resource)).unwrap();
                let applies = if *literal { *resource == name || resource == "*" } else { name.starts_with(resource) };
                if remove {
                    store.remove(id(n)).unwrap();
                } else if applies {
                    expected.push(format!("{kind}:{resource}"));
                }
            }
            let mut found = visited(&store, &name);
            found.sort();
            expected.sort();
            prop_assert_eq!(found, expected);
        }
    }
}
