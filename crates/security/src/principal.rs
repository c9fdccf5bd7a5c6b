//! Who asks: `Type:Name`, as Kafka prints and compares it.
//!
//! A type contains no colon; a name may. Names of certificates and Kerberos arrive here already mapped.

use std::fmt;
use std::str::FromStr;

/// The type of every principal that Kafka's own mechanisms make.
pub const USER_TYPE: &str = "User";

/// A principal. Two are equal when type and name are, whatever mechanism they came by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Principal {
    kind: String,
    name: String,
}

/// The text is not `Type:Name`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a string in format principalType:principalName but got {0}")]
pub struct InvalidPrincipal(pub String);

impl Principal {
    /// A principal of a type that has no colon in it; anything after a colon would be read back as the name.
    pub fn new(kind: impl Into<String>, name: impl Into<String>) -> Self {
        Self { kind: kind.into(), name: name.into() }
    }

    pub fn user(name: impl Into<String>) -> Self {
        Self::new(USER_TYPE, name)
    }

    /// Who asks over a listener that authenticates nobody.
    pub fn anonymous() -> Self {
        Self::user("ANONYMOUS")
    }

    /// `User`, or what a custom principal builder of an Apache Kafka node in the same cluster made.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// In an ACL: `User:*`, everyone.
    pub(crate) fn is_wildcard(&self) -> bool {
        self.kind == USER_TYPE && self.name == "*"
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.name)
    }
}

impl FromStr for Principal {
    type Err = InvalidPrincipal;

    fn from_str(text: &str) -> Result<Self, InvalidPrincipal> {
        match text.split_once(':') {
            Some((kind, name)) => Ok(Self::new(kind, name)),
            None => Err(InvalidPrincipal(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_may_hold_colons() {
        let principal: Principal = "User:CN=a:b".parse().unwrap();
        assert_eq!((principal.kind(), principal.name()), ("User", "CN=a:b"));
        assert_eq!(principal.to_string(), "User:CN=a:b");
        assert_eq!(Principal::anonymous().to_string(), "User:ANONYMOUS");
    }

    #[test]
    fn a_text_without_a_type_is_refused() {
        for text in ["", "alice"] {
            assert_eq!(text.parse::<Principal>(), Err(InvalidPrincipal(text.to_owned())));
        }
    }
}
