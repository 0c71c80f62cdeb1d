use crate::error::{check, check_why, report, Result};
use crate::model::{size_of, Model};
use skald_sys as sys;
use std::io::{Read, Write};
use std::os::raw::c_void;
use std::ptr::{null_mut, NonNull};

/// Pages of many sequences. One thread at a time, so it can be sent but not shared.
pub struct Cache(NonNull<sys::skald_kv_cache>);

// SAFETY: one thread at a time, and it may be another one. NonNull keeps it from being Sync.
unsafe impl Send for Cache {}

/// Room for `n_tokens` tokens of all sequences together; zeros as in skald_kv_cache_options.
#[derive(Clone, Copy, Debug)]
pub struct CacheOptions {
    pub n_sequences: u32,
    pub n_tokens: u64,
    /// skald_sys::SKALD_F32, F16, BF16, F8_E4M3, Q8_0 or Q4_0.
    pub k_type: u32,
    pub v_type: u32,
}

impl Default for CacheOptions {
    fn default() -> Self {
        CacheOptions { n_sequences: 0, n_tokens: 0, k_type: sys::SKALD_F16, v_type: sys::SKALD_F16 }
    }
}

impl Cache {
    pub fn new(model: &Model, options: &CacheOptions) -> Result<Cache> {
        let mut o = sys::skald_kv_cache_options::zeroed();
        let (mut out, mut why) = (null_mut(), report());
        // SAFETY: everything lives to the end of the call.
        let status = unsafe {
            sys::skald_kv_cache_options_init(&mut o, size_of::<sys::skald_kv_cache_options>());
            o.n_sequences = options.n_sequences;
            o.n_tokens = options.n_tokens;
            o.k_type = options.k_type;
            o.v_type = options.v_type;
            sys::skald_kv_cache_create(&mut out, model.as_ptr(), &o, &mut why)
        };
        check_why(status, &why)?;
        Ok(Cache(NonNull::new(out).expect("a cache")))
    }

    pub(crate) fn as_ptr(&self) -> *mut sys::skald_kv_cache {
        self.0.as_ptr()
    }

    /// An empty sequence.
    pub fn open(&self) -> Result<Sequence<'_>> {
        let mut number = 0;
        // SAFETY: the cache lives.
        check(unsafe { sys::skald_kv_cache_open(&mut number, self.as_ptr()) })?;
        Ok(Sequence { cache: self, number })
    }

    /// The sequence that [`Sequence::leave`] left, or a new one.
    pub(crate) fn take(&self, left: Option<u32>) -> Result<Sequence<'_>> {
        left.map_or_else(|| self.open(), |number| Ok(Sequence { cache: self, number }))
    }

    /// A new sequence from what [`Sequence::save`] wrote: the next logits have the same bits.
    pub fn restore(&self, from: &mut dyn Read) -> Result<Sequence<'_>> {
        unsafe extern "C" fn give(user: *mut c_void, to: *mut c_void, n: usize) -> i32 {
            let from = &mut *user.cast::<&mut dyn Read>();
            let buffer = std::slice::from_raw_parts_mut(to.cast::<u8>(), n);
            let read = std::panic::AssertUnwindSafe(|| from.read_exact(buffer).is_ok());
            if std::panic::catch_unwind(read).unwrap_or(false) {
                sys::SKALD_OK
            } else {
                sys::SKALD_READ
            }
        }
        let (mut number, mut why, mut from) = (0, report(), from);
        let user: *mut c_void = (&mut from as *mut &mut dyn Read).cast();
        // SAFETY: the callback gets its own type back, while it lives.
        let status = unsafe { sys::skald_kv_cache_restore(&mut number, self.as_ptr(), Some(give), user, &mut why) };
        check_why(status, &why)?;
        Ok(Sequence { cache: self, number })
    }

    pub fn stats(&self) -> Result<sys::skald_kv_cache_stats> {
        let mut stats = sys::skald_kv_cache_stats::zeroed();
        stats.size = size_of::<sys::skald_kv_cache_stats>();
        // SAFETY: the size is right.
        check(unsafe { sys::skald_kv_cache_get_stats(&mut stats, self.as_ptr()) })?;
        Ok(stats)
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        // SAFETY: sequences and paused steps borrow the cache, so none is left.
        unsafe { sys::skald_kv_cache_free(self.as_ptr()) };
    }
}

/// One text in a cache; dropping it releases its pages.
pub struct Sequence<'c> {
    cache: &'c Cache,
    pub(crate) number: u32,
}

impl<'c> Sequence<'c> {
    pub fn cache(&self) -> &'c Cache {
        self.cache
    }

    /// Keeps it in the cache without this owner, for who owns the cache too.
    pub(crate) fn leave(self) -> u32 {
        let number = self.number;
        std::mem::forget(self);
        number
    }

    /// How many tokens it holds.
    pub fn len(&self) -> Result<u32> {
        let mut n = 0;
        // SAFETY: the cache lives.
        check(unsafe { sys::skald_kv_cache_length(&mut n, self.cache.as_ptr(), self.number) })?;
        Ok(n)
    }

    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Room for so many tokens more.
    pub fn reserve(&mut self, n_tokens: u32) -> Result<()> {
        // SAFETY: as above.
        check(unsafe { sys::skald_kv_cache_reserve(self.cache.as_ptr(), self.number, n_tokens) })
    }

    /// Forgets all but the first `n_tokens` tokens.
    pub fn rewind(&mut self, n_tokens: u32) -> Result<()> {
        // SAFETY: as above.
        check(unsafe { sys::skald_kv_cache_rewind(self.cache.as_ptr(), self.number, n_tokens) })
    }

    /// A new sequence with the first `n_tokens` tokens, sharing pages.
    pub fn fork(&self, n_tokens: u32) -> Result<Sequence<'c>> {
        let mut number = 0;
        // SAFETY: as above.
        check(unsafe { sys::skald_kv_cache_fork(&mut number, self.cache.as_ptr(), self.number, n_tokens) })?;
        Ok(Sequence { cache: self.cache, number })
    }

    /// Writes what it holds.
    pub fn save(&self, to: &mut dyn Write) -> Result<()> {
        unsafe extern "C" fn take(user: *mut c_void, from: *const c_void, n: usize) -> i32 {
            let to = &mut *user.cast::<&mut dyn Write>();
            let bytes = std::slice::from_raw_parts(from.cast::<u8>(), n);
            let write = std::panic::AssertUnwindSafe(|| to.write_all(bytes).is_ok());
            if std::panic::catch_unwind(write).unwrap_or(false) {
                sys::SKALD_OK
            } else {
                sys::SKALD_READ
            }
        }
        let (mut why, mut to) = (report(), to);
        let user: *mut c_void = (&mut to as *mut &mut dyn Write).cast();
        let cache = self.cache.as_ptr();
        // SAFETY: the callback gets its own type back, while it lives.
        let status = unsafe { sys::skald_kv_cache_save(null_mut(), cache, self.number, Some(take), user, &mut why) };
        check_why(status, &why)
    }
}

impl Drop for Sequence<'_> {
    fn drop(&mut self) {
        // SAFETY: its only owner.
        unsafe { sys::skald_kv_cache_release(self.cache.as_ptr(), self.number) };
    }
}
