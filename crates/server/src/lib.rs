//! The node as a program: configuration, listeners, start and stop.
