use crate::buffers::{size_of, slice};
use crate::callback::{Watch, Watched};
use crate::dtype::DType;
use crate::error::{check_why, report, Result};
use crate::model::Model;
use skald_sys as sys;
use std::ptr::{null_mut, NonNull};

/// When a search by beams ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BeamStop {
    /// When n_beams have ended and the best that runs would score less now.
    #[default]
    Usual,
    /// When n_beams have ended.
    Full,
    /// When none that runs can score better at any length.
    Never,
}

/// How a search by beams shall be.
pub struct BeamOptions<'a> {
    /// 0: 4; at most 64. 1 is the greedy answer.
    pub n_beams: u32,
    /// Ids of a text, at most; at least 1.
    pub n_tokens: u32,
    /// score = sum of log-probabilities / (ids with the end's)^this: 1 by default; larger: longer texts.
    pub length_penalty: f32,
    /// When the search ends.
    pub stop: BeamStop,
    /// Ids that end a text do not.
    pub ignore_end: bool,
    /// Of the cache: F16 by default.
    pub k_type: DType,
    /// Likewise.
    pub v_type: DType,
    /// Hears how far it has come, and may cancel it.
    pub progress: Option<Watch<'a>>,
}

impl Default for BeamOptions<'_> {
    fn default() -> Self {
        BeamOptions {
            n_beams: 0,
            n_tokens: 64,
            length_penalty: 1.0,
            stop: BeamStop::Usual,
            ignore_end: false,
            k_type: DType::F16,
            v_type: DType::F16,
            progress: None,
        }
    }
}

/// One text that a search has found.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Beam<'b> {
    /// Without the one that ended it.
    pub ids: &'b [i32],
    /// As [`BeamOptions::length_penalty`] says.
    pub score: f32,
    /// The model ended it; else n_tokens did.
    pub ended: bool,
}

/// A finished search: the likeliest texts behind a prompt. Never changes; threads share it.
pub struct Beams {
    own: NonNull<sys::skald_beams>,
    model: Model,
}

// SAFETY: "Never changes; threads share it" (skald.h).
unsafe impl Send for Beams {}
unsafe impl Sync for Beams {}

impl Beams {
    /// Searches behind the prompt's ids, in a cache and a context that are freed on return. Any thread. Argument: also a logit
    /// that is NaN. Cancelled: by the progress function.
    pub fn search(model: &Model, prompt: &[i32], options: BeamOptions<'_>) -> Result<Beams> {
        let mut o = sys::skald_beam_options::zeroed();
        let (mut out, mut why) = (null_mut(), report());
        let mut watched = Watched::new(options.progress);
        let (at, n) = (prompt.as_ptr(), prompt.len() as u32);
        // SAFETY: everything lives to the end of the call.
        let status = unsafe {
            sys::skald_beam_options_init(&mut o, size_of::<sys::skald_beam_options>());
            o.n_beams = options.n_beams;
            o.n_tokens = options.n_tokens;
            o.length_penalty = options.length_penalty;
            o.stop = match options.stop {
                BeamStop::Usual => sys::SKALD_BEAMS_STOP_USUAL,
                BeamStop::Full => sys::SKALD_BEAMS_STOP_FULL,
                BeamStop::Never => sys::SKALD_BEAMS_STOP_NEVER,
            };
            o.ignore_end = options.ignore_end.into();
            (o.k_type, o.v_type) = (options.k_type.number(), options.v_type.number());
            (o.progress, o.progress_user) = watched.raw();
            sys::skald_beams_search(&mut out, model.as_ptr(), &o, at, n, &mut why)
        };
        let found = NonNull::new(out).map(|own| Beams { own, model: model.clone() });
        watched.finish();
        check_why(status, &why)?;
        Ok(found.expect("beams"))
    }

    /// The text at `index`, the best first; None behind the last.
    pub fn get(&self, index: u32) -> Option<Beam<'_>> {
        let mut b = sys::skald_beam::zeroed();
        b.size = size_of::<sys::skald_beam>();
        // SAFETY: any thread, and the size is right.
        if unsafe { sys::skald_beams_get(&mut b, self.own.as_ptr(), index) } != sys::SKALD_OK {
            return None;
        }
        // SAFETY: the ids live as long as the search.
        let ids = unsafe { slice(b.ids, b.n_ids as usize) };
        Some(Beam { ids, score: b.score, ended: b.ended != 0 })
    }

    /// All texts, the best first.
    pub fn iter(&self) -> impl Iterator<Item = Beam<'_>> + '_ {
        (0..).map_while(move |index| self.get(index))
    }

    /// All of them as text, the best first.
    pub fn texts(&self) -> Result<Vec<String>> {
        self.iter().map(|beam| self.model.decode(beam.ids, false)).collect()
    }
}

impl Drop for Beams {
    fn drop(&mut self) {
        // SAFETY: the only owner.
        unsafe { sys::skald_beams_free(self.own.as_ptr()) }
    }
}
