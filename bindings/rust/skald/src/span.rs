use crate::adapter::{raw_adapters, Scaled};
use crate::buffers::size_of;
use crate::cache::{Cache, Sequence};
use crate::error::{argument, Result};
use skald_sys as sys;
use std::ptr::null;

/// Which rows of a span want logits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Logits {
    /// Of the last token.
    #[default]
    Last,
    /// Of none.
    None,
    /// Of each token.
    All,
}

#[derive(Clone, Copy)]
enum Input<'a> {
    Tokens(&'a [i32]),
    Embeddings(&'a [f32]),
}

/// Some more tokens of one sequence. A step takes any mixture of prompts, single tokens and drafts, each sequence at most once.
#[derive(Clone, Copy)]
pub struct Span<'a> {
    sequence: &'a Sequence<'a>,
    input: Input<'a>,
    logits: Logits,
    adapters: &'a [Scaled<'a>],
}

impl<'a> Span<'a> {
    /// Ids, at least one, with logits of the last.
    pub fn new(sequence: &'a Sequence<'a>, tokens: &'a [i32]) -> Span<'a> {
        Span { sequence, input: Input::Tokens(tokens), logits: Logits::Last, adapters: &[] }
    }

    /// Rows of n_embd floats in place of ids (images, soft prompts), one behind the other.
    pub fn embeddings(sequence: &'a Sequence<'a>, rows: &'a [f32]) -> Span<'a> {
        Span { sequence, input: Input::Embeddings(rows), logits: Logits::Last, adapters: &[] }
    }

    /// Of which rows logits are wanted.
    pub fn logits(self, logits: Logits) -> Span<'a> {
        Span { logits, ..self }
    }

    /// Adapters that change the weights for these tokens, in this order and at most 4: none, or those of the sequence's earlier
    /// tokens too, which lie in the cache as they were read.
    pub fn adapters(self, adapters: &'a [Scaled<'a>]) -> Span<'a> {
        Span { adapters, ..self }
    }
}

/// Spans as C has them, and what they point to.
pub(crate) struct RawSpans<'a> {
    cache: &'a Cache,
    raw: Vec<sys::skald_span>,
    _adapters: Vec<Vec<sys::skald_span_adapter>>,
}

impl<'a> RawSpans<'a> {
    pub(crate) fn new(spans: &[Span<'a>], n_embd: usize) -> Result<Self> {
        let cache = spans.first().ok_or_else(|| argument("a step has at least one span"))?.sequence.cache();
        let mut s = RawSpans { cache, raw: Vec::with_capacity(spans.len()), _adapters: Vec::new() };
        for span in spans {
            if !std::ptr::eq(span.sequence.cache(), cache) {
                return Err(argument("the sequences of a step are of one cache"));
            }
            s.add(span, n_embd)?;
        }
        Ok(s)
    }

    fn add(&mut self, span: &Span<'_>, n_embd: usize) -> Result<()> {
        let (tokens, embeddings, n_tokens) = match span.input {
            Input::Tokens(ids) => (ids.as_ptr(), null(), ids.len()),
            Input::Embeddings(rows) if rows.len() % n_embd == 0 => (null(), rows.as_ptr(), rows.len() / n_embd),
            Input::Embeddings(_) => return Err(argument("embeddings are rows of n_embd floats")),
        };
        let adapters = raw_adapters(span.adapters);
        self.raw.push(sys::skald_span {
            size: size_of::<sys::skald_span>(),
            seq: span.sequence.number,
            tokens,
            embeddings,
            n_tokens: n_tokens as u32,
            logits: match span.logits {
                Logits::Last => sys::SKALD_LOGITS_LAST,
                Logits::None => sys::SKALD_LOGITS_NONE,
                Logits::All => sys::SKALD_LOGITS_ALL,
            },
            adapters: adapters.as_ptr(),
            n_adapters: adapters.len() as u32,
            reserved: 0,
        });
        if !adapters.is_empty() {
            self._adapters.push(adapters);
        }
        Ok(())
    }

    pub(crate) fn cache(&self) -> &'a Cache {
        self.cache
    }

    pub(crate) fn parts(&self) -> (*const sys::skald_span, u32) {
        (self.raw.as_ptr(), self.raw.len() as u32)
    }
}
