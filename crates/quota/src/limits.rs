//! Who may take how much, in Kafka's eight levels (KIP-55): the client of a user, the clients of a user, a user; the same
//! for the default user; then a client of whomever, and the default client.

use std::collections::BTreeMap;

/// What an entity says of its user, or of its client id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whom<'a> {
    /// Nothing: whoever it is.
    Any,
    Default,
    Named(&'a str),
}

/// The limits of one kind, by user and client id.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Limits {
    users: BTreeMap<String, OfUser>,
    default_user: OfUser,
    /// Clients of whatever user. It has no limit of its own.
    any_user: OfUser,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct OfUser {
    own: Option<f64>,
    clients: BTreeMap<String, f64>,
    default_client: Option<f64>,
}

/// Who is counted together, and up to what.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Counted<'a> {
    /// Empty: whatever the user.
    pub user: &'a str,
    /// Empty: whatever the client id.
    pub client: &'a str,
    pub max: f64,
}

impl Limits {
    /// One entity's limit. That of nobody in particular is none.
    pub fn set(&mut self, user: Whom<'_>, client: Whom<'_>, max: f64) {
        let of_user = match user {
            Whom::Any => &mut self.any_user,
            Whom::Default => &mut self.default_user,
            Whom::Named(name) => self.users.entry(name.to_owned()).or_default(),
        };
        match client {
            Whom::Any if user == Whom::Any => {}
            Whom::Any => of_user.own = Some(max),
            Whom::Default => of_user.default_client = Some(max),
            Whom::Named(name) => drop(of_user.clients.insert(name.to_owned(), max)),
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Who a client is counted with; None where it has no limit. A client without an id has none but its user's.
    pub(crate) fn of<'a>(&self, user: &'a str, client: Option<&'a str>) -> Option<Counted<'a>> {
        let own = self.users.get(user);
        let both = |max: f64, client: &'a str| Counted { user, client, max };
        let alone = |max: f64| Counted { user, client: "", max };
        for of_user in [own, Some(&self.default_user)].into_iter().flatten() {
            if let Some(client) = client
                && let Some(max) = of_user.client(client)
            {
                // An empty id is no id: such a client is counted with its user.
                return match client {
                    "" => own.and_then(|own| own.own).or(self.default_user.own).map(alone),
                    client => Some(both(max, client)),
                };
            }
            if client.is_none() && of_user.default_client.is_some() {
                return None;
            }
            if let Some(max) = of_user.own {
                return Some(alone(max));
            }
        }
        let client = client.filter(|client| !client.is_empty())?;
        Some(Counted { user: "", client, max: self.any_user.client(client)? })
    }
}

impl OfUser {
    fn client(&self, client: &str) -> Option<f64> {
        self.clients.get(client).copied().or(self.default_client)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Whom::{Any, Default, Named};

    /// Ann's client x and a client of somebody else, after one level more was set each time.
    #[test]
    fn the_closest_of_eight_levels_counts() {
        let levels = [
            (Any, Default, 1.0),
            (Any, Named("x"), 2.0),
            (Default, Any, 3.0),
            (Default, Default, 4.0),
            (Default, Named("x"), 5.0),
            (Named("ann"), Any, 6.0),
            (Named("ann"), Default, 7.0),
            (Named("ann"), Named("x"), 8.0),
        ];
        let mut limits = Limits::default();
        let mut found = Vec::new();
        for (user, client, max) in levels {
            limits.set(user, client, max);
            let of = |user, client| limits.of(user, Some(client)).map(|c| (c.user, c.client, c.max)).unwrap();
            found.push((of("ann", "x"), of("bob", "y")));
        }
        let expected = [
            (("", "x", 1.0), ("", "y", 1.0)),
            (("", "x", 2.0), ("", "y", 1.0)),
            (("ann", "", 3.0), ("bob", "", 3.0)),
            (("ann", "x", 4.0), ("bob", "y", 4.0)),
            (("ann", "x", 5.0), ("bob", "y", 4.0)),
            (("ann", "", 6.0), ("bob", "y", 4.0)),
            (("ann", "x", 7.0), ("bob", "y", 4.0)),
            (("ann", "x", 8.0), ("bob", "y", 4.0)),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_client_without_an_id_has_its_users_limit_or_none() {
        let mut limits = Limits::default();
        limits.set(Any, Default, 1.0);
        assert_eq!(limits.of("ann", None), None);
        assert_eq!(limits.of("ann", Some("")), None);
        limits.set(Named("ann"), Any, 2.0);
        assert_eq!(limits.of("ann", None).map(|c| c.max), Some(2.0));
        limits.set(Named("ann"), Default, 3.0);
        assert_eq!(limits.of("ann", None), None);
        assert_eq!(limits.of("ann", Some("")).map(|c| (c.client, c.max)), Some(("", 2.0)));
    }

    #[test]
    fn nothing_set_limits_nobody() {
        let mut limits = Limits::default();
        assert!(limits.is_empty());
        limits.set(Any, Any, 1.0);
        assert!(limits.is_empty());
        limits.set(Default, Any, 1.0);
        assert!(!limits.is_empty());
    }
}
