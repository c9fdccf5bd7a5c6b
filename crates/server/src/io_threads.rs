//! The threads that requests are handled on, as many as `num.io.threads` says, also when that changes while the node runs.
//!
//! Another number makes new threads. Connections to come begin on them, and those that are there move to them: each is woken,
//! and goes between two requests, or while one of its requests waits for something; a request that waits goes along. What is
//! being read or written is finished first. The old threads end when nobody is left on them. As with Apache Kafka, no
//! client takes notice.

use crate::connection::Waker;
use ottla_broker::Wake;
use ottla_io::socket::Socket;
use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Handle, Runtime};

pub(crate) struct IoThreads {
    pool: Mutex<Pool>,
    /// Counted up with each change.
    generation: AtomicU64,
}

struct Pool {
    count: usize,
    current: Arc<Threads>,
    /// The node's own threads, which also listen: they are the first, and may become current again.
    own: (usize, Arc<Threads>),
    /// Others that have not ended.
    later: Vec<Arc<Threads>>,
    riders: BTreeMap<u64, Arc<Waker>>,
    last_rider: u64,
}

/// Some threads, and how many tasks are served by them.
struct Threads {
    handle: Handle,
    /// None of the node's own, and of those that have ended.
    runtime: Mutex<Option<Runtime>>,
    tasks: AtomicUsize,
}

/// A task's place on some threads.
struct Seat {
    io: Arc<IoThreads>,
    threads: Arc<Threads>,
}

/// A connection that may be asked to move, until this is dropped.
pub(crate) struct Rider {
    io: Arc<IoThreads>,
    id: u64,
    generation: u64,
}

pub(crate) type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

pub(crate) fn runtime(count: usize) -> io::Result<Runtime> {
    Builder::new_multi_thread().worker_threads(count).thread_name("io").enable_all().build()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl IoThreads {
    /// Begins with the node's own runtime.
    pub(crate) fn new(count: usize, own: Handle) -> Arc<Self> {
        let own = Arc::new(Threads { handle: own, runtime: Mutex::new(None), tasks: AtomicUsize::new(0) });
        let current = Arc::clone(&own);
        let pool =
            Pool { count, current, own: (count, own), later: Vec::new(), riders: BTreeMap::new(), last_rider: 0 };
        Arc::new(Self { pool: Mutex::new(pool), generation: AtomicU64::new(0) })
    }

    /// Serves a connection on the threads of today; `serve` makes of the stream what is to run.
    pub(crate) fn take<F>(self: &Arc<Self>, stream: TcpStream, serve: impl FnOnce(TcpStream) -> F) -> io::Result<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let seat = Seat::on(self, |pool| Arc::clone(&pool.current));
        let stream = if seat.threads.handle.id() == Handle::current().id() {
            stream
        } else {
            let stream = stream.into_std()?;
            let _context = seat.threads.handle.enter();
            TcpStream::from_std(stream)?
        };
        seat.run(serve(stream));
        Ok(())
    }

    /// Goes on with a connection on the threads of today. One that cannot be moved goes on where it is.
    pub(crate) fn go_on(self: &Arc<Self>, mut serving: Box<impl Moving>) {
        let seat = Seat::on(self, |pool| Arc::clone(&pool.current));
        let moved = {
            let _context = seat.threads.handle.enter();
            serving.socket().move_here()
        };
        match moved {
            Ok(()) => seat.run(serving.go_on(On::OtherThreads)),
            Err(error) => {
                tracing::warn!("a connection stays on the threads that it is on: {error}");
                drop(seat);
                let here = Handle::current().id();
                let is_here = move |threads: &&Arc<Threads>| threads.handle.id() == here;
                let seat = Seat::on(self, |pool| Arc::clone(pool.later.iter().find(is_here).unwrap_or(&pool.own.1)));
                seat.run(serving.go_on(On::TheSame));
            }
        }
    }

    /// Notes a connection that is served on the caller's threads. It is woken when it is to move.
    pub(crate) fn board(self: &Arc<Self>, waker: &Arc<Waker>) -> Rider {
        let mut pool = lock(&self.pool);
        pool.last_rider += 1;
        let id = pool.last_rider;
        pool.riders.insert(id, Arc::clone(waker));
        let generation = self.generation.load(Ordering::Acquire);
        // There may have been a change since it came, while hands were shaken.
        let is_behind = Handle::current().id() != pool.current.handle.id();
        let generation = if is_behind { generation.wrapping_sub(1) } else { generation };
        Rider { io: Arc::clone(self), id, generation }
    }

    /// From here on so many threads.
    pub(crate) fn resize(&self, count: usize) -> io::Result<()> {
        let mut pool = lock(&self.pool);
        if pool.count == count {
            return Ok(());
        }
        let next = match pool.own.0 == count {
            true => Arc::clone(&pool.own.1),
            false => {
                let runtime = runtime(count)?;
                let handle = runtime.handle().clone();
                let next = Threads { handle, runtime: Mutex::new(Some(runtime)), tasks: AtomicUsize::new(0) };
                let next = Arc::new(next);
                pool.later.push(Arc::clone(&next));
                next
            }
        };
        tracing::info!("num.io.threads is {count}, and was {}", pool.count);
        pool.count = count;
        let last = std::mem::replace(&mut pool.current, next);
        self.generation.fetch_add(1, Ordering::AcqRel);
        pool.riders.values().for_each(|waker| waker.wake());
        drop(pool);
        // Nobody may have been on them at all.
        self.retire(&last);
        Ok(())
    }

    /// Ends threads on which nobody is left, unless they are those of today.
    fn retire(&self, threads: &Arc<Threads>) {
        let ended = {
            let mut pool = lock(&self.pool);
            if threads.tasks.load(Ordering::Acquire) > 0 || Arc::ptr_eq(&pool.current, threads) {
                return;
            }
            pool.later.retain(|other| !Arc::ptr_eq(other, threads));
            lock(&threads.runtime).take()
        };
        if let Some(runtime) = ended {
            tracing::info!(
                "the last connection has left {} of the io threads, which end",
                runtime.metrics().num_workers()
            );
            // The last task of these threads may be who calls: they end behind it.
            runtime.shutdown_background();
        }
    }

    pub(crate) fn stop(&self, patience: Duration) {
        let later = std::mem::take(&mut lock(&self.pool).later);
        let runtimes = later.iter().filter_map(|threads| lock(&threads.runtime).take());
        runtimes.for_each(|runtime| runtime.shutdown_timeout(patience));
    }
}

/// Where a connection goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum On {
    OtherThreads,
    /// It could not be moved, and is not to try again before the next change.
    TheSame,
}

/// What can be moved from threads to threads.
pub(crate) trait Moving: Send + 'static {
    fn socket(&mut self) -> &mut Socket;

    fn go_on(self: Box<Self>, on: On) -> Task;
}

impl Seat {
    /// On threads that have not ended, as long as it is there.
    fn on(io: &Arc<IoThreads>, choose: impl FnOnce(&Pool) -> Arc<Threads>) -> Self {
        let pool = lock(&io.pool);
        let threads = choose(&pool);
        threads.tasks.fetch_add(1, Ordering::AcqRel);
        Self { io: Arc::clone(io), threads }
    }

    fn run(self, task: impl Future<Output = ()> + Send + 'static) {
        let handle = self.threads.handle.clone();
        handle.spawn(async move {
            let _seat = self;
            task.await;
        });
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if self.threads.tasks.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.io.retire(&self.threads);
        }
    }
}

impl Rider {
    /// Whether there are other threads than when it came.
    pub(crate) fn is_to_move(&self) -> bool {
        self.generation != self.io.generation.load(Ordering::Acquire)
    }

    /// It could not move, and waits for the next change.
    pub(crate) fn stay(&mut self) {
        self.generation = self.io.generation.load(Ordering::Acquire);
    }
}

impl Drop for Rider {
    fn drop(&mut self) {
        lock(&self.io.pool).riders.remove(&self.id);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::sync::mpsc;
    use tokio::net::TcpListener;

    /// The threads that serve connections which come now.
    fn threads(threads: &Arc<IoThreads>, own: &Runtime) -> HashSet<std::thread::ThreadId> {
        let (tell, told) = mpsc::channel();
        own.block_on(async {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
            for _ in 0..64 {
                let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
                let (stream, _) = listener.accept().await.unwrap();
                let tell = tell.clone();
                threads
                    .take(stream, |stream| async move {
                        stream.writable().await.unwrap();
                        tell.send(std::thread::current().id()).unwrap();
                    })
                    .unwrap();
                drop(client);
            }
        });
        drop(tell);
        told.iter().collect()
    }

    #[test]
    fn connections_are_served_by_as_many_threads_as_there_are_to_be() {
        let own = runtime(2).unwrap();
        let pool = IoThreads::new(2, own.handle().clone());
        let first = threads(&pool, &own);
        assert!(first.len() <= 2);
        pool.resize(1).unwrap();
        let second = threads(&pool, &own);
        assert_eq!(second.len(), 1);
        assert!(first.is_disjoint(&second));
        pool.resize(2).unwrap();
        assert!(threads(&pool, &own).is_disjoint(&second), "the node's own threads are back");
        pool.stop(Duration::from_secs(1));
    }
}
