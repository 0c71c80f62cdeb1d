use crate::buffers::{fill_bytes, size_of, without_nul};
use crate::cache::Sequence;
use crate::callback::{Watch, Watched};
use crate::error::{check_why, report, Result};
use crate::model::Model;
use crate::span::{RawSpans, Span};
use skald_sys as sys;
use std::ptr::{null_mut, NonNull};

/// How a context shall be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ContextOptions {
    /// Tokens that go through the model together; longer input goes in pieces, with the same bits; 0: 512.
    pub n_rows: u32,
    /// Rows of logits that one step can give; 0: 32.
    pub n_logits: u32,
    /// 0: all of the runtime's.
    pub n_threads: u32,
    /// The largest rank of adapters that spans may name; 0: none may.
    pub max_rank: u32,
}

impl ContextOptions {
    pub(crate) fn raw(&self) -> sys::skald_context_options {
        let mut o = sys::skald_context_options::zeroed();
        // SAFETY: the size is the struct's.
        unsafe { sys::skald_context_options_init(&mut o, size_of::<sys::skald_context_options>()) };
        o.n_rows = self.n_rows;
        o.n_logits = self.n_logits;
        o.n_threads = self.n_threads;
        o.max_rank = self.max_rank;
        o
    }
}

/// Room to think: scratch and one stream of passes through the model. One thread at a time, so it can be sent but not shared.
pub struct Context {
    own: NonNull<sys::skald_context>,
    n_vocab: usize,
    n_embd: usize,
    _model: Model,
}

// SAFETY: one thread at a time, and it may be another one.
unsafe impl Send for Context {}

impl Context {
    /// `n_rows` and `n_logits` as in [`ContextOptions`].
    pub fn new(model: &Model, n_rows: u32, n_logits: u32) -> Result<Context> {
        Context::with(model, &ContextOptions { n_rows, n_logits, ..ContextOptions::default() })
    }

    /// All memory is asked for here; a step asks for none. Memory: nothing is left.
    pub fn with(model: &Model, options: &ContextOptions) -> Result<Context> {
        let (mut out, mut why) = (null_mut(), report());
        // SAFETY: everything lives to the end of the call.
        let status = unsafe { sys::skald_context_create(&mut out, model.as_ptr(), &options.raw(), &mut why) };
        check_why(status, &why)?;
        let (own, info) = (NonNull::new(out).expect("a context"), model.sizes());
        Ok(Context { own, n_vocab: info.n_vocab as usize, n_embd: info.n_embd as usize, _model: model.clone() })
    }

    /// Appends ids to one sequence, and gives logits of the last one.
    pub fn feed(&mut self, sequence: &Sequence<'_>, tokens: &[i32]) -> Result<()> {
        self.step(&[Span::new(sequence, tokens)])
    }

    /// Appends the spans to their sequences, all of them or nothing: after an error the next step gives the bits that it would
    /// have given without this one. Full: the cache has not enough free pages.
    pub fn step(&mut self, spans: &[Span<'_>]) -> Result<()> {
        let raw = RawSpans::new(spans, self.n_embd)?;
        let (status, why) = self.call(&raw, &step_options(0));
        check_why(status, &why)
    }

    /// The same, and `watch` may cancel it.
    pub fn step_watched(&mut self, spans: &[Span<'_>], watch: Watch<'_>) -> Result<()> {
        let raw = RawSpans::new(spans, self.n_embd)?;
        let (mut options, mut watched) = (step_options(0), Watched::new(Some(watch)));
        (options.progress, options.progress_user) = watched.raw();
        let (status, why) = self.call(&raw, &options);
        watched.finish();
        check_why(status, &why)
    }

    /// The same within about so many microseconds: None when it is done, else what goes on or, dropped, forgets. Until then the
    /// cache's other calls are Busy.
    pub fn step_within<'a>(&'a mut self, spans: &'a [Span<'a>], microseconds: u32) -> Result<Option<Paused<'a>>> {
        let raw = RawSpans::new(spans, self.n_embd)?;
        let (status, why) = self.call(&raw, &step_options(microseconds));
        let paused = Paused { context: self, _spans: raw, done: status != sys::SKALD_PENDING };
        paused.after(status, &why)
    }

    fn call(&mut self, spans: &RawSpans<'_>, options: &sys::skald_step_options) -> (i32, sys::skald_report) {
        let (mut why, (at, n)) = (report(), spans.parts());
        // SAFETY: who calls keeps spans, and what they point to, until the step has ended.
        let status = unsafe { sys::skald_step(self.own.as_ptr(), spans.cache().as_ptr(), options, &mut why, at, n) };
        (status, why)
    }

    /// Row `index` of the last finished step's logits: spans in order, within a span the wanted tokens in order. n_vocab floats
    /// in the context's memory.
    pub fn logits(&self, index: u32) -> Option<&[f32]> {
        // SAFETY: the row lives until the next step, which needs &mut self.
        unsafe {
            let row = sys::skald_logits(self.own.as_ptr(), index);
            (!row.is_null()).then(|| std::slice::from_raw_parts(row, self.n_vocab))
        }
    }

    /// The id with the largest logit of a row, the lower of equals.
    pub fn argmax(&self, index: u32) -> Option<i32> {
        // SAFETY: no step runs.
        let id = unsafe { sys::skald_logits_argmax(self.own.as_ptr(), index) };
        (id >= 0).then_some(id)
    }

    /// The lines of the recorded pass, e.g. "4 attend: layer 0, GQA 9 over 3 heads of 64".
    pub fn ops(&self) -> impl Iterator<Item = String> + '_ {
        (0..).map_while(move |index| {
            let line = fill_bytes(256, report(), |text, n, _| {
                // SAFETY: `text` has room for *n.
                unsafe { sys::skald_context_op(text, n, self.own.as_ptr(), index) }
            });
            line.ok().map(without_nul)
        })
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: the only owner; paused steps borrow it.
        unsafe { sys::skald_context_free(self.own.as_ptr()) };
    }
}

/// A step whose time was used up. Dropping it forgets the step: nothing has changed.
pub struct Paused<'a> {
    context: &'a mut Context,
    _spans: RawSpans<'a>,
    done: bool,
}

impl<'a> Paused<'a> {
    /// Goes on for about so long; 0: to the end. After an error nothing has changed, and the step is forgotten.
    pub fn go_on(mut self, microseconds: u32) -> Result<Option<Paused<'a>>> {
        let (options, mut why) = (step_options(microseconds), report());
        // SAFETY: the spans are still here.
        let status = unsafe { sys::skald_step_continue(self.context.own.as_ptr(), &options, &mut why) };
        self.done = status != sys::SKALD_PENDING;
        self.after(status, &why)
    }

    fn after(self, status: i32, why: &sys::skald_report) -> Result<Option<Paused<'a>>> {
        if status == sys::SKALD_PENDING {
            return Ok(Some(self));
        }
        check_why(status, why)?;
        Ok(None)
    }
}

impl Drop for Paused<'_> {
    fn drop(&mut self) {
        if !self.done {
            // SAFETY: it is paused.
            unsafe { sys::skald_step_cancel(self.context.own.as_ptr()) };
        }
    }
}

fn step_options(microseconds: u32) -> sys::skald_step_options {
    let mut o = sys::skald_step_options::zeroed();
    // SAFETY: the size is the struct's.
    unsafe { sys::skald_step_options_init(&mut o, size_of::<sys::skald_step_options>()) };
    o.microseconds = microseconds;
    o
}
