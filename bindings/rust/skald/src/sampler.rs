use crate::error::{check, check_why, report, Result};
use crate::model::{size_of, Model};
use skald_sys as sys;
use std::ptr::{null_mut, NonNull};

/// As skald_sampler_options; the default is greedy.
#[derive(Clone, Debug, Default)]
pub struct Sampling {
    pub temperature: f32,
    pub top_k: u32,
    pub top_p: f32,
    pub min_p: f32,
    pub repetition: f32,
    pub frequency: f32,
    pub presence: f32,
    pub penalty_window: u32,
    pub seed: u64,
}

impl Sampling {
    pub(crate) fn options(&self) -> sys::skald_sampler_options {
        let mut o = sys::skald_sampler_options::zeroed();
        // SAFETY: the size is the struct's.
        unsafe { sys::skald_sampler_options_init(&mut o, size_of::<sys::skald_sampler_options>()) };
        o.temperature = self.temperature;
        o.top_k = self.top_k;
        o.top_p = self.top_p;
        o.min_p = self.min_p;
        o.repetition = self.repetition;
        o.frequency = self.frequency;
        o.presence = self.presence;
        o.penalty_window = self.penalty_window;
        o.seed = self.seed;
        o
    }
}

/// Chooses tokens: the same logits, position and history give the same id on every platform.
pub struct Sampler {
    own: NonNull<sys::skald_sampler>,
    n_vocab: usize,
}

// SAFETY: one thread at a time, and it may be another one.
unsafe impl Send for Sampler {}

impl Sampler {
    pub fn new(model: &Model, sampling: &Sampling) -> Result<Sampler> {
        let (mut out, mut why) = (null_mut(), report());
        // SAFETY: everything lives to the end of the call.
        let status = unsafe { sys::skald_sampler_create(&mut out, model.as_ptr(), &sampling.options(), &mut why) };
        check_why(status, &why)?;
        let own = NonNull::new(out).expect("a sampler");
        Ok(Sampler { own, n_vocab: model.sizes().n_vocab as usize })
    }

    /// The id for `position`; `history` are the tokens so far, newest last.
    pub fn choose(&mut self, logits: &[f32], position: u64, history: &[i32]) -> Result<i32> {
        assert_eq!(logits.len(), self.n_vocab, "a row of logits of this sampler's model");
        let mut id = -1;
        let (row, text, n) = (logits.as_ptr(), history.as_ptr(), history.len() as u32);
        // SAFETY: the row has n_vocab floats.
        check(unsafe { sys::skald_sampler_choose(&mut id, self.own.as_ptr(), row, position, text, n) })?;
        Ok(id)
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        // SAFETY: the only owner.
        unsafe { sys::skald_sampler_free(self.own.as_ptr()) }
    }
}
