//! The log on this machine's disk, beside what the machine can do at most: `cargo bench -p ottla-io`.
//!
//! The limits come first, in the same run: memory and checksum bandwidth, a bare loop of writes, and one of `sendfile`. The
//! figures of the log are to be read as ratios to them; `bench/README.md` has those of one run. What is measured lies in
//! the page cache, as the log's own syncs are other benchmarks' (`cargo xtask bench --only synced`).

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot run is to stop")]

mod data;
mod limits;
mod log;

criterion::criterion_group! {
    name = all;
    config = criterion::Criterion::default().sample_size(20).without_plots();
    targets = limits::all, log::append, log::read, log::look_up, log::validate, log::compact, log::recover
}
criterion::criterion_main!(all);
