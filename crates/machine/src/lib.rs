//! What deterministic machines are made of: instants, the disk they write to, and seeds. It knows no socket, no clock and no thread.
//!
//! Everything here is an argument of some machine: the time that it is told, the disk that it is lent, the seed that
//! decides for it. What only one machine needs lives with that machine, not here.

mod disk;
pub mod disk_conformance;
mod ids;
mod mem_disk;
mod seed;
pub mod seeds;
mod time;

pub use disk::{Disk, DiskFile, OpenMode, failed_sync, is_failed_sync, is_storage_full};
pub use ids::{LeaderEpoch, Offset, PartitionIndex, ProducerId};
pub use mem_disk::{Fault, MemDisk, MemFile, MemLock};
pub use seed::Seed;
pub use time::{Instant, Timestamp};
