//! An error as an answer tells it: a code, and where Kafka says more than the code does, a text.

use crate::messages::errors::ErrorCode;
use std::borrow::Cow;
use std::fmt;

/// What went wrong with a request, or with one part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    pub code: ErrorCode,
    /// For people. None where the code says it all: clients have a text of their own for each code.
    pub message: Option<Cow<'static, str>>,
}

impl ApiError {
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: Some(message.into()) }
    }
}

impl From<ErrorCode> for ApiError {
    fn from(code: ErrorCode) -> Self {
        Self { code, message: None }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.message {
            Some(message) => write!(f, "{}: {message}", self.code.name()),
            None => f.write_str(self.code.name()),
        }
    }
}

impl std::error::Error for ApiError {}
