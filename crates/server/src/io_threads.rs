//! The threads that requests are handled on, as many as `num.io.threads` says, also when that changes while the node runs.
//!
//! A connection stays with the threads that it began on: another number makes new threads for the connections to come, and
//! the old ones end when their last connection has.

use std::future::Future;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Handle, Runtime};

pub(crate) struct IoThreads {
    pool: Mutex<Pool>,
}

struct Pool {
    count: usize,
    current: Handle,
    /// Those that came after the node's own; of these the last is the current one.
    later: Vec<Runtime>,
    /// The node's own threads, which also listen: they are the first, and may become current again.
    own: (usize, Handle),
}

pub(crate) fn runtime(count: usize) -> io::Result<Runtime> {
    Builder::new_multi_thread().worker_threads(count).thread_name("io").enable_all().build()
}

impl IoThreads {
    /// Begins with the node's own runtime.
    pub(crate) fn new(count: usize, own: Handle) -> Self {
        let pool = Pool { count, current: own.clone(), later: Vec::new(), own: (count, own) };
        Self { pool: Mutex::new(pool) }
    }

    fn lock(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves a connection on the threads of today; `serve` makes of the stream what is to run.
    pub(crate) fn take<F>(&self, stream: TcpStream, serve: impl FnOnce(TcpStream) -> F) -> io::Result<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (current, is_own) = {
            let pool = self.lock();
            (pool.current.clone(), pool.current.id() == pool.own.1.id())
        };
        let stream = if is_own {
            stream
        } else {
            let stream = stream.into_std()?;
            let _context = current.enter();
            TcpStream::from_std(stream)?
        };
        current.spawn(serve(stream));
        Ok(())
    }

    /// From here on so many threads.
    pub(crate) fn resize(&self, count: usize) -> io::Result<()> {
        let mut pool = self.lock();
        pool.end_unused();
        if pool.count == count {
            return Ok(());
        }
        tracing::info!("num.io.threads is {count} for the connections to come, and was {}", pool.count);
        pool.count = count;
        if pool.own.0 == count {
            pool.current = pool.own.1.clone();
            return Ok(());
        }
        let later = runtime(count)?;
        pool.current = later.handle().clone();
        pool.later.push(later);
        Ok(())
    }

    pub(crate) fn stop(&self, patience: Duration) {
        let later = std::mem::take(&mut self.lock().later);
        later.into_iter().for_each(|runtime| runtime.shutdown_timeout(patience));
    }
}

impl Pool {
    fn end_unused(&mut self) {
        let current = self.current.id();
        let is_used = |runtime: &Runtime| runtime.handle().id() == current || runtime.metrics().num_alive_tasks() > 0;
        let (used, unused) = std::mem::take(&mut self.later).into_iter().partition(is_used);
        self.later = used;
        unused.into_iter().for_each(Runtime::shutdown_background);
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
    fn threads(threads: &IoThreads, own: &Runtime) -> HashSet<std::thread::ThreadId> {
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
