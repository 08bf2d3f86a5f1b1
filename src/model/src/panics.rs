//! Which panics end the server, and which only the part that panicked.
//!
//! Enters: the work of a part that can begin anew (a sink, a delivery). Leaves: its end, or its panic for the caller to answer.
//! Invariant: what breaks [`broken`] is wrong for everybody, so it is never contained.

use std::any::Any;
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

thread_local! {
    static CONTAINED: Cell<bool> = const { Cell::new(false) };
}

/// Whether the code that runs on this thread has a caller that answers its panics: what a panic hook asks.
pub fn is_contained() -> bool {
    CONTAINED.get()
}

/// Runs `work`; a panic in it becomes the error. For work whose shared state guards itself.
pub async fn contain<F: Future>(work: F) -> Result<F::Output, Box<dyn Any + Send>> {
    let mut work = pin!(work);
    poll_fn(|context| {
        let before = CONTAINED.replace(true);
        let polled = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context)));
        CONTAINED.set(before);
        match polled {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    })
    .await
}

/// What is counted contradicts itself: every figure from here on would be wrong, so no part of the server goes on.
#[cold]
pub fn broken(what: &str) -> ! {
    CONTAINED.set(false);
    panic!("{what}")
}

/// The message of a panic that was caught.
pub fn text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::Pin;
    use std::task::{Context, Waker};

    fn run<T>(work: impl Future<Output = T>) -> T {
        let mut work: Pin<Box<dyn Future<Output = T>>> = Box::pin(work);
        match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => output,
            Poll::Pending => unreachable!("nothing here waits"),
        }
    }

    #[test]
    fn a_panic_inside_becomes_the_error_and_nothing_outside_is_contained() {
        let ended = run(contain(async {
            assert!(is_contained());
            panic!("a defect")
        }));
        let panic: Box<dyn Any + Send> = ended.map(|never: ()| never).expect_err("the panic");
        assert_eq!(text(panic.as_ref()), "a defect");
        assert!(!is_contained());
        assert_eq!(run(contain(async { 7 })).ok(), Some(7));
    }
}
