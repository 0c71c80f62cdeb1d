use crate::error::{check_why, report, Result};
use crate::model::{c_string, fill, fill_bytes, size_of, Model};
use skald_sys as sys;
use std::ffi::CString;
use std::ptr::{null, null_mut, NonNull};

/// The layout of conversations. Threads share it.
pub struct Template(NonNull<sys::skald_template>);

// SAFETY: "never changes; threads share it" (skald.h).
unsafe impl Send for Template {}
unsafe impl Sync for Template {}

/// One message: role and text.
pub type Message<'a> = (&'a str, &'a str);

impl Template {
    /// The file's template, or `text` (Jinja).
    pub fn new(model: &Model, text: Option<&str>) -> Result<Template> {
        let (mut out, mut why) = (null_mut(), report());
        let (at, n) = text.map_or((null(), 0), |t| (t.as_ptr().cast(), t.len()));
        // SAFETY: everything lives to the end of the call.
        let status = unsafe { sys::skald_template_create(&mut out, model.as_ptr(), at, n, &mut why) };
        check_why(status, &why)?;
        Ok(Template(NonNull::new(out).expect("a template")))
    }

    /// The conversation as text, with the answer's beginning. `json` may hold what else the template asks for: "tools", ...
    pub fn render(&self, messages: &[Message<'_>], json: Option<&str>) -> Result<String> {
        let (_texts, raw) = raw_messages(messages)?;
        let input = input(&raw, json);
        let bytes = fill_bytes(4096, report(), |text, n, why| {
            // SAFETY: `text` has room for *n.
            unsafe { sys::skald_template_render(text, null_mut(), n, self.0.as_ptr(), &input, why) }
        })?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The conversation as ids: control tokens come from the template alone, whatever the messages spell.
    pub fn encode(&self, messages: &[Message<'_>], json: Option<&str>) -> Result<Vec<i32>> {
        let (_texts, raw) = raw_messages(messages)?;
        let input = input(&raw, json);
        fill(1024, report(), |ids, n, why| {
            // SAFETY: `ids` has room for *n.
            unsafe { sys::skald_template_encode(ids, n, self.0.as_ptr(), &input, why) }
        })
    }
}

impl Drop for Template {
    fn drop(&mut self) {
        // SAFETY: the only owner.
        unsafe { sys::skald_template_free(self.0.as_ptr()) }
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

fn input(messages: &[sys::skald_message], json: Option<&str>) -> sys::skald_template_input {
    let mut i = sys::skald_template_input::zeroed();
    // SAFETY: the size is the struct's.
    unsafe { sys::skald_template_input_init(&mut i, size_of::<sys::skald_template_input>()) };
    i.open = 1;
    i.messages = messages.as_ptr();
    i.n_messages = messages.len() as u32;
    i.json = json.map_or(null(), |j| j.as_ptr().cast());
    i.n_json_bytes = json.map_or(0, str::len);
    i
}
