//! loom's counterparts of what the queue is made of. Ring and `Notify` are models of their contracts: both are tested
//! with loom where they come from.

pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};

use loom::sync::{Arc, Condvar, Mutex};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

loom::thread_local! {
    static CURRENT: Thread = Thread::default();
}

/// A token as std's threads have it; loom's own wakes a thread out of any other wait as well.
#[derive(Clone, Debug, Default)]
pub(crate) struct Thread(Arc<(Mutex<bool>, Condvar)>);

impl Thread {
    pub(crate) fn unpark(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_one();
    }
}

pub(crate) fn current() -> Thread {
    CURRENT.with(Clone::clone)
}

/// Without the time limit: only a wake-up ends it.
pub(crate) fn park_timeout(_: Duration) {
    let thread = current();
    let mut token = thread.0.0.lock().unwrap();
    while !std::mem::take(&mut *token) {
        token = thread.0.1.wait(token).unwrap();
    }
}

#[derive(Debug)]
pub(crate) struct ArrayQueue<T> {
    items: Mutex<VecDeque<T>>,
    /// Loads of an empty ring are not ordered with what follows; a mutex alone would order them.
    length: AtomicUsize,
    capacity: usize,
}

impl<T> ArrayQueue<T> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { items: Mutex::default(), length: AtomicUsize::new(0), capacity }
    }

    pub(crate) fn push(&self, item: T) -> Result<(), T> {
        let mut items = self.items.lock().unwrap();
        if items.len() == self.capacity {
            return Err(item);
        }
        items.push_back(item);
        self.length.store(items.len(), Ordering::Relaxed);
        Ok(())
    }

    pub(crate) fn pop(&self) -> Option<T> {
        if self.is_empty() {
            return None;
        }
        let mut items = self.items.lock().unwrap();
        let item = items.pop_front();
        self.length.store(items.len(), Ordering::Relaxed);
        item
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.length.load(Ordering::Relaxed) == 0
    }
}

/// `notify_waiters` wakes everybody whose [`Notified`] was made before, polled or not.
#[derive(Debug, Default)]
pub(crate) struct Notify(Mutex<(u64, Vec<Waker>)>);

impl Notify {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn notified(&self) -> Notified<'_> {
        Notified { notify: self, made: self.0.lock().unwrap().0 }
    }

    pub(crate) fn notify_waiters(&self) {
        let wakers = {
            let mut state = self.0.lock().unwrap();
            state.0 += 1;
            std::mem::take(&mut state.1)
        };
        wakers.into_iter().for_each(Waker::wake);
    }
}

#[derive(Debug)]
pub(crate) struct Notified<'a> {
    notify: &'a Notify,
    made: u64,
}

impl Future for Notified<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.notify.0.lock().unwrap();
        if state.0 > self.made {
            return Poll::Ready(());
        }
        state.1.push(context.waker().clone());
        Poll::Pending
    }
}
