//! The life of a coordinator's shard over a log that it is given.
