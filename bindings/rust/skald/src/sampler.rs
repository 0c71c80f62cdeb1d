use crate::buffers::size_of;
use crate::error::{argument, check, check_why, report, Result};
use crate::model::Model;
use skald_sys as sys;
use std::ptr::{null_mut, NonNull};

/// How an id is chosen: bias, penalties, temperature, top_k, top_p, min_p, draw, in this order. The default is greedy.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sampling {
    /// 0: greedy, the largest logit.
    pub temperature: f32,
    /// Keep the k largest; 0: all.
    pub top_k: u32,
    /// Keep the smallest set that holds this share; 0 or 1: all.
    pub top_p: f32,
    /// Drop below this share of the largest probability; 0: none.
    pub min_p: f32,
    /// Divide positive, multiply negative logits of seen ids; 0 or 1: off.
    pub repetition: f32,
    /// Subtract this times the count of an id.
    pub frequency: f32,
    /// Subtract this once for a seen id.
    pub presence: f32,
    /// How many of the last tokens count as seen; 0: 64.
    pub penalty_window: u32,
    /// The draw is a function of seed, position and draw alone.
    pub seed: u64,
    /// Ids and what is added to their logits; negative infinity forbids an id.
    pub bias: Vec<(i32, f32)>,
}

/// The same as C has it, and what it points to.
pub(crate) struct RawSampling {
    raw: sys::skald_sampler_options,
    _bias: Vec<sys::skald_logit_bias>,
}

impl RawSampling {
    pub(crate) fn as_ptr(&self) -> *const sys::skald_sampler_options {
        &self.raw
    }
}

impl Sampling {
    pub(crate) fn options(&self) -> RawSampling {
        let bias: Vec<_> = self.bias.iter().map(|&(id, bias)| sys::skald_logit_bias { id, bias }).collect();
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
        o.bias = bias.as_ptr();
        o.n_bias = bias.len() as u32;
        RawSampling { raw: o, _bias: bias }
    }
}

/// Chooses tokens: the same logits, position and history give the same id on every platform. One thread at a time.
pub struct Sampler {
    own: NonNull<sys::skald_sampler>,
    n_vocab: usize,
    _model: Model,
}

// SAFETY: one thread at a time, and it may be another one.
unsafe impl Send for Sampler {}

impl Sampler {
    /// Argument: a number that is not finite or out of its range, or an id of a bias that is none.
    pub fn new(model: &Model, sampling: &Sampling) -> Result<Sampler> {
        let (mut out, mut why) = (null_mut(), report());
        let options = sampling.options();
        // SAFETY: everything lives to the end of the call.
        let status = unsafe { sys::skald_sampler_create(&mut out, model.as_ptr(), options.as_ptr(), &mut why) };
        check_why(status, &why)?;
        let own = NonNull::new(out).expect("a sampler");
        Ok(Sampler { own, n_vocab: model.sizes().n_vocab as usize, _model: model.clone() })
    }

    /// The id for `position`; `history` are the tokens so far, newest last. Argument: a logit is NaN, all ids are forbidden, or
    /// this is no row of the model's logits.
    pub fn choose(&mut self, logits: &[f32], position: u64, history: &[i32]) -> Result<i32> {
        if logits.len() != self.n_vocab {
            return Err(argument("a row of logits has n_vocab of them"));
        }
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
