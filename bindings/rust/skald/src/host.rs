//! What a host may lend to a runtime: its memory, its threads, its log.
use skald_sys as sys;
use std::alloc::Layout;
use std::ffi::CStr;
use std::os::raw::{c_char, c_void};
use std::panic::{catch_unwind, AssertUnwindSafe, RefUnwindSafe};
use std::ptr::{null, null_mut};

/// What a block is for, so that a host can place it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MemoryKind {
    /// A handle and its tables.
    Handle,
    /// Packed weights of a model.
    Weights,
    /// Pages of a cache.
    Cache,
    /// Activations of a context.
    Scratch,
    /// Given back before the call that asked for it returns.
    Load,
    /// A kind that this crate is too old to know.
    Other(u32),
}

/// The host's memory in place of libc's. Called from any thread that calls this library, never from a worker, and never during
/// a step. It must not use the library itself. A panic in `alloc` counts as no memory; one in `free` is forgotten.
///
/// # Safety
/// What `alloc` gives is NULL or a block of that layout that nobody else uses until it is given to `free`.
pub unsafe trait Allocator: Send + Sync {
    /// A block, or NULL: then the call that needs it fails with [`Error::Memory`](crate::Error::Memory).
    fn alloc(&self, layout: Layout, kind: MemoryKind) -> *mut u8;

    /// Takes a block back.
    ///
    /// # Safety
    /// `alloc` gave it for this layout, and nobody uses it any more.
    unsafe fn free(&self, block: *mut u8, layout: Layout);
}

/// The host's job system in place of the runtime's own threads. Called on the thread that made a call of this library, and
/// several at once where several threads make calls. It must not use the library itself. A panic in `run` ends the process,
/// for nobody knows then which jobs still run.
///
/// # Safety
/// `run` calls job(0) ... job(n_jobs - 1) once each, in any order and on any threads, and returns when all have returned.
pub unsafe trait Executor: Send + Sync {
    /// How many jobs may run at once, at least 1. Asked once.
    fn n_threads(&self) -> u32;

    /// Runs the jobs. They never wait for each other, and never panic.
    fn run(&self, job: &(dyn Fn(u32) + Sync), n_jobs: u32);
}

/// How grave a line of the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogLevel {
    /// Something failed.
    Error,
    /// Something is not as it should be.
    Warning,
    /// For who wants to know.
    Information,
}

/// Hears the lines of the log, on the thread that made the call. A panic in it is forgotten.
pub type Log = Box<dyn Fn(LogLevel, &str) + Send + Sync>;

/// What was lent. A runtime and all that is made from it own it together; each lets go after its handle is freed.
#[derive(Default)]
pub(crate) struct Host {
    pub(crate) allocator: Option<Box<dyn Allocator>>,
    pub(crate) executor: Option<Box<dyn Executor>>,
    pub(crate) log: Option<Log>,
}

// What a host lends never sees a panic of others, and its own ones are caught here: models stay usable behind catch_unwind.
impl RefUnwindSafe for Host {}

impl Host {
    fn user(&self) -> *mut c_void {
        (self as *const Host as *mut Host).cast()
    }

    pub(crate) fn raw_allocator(&self) -> sys::skald_allocator {
        sys::skald_allocator { alloc: Some(alloc), free: Some(free), user: self.user() }
    }

    pub(crate) fn raw_executor(&self) -> sys::skald_executor {
        let n_threads = self.executor.as_ref().map_or(0, |e| e.n_threads());
        sys::skald_executor { run: Some(run), user: self.user(), n_threads }
    }

    pub(crate) fn raw_log(&self) -> (Option<sys::skald_log_fn>, *mut c_void) {
        (self.log.as_ref().map(|_| log as sys::skald_log_fn), self.user())
    }
}

/// A layout never has 0 bytes: allocators need not know what those would be.
fn layout(bytes: usize, alignment: usize) -> Option<Layout> {
    Layout::from_size_align(bytes.max(1), alignment).ok()
}

unsafe extern "C" fn alloc(user: *mut c_void, bytes: usize, alignment: usize, kind: u32) -> *mut c_void {
    // SAFETY: the Host outlives the runtime, and is only read.
    let host = unsafe { &*user.cast::<Host>() };
    let kind = match kind {
        sys::SKALD_MEMORY_HANDLE => MemoryKind::Handle,
        sys::SKALD_MEMORY_WEIGHTS => MemoryKind::Weights,
        sys::SKALD_MEMORY_CACHE => MemoryKind::Cache,
        sys::SKALD_MEMORY_SCRATCH => MemoryKind::Scratch,
        sys::SKALD_MEMORY_LOAD => MemoryKind::Load,
        other => MemoryKind::Other(other),
    };
    let block = catch_unwind(AssertUnwindSafe(|| match (&host.allocator, layout(bytes, alignment)) {
        (Some(own), Some(layout)) => own.alloc(layout, kind),
        _ => null_mut(),
    }));
    block.unwrap_or(null_mut()).cast()
}

unsafe extern "C" fn free(user: *mut c_void, block: *mut c_void, bytes: usize, alignment: usize) {
    // SAFETY: as in alloc.
    let host = unsafe { &*user.cast::<Host>() };
    let _ = catch_unwind(AssertUnwindSafe(|| {
        if let (Some(own), Some(layout)) = (&host.allocator, layout(bytes, alignment)) {
            // SAFETY: alloc gave it for the same two numbers (skald.h).
            unsafe { own.free(block.cast(), layout) };
        }
    }));
}

/// A job of the library, which may run on any thread.
struct Job {
    job: sys::skald_job_fn,
    arg: *mut c_void,
}

// SAFETY: "on any threads" (skald.h).
unsafe impl Sync for Job {}

impl Job {
    fn run(&self, index: u32) {
        // SAFETY: each index once, while the caller waits: the promise of who implements Executor.
        unsafe { (self.job)(self.arg, index) }
    }
}

unsafe extern "C" fn run(user: *mut c_void, job: sys::skald_job_fn, arg: *mut c_void, n_jobs: u32) {
    // SAFETY: as in alloc.
    let host = unsafe { &*user.cast::<Host>() };
    let task = Job { job, arg };
    let done = catch_unwind(AssertUnwindSafe(|| {
        if let Some(own) = &host.executor {
            own.run(&|index| task.run(index), n_jobs);
        }
    }));
    if done.is_err() {
        std::process::abort();
    }
}

unsafe extern "C" fn log(user: *mut c_void, level: i32, text: *const c_char) {
    // SAFETY: as in alloc; the text ends with NUL and lives to the end of the call.
    let (host, text) = unsafe { (&*user.cast::<Host>(), CStr::from_ptr(text)) };
    let level = match level {
        1 => LogLevel::Error,
        2 => LogLevel::Warning,
        _ => LogLevel::Information,
    };
    let _ = catch_unwind(AssertUnwindSafe(|| {
        if let Some(say) = &host.log {
            say(level, &text.to_string_lossy());
        }
    }));
}

/// NULL for None.
pub(crate) fn lent<T>(it: &Option<T>) -> *const T {
    it.as_ref().map_or(null(), |t| t as *const T)
}
