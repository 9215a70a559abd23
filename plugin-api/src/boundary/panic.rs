//! Panics end a call, never the host.
//!
//! An unwinding panic must not cross the vtable: it would end the process. Every call, every poll
//! and every drop of an author's value runs inside `contain`. The panic's own payload may panic
//! when it is dropped, so that is contained too; what panics even then is leaked.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::pin::Pin;
use std::sync::{Once, OnceLock};
use std::task::{Context, Poll};

use crate::error::{ErrorKind, ProviderError};
use crate::host::{Host, LogLevel};

/// The host's service that counts a panic of which no caller hears. Its payload is the message.
pub const REPORT_PANIC: &str = "report_panic";

/// Runs an author's code; a panic becomes an error of kind `panicked`.
pub(crate) fn contain<T>(run: impl FnOnce() -> T) -> Result<T, ProviderError> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|payload| {
        let error = error_from(&*payload);
        drop_payload(payload);
        error
    })
}

fn error_from(payload: &(dyn Any + Send)) -> ProviderError {
    let message = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned());
    let message = message.lines().next().unwrap_or_default().to_owned();
    let place = LAST_PANIC_PLACE.take().map(|place| format!(" at {place}")).unwrap_or_default();
    ProviderError::new(ErrorKind::Panicked, format!("the plugin panicked{place}: {message}"))
}

fn drop_payload(payload: Box<dyn Any + Send>) {
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(second);
    }
}

/// A value of the author's whose drop is contained as well.
#[derive(Debug)]
pub(crate) struct Contained<T>(Option<T>);

impl<T> Contained<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Some(value))
    }

    /// The value, to be read. Call the author's code on it only inside `contain`.
    pub(crate) fn get(&self) -> &T {
        self.0.as_ref().unwrap_or_else(|| unreachable!("the value is taken by drop alone"))
    }
}

impl<F: Future> Contained<Pin<Box<F>>> {
    /// Polls a future; a panic becomes an error.
    pub(crate) fn poll(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<F::Output, ProviderError>> {
        let Some(future) = &mut self.0 else { return Poll::Pending };
        match contain(|| future.as_mut().poll(context)) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

impl<T> Drop for Contained<T> {
    fn drop(&mut self) {
        let value = self.0.take();
        if let Err(error) = contain(|| drop(value)) {
            report(&error);
        }
    }
}

fn report(error: &ProviderError) {
    if let Some(host) = LOG.get() {
        let message = format!("while dropping: {}", error.message());
        host.log(LogLevel::Error, &message);
        host.report_panic(&message);
    }
}

/// The host of the first provider that was made: all of a plugin's panics are its business.
static LOG: OnceLock<Host> = OnceLock::new();

thread_local! {
    static LAST_PANIC_PLACE: Cell<Option<String>> = const { Cell::new(None) };
}

/// From now on this plugin's panics are written to the host's log instead of stderr.
pub(crate) fn log_panics_to(host: &Host) {
    static HOOK: Once = Once::new();
    let _first_host_stays = LOG.set(host.clone());
    HOOK.call_once(|| std::panic::set_hook(Box::new(log_panic)));
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(|place| format!("{}:{}", place.file(), place.line()));
    let message = panic.payload_as_str().unwrap_or("no message");
    if let Some(host) = LOG.get() {
        let at = place.as_deref().unwrap_or("an unknown place");
        host.log(LogLevel::Error, format_args!("panicked at {at}: {message}"));
    }
    LAST_PANIC_PLACE.set(place);
}
