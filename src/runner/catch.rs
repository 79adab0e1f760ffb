//! A panic of ours must not leave a fault behind: it is caught, everything is undone, and it is reported as our bug.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

/// Runs a future to its end; a panic becomes its text. After a panic the future is not polled again.
pub(super) async fn panics<F: Future>(future: F) -> Result<F::Output, String> {
    let mut future = pin!(future);
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
        Err(panic) => Poll::Ready(Err(text(&*panic))),
    })
    .await
}

fn text(panic: &(dyn Any + Send)) -> String {
    let known = panic.downcast_ref::<&str>().map(ToString::to_string);
    known.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without words".to_owned())
}

#[cfg(test)]
mod tests {
    use super::panics;

    #[tokio::test]
    async fn a_panic_becomes_its_text_and_anything_else_passes() {
        assert_eq!(panics(async { 7 }).await, Ok(7));
        let outcome = panics(async {
            tokio::task::yield_now().await;
            assert!(std::env::args().count() > 9999, "so many arguments");
        });
        assert_eq!(outcome.await, Err("so many arguments".to_owned()));
    }
}
