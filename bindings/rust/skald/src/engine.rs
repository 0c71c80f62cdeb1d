use crate::buffers::{mirror, size_of};
use crate::dtype::DType;
use crate::error::{check, check_why, report, Result};
use crate::event::Events;
use crate::model::Model;
use crate::request::Request;
use crate::stage::{Stage, Stages};
use skald_sys as sys;
use std::ptr::{null_mut, NonNull};
use std::sync::Arc;

/// The engine, and what it points to.
struct Own {
    raw: NonNull<sys::skald_engine>,
    stages: Stages,
    _models: (Model, Option<Model>),
}

// SAFETY: submit and cancel from any thread (skald.h); everything else goes through Engine, which is not Clone.
unsafe impl Send for Own {}
unsafe impl Sync for Own {}

impl Drop for Own {
    fn drop(&mut self) {
        // SAFETY: the last owner, so no call is running; stages and models are let go afterwards.
        unsafe { sys::skald_engine_free(self.raw.as_ptr()) };
    }
}

/// Many requests at once on one model: this steps and tells what happened, and [`Engine::inbox`] gives what other threads
/// submit with. An answer has the same ids as the request alone, whatever runs beside it.
pub struct Engine {
    inbox: Inbox,
}

/// Submits and cancels, from any thread. Requests that have not ended when the engine and all its inboxes are gone are
/// forgotten.
#[derive(Clone)]
pub struct Inbox {
    own: Arc<Own>,
}

/// How an engine shall be; zeros are the library's defaults.
#[derive(Clone, Copy)]
pub struct EngineOptions<'a> {
    /// Requests in a step, at most; 0: 32.
    pub n_running: u32,
    /// Submitted and not yet told to have ended, at most; 0: 256.
    pub n_requests: u32,
    /// Sequences that are kept for their beginnings after they ended; 0: n_running.
    pub n_kept: u32,
    /// Room of the cache, in tokens; 0: n_running times the model's context, that at most 4096.
    pub n_tokens: u64,
    /// Ids of prompts and answers of all requests, at most; 0: 4 times the room of the cache.
    pub n_text: u64,
    /// Tokens that go through the model together; 0: 512.
    pub n_rows: u32,
    /// Of them for prompts while others answer; 0: 64.
    pub n_prompt_rows: u32,
    /// Each request computes all of its prompt, and nothing is kept.
    pub no_sharing: bool,
    /// 0: all of the runtime's.
    pub n_threads: u32,
    /// Of the cache: F16 by default.
    pub k_type: DType,
    /// Likewise.
    pub v_type: DType,
    /// The most that [`Request::n_top`] may be, at most 64.
    pub n_top: u32,
    /// Drafts from what followed the last ids where they came before. Answers are the same with and without drafts.
    pub lookup: bool,
    /// Drafts from a small model of the same vocabulary, which the engine keeps. Not with `lookup`.
    pub draft: Option<&'a Model>,
    /// Most ids of a draft, at most 16; 0: 8 with one of the above.
    pub n_draft: u32,
    /// The largest rank of adapters that requests may name; 0: none may.
    pub max_rank: u32,
}

impl Default for EngineOptions<'_> {
    fn default() -> Self {
        EngineOptions {
            n_running: 0,
            n_requests: 0,
            n_kept: 0,
            n_tokens: 0,
            n_text: 0,
            n_rows: 0,
            n_prompt_rows: 0,
            no_sharing: false,
            n_threads: 0,
            k_type: DType::F16,
            v_type: DType::F16,
            n_top: 0,
            lookup: false,
            draft: None,
            n_draft: 0,
            max_rank: 0,
        }
    }
}

impl EngineOptions<'_> {
    pub(crate) fn raw(&self) -> sys::skald_engine_options {
        let mut o = sys::skald_engine_options::zeroed();
        // SAFETY: the size is the struct's.
        unsafe { sys::skald_engine_options_init(&mut o, size_of::<sys::skald_engine_options>()) };
        o.n_running = self.n_running;
        o.n_requests = self.n_requests;
        o.n_kept = self.n_kept;
        o.n_tokens = self.n_tokens;
        o.n_text = self.n_text;
        o.n_rows = self.n_rows;
        o.n_prompt_rows = self.n_prompt_rows;
        o.no_sharing = self.no_sharing.into();
        o.n_threads = self.n_threads;
        (o.k_type, o.v_type) = (self.k_type.number(), self.v_type.number());
        o.n_top = self.n_top;
        o.lookup = self.lookup.into();
        o.draft = self.draft.map_or(null_mut(), Model::as_ptr);
        o.n_draft = self.n_draft;
        o.max_rank = self.max_rank;
        o
    }
}

/// How a call of [`Engine::step`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// A pass was done.
    Done,
    /// The time is used up.
    Pending,
    /// Nothing to do until a request is submitted.
    Idle,
}

mirror! {
    /// What an engine does and has done.
    EngineStats = skald_engine_stats {
        /// Requests that wait.
        n_waiting: u32,
        /// Requests that run.
        n_running: u32,
        /// Sequences kept for their beginnings.
        n_kept: u32,
        /// All pages.
        n_pages: u32,
        /// Held by no sequence.
        n_pages_free: u32,
        /// Held by more than one.
        n_pages_shared: u32,
        /// Requests, since the engine was made.
        n_submitted: u64,
        /// Of them, those that ended.
        n_ended: u64,
        /// Times that a request's pages went to others.
        n_preempted: u64,
        /// Passes through the model.
        n_steps: u64,
        /// Prompt tokens computed.
        n_prompt_read: u64,
        /// Prompt tokens found in the cache.
        n_prompt_shared: u64,
        /// Ids of answers.
        n_answered: u64,
        /// From submission to the first pass, of all requests together.
        queue_microseconds: u64,
        /// From submission to the first id, likewise.
        first_microseconds: u64,
        /// Requests that have a first id.
        n_first: u64,
        /// Ids of drafts that were read.
        n_drafted: u64,
        /// Of them, those that were right.
        n_right: u64,
    }
}

impl Engine {
    /// All memory is asked for here.
    pub fn new(model: &Model, options: &EngineOptions<'_>) -> Result<Engine> {
        let (mut out, mut why) = (null_mut(), report());
        // SAFETY: everything lives to the end of the call, and the models as long as the engine.
        let status = unsafe { sys::skald_engine_create(&mut out, model.as_ptr(), &options.raw(), &mut why) };
        check_why(status, &why)?;
        let raw = NonNull::new(out).expect("an engine");
        let _models = (model.clone(), options.draft.cloned());
        Ok(Engine { inbox: Inbox { own: Arc::new(Own { raw, stages: Stages::default(), _models }) } })
    }

    pub(crate) fn as_ptr(&self) -> *mut sys::skald_engine {
        self.inbox.own.raw.as_ptr()
    }

    pub(crate) fn stages(&self) -> &Stages {
        &self.inbox.own.stages
    }

    /// What other threads submit and cancel with.
    pub fn inbox(&self) -> Inbox {
        self.inbox.clone()
    }

    /// As [`Inbox::submit`].
    pub fn submit(&self, request: &Request<'_>) -> Result<u64> {
        self.inbox.submit(request)
    }

    /// As [`Inbox::submit_staged`].
    pub fn submit_staged(&self, request: &Request<'_>, stage: impl Stage) -> Result<u64> {
        self.inbox.submit_staged(request, stage)
    }

    /// Works for about so many microseconds; 0: until one pass is done. Device: it failed, and nothing changed. A stage that
    /// panicked goes on panicking here; its request ends as Failed.
    pub fn step(&mut self, microseconds: u32) -> Result<Progress> {
        let mut why = report();
        // SAFETY: &mut self: one thread steps.
        let status = unsafe { sys::skald_engine_step(self.as_ptr(), microseconds, &mut why) };
        self.stages().finish();
        match status {
            sys::SKALD_PENDING => Ok(Progress::Pending),
            sys::SKALD_END => Ok(Progress::Idle),
            status => check_why(status, &why).map(|_| Progress::Done),
        }
    }

    /// What happened until now: of one request in order, its end last.
    pub fn events(&mut self) -> Events<'_> {
        Events::of(self)
    }

    /// What it does and has done.
    pub fn stats(&mut self) -> Result<EngineStats> {
        let mut stats = sys::skald_engine_stats::zeroed();
        stats.size = size_of::<sys::skald_engine_stats>();
        // SAFETY: as in step.
        check(unsafe { sys::skald_engine_get_stats(&mut stats, self.as_ptr()) })?;
        Ok(EngineStats::told(&stats))
    }
}

impl Inbox {
    /// Takes a request and gives its number. Everything is copied. Full: again when one has ended. Argument: what breaks the
    /// contract, with a sentence.
    pub fn submit(&self, request: &Request<'_>) -> Result<u64> {
        request.submit(self.own.raw.as_ptr(), None)
    }

    /// The same with a stage, which looks at the logits of each id of the answer before it is chosen. It lives until the
    /// request's end was told.
    pub fn submit_staged(&self, request: &Request<'_>, stage: impl Stage) -> Result<u64> {
        self.own.stages.add(stage, |lent| request.submit(self.own.raw.as_ptr(), Some(lent)))
    }

    /// The request ends soon, with what it has. Absent: it has ended.
    pub fn cancel(&self, request: u64) -> Result<()> {
        // SAFETY: any thread.
        check(unsafe { sys::skald_engine_cancel(self.own.raw.as_ptr(), request) })
    }
}
