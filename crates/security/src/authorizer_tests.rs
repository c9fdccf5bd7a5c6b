//! Decisions as a table of ACLs and questions.

use super::*;
use crate::AclId;
use crate::acl::tests::acl as some_acl;

/// `allow|deny principal host OPERATION TYPE:PATTERN:name`
fn acl(text: &str) -> Acl {
    let words: Vec<&str> = text.split_whitespace().collect();
    let resource: Vec<&str> = words[4].split(':').collect();
    Acl {
        resource_type: ResourceType::parse(resource[0]),
        resource_name: resource[2].to_owned(),
        pattern_type: PatternType::parse(resource[1]),
        principal: words[1].to_owned(),
        host: words[2].to_owned(),
        operation: AclOperation::parse(words[3]),
        permission_type: AclPermissionType::parse(words[0]),
    }
}

fn authorizer(no_acl_found: Decision, acls: &[&str]) -> StandardAuthorizer {
    let mut store = AclStore::new();
    for (n, text) in acls.iter().enumerate() {
        store.add(AclId([u8::try_from(n).unwrap(); 16]), acl(text)).unwrap();
    }
    StandardAuthorizer::new(parse_super_users("User:root; User:CN=a,O=b ;").unwrap(), no_acl_found).with_acls(store)
}

/// `principal host OPERATION TYPE:name`
fn asked(authorizer: &dyn Authorizer, text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let (kind, name) = words[3].split_once(':').unwrap();
    let context =
        RequestContext { principal: &words[0].parse().unwrap(), host: &ClientHost::new(words[1].parse().unwrap()) };
    let action = Action::new(AclOperation::parse(words[2]), ResourceType::parse(kind), name);
    let rule = authorizer.rule(&context, &action);
    assert_eq!(rule.decision(), authorizer.authorize(&context, &action));
    match rule {
        Rule::Acl(_, Decision::Allowed) => "allowed".to_owned(),
        Rule::Acl(_, Decision::Denied) => "denied".to_owned(),
        other => other.to_string(),
    }
}

#[test]
fn deny_comes_before_allow_wherever_it_stands() {
    let a = authorizer(
        Decision::Denied,
        &[
            "allow User:alice * ALL TOPIC:LITERAL:*",
            "deny User:alice * WRITE TOPIC:PREFIXED:pay",
            "allow User:alice * WRITE TOPIC:LITERAL:payments",
        ],
    );
    assert_eq!(asked(&a, "User:alice 10.0.0.1 WRITE TOPIC:payments"), "denied");
    assert_eq!(asked(&a, "User:alice 10.0.0.1 READ TOPIC:payments"), "allowed");
    assert_eq!(asked(&a, "User:alice 10.0.0.1 WRITE TOPIC:orders"), "allowed");
    assert_eq!(asked(&a, "User:bob 10.0.0.1 READ TOPIC:orders"), "DefaultDeny");
}

#[test]
fn super_users_are_asked_nothing() {
    let a = authorizer(Decision::Denied, &["deny User:* * ALL TOPIC:LITERAL:*"]);
    assert_eq!(asked(&a, "User:root 10.0.0.1 WRITE TOPIC:a"), "SuperUser");
    assert_eq!(asked(&a, "User:CN=a,O=b 10.0.0.1 WRITE TOPIC:a"), "SuperUser");
    assert_eq!(asked(&a, "Group:root 10.0.0.1 WRITE TOPIC:a"), "denied");
    assert!(parse_super_users("alice").is_err());
    assert!(parse_super_users(" ;; ").unwrap().is_empty());
}

#[test]
fn the_default_holds_only_for_resources_without_any_acl() {
    let a = authorizer(Decision::Allowed, &["allow User:alice * READ TOPIC:PREFIXED:a"]);
    assert_eq!(asked(&a, "User:bob 10.0.0.1 READ TOPIC:b"), "DefaultAllow");
    assert_eq!(asked(&a, "User:bob 10.0.0.1 READ TOPIC:ab"), "DefaultDeny");
    assert_eq!(asked(&a, "User:bob 10.0.0.1 READ GROUP:ab"), "DefaultAllow");
}

#[test]
fn seeing_is_implied_by_permission_not_by_denial() {
    for operation in ["READ", "WRITE", "DELETE", "ALTER"] {
        let a = authorizer(Decision::Denied, &[&format!("allow User:a * {operation} TOPIC:LITERAL:t")]);
        assert_eq!(asked(&a, "User:a 10.0.0.1 DESCRIBE TOPIC:t"), "allowed", "{operation}");
        assert_eq!(asked(&a, "User:a 10.0.0.1 DESCRIBE_CONFIGS TOPIC:t"), "DefaultDeny");
    }
    let a = authorizer(
        Decision::Denied,
        &[
            "allow User:a * ALTER_CONFIGS TOPIC:LITERAL:t",
            "deny User:a * READ TOPIC:LITERAL:t",
            "allow User:a * DESCRIBE TOPIC:LITERAL:t",
        ],
    );
    assert_eq!(asked(&a, "User:a 10.0.0.1 DESCRIBE_CONFIGS TOPIC:t"), "allowed");
    assert_eq!(asked(&a, "User:a 10.0.0.1 DESCRIBE TOPIC:t"), "allowed");
    assert_eq!(asked(&a, "User:a 10.0.0.1 READ TOPIC:t"), "denied");
    let create = authorizer(Decision::Denied, &["allow User:a * CREATE TOPIC:LITERAL:t"]);
    assert_eq!(asked(&create, "User:a 10.0.0.1 DESCRIBE TOPIC:t"), "DefaultDeny");
}

#[test]
fn hosts_are_any_one_or_a_range() {
    let a = authorizer(
        Decision::Denied,
        &[
            "allow User:* 10.1.0.0/16 READ TOPIC:LITERAL:t",
            "deny User:* 10.1.0.7 READ TOPIC:LITERAL:t",
            "allow User:* 2001:db8:0:0:0:0:0:1 READ TOPIC:LITERAL:t",
        ],
    );
    assert_eq!(asked(&a, "User:a 10.1.2.3 READ TOPIC:t"), "allowed");
    assert_eq!(asked(&a, "User:a 10.1.0.7 READ TOPIC:t"), "denied");
    assert_eq!(asked(&a, "User:a 10.2.0.7 READ TOPIC:t"), "DefaultDeny");
    assert_eq!(asked(&a, "User:a 2001:db8::1 READ TOPIC:t"), "allowed");
}

fn by_type(acls: &[&str]) -> bool {
    let context =
        RequestContext { principal: &Principal::user("a"), host: &ClientHost::new("10.0.0.1".parse().unwrap()) };
    authorizer(Decision::Denied, acls)
        .authorize_by_resource_type(&context, AclOperation::Write, ResourceType::Topic)
        .is_allowed()
}

#[test]
fn some_resource_of_a_type() {
    assert!(!by_type(&[]));
    assert!(by_type(&["allow User:a * WRITE TOPIC:LITERAL:t"]));
    assert!(by_type(&["allow User:* * ALL TOPIC:PREFIXED:t"]));
    assert!(!by_type(&["allow User:b * WRITE TOPIC:LITERAL:t"]));
    assert!(!by_type(&["allow User:a 10.0.0.2 WRITE TOPIC:LITERAL:t"]));
    assert!(!by_type(&["allow User:a * WRITE GROUP:LITERAL:t"]));
    assert!(!by_type(&["allow User:a * WRITE TOPIC:LITERAL:t", "deny User:a * WRITE TOPIC:LITERAL:t"]));
    assert!(!by_type(&["allow User:a * WRITE TOPIC:PREFIXED:tt", "deny User:* * ALL TOPIC:PREFIXED:t"]));
    assert!(!by_type(&["allow User:a * WRITE TOPIC:LITERAL:tt", "deny User:a * WRITE TOPIC:PREFIXED:t"]));
    assert!(by_type(&["allow User:a * WRITE TOPIC:PREFIXED:t", "deny User:a * WRITE TOPIC:PREFIXED:tt"]));
    assert!(by_type(&["allow User:a * WRITE TOPIC:PREFIXED:t", "deny User:a * WRITE TOPIC:LITERAL:t"]));
    assert!(!by_type(&["allow User:a * WRITE TOPIC:LITERAL:t", "deny User:a * WRITE TOPIC:LITERAL:*"]));
    assert!(by_type(&["allow User:a * WRITE TOPIC:LITERAL:*", "deny User:a * WRITE TOPIC:PREFIXED:t"]));
}

#[test]
fn authorized_operations_are_a_bit_field() {
    let context =
        RequestContext { principal: &Principal::user("alice"), host: &ClientHost::new("10.0.0.1".parse().unwrap()) };
    let mut store = AclStore::new();
    store.add(AclId([0; 16]), some_acl(PatternType::Literal, "t")).unwrap();
    let a = StandardAuthorizer::new(BTreeSet::new(), Decision::Denied).with_acls(store);
    // READ is bit 3, DESCRIBE bit 8.
    assert_eq!(a.authorized_operations(&context, ResourceType::Topic, "t"), 1 << 3 | 1 << 8);
    // What a broker without an authorizer answers for a topic and for a group.
    assert_eq!(AllowAll.authorized_operations(&context, ResourceType::Topic, "t"), 3576);
    assert_eq!(AllowAll.authorized_operations(&context, ResourceType::Group, "g"), 3400);
    assert!(AllowAll.acls().is_none());
}
