//! The threads that compact logs: the first is there as long as the node runs, and starts the others as
//! `log.cleaner.threads` asks for them.

use crate::host::{Threads, Woken};
use crate::run::now;
use ottla_broker::{CleanerWorker, Node};
use ottla_io::disk::RealDisk;
use std::sync::Arc;
use std::thread::JoinHandle;

/// Cleans until the node stops.
pub(crate) fn run(node: &Arc<Node<RealDisk>>, threads: &Arc<Threads>) {
    let mut others: Vec<JoinHandle<()>> = Vec::new();
    work(node, threads, |wanted| {
        others.retain(|other| !other.is_finished());
        // One that is not wanted any more ends when it is done with its log; until then it counts.
        while others.len() + 1 < wanted {
            let index = others.len() + 1;
            let (node, threads) = (Arc::clone(node), Arc::clone(threads));
            let body = move || work(&node, &threads, |wanted| index < wanted);
            match std::thread::Builder::new().name(format!("cleaner-{index}")).spawn(body) {
                Ok(other) => others.push(other),
                Err(error) => {
                    tracing::error!("a thread that cleans logs cannot be started: {error}");
                    break;
                }
            }
        }
        true
    });
    for other in others {
        if other.join().is_err() {
            tracing::error!("a thread that cleans logs has failed");
        }
    }
}

/// Cleans until the node stops, or until `goes_on`, which is told how many threads are wanted, says no.
fn work(node: &Node<RealDisk>, threads: &Threads, mut goes_on: impl FnMut(usize) -> bool) {
    let mut worker = CleanerWorker::default();
    loop {
        if !worker.is_at_work() && !goes_on(node.cleaner_threads()) {
            return;
        }
        let rest = node.clean(&mut worker, now());
        if threads.cleaners().wait(rest) == Woken::Closed {
            node.leave_cleaning(&mut worker);
            return;
        }
    }
}
