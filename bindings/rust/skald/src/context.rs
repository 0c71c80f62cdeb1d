use crate::cache::{Cache, Sequence};
use crate::error::{argument, check_why, report, Result};
use crate::model::{size_of, Model};
use skald_sys as sys;
use std::ptr::{null, null_mut, NonNull};

/// Which rows of a span want logits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logits {
    Last,
    None,
    All,
}

/// Some more tokens of one sequence.
pub struct Span<'a> {
    pub sequence: &'a Sequence<'a>,
    pub tokens: &'a [i32],
    pub logits: Logits,
}

/// Room to think: scratch and one stream. One thread at a time.
pub struct Context {
    own: NonNull<sys::skald_context>,
    n_vocab: usize,
}

// SAFETY: one thread at a time, and it may be another one.
unsafe impl Send for Context {}

impl Context {
    /// Zeros as in skald_context_options.
    pub fn new(model: &Model, n_rows: u32, n_logits: u32) -> Result<Context> {
        let mut o = sys::skald_context_options::zeroed();
        let (mut out, mut why) = (null_mut(), report());
        // SAFETY: everything lives to the end of the call.
        let status = unsafe {
            sys::skald_context_options_init(&mut o, size_of::<sys::skald_context_options>());
            o.n_rows = n_rows;
            o.n_logits = n_logits;
            sys::skald_context_create(&mut out, model.as_ptr(), &o, &mut why)
        };
        check_why(status, &why)?;
        Ok(Context { own: NonNull::new(out).expect("a context"), n_vocab: model.sizes().n_vocab as usize })
    }

    /// Appends ids to one sequence.
    pub fn feed(&mut self, sequence: &Sequence<'_>, tokens: &[i32]) -> Result<()> {
        self.step(&[Span { sequence, tokens, logits: Logits::Last }])
    }

    /// Appends the spans to their sequences, all of them or nothing.
    pub fn step(&mut self, spans: &[Span<'_>]) -> Result<()> {
        let (cache, raw) = raw_spans(spans)?;
        let mut why = report();
        // SAFETY: the spans live to the end of the call.
        let status = unsafe {
            sys::skald_step(self.own.as_ptr(), cache.as_ptr(), null(), &mut why, raw.as_ptr(), raw.len() as u32)
        };
        check_why(status, &why)
    }

    /// The same within about so many microseconds: None when it is done, else what goes on or, dropped, forgets.
    pub fn step_within<'a>(&'a mut self, spans: &'a [Span<'a>], microseconds: u32) -> Result<Option<Paused<'a>>> {
        let (cache, raw) = raw_spans(spans)?;
        let (options, mut why) = (step_options(microseconds), report());
        // SAFETY: a paused step owns `raw`, and the borrows keep tokens, sequences and cache.
        let status = unsafe {
            sys::skald_step(self.own.as_ptr(), cache.as_ptr(), &options, &mut why, raw.as_ptr(), raw.len() as u32)
        };
        let paused = Paused { context: self, _spans: raw, done: status != sys::SKALD_PENDING };
        paused.after(status, &why)
    }

    /// Row `index` of the last step, n_vocab floats in the context's memory.
    pub fn logits(&self, index: u32) -> Option<&[f32]> {
        // SAFETY: the row lives until the next step, which needs &mut self.
        unsafe {
            let row = sys::skald_logits(self.own.as_ptr(), index);
            (!row.is_null()).then(|| std::slice::from_raw_parts(row, self.n_vocab))
        }
    }

    /// The id with the largest logit of a row.
    pub fn argmax(&self, index: u32) -> Option<i32> {
        // SAFETY: no step runs.
        let id = unsafe { sys::skald_logits_argmax(self.own.as_ptr(), index) };
        (id >= 0).then_some(id)
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
    _spans: Vec<sys::skald_span>,
    done: bool,
}

impl<'a> Paused<'a> {
    /// Goes on for about so long.
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

fn raw_spans<'a>(spans: &[Span<'a>]) -> Result<(&'a Cache, Vec<sys::skald_span>)> {
    let cache = spans.first().ok_or_else(|| argument("a step has at least one span"))?.sequence.cache();
    if spans.iter().any(|s| !std::ptr::eq(s.sequence.cache(), cache)) {
        return Err(argument("the sequences of a step are of one cache"));
    }
    let raw = spans.iter().map(|s| sys::skald_span {
        size: size_of::<sys::skald_span>(),
        seq: s.sequence.number,
        tokens: s.tokens.as_ptr(),
        embeddings: null(),
        n_tokens: s.tokens.len() as u32,
        logits: s.logits as u32,
        adapters: null(),
        n_adapters: 0,
        reserved: 0,
    });
    Ok((cache, raw.collect()))
}
