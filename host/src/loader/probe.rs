//! The stage that tries what nobody knows: a process of its own opens the copy, and is ended.
//!
//! What it does there, to itself or to what it was given, becomes a verdict. Several are tried at a
//! time, each with a deadline.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use allos_plugin_api::{Descriptor, ProviderError};
use futures_util::{StreamExt, stream};
use tokio::time::timeout;

use super::admission::{Admission, Session};
use super::candidate::{ContentHash, LoadStage, Reason};
use super::verdict::{Outcome, Verdict};
use crate::config::WorkerConfig;
use crate::io_reason::io_reason;
use crate::worker::{Child, Confinement, NotStarted, Refused, Start, WorkerProgram, read_lines};

/// How long a program may take to say that it is a worker, which it does first of all.
const READY: Duration = Duration::from_secs(30);

/// Ends that may come from outside, where a service is stopped or memory is short. No content is
/// refused for good because of them.
const FROM_OUTSIDE: [&str; 4] =
    ["killed by SIGTERM", "killed by SIGINT", "killed by SIGHUP", "killed by SIGKILL"];

/// How contents are tried.
#[derive(Debug, Clone)]
pub(super) struct Probe {
    /// The program of the process.
    pub(super) program: WorkerProgram,
    /// What that may do.
    pub(super) worker: WorkerConfig,
    /// How long it may take to open one.
    pub(super) deadline: Duration,
}

/// What is to be tried.
struct Unknown {
    copy: PathBuf,
    descriptor: Arc<Descriptor>,
    /// Whether it may do what it may where it will run: in this process.
    as_host: bool,
}

/// The second part of the stage: tries every content among these files that is not known, once.
pub(super) async fn probe(files: &mut [Admission], session: &mut Session<'_>) {
    let Some(probe) = &session.loader.probe else { return };
    let mut unknown = BTreeMap::new();
    for file in files.iter().filter(|file| is_unknown(file)) {
        if let (Some(hash), Some(copy), Some(descriptor)) =
            (file.hash, file.staged.clone(), file.descriptor.clone())
        {
            let as_host = (session.loader.runs_here)(&descriptor);
            unknown.insert(hash, Unknown { copy, descriptor, as_host });
        }
    }
    let trying = unknown
        .into_iter()
        .map(|(hash, content)| async move { (hash, probe.outcome(&content).await) });
    let outcomes: BTreeMap<_, _> =
        stream::iter(trying).buffer_unordered(at_a_time()).collect().await;
    for file in files.iter_mut().filter(|file| is_unknown(file)) {
        if let Err(reason) = apply(&outcomes, file, session) {
            file.refuse(LoadStage::Probe, reason);
        }
    }
}

fn is_unknown(file: &Admission) -> bool {
    file.is_on_its_way() && !file.probed
}

/// So many processes run side by side.
fn at_a_time() -> usize {
    available_parallelism().map_or(2, |it| it.get().clamp(2, 8))
}

type Outcomes = BTreeMap<ContentHash, Result<Outcome, Reason>>;

/// Tells a file what became of its content, and keeps it in mind.
fn apply(
    outcomes: &Outcomes,
    file: &mut Admission,
    session: &mut Session<'_>,
) -> Result<(), Reason> {
    let Some(outcome) = file.hash.and_then(|hash| outcomes.get(&hash)) else { return Ok(()) };
    let outcome = outcome.as_ref().map_err(Clone::clone)?;
    let verdict = Verdict::new(file, outcome.clone(), session)?;
    if let Err(error) = verdict.keep(session.cache_dir()) {
        session.warn(format!(
            "what was found out about plugins cannot be kept in the cache, so they are tried again \
             at each start: {}",
            io_reason(&error)
        ));
    }
    match outcome.refusal(verdict.name()) {
        None => Ok(()),
        Some(reason) => Err(reason),
    }
}

impl Probe {
    /// What becomes of a process that opens a content. That there can be no process is no fault of
    /// the content, and is not kept.
    async fn outcome(&self, content: &Unknown) -> Result<Outcome, Reason> {
        let Unknown { copy, descriptor, as_host } = content;
        let confinement = Confinement::new(&self.worker);
        let confinement = if *as_host { confinement.only_limited() } else { confinement };
        let start = Start::probe(copy.clone(), Descriptor::clone(descriptor)).confined(confinement);
        let environment = self.worker.environment();
        let started = Child::start(&self.program, environment, &start, ()).await;
        let (mut child, stderr) = started.map_err(|error| self.impossible(error))?;
        let name = descriptor.name.clone();
        // It is read to its end, or the process would wait for a reader.
        let printed = read_lines(stderr, move |line| tracing::debug!("{name}: {line}"));
        let printed = tokio::spawn(printed);
        let outcome = self.opened(&mut child).await;
        let _its_end = child.process.kill().await;
        printed.abort();
        outcome
    }

    async fn opened(&self, child: &mut Child) -> Result<Outcome, Reason> {
        let late = |_| NotStarted::Ended(format!("said nothing within {} s", READY.as_secs()));
        let ready = timeout(READY, child.ready()).await.map_err(late);
        ready.flatten().map_err(|error| self.impossible(error))?;
        let Ok(opened) = timeout(self.deadline, child.opened()).await else {
            return Ok(Outcome::Ended {
                reason: format!("did not finish opening within {} s", self.deadline.as_secs_f64()),
                hint: Some("give it longer with `probe_seconds` in [containment]".to_owned()),
            });
        };
        match opened {
            Ok(_) => Ok(Outcome::Passed),
            Err(NotStarted::Refused(Refused::Plugin { reason, hint })) => {
                Ok(Outcome::Refused { reason, hint })
            }
            Err(NotStarted::Ended(how)) => Ok(ended(&how)),
            Err(error) => Err(self.impossible(error)),
        }
    }

    fn impossible(&self, error: NotStarted) -> Reason {
        let why = match error {
            NotStarted::Program(why) => why,
            NotStarted::Ended(how) => format!("`{}` {how} before it was a worker", self.program),
            NotStarted::Refused(refused) => {
                let refused = ProviderError::from(refused);
                format!("`{}` is no worker for it: {}", self.program, refused.message())
            }
        };
        Reason::new(format!("it cannot be tried in a process of its own: {why}"))
            .hint("see that the worker program is there, can be run and is of this version")
    }
}

/// What the end of its process says of a content.
fn ended(how: &str) -> Outcome {
    let how = how.strip_prefix("was ").unwrap_or(how);
    let (reason, hint) = (format!("{how} while opening"), None);
    if FROM_OUTSIDE.contains(&how) {
        Outcome::Refused { reason, hint }
    } else {
        Outcome::Ended { reason, hint }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_that_may_come_from_outside_is_not_for_good() {
        let reason = "killed by SIGTERM while opening".to_owned();
        assert_eq!(ended("was killed by SIGTERM"), Outcome::Refused { reason, hint: None });
        let reason = "killed by SIGSEGV while opening".to_owned();
        assert_eq!(ended("was killed by SIGSEGV"), Outcome::Ended { reason, hint: None });
    }
}
