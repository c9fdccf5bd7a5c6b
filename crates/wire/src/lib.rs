//! Kafka's bytes: messages, frames, record batches, error codes, and the records of the internal topics. Decoding
//! borrows the frame and believes no length; encoding writes once. Nothing here knows a socket or a file.

mod api_error;
pub mod batch;
pub mod json;
pub mod message;
pub mod messages;
pub mod reader;
pub mod uuid;
pub mod writer;

pub use api_error::ApiError;
pub use json::{Json, ToJson};
pub use message::{ApiInfo, Message, Request, VersionRange};
pub use messages::api_keys::ApiKey;
pub use messages::errors::ErrorCode;
pub use messages::{api, group, metadata, other, remote, share, transaction};
pub use reader::{Decode, DecodeError, Reader, UnknownTags, decode_exact};
pub use uuid::Uuid;
pub use writer::{Encode, EncodeError, Records, Splice, Writer, encode_to_vec};
