use crate::buffers::{c_string, fill_bytes, lossy, size_of, without_nul};
use crate::dtype::DType;
use crate::error::{report, Error, Result};
use crate::model::Model;
use skald_sys as sys;
use std::ffi::CStr;
use std::ptr::null;

macro_rules! info {
    ($($(#[$doc:meta])* $field:ident: $type:ty,)*) => {
        /// The sizes of a model.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Info {
            /// E.g. "llama".
            pub architecture: String,
            /// general.name, or "".
            pub name: String,
            /// Where the weights are.
            pub device: String,
            $($(#[$doc])* pub $field: $type,)*
        }
        impl Info {
            pub(crate) fn told(raw: &sys::skald_model_info) -> Info {
                let (architecture, name, device) = (lossy(raw.architecture), lossy(raw.name), lossy(raw.device));
                Info { architecture, name, device, $($field: raw.$field,)* }
            }
            fn raw(&self) -> sys::skald_model_info {
                let size = size_of::<sys::skald_model_info>();
                sys::skald_model_info { size, architecture: null(), name: null(), device: null(), $($field: self.$field,)* }
            }
        }
    };
}

info! {
    /// Blocks of attention and feed-forward.
    n_layers: u32,
    /// Width of the residual stream.
    n_embd: u32,
    /// Query heads.
    n_heads: u32,
    /// 1: MQA, n_heads: MHA, between: GQA.
    n_kv_heads: u32,
    /// Elements of one query or key head.
    head_dim_k: u32,
    /// Elements of one value head.
    head_dim_v: u32,
    /// Width inside the feed-forward part.
    n_ff: u32,
    /// Ids are 0 ... n_vocab - 1, and rows of logits as long.
    n_vocab: u32,
    /// Tokens it was trained for; 0 unknown.
    n_context: u32,
    /// Elements of all tensors.
    n_parameters: u64,
    /// Bytes of all tensors in the file.
    n_file_bytes: u64,
    /// MLA: elements of the latent kept per token; 0: keys and values.
    latent_dim: u32,
    /// MLA: elements of the rotated key kept beside the latent.
    latent_rope_dim: u32,
}

impl Info {
    /// What one token costs in a cache of these formats, in bytes; 0: a format without whole blocks there.
    pub fn cache_bytes_per_token(&self, k_type: DType, v_type: DType) -> u64 {
        // SAFETY: any thread; sizes alone are looked at.
        unsafe { sys::skald_kv_bytes_per_token(&self.raw(), k_type.number(), v_type.number()) }
    }
}

/// A tensor of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TensorInfo {
    /// As the file says.
    pub name: String,
    /// Of its elements in the file.
    pub dtype: DType,
    /// Fastest first, 1 where unused.
    pub shape: [u64; 4],
    /// In the file.
    pub n_bytes: u64,
    /// The kernel that multiplies with it, e.g. "q4_1/avx2"; "" where none does.
    pub kernel: String,
}

/// What a model tells about itself. All of it from any thread.
impl Model {
    pub(crate) fn sizes(&self) -> sys::skald_model_info {
        let mut info = sys::skald_model_info::zeroed();
        info.size = size_of::<sys::skald_model_info>();
        // SAFETY: the size is right, and nothing else can fail.
        unsafe { sys::skald_model_get_info(&mut info, self.as_ptr()) };
        info
    }

    /// Its sizes.
    pub fn info(&self) -> Info {
        Info::told(&self.sizes())
    }

    /// The value of a metadata key as text (of arrays how many); None: no such key.
    pub fn metadata(&self, key: &str) -> Result<Option<String>> {
        let key = c_string(key)?;
        let text = fill_bytes(256, report(), |text, n, _| {
            // SAFETY: `text` has room for *n.
            unsafe { sys::skald_model_metadata(text, n, self.as_ptr(), key.as_ptr()) }
        });
        match text {
            Ok(text) => Ok(Some(without_nul(text))),
            Err(Error::Absent(_)) => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// The keys of the file's metadata, in its order. One that is not UTF-8 is "".
    pub fn metadata_keys(&self) -> impl Iterator<Item = &str> + '_ {
        (0..).map_while(move |index| {
            // SAFETY: any thread; the text lives as long as the model.
            let key = unsafe { sys::skald_model_metadata_key(self.as_ptr(), index) };
            // SAFETY: likewise, and it ends with NUL.
            (!key.is_null()).then(|| unsafe { CStr::from_ptr(key) }.to_str().unwrap_or(""))
        })
    }

    /// The tensors of the file, in its order.
    pub fn tensors(&self) -> impl Iterator<Item = TensorInfo> + '_ {
        (0..).map_while(move |index| {
            let mut t = sys::skald_tensor_info::zeroed();
            t.size = size_of::<sys::skald_tensor_info>();
            // SAFETY: any thread, and the size is right.
            let status = unsafe { sys::skald_model_tensor(&mut t, self.as_ptr(), index) };
            (status == sys::SKALD_OK).then(|| TensorInfo {
                name: lossy(t.name),
                dtype: DType::new(t.type_),
                shape: t.shape,
                n_bytes: t.n_bytes,
                kernel: lossy(t.kernel),
            })
        })
    }

    /// The kernels that the device has chosen besides those of tensors: name of the operation and of its kernel.
    pub fn kernels(&self) -> impl Iterator<Item = (String, String)> + '_ {
        (0..).map_while(move |index| {
            let (mut operation, mut kernel) = (null(), null());
            // SAFETY: any thread.
            let status = unsafe { sys::skald_model_kernel(&mut operation, &mut kernel, self.as_ptr(), index) };
            (status == sys::SKALD_OK).then(|| (lossy(operation), lossy(kernel)))
        })
    }
}
