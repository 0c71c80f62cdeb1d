use crate::error::{argument, check, check_why, report, Result};
use crate::sampler::Sampling;
use skald_sys as sys;
use std::ffi::{CStr, CString};
use std::os::raw::{c_char, c_void};
use std::path::Path;
use std::ptr::{null, null_mut, NonNull};

/// Bytes of a struct, as its `size` field wants them.
pub(crate) fn size_of<T>() -> u32 {
    std::mem::size_of::<T>() as u32
}

/// What the host lends. Threads share it; what is made from it keeps it alive inside the library.
pub struct Runtime(NonNull<sys::skald_runtime>);

// SAFETY: "runtime: shared freely" (skald.h).
unsafe impl Send for Runtime {}
unsafe impl Sync for Runtime {}

impl Runtime {
    /// `n_threads` 0: the processors that this process may use. `cpu_level` as in skald_runtime_options.
    pub fn new(n_threads: u32, cpu_level: Option<&str>) -> Result<Runtime> {
        let level = cpu_level.map(c_string).transpose()?;
        let mut options = sys::skald_runtime_options::zeroed();
        let (mut out, mut why) = (null_mut(), report());
        // SAFETY: `options` has the size given; strings live to the end of the call.
        unsafe {
            sys::skald_runtime_options_init(&mut options, size_of::<sys::skald_runtime_options>());
            options.n_threads = n_threads;
            options.cpu_level = level.as_ref().map_or(null(), |l| l.as_ptr());
            check_why(sys::skald_runtime_create(&mut out, &options, &mut why), &why)?;
        }
        Ok(Runtime(NonNull::new(out).expect("a runtime")))
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        // SAFETY: the only owner that Rust has.
        unsafe { sys::skald_runtime_release(self.0.as_ptr()) }
    }
}

/// Weights and vocabulary. Never changes; threads share it, and a clone is one more owner of the same.
pub struct Model(NonNull<sys::skald_model>);

// SAFETY: "model: shared freely", and each call on it says "any thread" (skald.h).
unsafe impl Send for Model {}
unsafe impl Sync for Model {}

/// As skald_model_info.
#[derive(Clone, Debug)]
pub struct Info {
    pub architecture: String,
    pub name: String,
    pub device: String,
    pub n_layers: u32,
    pub n_embd: u32,
    pub n_heads: u32,
    pub n_kv_heads: u32,
    pub n_vocab: u32,
    pub n_context: u32,
    pub n_parameters: u64,
    pub n_file_bytes: u64,
}

/// How a text is encoded.
#[derive(Clone, Copy, Debug, Default)]
pub struct Encode {
    /// Control tokens written in the text become their ids.
    pub special: bool,
    /// The begin-of-sequence id in front, where the model asks for one.
    pub bos: bool,
    /// The end-of-sequence id behind, likewise.
    pub eos: bool,
}

impl Model {
    /// Opens a GGUF file; further parts of a split one are found beside it.
    pub fn open(runtime: &Runtime, path: impl AsRef<Path>) -> Result<Model> {
        let path = c_string(path.as_ref().to_str().ok_or_else(|| argument("the path is not UTF-8"))?)?;
        let (mut out, mut why) = (null_mut(), report());
        // SAFETY: all pointers live to the end of the call.
        let status =
            unsafe { sys::skald_model_open_path(&mut out, runtime.0.as_ptr(), path.as_ptr(), null(), &mut why) };
        check_why(status, &why)?;
        Ok(Model(NonNull::new(out).expect("a model")))
    }

    /// Opens a file in memory; `bytes` are not needed afterwards.
    pub fn from_bytes(runtime: &Runtime, bytes: &[u8]) -> Result<Model> {
        let mut source = sys::skald_source::zeroed();
        source.size = size_of::<sys::skald_source>();
        source.bytes = bytes.as_ptr().cast();
        source.n_bytes = bytes.len() as u64;
        let (mut out, mut why) = (null_mut(), report());
        // SAFETY: as above; without in_place the bytes are copied before the call returns.
        let status = unsafe { sys::skald_model_open(&mut out, runtime.0.as_ptr(), null(), &mut why, &source, 1) };
        check_why(status, &why)?;
        Ok(Model(NonNull::new(out).expect("a model")))
    }

    pub(crate) fn as_ptr(&self) -> *mut sys::skald_model {
        self.0.as_ptr()
    }

    pub(crate) fn sizes(&self) -> sys::skald_model_info {
        let mut info = sys::skald_model_info::zeroed();
        info.size = size_of::<sys::skald_model_info>();
        // SAFETY: the size is right, and nothing else can fail.
        unsafe { sys::skald_model_get_info(&mut info, self.as_ptr()) };
        info
    }

    pub fn info(&self) -> Info {
        let i = self.sizes();
        Info {
            architecture: lossy(i.architecture),
            name: lossy(i.name),
            device: lossy(i.device),
            n_layers: i.n_layers,
            n_embd: i.n_embd,
            n_heads: i.n_heads,
            n_kv_heads: i.n_kv_heads,
            n_vocab: i.n_vocab,
            n_context: i.n_context,
            n_parameters: i.n_parameters,
            n_file_bytes: i.n_file_bytes,
        }
    }

    pub fn encode(&self, text: &str, how: Encode) -> Result<Vec<i32>> {
        let flags = how.special as u32 * sys::SKALD_ENCODE_SPECIAL
            + how.bos as u32 * sys::SKALD_ENCODE_BOS
            + how.eos as u32 * sys::SKALD_ENCODE_EOS;
        fill(text.len() + 16, report(), |ids, n, _| {
            // SAFETY: `ids` has room for *n.
            unsafe { sys::skald_encode(ids, n, self.as_ptr(), flags, text.as_ptr().cast(), text.len()) }
        })
    }

    /// Bytes that are no UTF-8 become U+FFFD.
    pub fn decode(&self, ids: &[i32], special: bool) -> Result<String> {
        let bytes = fill_bytes(ids.len() * 8 + 16, report(), |text, n, _| {
            let flags = if special { sys::SKALD_DECODE_SPECIAL } else { 0 };
            // SAFETY: `text` has room for *n.
            unsafe { sys::skald_decode(text, n, self.as_ptr(), flags, ids.as_ptr(), ids.len() as u32) }
        })?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    pub fn is_end(&self, id: i32) -> bool {
        // SAFETY: any thread.
        unsafe { sys::skald_model_is_end(self.as_ptr(), id) != 0 }
    }

    /// The id of a role (skald_sys::SKALD_TOKEN_...).
    pub fn token(&self, role: u32) -> Option<i32> {
        // SAFETY: any thread.
        let id = unsafe { sys::skald_model_token(self.as_ptr(), role) };
        (id >= 0).then_some(id)
    }

    /// Prompt in, text out. `say` gives true to go on; a panic in it goes on in the caller.
    pub fn generate(
        &self,
        prompt: &str,
        n_tokens: u32,
        sampling: &Sampling,
        say: impl FnMut(&str) -> bool,
    ) -> Result<()> {
        struct Heard<F> {
            say: F,
            panic: Option<Box<dyn std::any::Any + Send>>,
        }
        unsafe extern "C" fn hear<F: FnMut(&str) -> bool>(user: *mut c_void, text: *const c_char, n: usize) -> i32 {
            let heard = &mut *user.cast::<Heard<F>>();
            let text = std::str::from_utf8_unchecked(std::slice::from_raw_parts(text.cast(), n)); // whole characters
            match std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| (heard.say)(text))) {
                Ok(true) => 0,
                Ok(false) => 1,
                Err(panic) => {
                    heard.panic = Some(panic);
                    1
                }
            }
        }
        fn callback<F: FnMut(&str) -> bool>(_: &Heard<F>) -> sys::skald_text_fn {
            hear::<F>
        }
        let prompt = c_string(prompt)?;
        let mut heard = Heard { say, panic: None };
        let sampler = sampling.options();
        let mut options = sys::skald_generate_options::zeroed();
        let mut why = report();
        let call = callback(&heard);
        // SAFETY: everything lives to the end of the call; the callback gets its own type back.
        let status = unsafe {
            sys::skald_generate_options_init(&mut options, size_of::<sys::skald_generate_options>());
            options.n_tokens = n_tokens;
            options.sampler = &sampler;
            let user: *mut c_void = (&mut heard as *mut Heard<_>).cast();
            sys::skald_generate(self.as_ptr(), prompt.as_ptr(), &options, Some(call), user, &mut why)
        };
        if let Some(panic) = heard.panic {
            std::panic::resume_unwind(panic);
        }
        check_why(status, &why)
    }
}

impl Clone for Model {
    fn clone(&self) -> Model {
        // SAFETY: any thread.
        unsafe { sys::skald_model_retain(self.as_ptr()) };
        Model(self.0)
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        // SAFETY: one owner less.
        unsafe { sys::skald_model_release(self.as_ptr()) }
    }
}

/// Ids to text one by one, never splitting a character.
pub struct Decoder {
    model: Model,
    state: sys::skald_decoder,
    text: Vec<u8>,
}

impl Decoder {
    pub fn new(model: &Model, special: bool) -> Decoder {
        let mut state = sys::skald_decoder::zeroed();
        state.flags = if special { sys::SKALD_DECODE_SPECIAL } else { 0 };
        Decoder { model: model.clone(), state, text: vec![0; 512] }
    }

    /// The characters that are complete with this id.
    pub fn push(&mut self, id: i32) -> Result<&str> {
        let mut n = self.text.len();
        let mut status = self.call(&mut n, id);
        if status == sys::SKALD_SHORT {
            self.text.resize(n, 0);
            status = self.call(&mut n, id);
        }
        check(status)?;
        // SAFETY: the library gives out whole characters.
        Ok(unsafe { std::str::from_utf8_unchecked(&self.text[..n]) })
    }

    /// What is pending, as U+FFFD.
    pub fn end(&mut self) -> Result<&str> {
        self.push(-1)
    }

    fn call(&mut self, n: &mut usize, id: i32) -> i32 {
        // SAFETY: `text` has room for *n.
        unsafe { sys::skald_decoder_push(self.text.as_mut_ptr().cast(), n, &mut self.state, self.model.as_ptr(), id) }
    }
}

pub(crate) fn c_string(text: &str) -> Result<CString> {
    CString::new(text).map_err(|_| argument("the text holds a NUL"))
}

fn lossy(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: ends with NUL, and lives as long as the model.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// Calls call(buffer, &mut n, why), once more when it says SHORT.
pub(crate) fn fill(
    room: usize,
    mut why: sys::skald_report,
    mut call: impl FnMut(*mut i32, &mut u32, &mut sys::skald_report) -> i32,
) -> Result<Vec<i32>> {
    let mut ids = vec![0; room];
    let mut n = room as u32;
    let mut status = call(ids.as_mut_ptr(), &mut n, &mut why);
    if status == sys::SKALD_SHORT {
        ids.resize(n as usize, 0);
        status = call(ids.as_mut_ptr(), &mut n, &mut why);
    }
    check_why(status, &why)?;
    ids.truncate(n as usize);
    Ok(ids)
}

pub(crate) fn fill_bytes(
    room: usize,
    mut why: sys::skald_report,
    mut call: impl FnMut(*mut c_char, &mut usize, &mut sys::skald_report) -> i32,
) -> Result<Vec<u8>> {
    let mut text = vec![0u8; room];
    let mut n = room;
    let mut status = call(text.as_mut_ptr().cast(), &mut n, &mut why);
    if status == sys::SKALD_SHORT {
        text.resize(n, 0);
        status = call(text.as_mut_ptr().cast(), &mut n, &mut why);
    }
    check_why(status, &why)?;
    text.truncate(n);
    Ok(text)
}
