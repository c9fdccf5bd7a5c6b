//! What deterministic machines are made of: instants, the disk they write to, and seeds. It knows no socket, no clock and no thread.
