use crate::buffers::{at, c_string, slice};
use crate::error::{check, check_why, report, Result};
use crate::model::Model;
use skald_sys as sys;
use std::os::raw::{c_char, c_void};
use std::ptr::{null_mut, NonNull};

/// A piece of an answer. Texts that belong together may come in several.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Piece {
    /// Text for the reader.
    Content(String),
    /// What the model says to itself.
    Reasoning(String),
    /// A call of the tool of this name begins.
    Call(String),
    /// A piece of its arguments, JSON as the model writes it: trust it as little as a text.
    Arguments(String),
    /// The call is whole; one that was cut off or is no JSON never says so.
    CallEnd,
    /// The answer is over.
    End,
}

/// What a model writes, as content, reasoning and calls of tools. One thread at a time, so it can be sent but not shared.
pub struct Answer {
    own: NonNull<sys::skald_answer>,
    /// What was heard: a Box, lent to the library for as long as `own` lives.
    heard: NonNull<Vec<Piece>>,
    _model: Model,
}

// SAFETY: one thread at a time, and it may be another one.
unsafe impl Send for Answer {}

impl Answer {
    /// `family`: "hermes" (Qwen too), "llama3", "mistral", "deepseek", "harmony" or "plain"; None: found by the marks in the
    /// file's template. `reasoning`: the laid out conversation ends inside the reasoning. Unsupported: no such family.
    pub fn new(model: &Model, family: Option<&str>, reasoning: bool) -> Result<Answer> {
        let family = family.map(c_string).transpose()?;
        let (mut out, mut why) = (null_mut(), report());
        let heard: NonNull<Vec<Piece>> = NonNull::from(Box::leak(Box::default()));
        let (name, user) = (at(&family), heard.as_ptr().cast());
        // SAFETY: `heard` lives as long as the answer.
        let status = unsafe {
            sys::skald_answer_create(&mut out, model.as_ptr(), name, reasoning.into(), Some(hear), user, &mut why)
        };
        if let Err(failed) = check_why(status, &why) {
            // SAFETY: nobody has it.
            drop(unsafe { Box::from_raw(heard.as_ptr()) });
            return Err(failed);
        }
        Ok(Answer { own: NonNull::new(out).expect("an answer"), heard, _model: model.clone() })
    }

    /// More of the answer, decoded with control tokens and without the id that ends it; gives what it turned out to mean.
    /// However a text is cut into pushes, the pieces together say the same.
    pub fn push(&mut self, text: &str) -> Result<Vec<Piece>> {
        // SAFETY: the text lives to the end of the call.
        check(unsafe { sys::skald_answer_push(self.own.as_ptr(), text.as_ptr().cast(), text.len()) })?;
        Ok(self.heard())
    }

    /// The answer is over: what was held back, then [`Piece::End`]. Pushing begins another one.
    pub fn end(&mut self) -> Result<Vec<Piece>> {
        // SAFETY: no call on it runs.
        check(unsafe { sys::skald_answer_end(self.own.as_ptr()) })?;
        Ok(self.heard())
    }

    fn heard(&mut self) -> Vec<Piece> {
        // SAFETY: the library looks at it during calls only.
        std::mem::take(unsafe { self.heard.as_mut() })
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        // SAFETY: the only owner, and afterwards nobody else has `heard`.
        unsafe {
            sys::skald_answer_free(self.own.as_ptr());
            drop(Box::from_raw(self.heard.as_ptr()));
        }
    }
}

unsafe extern "C" fn hear(user: *mut c_void, event: sys::skald_answer_event, text: *const c_char, n: usize) -> i32 {
    // SAFETY: the type that new() gave, during a call on the answer; `text` has n bytes.
    let (heard, text) = unsafe { (&mut *user.cast::<Vec<Piece>>(), slice(text.cast::<u8>(), n)) };
    let text = String::from_utf8_lossy(text).into_owned();
    heard.push(match event {
        sys::SKALD_ANSWER_CONTENT => Piece::Content(text),
        sys::SKALD_ANSWER_REASONING => Piece::Reasoning(text),
        sys::SKALD_ANSWER_CALL => Piece::Call(text),
        sys::SKALD_ANSWER_ARGUMENTS => Piece::Arguments(text),
        sys::SKALD_ANSWER_CALL_END => Piece::CallEnd,
        _ => Piece::End,
    });
    0
}
