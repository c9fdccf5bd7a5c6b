//! Owned copies of what a request lent, shared instead of copied from then on.

use std::borrow::Cow;
use std::sync::Arc;

pub(crate) fn bytes(borrowed: &[u8]) -> Arc<[u8]> {
    Arc::from(borrowed)
}

/// For an answer: a copy, since an answer owns its text.
pub(crate) fn text(shared: &str) -> Cow<'static, str> {
    Cow::Owned(shared.to_owned())
}
