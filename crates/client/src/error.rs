//! What can go wrong between a program and its cluster.

use crate::session::error_texts::exception;
use ottla_wire::{ApiError, DecodeError, EncodeError, ErrorCode};

pub type Result<T> = std::result::Result<T, ClientError>;

/// Why a call failed. The text is the one of Kafka's Java clients where they have one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The broker answered with an error. Without a text of the broker's own, the error's general one.
    #[error("{}", text(.0))]
    Api(ApiError),
    /// No answer in time, or nobody to ask.
    #[error("{0}")]
    TimedOut(String),
    /// The connection ended before the answer came.
    #[error("The connection to {0} was closed before the answer came.")]
    Disconnected(String),
    /// Nobody listens there, or the name is unknown.
    #[error("Connection to {0} could not be established: {1}")]
    Unreachable(String, String),
    /// The two sides have no version of an API in common, or the request says what the broker's version cannot.
    #[error("{0}")]
    UnsupportedVersion(String),
    /// None of the addresses to begin with can be used.
    #[error("{0}")]
    Bootstrap(String),
    /// A setting that does not mean anything.
    #[error("{0}")]
    Config(String),
    /// The broker sent what is no answer.
    #[error("The answer from {0} cannot be read: {1}")]
    Malformed(String, DecodeError),
    /// A request that cannot be written.
    #[error("{0}")]
    Unwritable(#[from] EncodeError),
    /// Anything else, said in full.
    #[error("{0}")]
    Failed(String),
}

fn text(error: &ApiError) -> &str {
    match &error.message {
        Some(message) => message,
        None => exception(error.code).1,
    }
}

impl From<ApiError> for ClientError {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

impl From<ErrorCode> for ClientError {
    fn from(code: ErrorCode) -> Self {
        Self::Api(code.into())
    }
}

impl ClientError {
    /// `Ok` for code 0; otherwise the error, with the broker's text if it sent one.
    pub fn check(code: i16, message: Option<&str>) -> Result<()> {
        match ErrorCode::from_code(code) {
            ErrorCode::None => Ok(()),
            code => Err(Self::Api(ApiError { code, message: message.map(|text| text.to_owned().into()) })),
        }
    }

    #[must_use]
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Api(error) => Some(error.code),
            _ => None,
        }
    }

    /// What Java calls this error, package included.
    #[must_use]
    pub fn class(&self) -> String {
        let name = match self {
            Self::Api(error) => exception(error.code).0,
            Self::TimedOut(_) => "TimeoutException",
            Self::Disconnected(_) | Self::Unreachable(..) => "DisconnectException",
            Self::UnsupportedVersion(_) => "UnsupportedVersionException",
            Self::Config(_) => return "org.apache.kafka.common.config.ConfigException".into(),
            Self::Bootstrap(_) | Self::Malformed(..) | Self::Unwritable(_) => {
                return "org.apache.kafka.common.KafkaException".into();
            }
            Self::Failed(_) => return "java.lang.RuntimeException".into(),
        };
        format!("org.apache.kafka.common.errors.{name}")
    }

    /// Whether the same call may succeed a moment later, perhaps at another node.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Disconnected(_) | Self::Unreachable(..) => true,
            Self::Api(error) => matches!(
                error.code,
                ErrorCode::LeaderNotAvailable
                    | ErrorCode::NotLeaderOrFollower
                    | ErrorCode::CoordinatorLoadInProgress
                    | ErrorCode::CoordinatorNotAvailable
                    | ErrorCode::NotCoordinator
                    | ErrorCode::NotController
                    | ErrorCode::ReplicaNotAvailable
                    | ErrorCode::OffsetNotAvailable
                    | ErrorCode::UnknownLeaderEpoch
                    | ErrorCode::FencedLeaderEpoch
                    | ErrorCode::RequestTimedOut
            ),
            _ => false,
        }
    }
}
