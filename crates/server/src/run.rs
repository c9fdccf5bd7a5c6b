//! A running node: bound sockets, the node behind them, its threads and its runtime; and its orderly end.

use crate::admission::{Admission, Source};
use crate::budget::Budget;
use crate::config::{NodeConfig, Roles};
use crate::connection::Shared;
use crate::doors::{Doors, Service};
use crate::host::{Threads, Woken};
use crate::io_threads::{self, IoThreads};
use crate::listen::{self, Bound};
use crate::patience::Patience;
use crate::settings::node_settings;
use crate::storage;
use ottla_broker::{Acknowledgement, ListenerKind, Node, Now, SYNCS_AT_ONCE, StartError};
use ottla_io::buffers::BufferPool;
use ottla_io::clock;
use ottla_io::disk::RealDisk;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::runtime::Runtime;

/// Why a node does not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("process.roles must be broker,controller: a node of one role needs a cluster, which is still to come")]
    Roles,
    #[error("{0}")]
    Storage(String),
    #[error("{0}")]
    Tls(String),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("the listener {name} cannot be bound to {host}:{port}: {error}")]
    Bind { name: String, host: String, port: u16, error: std::io::Error },
    #[error("a thread cannot be started: {0}")]
    Thread(std::io::Error),
}

/// A node that serves until it is stopped.
pub struct Running {
    node: Arc<Node<RealDisk>>,
    runtime: Option<Runtime>,
    threads: Arc<Threads>,
    /// The controller's thread, the timers', and the one that cleans logs.
    loops: Vec<JoinHandle<()>>,
    shared: Option<Arc<Shared>>,
    jobs: Vec<JoinHandle<()>>,
    failed: Arc<AtomicBool>,
    /// The listeners by name, with the addresses that they have.
    pub listeners: Vec<(String, SocketAddr)>,
    pub log_dirs: Vec<PathBuf>,
}

/// The most bytes of free buffers that are kept.
const POOL_BYTES: usize = 64 << 20;
/// How often room is given back that nobody has used meanwhile.
const POOL_TRIM_INTERVAL: Duration = Duration::from_secs(10);
/// How often it is looked for clients whose quotas need not be counted any more, as often as Kafka does.
const QUOTA_EXPIRY_INTERVAL_MS: i64 = 30_000;
/// The scrub is told what it may read in a second.
const SCRUB_INTERVAL_MS: i64 = 1000;
/// Where there is no deadline.
const LONG: Duration = Duration::from_secs(3600);
/// Threads for what may wait for the disk, beside those of a start.
const JOB_THREADS: usize = 2;

pub(crate) fn now() -> Now {
    Now { instant: clock::instant(), wall: clock::wall() }
}

/// Starts a node. It serves when this comes back.
pub fn start(config: &NodeConfig) -> Result<Running, RunError> {
    if config.identity.roles != Roles::Combined {
        return Err(RunError::Roles);
    }
    let listener_names: Vec<String> = config.network.listeners.iter().map(|listener| listener.name.clone()).collect();
    let cluster_id = storage::cluster_id(config).map_err(RunError::Storage)?;
    let doors = Doors::new(config).map_err(RunError::Tls)?;
    // Bound first, so that a port in use is found before anything is written; served last.
    let bound = config.network.listeners.iter().map(|listener| {
        listen::bind(listener, &config.sockets).map_err(|error| RunError::Bind {
            name: listener.name.clone(),
            host: listener.host.clone().unwrap_or_else(|| "0.0.0.0".to_owned()),
            port: listener.port,
            error,
        })
    });
    let bound: Vec<Bound> = bound.collect::<Result<_, _>>()?;
    let ports: Vec<(String, u16)> = bound.iter().map(|b| (b.listener.name.clone(), b.address.port())).collect();
    let settings = node_settings(config, &cluster_id, &ports);

    let threads = Threads::new(config.file.clone(), Arc::clone(&doors));
    let node = Node::start(settings, RealDisk, Arc::clone(&threads) as _, clock::seed(), now())?;
    let io_count = threads.count("num.io.threads");
    let runtime = io_threads::runtime(io_count).map_err(RunError::Thread)?;
    let budget = Budget::new(config.sockets.queued_max_request_bytes);
    let shared = Arc::new(Shared {
        node: Arc::clone(&node),
        io: IoThreads::new(io_count, runtime.handle().clone()),
        pool: BufferPool::new(budget.bytes_max().map_or(POOL_BYTES, |max| max.min(POOL_BYTES))),
        budget,
        patience: Patience::default(),
        limits: Source {
            node_id: config.identity.node_id.to_string(),
            file: config.file.clone(),
            listeners: Mutex::new(listener_names),
            inter_broker_listener: config.network.inter_broker_listener_name.clone(),
            last: Mutex::default(),
        },
        frame_bytes_max: usize::try_from(config.sockets.request_max_bytes).unwrap_or(0),
        idle_max: match u64::try_from(config.sockets.connections_max_idle_ms) {
            Ok(ms) => Duration::from_millis(ms),
            Err(_) => Duration::MAX,
        },
        refusal_delay: Duration::from_millis(
            u64::try_from(config.sockets.connection_failed_authentication_delay_ms).unwrap_or(0),
        ),
    });
    let mut running = Running {
        node,
        runtime: None,
        threads,
        loops: Vec::new(),
        shared: None,
        jobs: Vec::new(),
        failed: Arc::default(),
        listeners: bound.iter().map(|b| (b.listener.name.clone(), b.address)).collect(),
        log_dirs: config.directories.log_dirs.clone(),
    };
    running.start_threads(config)?;
    let (of_controller, of_broker): (Vec<Bound>, Vec<Bound>) =
        bound.into_iter().partition(|bound| config.network.is_controller_listener(&bound.listener.name));
    let service = |bound: &[Bound]| Service {
        shared: Arc::clone(&shared),
        runtime: runtime.handle().clone(),
        admission: Admission::new(bound.iter().map(|bound| bound.listener.name.as_str().into())),
    };
    let (controllers, brokers) = (service(&of_controller), service(&of_broker));
    of_controller.into_iter().for_each(|bound| doors.serve(bound, ListenerKind::Controller, &controllers));
    of_broker.into_iter().for_each(|bound| doors.serve(bound, ListenerKind::Broker, &brokers));
    running.follow_configs(&runtime, doors, brokers);
    running.shared = Some(Arc::clone(&shared));
    runtime.spawn(async move {
        let mut timer = tokio::time::interval(POOL_TRIM_INTERVAL);
        loop {
            timer.tick().await;
            shared.pool.trim();
        }
    });
    running.start_upkeep(&runtime, config);
    running.runtime = Some(runtime);
    Ok(running)
}

impl Running {
    fn start_threads(&mut self, config: &NodeConfig) -> Result<(), RunError> {
        let spawn = |name: &str, body: Box<dyn FnOnce() + Send>| {
            std::thread::Builder::new().name(name.to_owned()).spawn(body).map_err(RunError::Thread)
        };
        for _ in 0..JOB_THREADS {
            let threads = Arc::clone(&self.threads);
            self.jobs.push(spawn("jobs", Box::new(move || threads.jobs().work()))?);
        }
        if self.node.settings().acknowledgement == Acknowledgement::Synced {
            for _ in 0..SYNCS_AT_ONCE {
                let threads = Arc::clone(&self.threads);
                self.jobs.push(spawn("commits", Box::new(move || threads.commits().work()))?);
            }
        }
        let (threads, node, failed) = (Arc::clone(&self.threads), Arc::clone(&self.node), Arc::clone(&self.failed));
        let patience = Duration::from_millis(u64::try_from(config.lifecycle.heartbeat_interval_ms).unwrap_or(2000));
        let body = move || {
            while threads.controller().wait(patience) != Woken::Closed {
                if let Err(error) = node.step_controller(now()) {
                    tracing::error!("the metadata log cannot be written, and nothing can go on without it: {error}");
                    failed.store(true, Ordering::SeqCst);
                    return;
                }
            }
        };
        self.loops.push(spawn("controller", Box::new(body))?);
        let (threads, node) = (Arc::clone(&self.threads), Arc::clone(&self.node));
        let body = move || {
            let patience = || match node.next_timeout() {
                Some(deadline) => deadline.saturating_since(clock::instant()),
                None => LONG,
            };
            while threads.timers().wait(patience()) != Woken::Closed {
                node.handle_timeouts(now());
            }
        };
        self.loops.push(spawn("timers", Box::new(body))?);
        if config.log.cleaner_enable && config.log.cleaner_threads > 0 {
            let (threads, node) = (Arc::clone(&self.threads), Arc::clone(&self.node));
            self.loops.push(spawn("cleaner-0", Box::new(move || crate::cleaners::run(&node, &threads)))?);
        }
        Ok(())
    }

    /// Acts on what the metadata sets for this broker, as it changes: listeners and threads.
    fn follow_configs(&self, runtime: &Runtime, doors: Arc<Doors>, service: Service) {
        let threads = Arc::clone(&self.threads);
        let service = Arc::new(service);
        runtime.spawn(async move {
            loop {
                threads.changed.notified().await;
                if let Err(error) = service.shared.io.resize(threads.count("num.io.threads")) {
                    tracing::error!("num.io.threads stays as it was: {error}");
                }
                let (doors, service) = (Arc::clone(&doors), Arc::clone(&service));
                // Names are looked up and stores read there.
                if tokio::task::spawn_blocking(move || doors.follow(&service)).await.is_err() {
                    tracing::error!("the listeners could not be changed");
                }
            }
        });
    }

    /// What happens now and then, each at its own interval.
    fn start_upkeep(&self, runtime: &Runtime, config: &NodeConfig) {
        let from = |delay_ms: i64, period_ms: i64, what: fn(&Node<RealDisk>)| {
            let node = Arc::clone(&self.node);
            let millis = |ms: i64| Duration::from_millis(u64::try_from(ms).unwrap_or(0).max(1));
            let (delay, period) = (millis(delay_ms), millis(period_ms));
            runtime.spawn(async move {
                let mut timer = tokio::time::interval_at(tokio::time::Instant::now() + delay, period);
                timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
                loop {
                    timer.tick().await;
                    let node = Arc::clone(&node);
                    if tokio::task::spawn_blocking(move || what(&node)).await.is_err() {
                        tracing::error!("a task of upkeep has failed");
                    }
                }
            });
        };
        let every = |period_ms: i64, what| from(period_ms, period_ms, what);
        every(config.lifecycle.heartbeat_interval_ms.into(), |node| node.heartbeat());
        every(config.log.high_watermark_checkpoint_interval_ms, |node| node.checkpoint_all());
        if config.log.flush_scheduler_interval_ms < i64::MAX {
            every(config.log.flush_scheduler_interval_ms, |node| node.sync_old(now()));
        }
        let log = &config.log;
        from(log.initial_task_delay_ms, log.retention_check_interval_ms, |node| node.clean_up(now()));
        every(log.producer_id_expiration_check_interval_ms.into(), |node| node.expire_producers(now()));
        every(SCRUB_INTERVAL_MS, |node| node.scrub(clock::wall()));
        every(QUOTA_EXPIRY_INTERVAL_MS, |node| node.expire_quotas(clock::instant()));
    }

    /// Whether the node can go on no longer.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::SeqCst)
    }

    /// Stops: no more requests, then the controlled shutdown, then the marks of a clean stop.
    pub fn stop(mut self) {
        self.close();
    }

    fn close(&mut self) {
        let Some(runtime) = self.runtime.take() else { return };
        // Requests that are being handled end; those that wait are let go.
        runtime.shutdown_timeout(Duration::from_secs(1));
        if let Some(shared) = self.shared.take() {
            shared.io.stop(Duration::from_secs(1));
        }
        self.threads.close_bells();
        for thread in self.loops.drain(..) {
            if thread.join().is_err() {
                tracing::error!("the thread of the controller, of the timers or of the cleaner has failed");
            }
        }
        if !self.has_failed() {
            self.node.stop(now());
        }
        self.threads.close_jobs();
        for job in self.jobs.drain(..) {
            if job.join().is_err() {
                tracing::error!("a job's thread has failed");
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.close();
    }
}
