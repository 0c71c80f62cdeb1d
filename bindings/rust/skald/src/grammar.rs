use crate::buffers::{at, c_string, size_of};
use crate::callback::{Watch, Watched};
use crate::error::{argument, check, check_why, report, Result};
use crate::model::Model;
use skald_sys as sys;
use std::ptr::{null_mut, NonNull};

/// What a grammar is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form<'a> {
    /// Rules in the manner of BNF, as llama.cpp's GBNF; the text is what `root` says.
    Rules,
    /// JSON that is valid against a schema (draft 2020-12).
    JsonSchema,
    /// A call of one of the tools in a JSON list, as a family of models writes calls, with arguments that are valid against its
    /// parameters. None: the family of the file's template.
    Tools(Option<&'a str>),
}

/// How a grammar shall be compiled.
#[derive(Default)]
pub struct GrammarOptions<'a> {
    /// An arena for masks; 0: 16 MiB.
    pub cache_bytes: u64,
    /// May cancel it, and always gets 0. The first grammar of a model takes time, and a large one.
    pub progress: Option<Watch<'a>>,
}

/// What an answer may say, compiled for the vocabulary of one model. Never changes; threads share it, and a clone is one more
/// owner of the same.
pub struct Grammar {
    own: NonNull<sys::skald_grammar>,
    model: Model,
}

// SAFETY: "Never changes; threads share it" (skald.h).
unsafe impl Send for Grammar {}
unsafe impl Sync for Grammar {}

impl Grammar {
    /// Compiles `text`, which is not kept. Format: malformed; Unsupported: well formed, but the library cannot make sure of it;
    /// both with the place. Cancelled: by the progress function.
    pub fn new(model: &Model, form: Form<'_>, text: &str, options: GrammarOptions<'_>) -> Result<Grammar> {
        let (kind, family) = match form {
            Form::Rules => (sys::SKALD_GRAMMAR_RULES, None),
            Form::JsonSchema => (sys::SKALD_GRAMMAR_JSON_SCHEMA, None),
            Form::Tools(family) => (sys::SKALD_GRAMMAR_TOOLS, family),
        };
        let family = family.map(c_string).transpose()?;
        let mut o = sys::skald_grammar_options::zeroed();
        let (mut out, mut why) = (null_mut(), report());
        let mut watched = Watched::new(options.progress);
        // SAFETY: everything lives to the end of the call.
        let status = unsafe {
            sys::skald_grammar_options_init(&mut o, size_of::<sys::skald_grammar_options>());
            o.kind = kind;
            o.cache_bytes = options.cache_bytes;
            o.family = at(&family);
            (o.progress, o.progress_user) = watched.raw();
            sys::skald_grammar_create(&mut out, model.as_ptr(), text.as_ptr().cast(), text.len(), &o, &mut why)
        };
        let made = check_why(status, &why)
            .map(|_| Grammar { own: NonNull::new(out).expect("a grammar"), model: model.clone() });
        watched.finish();
        made
    }

    /// [`Form::Rules`].
    pub fn rules(model: &Model, text: &str) -> Result<Grammar> {
        Grammar::new(model, Form::Rules, text, GrammarOptions::default())
    }

    /// [`Form::JsonSchema`].
    pub fn json_schema(model: &Model, schema: &str) -> Result<Grammar> {
        Grammar::new(model, Form::JsonSchema, schema, GrammarOptions::default())
    }

    /// [`Form::Tools`] of the file's own family.
    pub fn tools(model: &Model, list: &str) -> Result<Grammar> {
        Grammar::new(model, Form::Tools(None), list, GrammarOptions::default())
    }

    pub(crate) fn as_ptr(&self) -> *mut sys::skald_grammar {
        self.own.as_ptr()
    }
}

impl Clone for Grammar {
    fn clone(&self) -> Grammar {
        // SAFETY: any thread.
        unsafe { sys::skald_grammar_retain(self.as_ptr()) };
        Grammar { own: self.own, model: self.model.clone() }
    }
}

impl Drop for Grammar {
    fn drop(&mut self) {
        // SAFETY: one owner less.
        unsafe { sys::skald_grammar_release(self.as_ptr()) }
    }
}

/// How far one answer has come in a grammar. One thread at a time, so it can be sent but not shared.
pub struct Matcher {
    own: NonNull<sys::skald_matcher>,
    n_vocab: usize,
    grammar: Grammar,
}

// SAFETY: one thread at a time, and it may be another one.
unsafe impl Send for Matcher {}

impl Matcher {
    /// At the beginning of an answer.
    pub fn new(grammar: &Grammar) -> Result<Matcher> {
        let (mut out, mut why) = (null_mut(), report());
        // SAFETY: everything lives to the end of the call.
        check_why(unsafe { sys::skald_matcher_create(&mut out, grammar.as_ptr(), &mut why) }, &why)?;
        let (own, n_vocab) = (NonNull::new(out).expect("a matcher"), grammar.model.sizes().n_vocab as usize);
        Ok(Matcher { own, n_vocab, grammar: grammar.clone() })
    }

    /// Another one that has come as far: for a beam, or to try something.
    pub fn try_clone(&self) -> Result<Matcher> {
        let mut other = Matcher::new(&self.grammar)?;
        other.copy_from(self)?;
        Ok(other)
    }

    /// Becomes a copy of one of the same grammar. Argument: of another; nothing changed.
    pub fn copy_from(&mut self, from: &Matcher) -> Result<()> {
        // SAFETY: both live, and no call on them runs.
        check(unsafe { sys::skald_matcher_copy(self.own.as_ptr(), from.own.as_ptr()) })
    }

    /// Writes negative infinity over the logits of all ids that may not come next. `n_left`: ids that the answer may have from
    /// here on, the one that ends it not counted; only those are left after which it can end in time. 0: no bound. False: the
    /// text is whole, and only ids that end it are left.
    pub fn mask(&mut self, row: &mut [f32], n_left: u32) -> Result<bool> {
        let at = row.as_mut_ptr();
        self.mask_row(at, at, [row.len(); 2], n_left)
    }

    /// The same for a row that stays as it is, e.g. a context's.
    pub fn mask_into(&mut self, to: &mut [f32], logits: &[f32], n_left: u32) -> Result<bool> {
        self.mask_row(to.as_mut_ptr(), logits.as_ptr(), [to.len(), logits.len()], n_left)
    }

    fn mask_row(&mut self, to: *mut f32, logits: *const f32, n: [usize; 2], n_left: u32) -> Result<bool> {
        if n != [self.n_vocab; 2] {
            return Err(argument("a row of logits has n_vocab of them"));
        }
        // SAFETY: both have n_vocab floats.
        goes_on(unsafe { sys::skald_matcher_mask(to, self.own.as_ptr(), logits, n_left) })
    }

    /// The answer goes on with `id`; false: now nothing can follow. Argument: it may not come here; nothing changed.
    pub fn accept(&mut self, id: i32) -> Result<bool> {
        // SAFETY: no call on it runs.
        goes_on(unsafe { sys::skald_matcher_accept(self.own.as_ptr(), id) })
    }

    /// Whether the text is one of the grammar as it is.
    pub fn may_end(&self) -> bool {
        // SAFETY: likewise.
        unsafe { sys::skald_matcher_may_end(self.own.as_ptr()) != 0 }
    }

    /// Ids that surely suffice to bring the text to an end, the one that ends it not counted.
    pub fn least(&self) -> u32 {
        // SAFETY: likewise.
        unsafe { sys::skald_matcher_least(self.own.as_ptr()) }
    }
}

impl Drop for Matcher {
    fn drop(&mut self) {
        // SAFETY: the only owner.
        unsafe { sys::skald_matcher_free(self.own.as_ptr()) }
    }
}

fn goes_on(status: i32) -> Result<bool> {
    if status == sys::SKALD_END {
        return Ok(false);
    }
    check(status)?;
    Ok(true)
}
