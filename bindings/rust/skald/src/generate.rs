use crate::buffers::{c_string, c_strings, size_of};
use crate::callback::Guarded;
use crate::error::{check_why, report, Result};
use crate::model::Model;
use crate::sampler::Sampling;
use skald_sys as sys;
use std::os::raw::{c_char, c_void};

/// How [`Model::generate_with`] answers. Under a grammar: [`stream_with`](crate::stream_with), or an engine.
#[derive(Clone, Debug, Default)]
pub struct GenerateOptions<'a> {
    /// The most ids; 0: until the model ends, at most the room.
    pub n_tokens: u32,
    /// The prompt is what a user says, words and no control tokens; else it is continued as it stands.
    pub chat: bool,
    /// Room in tokens; 0: the model's context, at most 4096.
    pub n_context: u32,
    /// How ids are chosen.
    pub sampling: Sampling,
    /// The answer ends before one of these, at most 8 and 256 bytes together.
    pub stops: &'a [&'a str],
    /// A prompt may end inside a word: its last token is taken back and may become a longer one. Not with `chat`.
    pub heal: bool,
}

impl Model {
    /// Prompt in, text out. `say` gives true to go on; a panic in it goes on in the caller.
    pub fn generate(
        &self,
        prompt: &str,
        n_tokens: u32,
        sampling: &Sampling,
        say: impl FnMut(&str) -> bool,
    ) -> Result<()> {
        let sampling = sampling.clone();
        self.generate_with(prompt, &GenerateOptions { n_tokens, sampling, ..GenerateOptions::default() }, say)
    }

    /// The same with all options. It makes its own cache, context and sampler and frees them. OK also when `say` stopped it.
    pub fn generate_with<F: FnMut(&str) -> bool>(
        &self,
        prompt: &str,
        options: &GenerateOptions<'_>,
        say: F,
    ) -> Result<()> {
        unsafe extern "C" fn hear<F: FnMut(&str) -> bool>(user: *mut c_void, text: *const c_char, n: usize) -> i32 {
            // SAFETY: the type that this call gave; whole characters, which live to the end of the callback.
            let (heard, text) = unsafe {
                let bytes = std::slice::from_raw_parts(text.cast(), n);
                (&mut *user.cast::<Guarded<F>>(), std::str::from_utf8_unchecked(bytes))
            };
            i32::from(!heard.run(false, |say| say(text)))
        }
        let prompt = c_string(prompt)?;
        let texts = c_strings(options.stops)?;
        let stops: Vec<_> = texts.iter().map(|t| t.as_ptr()).collect();
        let sampler = options.sampling.options();
        let (mut heard, mut why) = (Guarded::new(say), report());
        let mut o = sys::skald_generate_options::zeroed();
        // SAFETY: everything lives to the end of the call; the callback gets its own type back.
        let status = unsafe {
            sys::skald_generate_options_init(&mut o, size_of::<sys::skald_generate_options>());
            o.n_tokens = options.n_tokens;
            o.chat = options.chat.into();
            o.n_context = options.n_context;
            o.sampler = sampler.as_ptr();
            o.stops = stops.as_ptr();
            o.n_stops = stops.len() as u32;
            o.heal = options.heal.into();
            let user: *mut c_void = (&mut heard as *mut Guarded<F>).cast();
            sys::skald_generate(self.as_ptr(), prompt.as_ptr(), &o, Some(hear::<F>), user, &mut why)
        };
        heard.finish();
        check_why(status, &why)
    }
}
