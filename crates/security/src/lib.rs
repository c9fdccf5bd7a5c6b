//! Who may do what: principals, ACL matching, and the order in which an authorizer decides.
