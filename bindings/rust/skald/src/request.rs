use crate::adapter::{raw_adapters, Scaled};
use crate::buffers::{c_strings, size_of};
use crate::error::{check_why, report, Result};
use crate::grammar::Grammar;
use crate::sampler::Sampling;
use crate::stage::Lent;
use skald_sys as sys;
use std::ptr::null_mut;

/// What an answer is asked for.
#[derive(Clone, Default)]
pub struct Request<'a> {
    /// Ids, at least one.
    pub prompt: &'a [i32],
    /// Ids of the answer, at most; 0: only read the prompt, and keep it for requests that begin with it.
    pub n_tokens: u32,
    /// The higher runs first, of equals the one submitted first.
    pub priority: i32,
    /// Microseconds from now; then the request ends with what it has; 0: none.
    pub deadline: u64,
    /// Ids that end a text do not end the answer.
    pub ignore_end: bool,
    /// How ids are chosen: at most 64 biases, and a penalty_window of at most 64.
    pub sampling: Sampling,
    /// What the answer may say. The engine is one of its owners until the end was told.
    pub grammar: Option<&'a Grammar>,
    /// The answer ends when its text holds one of these, at most 8 and 256 bytes together, and is told up to it.
    pub stops: &'a [&'a str],
    /// How many of the most likely ids each token's event names; 0: none, and no logprob.
    pub n_top: u32,
    /// Bytes that the answer must begin with, at most 256, whatever ids they become.
    pub prefix: &'a [u8],
    /// The last ids of the prompt that are taken back; their bytes go before the prefix.
    pub n_heal: u32,
    /// Adapters for prompt and answer, in this order and at most 4. The engine is one of the owners of each until the end was
    /// told.
    pub adapters: &'a [Scaled<'a>],
}

impl Request<'_> {
    /// Any thread.
    pub(crate) fn submit(&self, engine: *mut sys::skald_engine, stage: Option<Lent>) -> Result<u64> {
        let sampler = self.sampling.options();
        let texts = c_strings(self.stops)?;
        let stops: Vec<_> = texts.iter().map(|t| t.as_ptr()).collect();
        let adapters = raw_adapters(self.adapters);
        let mut r = sys::skald_request::zeroed();
        r.size = size_of::<sys::skald_request>();
        r.prompt = self.prompt.as_ptr();
        r.n_prompt = self.prompt.len() as u32;
        r.n_tokens = self.n_tokens;
        r.priority = self.priority;
        r.deadline = self.deadline;
        r.ignore_end = self.ignore_end.into();
        r.sampler = sampler.as_ptr();
        r.grammar = self.grammar.map_or(null_mut(), Grammar::as_ptr);
        r.stops = stops.as_ptr();
        r.n_stops = stops.len() as u32;
        r.n_top = self.n_top;
        r.prefix = self.prefix.as_ptr().cast();
        r.n_prefix = self.prefix.len() as u32;
        r.n_heal = self.n_heal;
        r.adapters = adapters.as_ptr();
        r.n_adapters = adapters.len() as u32;
        if let Some(lent) = stage {
            (r.stage, r.stage_user) = (Some(lent.call), lent.user);
        }
        let (mut number, mut why) = (0, report());
        // SAFETY: everything is copied before the call returns, and grammar and adapters get one more owner; who lends a stage
        // keeps it.
        let status = unsafe { sys::skald_engine_submit(&mut number, engine, &r, &mut why) };
        check_why(status, &why)?;
        Ok(number)
    }
}
