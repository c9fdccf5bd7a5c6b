//! Sockets, the real disk and the real clock: all that touches the operating system.

pub mod buffers;
pub mod clock;
pub mod disk;
pub mod socket;
pub mod stores;
pub mod stream;
pub mod tls;
