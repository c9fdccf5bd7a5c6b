//! The leader of a partition: high watermark, fetch sessions, and the requests that wait.
