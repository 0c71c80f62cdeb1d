use crate::buffers::{mirror, size_of};
use crate::callback::Guarded;
use crate::dtype::DType;
use crate::error::{check, check_why, report, Result};
use crate::model::Model;
use skald_sys as sys;
use std::io::{Read, Write};
use std::os::raw::c_void;
use std::ptr::{null_mut, NonNull};

/// Keys, values and states of many sequences. One thread at a time, so it can be sent but not shared.
pub struct Cache {
    own: NonNull<sys::skald_kv_cache>,
    _model: Model,
}

// SAFETY: one thread at a time, and it may be another one. NonNull keeps it from being Sync.
unsafe impl Send for Cache {}

/// How a cache shall be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheOptions {
    /// The most at a time; 0: 1.
    pub n_sequences: u32,
    /// Room for all sequences together, rounded up to pages; 0: the model's context, at most 4096.
    pub n_tokens: u64,
    /// F32, F16, BF16, F8_E4M3, Q8_0 or Q4_0; F16 by default.
    pub k_type: DType,
    /// Likewise; the two may differ.
    pub v_type: DType,
}

impl Default for CacheOptions {
    fn default() -> Self {
        CacheOptions { n_sequences: 0, n_tokens: 0, k_type: DType::F16, v_type: DType::F16 }
    }
}

impl CacheOptions {
    pub(crate) fn raw(&self) -> sys::skald_kv_cache_options {
        let mut o = sys::skald_kv_cache_options::zeroed();
        // SAFETY: the size is the struct's.
        unsafe { sys::skald_kv_cache_options_init(&mut o, size_of::<sys::skald_kv_cache_options>()) };
        o.n_sequences = self.n_sequences;
        o.n_tokens = self.n_tokens;
        o.k_type = self.k_type.number();
        o.v_type = self.v_type.number();
        o
    }
}

mirror! {
    /// What a cache holds.
    CacheStats = skald_kv_cache_stats {
        /// All pages.
        n_pages: u32,
        /// Held by no sequence.
        n_pages_free: u32,
        /// Held by more than one sequence.
        n_pages_shared: u32,
        /// That live.
        n_sequences: u32,
        /// That may live at a time.
        n_sequences_max: u32,
        /// Held by all sequences, shared ones counted for each.
        n_tokens: u64,
        /// Of all pages and slots.
        bytes: u64,
        /// What one token costs.
        bytes_per_token: u64,
        /// Of layers that see a window; they never run out.
        n_window_pages: u32,
        /// Of them, held by no sequence.
        n_window_pages_free: u32,
        /// Of states, likewise.
        n_slots: u32,
        /// Of them, held by no sequence.
        n_slots_free: u32,
    }
}

impl Cache {
    /// Its pages are asked for at once. Unsupported: the device has no such pages. Memory: nothing is left.
    pub fn new(model: &Model, options: &CacheOptions) -> Result<Cache> {
        let (mut out, mut why) = (null_mut(), report());
        // SAFETY: everything lives to the end of the call.
        let status = unsafe { sys::skald_kv_cache_create(&mut out, model.as_ptr(), &options.raw(), &mut why) };
        check_why(status, &why)?;
        Ok(Cache { own: NonNull::new(out).expect("a cache"), _model: model.clone() })
    }

    pub(crate) fn as_ptr(&self) -> *mut sys::skald_kv_cache {
        self.own.as_ptr()
    }

    /// An empty sequence. Full: as many as allowed live already.
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

    /// A new sequence from what [`Sequence::save`] wrote: the next logits have the same bits. Nothing changes unless all is
    /// right. Format: damaged; Unsupported: of another model, or longer than the cache; Full; Read: `from` failed. A panic in it
    /// goes on in the caller.
    pub fn restore(&self, from: &mut dyn Read) -> Result<Sequence<'_>> {
        unsafe extern "C" fn give(user: *mut c_void, to: *mut c_void, n: usize) -> i32 {
            // SAFETY: the type that this call gave; `to` has n bytes, which are made bytes of Rust first.
            let (from, buffer) = unsafe {
                to.cast::<u8>().write_bytes(0, n);
                (&mut *user.cast::<Guarded<&mut dyn Read>>(), std::slice::from_raw_parts_mut(to.cast::<u8>(), n))
            };
            status_of(from.run(false, |f| f.read_exact(buffer).is_ok()))
        }
        let (mut number, mut why, mut from) = (0, report(), Guarded::new(from));
        let user: *mut c_void = (&mut from as *mut Guarded<&mut dyn Read>).cast();
        // SAFETY: the callback gets its own type back, while it lives.
        let status = unsafe { sys::skald_kv_cache_restore(&mut number, self.as_ptr(), Some(give), user, &mut why) };
        from.finish();
        check_why(status, &why)?;
        Ok(Sequence { cache: self, number })
    }

    /// What it holds.
    pub fn stats(&self) -> Result<CacheStats> {
        let mut stats = sys::skald_kv_cache_stats::zeroed();
        stats.size = size_of::<sys::skald_kv_cache_stats>();
        // SAFETY: the size is right.
        check(unsafe { sys::skald_kv_cache_get_stats(&mut stats, self.as_ptr()) })?;
        Ok(CacheStats::told(&stats))
    }
}

fn status_of(done: bool) -> i32 {
    if done {
        sys::SKALD_OK
    } else {
        sys::SKALD_READ
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
    /// Where it lies.
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

    /// Whether it holds none.
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Room for so many tokens more, so that a later step cannot be Full unless it is forked. Full: nothing was taken.
    pub fn reserve(&mut self, n_tokens: u32) -> Result<()> {
        // SAFETY: as above.
        check(unsafe { sys::skald_kv_cache_reserve(self.cache.as_ptr(), self.number, n_tokens) })
    }

    /// Forgets all but the first `n_tokens` tokens. Argument: it holds fewer. Gone: windows and states reach back only so far.
    pub fn rewind(&mut self, n_tokens: u32) -> Result<()> {
        // SAFETY: as above.
        check(unsafe { sys::skald_kv_cache_rewind(self.cache.as_ptr(), self.number, n_tokens) })
    }

    /// A new sequence with the first `n_tokens` tokens, sharing pages until one writes. Fails as open and rewind do.
    pub fn fork(&self, n_tokens: u32) -> Result<Sequence<'c>> {
        let mut number = 0;
        // SAFETY: as above.
        check(unsafe { sys::skald_kv_cache_fork(&mut number, self.cache.as_ptr(), self.number, n_tokens) })?;
        Ok(Sequence { cache: self.cache, number })
    }

    /// Writes what it holds, in order and in pieces, and gives how many bytes that were. Read: `to` failed; what it took until
    /// then stays there. A panic in it goes on in the caller.
    pub fn save(&self, to: &mut dyn Write) -> Result<u64> {
        unsafe extern "C" fn take(user: *mut c_void, from: *const c_void, n: usize) -> i32 {
            // SAFETY: the type that this call gave; `from` has n bytes.
            let (to, bytes) = unsafe {
                (&mut *user.cast::<Guarded<&mut dyn Write>>(), std::slice::from_raw_parts(from.cast::<u8>(), n))
            };
            status_of(to.run(false, |t| t.write_all(bytes).is_ok()))
        }
        let mut to = Guarded::new(to);
        let user: *mut c_void = (&mut to as *mut Guarded<&mut dyn Write>).cast();
        let saved = self.save_by(Some(take), user);
        to.finish();
        saved
    }

    /// How many bytes [`Sequence::save`] will write.
    pub fn saved_bytes(&self) -> Result<u64> {
        self.save_by(None, null_mut())
    }

    fn save_by(&self, take: Option<sys::skald_write_fn>, user: *mut c_void) -> Result<u64> {
        let (mut n, mut why, cache) = (0, report(), self.cache.as_ptr());
        // SAFETY: the callback gets its own type back, while it lives.
        let status = unsafe { sys::skald_kv_cache_save(&mut n, cache, self.number, take, user, &mut why) };
        check_why(status, &why)?;
        Ok(n)
    }
}

impl Drop for Sequence<'_> {
    fn drop(&mut self) {
        // SAFETY: its only owner.
        unsafe { sys::skald_kv_cache_release(self.cache.as_ptr(), self.number) };
    }
}
