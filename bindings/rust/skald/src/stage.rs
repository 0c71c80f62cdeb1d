use crate::buffers::slice;
use crate::callback::Guarded;
use crate::error::Result;
use skald_sys as sys;
use std::collections::HashMap;
use std::os::raw::c_void;
use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A host's stage: `FnMut(logits, position, last ids)`, which may change the logits before an id is chosen, and gets the last
/// ids before it, at most 64. [`Engine::step`](crate::Engine::step) calls it, once for each id of an answer and in order; it
/// must neither use nor drop anything of this library.
pub trait Stage: FnMut(&mut [f32], u64, &[i32]) + Send + 'static {}

impl<F: FnMut(&mut [f32], u64, &[i32]) + Send + 'static> Stage for F {}

type Call = Guarded<Box<dyn Stage>>;

/// A Box that the library has a pointer to.
struct Kept(NonNull<Call>);

// SAFETY: a Stage is Send, and only the thread that steps calls it.
unsafe impl Send for Kept {}

impl Drop for Kept {
    fn drop(&mut self) {
        // SAFETY: its request has ended, or was never taken, or the engine is freed.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

/// The stages of requests whose end was not told yet.
#[derive(Default)]
pub(crate) struct Stages(Mutex<HashMap<u64, Kept>>);

/// What a request is given.
pub(crate) struct Lent {
    pub(crate) call: sys::skald_stage_fn,
    pub(crate) user: *mut c_void,
}

impl Stages {
    fn all(&self) -> MutexGuard<'_, HashMap<u64, Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the stage when `submit` takes it. Locked meanwhile, so that the end cannot be told before it is here.
    pub(crate) fn add(&self, stage: impl Stage, submit: impl FnOnce(Lent) -> Result<u64>) -> Result<u64> {
        let boxed: Box<dyn Stage> = Box::new(stage);
        let kept = Kept(NonNull::from(Box::leak(Box::new(Guarded::new(boxed)))));
        let lent = Lent { call: look, user: kept.0.as_ptr().cast() };
        let mut all = self.all();
        let number = submit(lent)?;
        all.insert(number, kept);
        Ok(number)
    }

    /// The request's end was told.
    pub(crate) fn ended(&self, request: u64) {
        let kept = self.all().remove(&request);
        drop(kept); // unlocked: what the closure owns may do anything when it is dropped
    }

    /// The panic of a stage, in the thread that stepped.
    pub(crate) fn finish(&self) {
        let panicked = self.all().values().find_map(|kept| {
            // SAFETY: no step runs, so nobody else looks at it.
            unsafe { (*kept.0.as_ptr()).panicked() }
        });
        if let Some(panic) = panicked {
            std::panic::resume_unwind(panic);
        }
    }
}

unsafe extern "C" fn look(
    user: *mut c_void,
    logits: *mut f32,
    n_vocab: u32,
    position: u64,
    text: *const i32,
    n_text: u32,
) {
    // SAFETY: the type that add() gave, on the one thread that steps; sizes as skald.h says.
    let (call, row, text) = unsafe {
        let row = std::slice::from_raw_parts_mut(logits, n_vocab as usize);
        (&mut *user.cast::<Call>(), row, slice(text, n_text as usize))
    };
    let looked = call.run(false, |stage| {
        stage(row, position, text);
        true
    });
    if !looked {
        row.fill(f32::NAN); // no id can be chosen: the request fails
    }
}
