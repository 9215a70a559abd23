//! The end of a gateway: answers in flight may finish within a bound, then they are cut off.

use std::io;
use std::time::Duration;

use tokio::sync::{oneshot, watch};

/// How long a connection has to send its last words once it was cut off.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What an answer in flight watches.
#[derive(Clone)]
pub(crate) struct Closing(watch::Receiver<bool>);

/// What cuts the answers off.
pub(crate) struct Closer(watch::Sender<bool>);

/// The two sides of an end.
pub(crate) fn channel() -> (Closing, Closer) {
    let (sender, receiver) = watch::channel(false);
    (Closing(receiver), Closer(sender))
}

impl Closing {
    /// Ready when answers are cut off; never, where the gateway goes without cutting any.
    pub(crate) async fn closed(&self) {
        let mut receiver = self.0.clone();
        if receiver.wait_for(|closed| *closed).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Closer {
    /// Waits for the server, and from the moment it is told to stop not longer than `grace`.
    pub(crate) async fn bound(
        self,
        server: impl Future<Output = io::Result<()>>,
        stopped: oneshot::Receiver<()>,
        grace: Duration,
    ) -> io::Result<()> {
        let mut server = std::pin::pin!(server);
        let overdue = async {
            if stopped.await.is_err() {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(grace).await;
        };
        tokio::select! {
            result = &mut server => return result,
            () = overdue => {}
        }
        tracing::warn!("answers in flight are cut off after {} s", grace.as_secs_f64());
        self.0.send_replace(true);
        tokio::time::timeout(LAST_WORDS, server).await.unwrap_or(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_that_goes_on_is_cut_off() -> io::Result<()> {
        let (closing, closer) = channel();
        let (stop, stopped) = oneshot::channel();
        let server = async {
            closing.closed().await;
            Ok(())
        };
        stop.send(()).map_err(|()| io::Error::other("nobody waits"))?;
        closer.bound(server, stopped, Duration::ZERO).await
    }

    #[tokio::test]
    async fn a_server_that_ends_by_itself_is_not_waited_for() -> io::Result<()> {
        let (_, closer) = channel();
        let (_stop, stopped) = oneshot::channel();
        closer.bound(async { Ok(()) }, stopped, Duration::from_secs(30)).await
    }
}
