//! The codes of ACLs as they stand in requests and metadata records, with Kafka's names.
//!
//! A code that is not known is `Unknown` and never an error here: who receives one decides what it means.

macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $code:literal $upper:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(i8)]
        pub enum $name { $($variant = $code,)* }

        impl $name {
            pub const VALUES: &'static [Self] = &[$(Self::$variant,)*];

            pub fn from_code(code: i8) -> Self {
                match code { $($code => Self::$variant,)* _ => Self::Unknown }
            }

            pub fn code(self) -> i8 {
                self as i8
            }

            /// The name in messages and in requests of tools: `DESCRIBE_CONFIGS`.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $upper,)* }
            }

            /// The name in audit lines and options: `DescribeConfigs`.
            pub fn pascal_name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant),)* }
            }

            /// Either name in any case; anything else is `Unknown`.
            pub fn parse(text: &str) -> Self {
                Self::VALUES
                    .iter()
                    .copied()
                    .find(|v| v.name().eq_ignore_ascii_case(text) || v.pascal_name().eq_ignore_ascii_case(text))
                    .unwrap_or(Self::Unknown)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

codes! {
    /// What an ACL protects. `Any` stands in filters only.
    ResourceType {
        Unknown = 0 "UNKNOWN",
        Any = 1 "ANY",
        Topic = 2 "TOPIC",
        Group = 3 "GROUP",
        Cluster = 4 "CLUSTER",
        TransactionalId = 5 "TRANSACTIONAL_ID",
        DelegationToken = 6 "DELEGATION_TOKEN",
        User = 7 "USER",
    }
}

codes! {
    /// How a resource name is meant. `Any` and `Match` stand in filters only.
    PatternType {
        Unknown = 0 "UNKNOWN",
        Any = 1 "ANY",
        Match = 2 "MATCH",
        Literal = 3 "LITERAL",
        Prefixed = 4 "PREFIXED",
    }
}

codes! {
    /// What is done to a resource. `Any` stands in filters only, `All` in ACLs.
    AclOperation {
        Unknown = 0 "UNKNOWN",
        Any = 1 "ANY",
        All = 2 "ALL",
        Read = 3 "READ",
        Write = 4 "WRITE",
        Create = 5 "CREATE",
        Delete = 6 "DELETE",
        Alter = 7 "ALTER",
        Describe = 8 "DESCRIBE",
        ClusterAction = 9 "CLUSTER_ACTION",
        DescribeConfigs = 10 "DESCRIBE_CONFIGS",
        AlterConfigs = 11 "ALTER_CONFIGS",
        IdempotentWrite = 12 "IDEMPOTENT_WRITE",
        CreateTokens = 13 "CREATE_TOKENS",
        DescribeTokens = 14 "DESCRIBE_TOKENS",
        TwoPhaseCommit = 15 "TWO_PHASE_COMMIT",
    }
}

codes! {
    /// Which way an ACL decides. `Any` stands in filters only.
    AclPermissionType {
        Unknown = 0 "UNKNOWN",
        Any = 1 "ANY",
        Deny = 2 "DENY",
        Allow = 3 "ALLOW",
    }
}

impl ResourceType {
    /// The operations that can be asked for on a resource of this type; none for `Any` and `Unknown`.
    pub fn supported_operations(self) -> &'static [AclOperation] {
        use AclOperation::*;
        match self {
            Self::Unknown | Self::Any => &[],
            Self::Topic => &[Read, Write, Create, Delete, Alter, Describe, DescribeConfigs, AlterConfigs],
            Self::Group => &[Read, Delete, Describe, DescribeConfigs, AlterConfigs],
            Self::Cluster => &[Create, Alter, Describe, ClusterAction, DescribeConfigs, AlterConfigs, IdempotentWrite],
            Self::TransactionalId => &[Write, Describe, TwoPhaseCommit],
            Self::DelegationToken => &[Describe],
            Self::User => &[CreateTokens, DescribeTokens],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_go_both_ways() {
        for operation in AclOperation::VALUES {
            assert_eq!(AclOperation::from_code(operation.code()), *operation);
            assert_eq!(AclOperation::parse(operation.name()), *operation);
            assert_eq!(AclOperation::parse(operation.pascal_name()), *operation);
        }
        assert_eq!(AclOperation::VALUES.len(), 16);
        assert_eq!(ResourceType::parse("TransactionalId"), ResourceType::TransactionalId);
        assert_eq!(PatternType::parse("prefixed"), PatternType::Prefixed);
    }

    #[test]
    fn an_unknown_code_is_unknown() {
        assert_eq!(AclOperation::from_code(16), AclOperation::Unknown);
        assert_eq!(ResourceType::from_code(-1), ResourceType::Unknown);
        assert_eq!(AclPermissionType::parse("perhaps"), AclPermissionType::Unknown);
    }
}
