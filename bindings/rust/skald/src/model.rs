use crate::buffers::{at, c_path, c_string, size_of};
use crate::callback::{Watch, Watched};
use crate::error::{check_why, report, Result};
use crate::host::Host;
use crate::runtime::Runtime;
use crate::source::{Source, Sources};
use skald_sys as sys;
use std::ffi::CString;
use std::path::Path;
use std::ptr::{null, null_mut, NonNull};
use std::sync::Arc;

/// How a model shall be opened.
#[derive(Default)]
pub struct ModelOptions<'a> {
    /// No weights: encoding, decoding and information work.
    pub vocabulary_only: bool,
    /// The name of a loaded device; None: "cpu".
    pub device: Option<&'a str>,
    /// Weights are used where they lie in the file and not packed: same bits, less memory, slower. A file that shrinks
    /// meanwhile has the process killed. Not for borrowed bytes and readers.
    pub in_place: bool,
    /// Positions that sequences will reach; 0: as many as the file says. Only Phi 3 looks at it.
    pub n_context: u32,
    /// A split expression in place of the file's, for byte-level vocabularies.
    pub split: Option<&'a str>,
    /// Hears how far opening has come, and may cancel it.
    pub progress: Option<Watch<'a>>,
}

/// The same as C has it, and what it points to.
pub(crate) struct RawModelOptions<'a> {
    raw: sys::skald_model_options,
    _texts: [Option<CString>; 2],
    progress: Watched<'a>,
}

impl<'a> RawModelOptions<'a> {
    pub(crate) fn new(o: ModelOptions<'a>) -> Result<Self> {
        let texts = [o.device.map(c_string).transpose()?, o.split.map(c_string).transpose()?];
        let mut raw = sys::skald_model_options::zeroed();
        // SAFETY: the size is the struct's.
        unsafe { sys::skald_model_options_init(&mut raw, size_of::<sys::skald_model_options>()) };
        raw.vocabulary_only = o.vocabulary_only.into();
        raw.in_place = o.in_place.into();
        raw.n_context = o.n_context;
        (raw.device, raw.split) = (at(&texts[0]), at(&texts[1]));
        Ok(RawModelOptions { raw, _texts: texts, progress: Watched::new(o.progress) })
    }

    /// Good until it is moved.
    pub(crate) fn as_ptr(&mut self) -> *const sys::skald_model_options {
        (self.raw.progress, self.raw.progress_user) = self.progress.raw();
        &self.raw
    }

    /// The panic of the progress function.
    pub(crate) fn finish(&mut self) {
        self.progress.finish();
    }
}

/// Weights and vocabulary. Never changes; threads share it, and a clone is one more owner of the same.
pub struct Model {
    own: NonNull<sys::skald_model>,
    kept: Arc<Kept>,
}

/// What the library points to for as long as a model lives. Everything that is made from a model has a clone of it.
struct Kept {
    _host: Arc<Host>,
    _bytes: Vec<Arc<[u8]>>,
}

// SAFETY: "any number of threads and contexts share it" (skald.h).
unsafe impl Send for Model {}
unsafe impl Sync for Model {}

impl Model {
    /// Opens a GGUF file; further parts of a split one are found beside it. Format and Unsupported say which key or tensor.
    pub fn open(runtime: &Runtime, path: impl AsRef<Path>) -> Result<Model> {
        let path = c_path(path.as_ref())?;
        let (mut out, mut why) = (null_mut(), report());
        // SAFETY: all pointers live to the end of the call.
        let status = unsafe { sys::skald_model_open_path(&mut out, runtime.as_ptr(), path.as_ptr(), null(), &mut why) };
        check_why(status, &why)?;
        Ok(Model::made(out, runtime, Vec::new()))
    }

    /// Opens a file in memory; `bytes` are not needed afterwards.
    pub fn from_bytes(runtime: &Runtime, bytes: &[u8]) -> Result<Model> {
        Model::open_with(runtime, vec![Source::Bytes(bytes)], ModelOptions::default())
    }

    /// Opens a file, or its parts: the first one, or all in order. Cancelled: by the progress function.
    pub fn open_with(runtime: &Runtime, parts: Vec<Source<'_>>, options: ModelOptions<'_>) -> Result<Model> {
        let mut sources = Sources::new(parts, options.in_place)?;
        let mut options = RawModelOptions::new(options)?;
        let (mut out, mut why) = (null_mut(), report());
        let (own, o, parts, n) = (runtime.as_ptr(), options.as_ptr(), sources.as_ptr(), sources.len());
        // SAFETY: everything lives to the end of the call, and what may be used in place as long as the model.
        let status = unsafe { sys::skald_model_open(&mut out, own, o, &mut why, parts, n) };
        let opened = check_why(status, &why).map(|_| Model::made(out, runtime, std::mem::take(&mut sources.shared)));
        sources.finish();
        options.finish();
        opened
    }

    fn made(out: *mut sys::skald_model, runtime: &Runtime, bytes: Vec<Arc<[u8]>>) -> Model {
        let own = NonNull::new(out).expect("a model");
        Model { own, kept: Arc::new(Kept { _host: runtime.host(), _bytes: bytes }) }
    }

    pub(crate) fn as_ptr(&self) -> *mut sys::skald_model {
        self.own.as_ptr()
    }
}

impl Clone for Model {
    fn clone(&self) -> Model {
        // SAFETY: any thread.
        unsafe { sys::skald_model_retain(self.as_ptr()) };
        Model { own: self.own, kept: self.kept.clone() }
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        // SAFETY: one owner less; `kept` is let go afterwards.
        unsafe { sys::skald_model_release(self.as_ptr()) }
    }
}
