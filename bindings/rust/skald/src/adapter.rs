use crate::buffers::{c_path, mirror, size_of};
use crate::error::{check_why, report, Result};
use crate::model::Model;
use crate::source::{Source, Sources};
use skald_sys as sys;
use std::path::Path;
use std::ptr::{null_mut, NonNull};

/// Low-rank matrices beside some of a model's weights (LoRA). Read only once open: threads share it, and a clone is one more
/// owner of the same.
pub struct Adapter {
    own: NonNull<sys::skald_adapter>,
    model: Model,
}

// SAFETY: "Read only once open: any number of contexts and threads" (skald.h).
unsafe impl Send for Adapter {}
unsafe impl Sync for Adapter {}

/// An adapter, and how much of it: 1 as it was trained, 0 not at all.
pub type Scaled<'a> = (&'a Adapter, f32);

mirror! {
    /// The sizes of an adapter.
    AdapterInfo = skald_adapter_info {
        /// The largest of its matrices: what `max_rank` of a context or an engine must be at least.
        rank: u32,
        /// Matrices of the model that it changes.
        n_changed: u32,
        /// Elements of its tensors.
        n_parameters: u64,
    }
}

impl Adapter {
    /// A GGUF file of adapter.type "lora" for this model's architecture; or what PEFT writes: a .safetensors file with
    /// adapter_config.json beside it, or the folder of both. Format and Unsupported say which key or tensor.
    pub fn open(model: &Model, path: impl AsRef<Path>) -> Result<Adapter> {
        let path = c_path(path.as_ref())?;
        let (mut out, mut why) = (null_mut(), report());
        // SAFETY: everything lives to the end of the call.
        let status = unsafe { sys::skald_adapter_open_path(&mut out, model.as_ptr(), path.as_ptr(), &mut why) };
        Adapter::made(out, model, status, &why)
    }

    /// The same from elsewhere; the source is not used again.
    pub fn from_source(model: &Model, source: Source<'_>) -> Result<Adapter> {
        let mut sources = Sources::new(vec![source], false)?;
        let (mut out, mut why) = (null_mut(), report());
        // SAFETY: everything lives to the end of the call.
        let status = unsafe { sys::skald_adapter_open(&mut out, model.as_ptr(), sources.as_ptr(), &mut why) };
        let made = Adapter::made(out, model, status, &why);
        sources.finish();
        made
    }

    /// The two files of PEFT from elsewhere: adapter_model.safetensors and adapter_config.json.
    pub fn from_peft(model: &Model, tensors: Source<'_>, config: Source<'_>) -> Result<Adapter> {
        let (mut tensors, mut config) = (Sources::new(vec![tensors], false)?, Sources::new(vec![config], false)?);
        let (mut out, mut why) = (null_mut(), report());
        // SAFETY: everything lives to the end of the call.
        let status = unsafe {
            sys::skald_adapter_open_peft(&mut out, model.as_ptr(), tensors.as_ptr(), config.as_ptr(), &mut why)
        };
        let made = Adapter::made(out, model, status, &why);
        tensors.finish();
        config.finish();
        made
    }

    fn made(out: *mut sys::skald_adapter, model: &Model, status: i32, why: &sys::skald_report) -> Result<Adapter> {
        check_why(status, why)?;
        Ok(Adapter { own: NonNull::new(out).expect("an adapter"), model: model.clone() })
    }

    /// Its sizes.
    pub fn info(&self) -> AdapterInfo {
        let mut info = sys::skald_adapter_info::zeroed();
        info.size = size_of::<sys::skald_adapter_info>();
        // SAFETY: any thread; the size is right, and nothing else can fail.
        unsafe { sys::skald_adapter_get_info(&mut info, self.own.as_ptr()) };
        AdapterInfo::told(&info)
    }

    /// The model that it was opened for.
    pub fn model(&self) -> &Model {
        &self.model
    }
}

impl Clone for Adapter {
    fn clone(&self) -> Adapter {
        // SAFETY: any thread.
        unsafe { sys::skald_adapter_retain(self.own.as_ptr()) };
        Adapter { own: self.own, model: self.model.clone() }
    }
}

impl Drop for Adapter {
    fn drop(&mut self) {
        // SAFETY: one owner less.
        unsafe { sys::skald_adapter_release(self.own.as_ptr()) }
    }
}

/// As C has them.
pub(crate) fn raw_adapters(adapters: &[Scaled<'_>]) -> Vec<sys::skald_span_adapter> {
    let raw =
        |&(adapter, scale): &Scaled<'_>| sys::skald_span_adapter { adapter: adapter.own.as_ptr(), scale, reserved: 0 };
    adapters.iter().map(raw).collect()
}
