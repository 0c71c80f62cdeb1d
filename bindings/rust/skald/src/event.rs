use crate::buffers::{size_of, slice};
use crate::engine::Engine;
use skald_sys as sys;

/// What happened to a request. All but Token end it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Happened {
    /// An id of the answer; one that ends the text is not told.
    Token(i32),
    /// The model ended the text, or the grammar did, or it holds the stop of this index.
    Stop(Option<u32>),
    /// All ids that were asked for were given; or with n_tokens 0 the prompt is read.
    Length,
    /// It was cancelled.
    Cancelled,
    /// Its time was over.
    Deadline,
    /// No id can be chosen: a logit is NaN, or all are forbidden.
    Failed,
}

/// An id and the logarithm of its share of the model's own distribution, before bias, penalties and temperature.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogProb {
    /// Of the vocabulary.
    pub id: i32,
    /// Natural logarithm.
    pub logprob: f32,
}

/// What happened to which request.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Event {
    /// Its number.
    pub request: u64,
    /// What.
    pub what: Happened,
    /// Of the token in prompt and answer; otherwise their length.
    pub position: u32,
    /// What it adds to the text: whole characters, and nothing that may be the beginning of a stop. The end brings what was
    /// held back. Empty without a tokenizer.
    pub text: String,
    /// Of the token, when [`Request::n_top`](crate::Request::n_top) is not 0.
    pub logprob: Option<f32>,
    /// The most likely ids at a token's place, the most likely first, as many as the request asked for.
    pub top: Vec<LogProb>,
    /// Of an end: ids of drafts that were read.
    pub n_drafted: u32,
    /// Of an end: of them those that were right.
    pub n_right: u32,
}

impl Event {
    fn told(e: &sys::skald_event) -> Event {
        // SAFETY: the engine's memory, until its next call.
        let (text, top) = unsafe { (slice(e.text.cast::<u8>(), e.n_bytes), slice(e.top, e.n_top as usize)) };
        Event {
            request: e.request,
            what: match e.kind {
                sys::SKALD_EVENT_TOKEN => Happened::Token(e.id),
                sys::SKALD_EVENT_STOP => Happened::Stop(u32::try_from(e.stop).ok()),
                sys::SKALD_EVENT_LENGTH => Happened::Length,
                sys::SKALD_EVENT_CANCELLED => Happened::Cancelled,
                sys::SKALD_EVENT_DEADLINE => Happened::Deadline,
                _ => Happened::Failed,
            },
            position: e.position,
            text: String::from_utf8_lossy(text).into_owned(),
            logprob: (e.n_top > 0).then_some(e.logprob),
            top: top.iter().map(|t| LogProb { id: t.id, logprob: t.logprob }).collect(),
            n_drafted: e.n_drafted,
            n_right: e.n_right,
        }
    }

    /// Whether it is the last of its request.
    pub fn is_end(&self) -> bool {
        !matches!(self.what, Happened::Token(_))
    }
}

/// What happened until now, as [`Engine::events`] gives it.
pub struct Events<'e>(&'e mut Engine);

impl<'e> Events<'e> {
    pub(crate) fn of(engine: &'e mut Engine) -> Self {
        Events(engine)
    }
}

impl Iterator for Events<'_> {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        let mut e = sys::skald_event::zeroed();
        e.size = size_of::<sys::skald_event>();
        // SAFETY: a mutable borrow of the engine: one thread.
        if unsafe { sys::skald_engine_poll(&mut e, self.0.as_ptr()) } != sys::SKALD_OK {
            return None;
        }
        let event = Event::told(&e);
        if event.is_end() {
            self.0.stages().ended(event.request);
        }
        Some(event)
    }
}
