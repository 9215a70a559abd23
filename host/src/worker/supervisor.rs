//! The life of a worker: it is started, listened to, and started again when it ends.
//!
//! Each end is a fault of the instance; too many in a row trip it, as they do in-process. Between
//! two starts is a delay that doubles with each fault in a row. While calls are running, the worker
//! is asked whether its thread is free: that it does not say so in time is a fault, too, and a
//! worker whose instance is tripped is killed.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use allos_plugin_abi::HostVtable;
use allos_plugin_abi::abi_stable::std_types::RStr;
use allos_plugin_api::{Descriptor, ErrorKind, ProviderConfig, ProviderError};
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use super::attendant::Attendant;
use super::confine::Confinement;
use super::connection::Connection;
use super::operations::PING;
use super::program::WorkerProgram;
use super::start::{Child, NotStarted, Start};
use super::stderr::read_lines;
use crate::provider::{Blocking, CREATE_TIMEOUT, Health};
use crate::services::{Services, most_talkative_level};

/// The delay before a new start after the first fault; it doubles with each further one.
const FIRST_DELAY: Duration = Duration::from_millis(100);

/// The level at which what a worker prints is logged: as information.
const PRINTED: u8 = 3;

/// What a worker is made of.
pub(crate) struct Recipe {
    pub(crate) program: WorkerProgram,
    pub(crate) copy: PathBuf,
    pub(crate) descriptor: Arc<Descriptor>,
    pub(crate) config: ProviderConfig,
    pub(crate) services: Services,
    /// What it may do.
    pub(crate) confinement: Confinement,
    /// The variables that it is granted.
    pub(crate) environment: Vec<(OsString, OsString)>,
}

/// What calls see of the worker.
pub(super) struct View {
    pub(super) link: Link,
    /// How many workers there were before this one.
    pub(super) generation: u64,
    /// Why the last of those is gone.
    pub(super) ended: Option<ProviderError>,
}

/// Where calls go.
pub(super) enum Link {
    /// They wait.
    Starting,
    /// To this worker.
    Up(Connection),
    /// Nowhere: the instance is tripped.
    Down,
}

impl View {
    /// Before the first worker.
    pub(super) fn new() -> Self {
        Self { link: Link::Starting, generation: 0, ended: None }
    }
}

/// Keeps a worker running until nobody wants it any more. `begun` hears how the first start went.
pub(super) async fn run(
    recipe: Recipe,
    health: Arc<Health>,
    view: watch::Sender<View>,
    begun: oneshot::Sender<Result<(), ProviderError>>,
    unwanted: oneshot::Receiver<()>,
) {
    let supervisor = Supervisor { recipe, health, view };
    tokio::select! {
        () = supervisor.keep(begun) => {}
        _ = unwanted => {}
    }
}

struct Supervisor {
    recipe: Recipe,
    health: Arc<Health>,
    view: watch::Sender<View>,
}

impl Supervisor {
    async fn keep(&self, begun: oneshot::Sender<Result<(), ProviderError>>) {
        let mut begun = Some(begun);
        loop {
            let begun = begun.take();
            match self.start().await {
                Ok(child) => {
                    begun.map(|begun| begun.send(Ok(())));
                    self.run(child).await;
                }
                Err(NotStarted::Ended(how)) => {
                    begun.map(|begun| begun.send(Ok(())));
                    self.fault(&how);
                }
                Err(refused) => {
                    let refused = ProviderError::from(refused);
                    if let Some(begun) = begun {
                        let _nobody_waits = begun.send(Err(refused));
                        return;
                    }
                    let why = format!("no new worker could be started: {}", refused.message());
                    self.health.trip(&why);
                    self.end(refused);
                }
            }
            self.wait_for_turn().await;
        }
    }

    /// Starts a worker, up to a provider that can be called.
    async fn start(&self) -> Result<Child, NotStarted> {
        let Recipe { program, copy, descriptor, config, services, confinement, environment } =
            &self.recipe;
        let start = Start::probe(copy.clone(), (**descriptor).clone())
            .confined(confinement.clone())
            .provider(config.clone(), most_talkative_level());
        let attendant = Attendant { services: services.clone(), health: self.health.clone() };
        let environment = environment.iter().cloned();
        let (mut child, stderr) = Child::start(program, environment, &start, attendant).await?;
        let services = services.clone();
        tokio::spawn(read_lines(stderr, move |line| services.log(PRINTED, RStr::from_str(line))));
        let began = tokio::time::timeout(CREATE_TIMEOUT, async {
            child.ready().await?;
            let opened = child.opened().await?;
            child.made().await?;
            Ok(opened)
        });
        let seconds = CREATE_TIMEOUT.as_secs_f64();
        let late = |_| NotStarted::Ended(format!("did not make a provider within {seconds} s"));
        let opened = began.await.map_err(late)??;
        if self.view.borrow().generation == 0 {
            for line in opened.unconfined {
                tracing::warn!("{}: its worker is less confined: {line}", self.health.instance());
            }
        }
        Ok(child)
    }

    /// Lets calls through to a worker until it ends.
    async fn run(&self, mut child: Child) {
        let instance = self.health.instance();
        self.health.worker_started(child.process.id());
        let sent = child.connection.sent();
        self.view.send_modify(|view| view.link = Link::Up(child.connection.clone()));
        // Afterwards, so that a call that is not refused finds the worker.
        if self.health.pause_left().is_some() {
            self.health.recover();
            tracing::info!("{instance}: takes calls again");
        }
        let connection = child.connection.clone();
        let ended = tokio::select! {
            how = child.end() => Some(how),
            () = self.listen(&connection, sent) => None,
        };
        if let Some(how) = ended {
            self.fault(&how);
        } else {
            // Its calls hear why as soon as it is gone.
            let _killed = child.process.kill().await;
            self.end(unavailable("was stopped"));
        }
    }

    fn fault(&self, how: &str) {
        tracing::warn!("{}: its worker {how}", self.health.instance());
        let what = format!("its worker {how}");
        let was_tripped = self.health.refusal().is_some();
        self.health.fault(&what);
        if was_tripped {
            // It was tried again, and did not come as far as taking calls: one more pause.
            self.health.trip(&what);
        }
        self.end(unavailable(how));
    }

    /// Tells those who wait for the worker that it is gone.
    fn end(&self, error: ProviderError) {
        self.health.worker_ended();
        let refusal = self.health.refusal();
        self.view.send_modify(|view| {
            view.link = if refusal.is_some() { Link::Down } else { Link::Starting };
            view.generation += 1;
            view.ended = Some(refusal.unwrap_or(error));
        });
    }

    /// Waits until the next worker may be started.
    async fn wait_for_turn(&self) {
        let Some(mut left) = self.health.pause_left() else {
            let doublings = self.health.faults_in_a_row().saturating_sub(1).min(16);
            let delay = FIRST_DELAY * 2_u32.pow(doublings);
            return tokio::time::sleep(delay.min(self.health.limits().pause)).await;
        };
        while !left.is_zero() {
            tokio::time::sleep(left).await;
            left = self.health.pause_left().unwrap_or_default();
        }
    }

    /// Asks the worker whether its thread is free, while it has calls and once after them: a drop
    /// may block, too. So many frames were `sent` before the first of them. Returns when the instance
    /// is tripped.
    async fn listen(&self, connection: &Connection, mut sent: u64) {
        let health = &self.health;
        while health.refusal().is_none() {
            tokio::select! {
                () = health.work() => {}
                () = tokio::time::sleep(health.limits().blocked / 2) => {}
            }
            if connection.opened() == 0 && connection.sent() == sent {
                continue;
            }
            // What is sent beside this frame may come after it, and is asked about once more.
            sent = connection.sent() + 1;
            let Ok(mut ping) = connection.open(PING, &[]) else {
                return std::future::pending().await;
            };
            let mut blocking = Blocking::since(Instant::now());
            while tokio::time::timeout_at(blocking.next(health), ping.next()).await.is_err() {
                blocking.report(health, Instant::now());
                if health.refusal().is_some() {
                    return;
                }
            }
            blocking.ended(health, Instant::now());
        }
    }
}

/// What a call is answered with whose worker is gone.
fn unavailable(how: &str) -> ProviderError {
    ProviderError::new(ErrorKind::Unavailable, format!("its worker {how} during the call"))
        .with_hint("a new worker is started; ask again")
}

impl From<NotStarted> for ProviderError {
    fn from(error: NotStarted) -> Self {
        match error {
            NotStarted::Refused(refused) => refused.into(),
            NotStarted::Program(reason) => Self::new(ErrorKind::Configuration, reason)
                .with_hint("check the worker program that the host was given"),
            NotStarted::Ended(how) => unavailable(&how),
        }
    }
}
