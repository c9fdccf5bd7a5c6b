//! How a command ends when it does not succeed. The exit code is 1 unless it says otherwise.

use ottla_client::ClientError;

pub(crate) type Done<T = ()> = Result<T, Failure>;

#[derive(Debug)]
pub(crate) enum Failure {
    /// The arguments do not fit together: the message, then the whole help.
    Usage(String),
    /// The arguments could not be parsed.
    Parse(String),
    /// The message, and nothing else.
    Told(String),
    /// A call to the cluster failed; its text is the message.
    Client(ClientError),
    /// All has been said already.
    Said,
}

impl Failure {
    pub(crate) fn told(message: impl Into<String>) -> Self {
        Self::Told(message.into())
    }

    /// An error with all its causes.
    #[allow(clippy::needless_pass_by_value, reason = "it stands where an error is mapped")]
    pub(crate) fn error(error: anyhow::Error) -> Self {
        Self::Told(format!("{error:#}"))
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Usage(message.into())
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self::Client(error)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Usage(message) | Self::Parse(message) | Self::Told(message) => f.write_str(message),
            Self::Client(error) => error.fmt(f),
            Self::Said => Ok(()),
        }
    }
}
