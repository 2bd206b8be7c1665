//! What only one node does at a time.

use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

/// Whether this node is the one that does what only one may do. Two may believe so for a moment, when the connection of one is lost: what
/// is done under it must bear that.
#[derive(Debug, Clone)]
pub struct Leading(watch::Receiver<bool>);

impl Leading {
    /// As told.
    pub(super) const fn of(told: watch::Receiver<bool>) -> Self {
        Self(told)
    }

    /// That of a server that serves alone.
    pub fn always() -> Self {
        Self(watch::channel(true).1)
    }

    async fn becomes(&mut self, wanted: bool) {
        if self.0.wait_for(|leads| *leads == wanted).await.is_err() {
            // Nobody tells any more.
            std::future::pending::<()>().await;
        }
    }
}

/// Something that is done as long as this node leads.
#[derive(Debug)]
#[must_use = "dropping it ends what is done"]
pub struct Duty {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Duty {
    /// Does it from now on whenever the node leads: `begin` starts it, and `end` stops it. Needs a Tokio runtime.
    pub fn start<T, E>(
        mut leading: Leading,
        begin: impl Fn() -> T + Send + 'static,
        end: impl Fn(T) -> E + Send + 'static,
    ) -> Self
    where
        T: Send + 'static,
        E: Future<Output = ()> + Send + 'static,
    {
        let (stop, mut stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = leading.becomes(true) => {}
                    _ = &mut stopped => return,
                }
                let doing = begin();
                let is_last = tokio::select! {
                    () = leading.becomes(false) => false,
                    _ = &mut stopped => true,
                };
                end(doing).await;
                if is_last {
                    return;
                }
            }
        });
        Self { stop, task }
    }

    /// Stops it.
    pub async fn stop(self) {
        drop(self.stop);
        if self.task.await.is_err() {
            tracing::error!("what only one node does ended with a panic");
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_duty_is_done_while_the_node_leads_and_ends_with_it() {
        let (lead, told) = watch::channel(false);
        let (say, mut said) = mpsc::unbounded_channel();
        let ended = say.clone();
        let begin = move || say.send("begun").unwrap();
        let end = move |()| {
            let ended = ended.clone();
            async move { ended.send("ended").unwrap() }
        };
        let duty = Duty::start(Leading::of(told), begin, end);
        lead.send_replace(true);
        assert_eq!(said.recv().await, Some("begun"));
        lead.send_replace(false);
        assert_eq!(said.recv().await, Some("ended"));
        lead.send_replace(true);
        assert_eq!(said.recv().await, Some("begun"));
        duty.stop().await;
        assert_eq!(said.recv().await, Some("ended"));
        assert_eq!(said.recv().await, None);
    }

    #[tokio::test]
    async fn a_server_that_serves_alone_leads_until_it_stops() {
        let (say, mut said) = mpsc::unbounded_channel();
        let duty = Duty::start(Leading::always(), move || say.send(()).unwrap(), |()| async {});
        assert_eq!(said.recv().await, Some(()));
        duty.stop().await;
        assert_eq!(said.recv().await, None);
    }
}
