//! A line is worked off: each who is told its turn ends at once, and so starts the next.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    task::Poll,
    time::Duration,
};

use anyhow::{Result, bail};
use tokio::runtime::Runtime;

use super::sides::{Line, Turn};
use crate::stopwatch::Stopwatch;

/// How a line was worked off.
pub(super) struct Drained {
    /// Who was served, in that order; the numbers are those of arrival.
    pub(super) order: Vec<usize>,
    /// From the first release until the last has ended or gone.
    pub(super) took: Duration,
}

/// A runtime as a server has one, on two threads.
pub(super) fn runtime() -> Result<Runtime> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    Ok(runtime.worker_threads(2).enable_time().build()?)
}

/// Everybody waits in a task of its own before the first release. Those who go away are
/// cancelled, half of them before that, the others while the line is worked off.
pub(super) async fn drain<T: Turn>(line: Line<T>, goes: &[usize]) -> Result<Drained> {
    let Line { held, turns } = line;
    let parked = Arc::new(AtomicUsize::new(0));
    let (served, order) = mpsc::channel();
    let tasks: Vec<_> = turns
        .into_iter()
        .enumerate()
        .map(|(nth, turn)| {
            let (parked, served) = (Arc::clone(&parked), served.clone());
            tokio::spawn(async move {
                if let Some(permit) = counted(turn.turn(), &parked).await {
                    // The receiver lives as long as any task.
                    let _ = served.send(nth);
                    T::end(permit);
                }
            })
        })
        .collect();
    drop(served);
    while parked.load(Ordering::SeqCst) < tasks.len() {
        tokio::task::yield_now().await;
    }
    let (before, during) = goes.split_at(goes.len() / 2);
    for nth in before {
        tasks[*nth].abort();
    }
    let watch = Stopwatch::start();
    T::end(held);
    for nth in during {
        tasks[*nth].abort();
        tokio::task::yield_now().await;
    }
    for task in tasks {
        match task.await {
            Err(error) if !error.is_cancelled() => bail!("a waiter panicked: {error}"),
            _ => {}
        }
    }
    let took = watch.elapsed();
    Ok(Drained { order: order.try_iter().collect(), took })
}

/// Counts a future once it has been asked and so is woken from then on.
async fn counted<F: Future>(future: F, parked: &AtomicUsize) -> F::Output {
    let mut future = pin!(future);
    let first = poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await;
    parked.fetch_add(1, Ordering::SeqCst);
    match first {
        Poll::Ready(output) => output,
        Poll::Pending => future.await,
    }
}
