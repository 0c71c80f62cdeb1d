//! A host's closures while C calls them: a panic waits until the call has returned, and then goes on in the caller.
use skald_sys as sys;
use std::any::Any;
use std::os::raw::c_void;
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
use std::ptr::null_mut;

/// How far a long call has come, from 0 to 1: true to go on, false to cancel it. It runs on the thread that made the call and
/// must neither use nor drop anything of this library. A panic in it cancels, and goes on in the caller.
pub type Watch<'a> = &'a mut dyn FnMut(f32) -> bool;

/// A closure, and the panic that it ended with.
pub(crate) struct Guarded<F> {
    call: F,
    panic: Option<Box<dyn Any + Send>>,
}

impl<F> Guarded<F> {
    pub(crate) fn new(call: F) -> Self {
        Guarded { call, panic: None }
    }

    /// What `with` makes of the closure; `otherwise` when that panics, and always afterwards.
    pub(crate) fn run<R>(&mut self, otherwise: R, with: impl FnOnce(&mut F) -> R) -> R {
        if self.panic.is_some() {
            return otherwise;
        }
        let call = &mut self.call;
        match catch_unwind(AssertUnwindSafe(|| with(call))) {
            Ok(result) => result,
            Err(panic) => {
                self.panic = Some(panic);
                otherwise
            }
        }
    }

    /// The panic, if there was one.
    pub(crate) fn panicked(&mut self) -> Option<Box<dyn Any + Send>> {
        self.panic.take()
    }

    /// The panic goes on in this thread.
    pub(crate) fn finish(&mut self) {
        if let Some(panic) = self.panicked() {
            resume_unwind(panic);
        }
    }
}

/// A [`Watch`] as skald_progress_fn.
pub(crate) struct Watched<'a>(Option<Guarded<Watch<'a>>>);

impl<'a> Watched<'a> {
    pub(crate) fn new(watch: Option<Watch<'a>>) -> Self {
        Watched(watch.map(Guarded::new))
    }

    /// For the fields `progress` and `progress_user`; good until it is moved.
    pub(crate) fn raw(&mut self) -> (Option<sys::skald_progress_fn>, *mut c_void) {
        unsafe extern "C" fn progress(user: *mut c_void, done: f32) -> i32 {
            // SAFETY: the type that raw() gave, on the thread that lent it.
            let watch = unsafe { &mut *user.cast::<Guarded<Watch<'static>>>() };
            i32::from(!watch.run(false, |w| w(done)))
        }
        match &mut self.0 {
            Some(watch) => (Some(progress), (watch as *mut Guarded<Watch<'a>>).cast()),
            None => (None, null_mut()),
        }
    }

    pub(crate) fn finish(&mut self) {
        if let Some(watch) = &mut self.0 {
            watch.finish();
        }
    }
}
