use crate::buffers::{c_string, fill, fill_bytes, lossy_text, size_of};
use crate::error::{argument, check_why, report, Result};
use crate::model::Model;
use skald_sys as sys;
use std::ffi::CString;
use std::ptr::{null, null_mut, NonNull};

/// One message: role ("system", "user", "assistant", ...) and text.
pub type Message<'a> = (&'a str, &'a str);

/// A conversation to be laid out.
#[derive(Clone, Copy, Debug)]
pub struct Conversation<'a> {
    /// Where `json` has no "messages".
    pub messages: &'a [Message<'a>],
    /// An object that goes before the messages: "messages", "tools", "documents", and what else the template asks for.
    pub json: Option<&'a str>,
    /// The answer's beginning is added: true by default.
    pub open: bool,
    /// Seconds since 1970 of the local clock, for templates that write the date; 0: those that cannot do without are refused.
    pub local_seconds: i64,
}

impl Default for Conversation<'_> {
    fn default() -> Self {
        Conversation { messages: &[], json: None, open: true, local_seconds: 0 }
    }
}

impl<'a> Conversation<'a> {
    /// Messages alone.
    pub fn new(messages: &'a [Message<'a>]) -> Self {
        Conversation { messages, ..Conversation::default() }
    }
}

/// The layout of conversations that a model was trained on. Never changes; threads share it.
pub struct Template {
    own: NonNull<sys::skald_template>,
    _model: Model,
}

// SAFETY: "Never changes; threads share it" (skald.h).
unsafe impl Send for Template {}
unsafe impl Sync for Template {}

impl Template {
    /// The file's template, or `text` (Jinja). Format, Unsupported: with line and column; or the file has none.
    pub fn new(model: &Model, text: Option<&str>) -> Result<Template> {
        let (mut out, mut why) = (null_mut(), report());
        let (at, n) = text.map_or((null(), 0), |t| (t.as_ptr().cast(), t.len()));
        // SAFETY: everything lives to the end of the call.
        let status = unsafe { sys::skald_template_create(&mut out, model.as_ptr(), at, n, &mut why) };
        check_why(status, &why)?;
        Ok(Template { own: NonNull::new(out).expect("a template"), _model: model.clone() })
    }

    /// The conversation as text. Argument: the template refuses it, with its own sentence, or the JSON is none.
    pub fn render(&self, conversation: &Conversation<'_>) -> Result<String> {
        let (_texts, raw) = raw_messages(conversation.messages)?;
        self.text(&input(&raw, conversation), null_mut(), 4096).map(lossy_text)
    }

    /// The same as bytes, and for each of them 1 where a text or the JSON said it and 0 where the template did: what
    /// [`Model::encode_guarded`] takes.
    pub fn render_guarded(&self, conversation: &Conversation<'_>) -> Result<(Vec<u8>, Vec<u8>)> {
        let (_texts, raw) = raw_messages(conversation.messages)?;
        let input = input(&raw, conversation);
        let room = self.text(&input, null_mut(), 4096)?.len();
        let mut stranger = vec![0; room];
        let text = self.text(&input, stranger.as_mut_ptr(), room)?;
        if text.len() != room {
            return Err(argument("the template does not say the same thing twice"));
        }
        Ok((text, stranger))
    }

    /// `stranger` is NULL or has `room` bytes, as many as the text has.
    fn text(&self, input: &sys::skald_template_input, stranger: *mut u8, room: usize) -> Result<Vec<u8>> {
        fill_bytes(room, report(), |text, n, why| {
            // SAFETY: `text` has room for *n, and `stranger` too.
            unsafe { sys::skald_template_render(text, stranger, n, self.own.as_ptr(), input, why) }
        })
    }

    /// The conversation as ids: control tokens come from the template alone, whatever the messages spell.
    pub fn encode(&self, conversation: &Conversation<'_>) -> Result<Vec<i32>> {
        let (_texts, raw) = raw_messages(conversation.messages)?;
        let input = input(&raw, conversation);
        fill(1024, report(), |ids, n, why| {
            // SAFETY: `ids` has room for *n.
            unsafe { sys::skald_template_encode(ids, n, self.own.as_ptr(), &input, why) }
        })
    }
}

impl Drop for Template {
    fn drop(&mut self) {
        // SAFETY: the only owner.
        unsafe { sys::skald_template_free(self.own.as_ptr()) }
    }
}

/// The C structs, and the texts that they point to.
fn raw_messages(messages: &[Message<'_>]) -> Result<(Vec<CString>, Vec<sys::skald_message>)> {
    let mut texts = Vec::with_capacity(messages.len() * 2);
    for (role, text) in messages {
        texts.push(c_string(role)?);
        texts.push(c_string(text)?);
    }
    let raw = texts.chunks(2).map(|p| sys::skald_message { role: p[0].as_ptr(), text: p[1].as_ptr() }).collect();
    Ok((texts, raw))
}

fn input(messages: &[sys::skald_message], conversation: &Conversation<'_>) -> sys::skald_template_input {
    let mut i = sys::skald_template_input::zeroed();
    // SAFETY: the size is the struct's.
    unsafe { sys::skald_template_input_init(&mut i, size_of::<sys::skald_template_input>()) };
    i.open = conversation.open.into();
    i.messages = messages.as_ptr();
    i.n_messages = messages.len() as u32;
    i.json = conversation.json.map_or(null(), |j| j.as_ptr().cast());
    i.n_json_bytes = conversation.json.map_or(0, str::len);
    i.local_seconds = conversation.local_seconds;
    i
}

impl Model {
    /// Messages as text by the file's template in one call, to be encoded with control tokens: only for messages that may spell
    /// them. `first` leaves out what the first messages alone become. Unsupported: there is no template, or it lays out the
    /// first ones otherwise when more follow. Any thread.
    pub fn format_chat(&self, messages: &[Message<'_>], open: bool, first: u32) -> Result<String> {
        let (_texts, raw) = raw_messages(messages)?;
        let text = fill_bytes(4096, report(), |text, n, _| {
            let (at, many) = (raw.as_ptr(), raw.len() as u32);
            // SAFETY: `text` has room for *n.
            unsafe { sys::skald_chat_format(text, n, self.as_ptr(), open.into(), first, at, many) }
        });
        text.map(lossy_text)
    }
}
