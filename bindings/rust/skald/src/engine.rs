use crate::error::{check, check_why, report, Result};
use crate::model::{size_of, Model};
use crate::sampler::Sampling;
use skald_sys as sys;
use std::ptr::{null_mut, NonNull};
use std::sync::Arc;

struct Own(NonNull<sys::skald_engine>);

// SAFETY: submit and cancel from any thread (skald.h); everything else goes through Engine, which is not Clone.
unsafe impl Send for Own {}
unsafe impl Sync for Own {}

impl Drop for Own {
    fn drop(&mut self) {
        // SAFETY: the last owner, so no call is running.
        unsafe { sys::skald_engine_free(self.0.as_ptr()) };
    }
}

/// Many requests at once: this steps and polls, and [`Engine::inbox`] gives what other threads submit with.
pub struct Engine {
    inbox: Inbox,
}

/// Submits and cancels, from any thread.
#[derive(Clone)]
pub struct Inbox {
    own: Arc<Own>,
}

/// Zeros as in skald_engine_options.
#[derive(Clone, Copy, Debug, Default)]
pub struct EngineOptions {
    pub n_running: u32,
    pub n_requests: u32,
    pub n_tokens: u64,
    pub n_rows: u32,
}

#[derive(Clone, Debug, Default)]
pub struct Request<'a> {
    pub prompt: &'a [i32],
    pub n_tokens: u32,
    pub priority: i32,
    /// Microseconds from now; 0: none.
    pub deadline: u64,
    pub ignore_end: bool,
    pub sampling: Sampling,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Happened {
    /// An id of the answer.
    Token(i32),
    /// The model ended the text.
    Stop,
    /// All ids that were asked for were given.
    Length,
    Cancelled,
    Deadline,
    /// No id can be chosen: a logit is NaN, or all are forbidden.
    Failed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    pub request: u64,
    pub what: Happened,
    /// Of the token in prompt and answer; otherwise their length.
    pub position: u32,
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

impl Engine {
    pub fn new(model: &Model, options: &EngineOptions) -> Result<Engine> {
        let mut o = sys::skald_engine_options::zeroed();
        let (mut out, mut why) = (null_mut(), report());
        // SAFETY: everything lives to the end of the call.
        let status = unsafe {
            sys::skald_engine_options_init(&mut o, size_of::<sys::skald_engine_options>());
            o.n_running = options.n_running;
            o.n_requests = options.n_requests;
            o.n_tokens = options.n_tokens;
            o.n_rows = options.n_rows;
            sys::skald_engine_create(&mut out, model.as_ptr(), &o, &mut why)
        };
        check_why(status, &why)?;
        let own = Arc::new(Own(NonNull::new(out).expect("an engine")));
        Ok(Engine { inbox: Inbox { own } })
    }

    fn as_ptr(&self) -> *mut sys::skald_engine {
        self.inbox.own.0.as_ptr()
    }

    pub fn inbox(&self) -> Inbox {
        self.inbox.clone()
    }

    pub fn submit(&self, request: &Request<'_>) -> Result<u64> {
        self.inbox.submit(request)
    }

    /// Works for about so many microseconds; 0: until one pass is done.
    pub fn step(&mut self, microseconds: u32) -> Result<Progress> {
        let mut why = report();
        // SAFETY: &mut self: one thread steps.
        match unsafe { sys::skald_engine_step(self.as_ptr(), microseconds, &mut why) } {
            sys::SKALD_PENDING => Ok(Progress::Pending),
            sys::SKALD_END => Ok(Progress::Idle),
            status => check_why(status, &why).map(|_| Progress::Done),
        }
    }

    /// What happened until now.
    pub fn events(&mut self) -> Events<'_> {
        Events(self)
    }

    pub fn stats(&mut self) -> Result<sys::skald_engine_stats> {
        let mut stats = sys::skald_engine_stats::zeroed();
        stats.size = size_of::<sys::skald_engine_stats>();
        // SAFETY: as in step.
        check(unsafe { sys::skald_engine_get_stats(&mut stats, self.as_ptr()) })?;
        Ok(stats)
    }
}

impl Inbox {
    /// Takes a request and gives its number. Full: again when one has ended.
    pub fn submit(&self, request: &Request<'_>) -> Result<u64> {
        let sampler = request.sampling.options();
        let mut r = sys::skald_request::zeroed();
        r.size = size_of::<sys::skald_request>();
        r.prompt = request.prompt.as_ptr();
        r.n_prompt = request.prompt.len() as u32;
        r.n_tokens = request.n_tokens;
        r.priority = request.priority;
        r.deadline = request.deadline;
        r.ignore_end = request.ignore_end as u32;
        r.sampler = &sampler;
        let (mut number, mut why) = (0, report());
        // SAFETY: any thread; everything is copied before the call returns.
        let status = unsafe { sys::skald_engine_submit(&mut number, self.own.0.as_ptr(), &r, &mut why) };
        check_why(status, &why)?;
        Ok(number)
    }

    /// The request ends soon, with what it has. Absent: it has ended.
    pub fn cancel(&self, request: u64) -> Result<()> {
        // SAFETY: any thread.
        check(unsafe { sys::skald_engine_cancel(self.own.0.as_ptr(), request) })
    }
}

pub struct Events<'e>(&'e mut Engine);

impl Iterator for Events<'_> {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        let mut e = sys::skald_event::zeroed();
        e.size = size_of::<sys::skald_event>();
        // SAFETY: as in step.
        if unsafe { sys::skald_engine_poll(&mut e, self.0.as_ptr()) } != sys::SKALD_OK {
            return None;
        }
        let what = match e.kind {
            sys::SKALD_EVENT_TOKEN => Happened::Token(e.id),
            sys::SKALD_EVENT_STOP => Happened::Stop,
            sys::SKALD_EVENT_LENGTH => Happened::Length,
            sys::SKALD_EVENT_CANCELLED => Happened::Cancelled,
            sys::SKALD_EVENT_DEADLINE => Happened::Deadline,
            _ => Happened::Failed,
        };
        Some(Event { request: e.request, what, position: e.position })
    }
}
