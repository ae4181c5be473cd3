//! No panic leaves a library: it becomes an error of kind [`ErrorKind::Panic`].

use std::cell::RefCell;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Once;

use abi_stable::std_types::{RErr, ROk};
use convert_abi::{abi_stable, Fallible};

use super::message::write_error;
use crate::{Error, ErrorKind, Result};

thread_local! {
    /// Where the panic that this thread is unwinding from began.
    static PANIC_PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Keeps this library's panics off standard error; [`guard`] reports them.
pub fn silence_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        std::panic::set_hook(Box::new(|info| {
            let place = info.location().map(|place| format!("{}:{}", place.file(), place.line()));
            PANIC_PLACE.with(|cell| *cell.borrow_mut() = place);
        }));
    });
}

/// Runs a plugin's code; its result in the form that crosses.
pub fn guard<T, A>(run: impl FnOnce() -> Result<T>, into_abi: impl FnOnce(T) -> A) -> Fallible<A> {
    let error = match catch_unwind(AssertUnwindSafe(|| run().map(into_abi))) {
        Ok(Ok(value)) => return ROk(value),
        Ok(Err(error)) => error,
        Err(panic) => panic_error(panic.as_ref()),
    };
    RErr(write_error(&error).into())
}

fn panic_error(panic: &(dyn std::any::Any + Send)) -> Error {
    let message = match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (_, Some(text)) => text.as_str(),
        _ => "no message",
    };
    let message = message.lines().next().unwrap_or("no message");
    match PANIC_PLACE.with(|cell| cell.borrow_mut().take()) {
        Some(place) => Error::new(ErrorKind::Panic, format!("panicked at {place}: {message}")),
        None => Error::new(ErrorKind::Panic, format!("panicked: {message}")),
    }
}
