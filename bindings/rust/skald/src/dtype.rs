use crate::buffers::lossy;
use crate::error::{argument, check, Result};
use skald_sys as sys;
use std::fmt;

/// A format of elements, numbered as in skald/dtype.h.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct DType(u32);

macro_rules! formats {
    ($($name:ident = $number:ident,)*) => {
        impl DType {
            $(
                #[doc = concat!("`", stringify!($number), "`")]
                pub const $name: DType = DType(sys::$number);
            )*
        }
    };
}

formats! {
    F32 = SKALD_F32, F16 = SKALD_F16, BF16 = SKALD_BF16, F64 = SKALD_F64,
    F8_E4M3 = SKALD_F8_E4M3, F8_E5M2 = SKALD_F8_E5M2, MXFP4 = SKALD_MXFP4, NVFP4 = SKALD_NVFP4,
    Q1_0 = SKALD_Q1_0, Q2_0 = SKALD_Q2_0, Q4_0 = SKALD_Q4_0, Q4_1 = SKALD_Q4_1, Q5_0 = SKALD_Q5_0, Q5_1 = SKALD_Q5_1,
    Q8_0 = SKALD_Q8_0,
    Q2_K = SKALD_Q2_K, Q3_K = SKALD_Q3_K, Q4_K = SKALD_Q4_K, Q5_K = SKALD_Q5_K, Q6_K = SKALD_Q6_K,
    IQ1_S = SKALD_IQ1_S, IQ1_M = SKALD_IQ1_M, IQ2_XXS = SKALD_IQ2_XXS, IQ2_XS = SKALD_IQ2_XS, IQ2_S = SKALD_IQ2_S,
    IQ3_XXS = SKALD_IQ3_XXS, IQ3_S = SKALD_IQ3_S, IQ4_NL = SKALD_IQ4_NL, IQ4_XS = SKALD_IQ4_XS,
    TQ1_0 = SKALD_TQ1_0, TQ2_0 = SKALD_TQ2_0,
    I8 = SKALD_I8, I16 = SKALD_I16, I32 = SKALD_I32, I64 = SKALD_I64,
}

impl DType {
    /// The format of a number, which the library need not know.
    pub fn new(number: u32) -> DType {
        DType(number)
    }

    /// Its number.
    pub fn number(self) -> u32 {
        self.0
    }

    /// "Q4_K" and so on; "" for an unknown number.
    pub fn name(self) -> String {
        // SAFETY: any thread; static text or NULL.
        lossy(unsafe { sys::skald_dtype_name(self.0) })
    }

    /// Bytes of `n` elements; None: the format is unknown, or these are no whole blocks.
    pub fn bytes(self, n: u64) -> Option<u64> {
        // SAFETY: any thread.
        let bytes = unsafe { sys::skald_dtype_bytes(self.0, n) };
        (bytes > 0 || n == 0).then_some(bytes)
    }

    /// `n` elements as f32, bit for bit what the format defines. Argument: no whole blocks, too few bytes, or integers.
    pub fn to_f32(self, from: &[u8], n: usize) -> Result<Vec<f32>> {
        match self.bytes(n as u64) {
            Some(bytes) if bytes <= from.len() as u64 => {}
            _ => return Err(argument("so many elements are no whole blocks of these bytes")),
        }
        let mut to = vec![0.0; n];
        // SAFETY: `from` has the bytes of n elements, and `to` room for them.
        check(unsafe { sys::skald_dtype_to_f32(to.as_mut_ptr(), self.0, from.as_ptr().cast(), n as u64) })?;
        Ok(to)
    }
}

impl fmt::Debug for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DType({} {})", self.0, self.name())
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}
