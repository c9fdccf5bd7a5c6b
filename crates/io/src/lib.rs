//! Sockets, the real disk and the real clock: all that touches the operating system.

pub mod disk;
