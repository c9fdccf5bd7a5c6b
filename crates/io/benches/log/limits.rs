//! What the machine can do at most, without a log.

use criterion::{Criterion, Throughput};
use std::fs::File;
use std::hint::black_box;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

/// Larger than the processor's caches.
const MEMORY_BYTES: usize = 64 << 20;
const STEP_BYTES: usize = 1 << 20;
/// A file is begun anew when it has grown so far, as a log's segment is.
pub const FILE_BYTES: u64 = 256 << 20;

pub fn all(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("limit");
    let from = vec![7_u8; MEMORY_BYTES];
    let mut to = vec![0_u8; MEMORY_BYTES];
    group.throughput(Throughput::Bytes(MEMORY_BYTES as u64));
    group.bench_function("memcpy of 64 MiB", |bencher| {
        bencher.iter(|| {
            to.copy_from_slice(black_box(&from));
            black_box(&mut to);
        });
    });
    group.bench_function("crc32c of 64 MiB", |bencher| {
        bencher.iter(|| crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, black_box(&from)));
    });

    group.throughput(Throughput::Bytes(STEP_BYTES as u64));
    let step = &from[..STEP_BYTES];
    let root = tempfile::tempdir().unwrap();
    group.bench_function("write of 1 MiB", |bencher| {
        bencher
            .iter_custom(|times| grow(times, STEP_BYTES, |file, position| file.write_all_at(step, position).unwrap()));
    });

    let file = File::options().read(true).write(true).create_new(true).open(root.path().join("sent")).unwrap();
    file.write_all_at(step, 0).unwrap();
    let (to, drain) = drained();
    group.bench_function("sendfile of 1 MiB", |bencher| {
        bencher.iter(|| {
            let mut position = 0;
            while position < STEP_BYTES as u64 {
                let left = STEP_BYTES - position as usize;
                rustix::fs::sendfile(&to, &file, Some(&mut position), left).unwrap();
            }
        });
    });
    drop(to);
    drain.join().unwrap();
    group.finish();
}

/// The time of so many writes at the end of a file that is begun anew now and then, which is not counted.
pub fn grow(times: u64, bytes: usize, mut write: impl FnMut(&File, u64)) -> Duration {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("grown");
    let mut took = Duration::ZERO;
    let mut left = times;
    while left > 0 {
        let round = left.min((FILE_BYTES / bytes as u64).max(1));
        let file = File::options().write(true).create(true).truncate(true).open(&path).unwrap();
        let began = Instant::now();
        for at in 0..round {
            write(&file, at * bytes as u64);
        }
        took += began.elapsed();
        left -= round;
    }
    took
}

/// A socket whose other end reads all that comes.
pub fn drained() -> (TcpStream, std::thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let mut from = listener.accept().unwrap().0;
    let drain = std::thread::spawn(move || {
        let mut buffer = vec![0; STEP_BYTES];
        while matches!(from.read(&mut buffer), Ok(1..)) {}
    });
    (to, drain)
}
