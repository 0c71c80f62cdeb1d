use crate::buffers::{at, c_path, c_string, size_of};
use crate::error::{check_why, report, Result};
use crate::host::{lent, Allocator, Executor, Host, Log};
use crate::info::Info;
use skald_sys as sys;
use std::path::Path;
use std::ptr::{null_mut, NonNull};
use std::sync::Arc;

/// How a runtime shall be; the default lends nothing and uses the processors that this process may use.
#[derive(Default)]
pub struct RuntimeOptions<'a> {
    /// Workers and the caller together; 0: the processors that this process may use.
    pub n_threads: u32,
    /// The highest instruction set allowed, e.g. "scalar" or "avx2"; None: the best the machine has.
    pub cpu_level: Option<&'a str>,
    /// libc alone serves when there is no allocator; otherwise large blocks come from the system itself.
    pub small_pages: bool,
    /// The host's memory.
    pub allocator: Option<Box<dyn Allocator>>,
    /// The host's threads.
    pub executor: Option<Box<dyn Executor>>,
    /// The host's log.
    pub log: Option<Log>,
}

/// What the host lends. Threads share it; what is made from it keeps it alive, and what was lent too.
pub struct Runtime {
    own: NonNull<sys::skald_runtime>,
    host: Arc<Host>,
}

// SAFETY: "Threads share it" (skald.h); what is lent is Send and Sync itself.
unsafe impl Send for Runtime {}
unsafe impl Sync for Runtime {}

impl Runtime {
    /// `n_threads` and `cpu_level` as in [`RuntimeOptions`].
    pub fn new(n_threads: u32, cpu_level: Option<&str>) -> Result<Runtime> {
        Runtime::with(RuntimeOptions { n_threads, cpu_level, ..RuntimeOptions::default() })
    }

    /// Memory: there is none, or a thread could not be made. Argument: an unknown level, or an executor of no threads.
    pub fn with(options: RuntimeOptions<'_>) -> Result<Runtime> {
        let level = options.cpu_level.map(c_string).transpose()?;
        let host = Host { allocator: options.allocator, executor: options.executor, log: options.log };
        let host = Arc::new(host);
        let allocator = host.allocator.as_ref().map(|_| host.raw_allocator());
        let executor = host.executor.as_ref().map(|_| host.raw_executor());
        let mut o = sys::skald_runtime_options::zeroed();
        let (mut out, mut why) = (null_mut(), report());
        // SAFETY: `o` has the size given; strings and both structs live to the end of the call, `host` as long as the runtime.
        unsafe {
            sys::skald_runtime_options_init(&mut o, size_of::<sys::skald_runtime_options>());
            o.n_threads = options.n_threads;
            o.cpu_level = at(&level);
            o.small_pages = options.small_pages.into();
            o.allocator = lent(&allocator);
            o.executor = lent(&executor);
            (o.log, o.log_user) = host.raw_log();
            check_why(sys::skald_runtime_create(&mut out, &o, &mut why), &why)?;
        }
        Ok(Runtime { own: NonNull::new(out).expect("a runtime"), host })
    }

    /// Loads a device plug-in from a shared library; `config` is its own text. Unsupported: this build of the library loads
    /// nothing at run time, or the plug-in speaks another version.
    ///
    /// # Safety
    /// The plug-in's code keeps to backend.h, and no other thread uses this runtime, or what is made from it, meanwhile.
    pub unsafe fn load_backend(&self, path: impl AsRef<Path>, config: Option<&str>) -> Result<()> {
        let (path, config) = (c_path(path.as_ref())?, config.map(c_string).transpose()?);
        let mut why = report();
        // SAFETY: strings live to the end of the call; the rest is the caller's promise.
        let status = unsafe { sys::skald_runtime_load_backend(self.as_ptr(), path.as_ptr(), at(&config), &mut why) };
        check_why(status, &why)
    }

    /// The sizes of a GGUF file, a folder with a config.json, or a config.json, without loading it; its texts are empty.
    pub fn inspect(&self, path: impl AsRef<Path>) -> Result<Info> {
        let path = c_path(path.as_ref())?;
        let (mut info, mut why) = (sys::skald_model_info::zeroed(), report());
        info.size = size_of::<sys::skald_model_info>();
        // SAFETY: the path lives to the end of the call, and the size is right.
        check_why(unsafe { sys::skald_model_inspect(&mut info, self.as_ptr(), path.as_ptr(), &mut why) }, &why)?;
        Ok(Info::told(&info))
    }

    pub(crate) fn as_ptr(&self) -> *mut sys::skald_runtime {
        self.own.as_ptr()
    }

    pub(crate) fn host(&self) -> Arc<Host> {
        self.host.clone()
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        // SAFETY: the only owner that Rust has; `host` is let go afterwards.
        unsafe { sys::skald_runtime_release(self.as_ptr()) }
    }
}
