use crate::buffers::{fill, fill_bytes, lossy_text};
use crate::error::{argument, check, report, Result};
use crate::model::Model;
use skald_sys as sys;

/// How a text is encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Encode {
    /// Control tokens written in the text become their ids.
    pub special: bool,
    /// The begin-of-sequence id in front, where the model asks for one.
    pub bos: bool,
    /// The end-of-sequence id behind, likewise.
    pub eos: bool,
}

impl Encode {
    fn flags(self) -> u32 {
        self.special as u32 * sys::SKALD_ENCODE_SPECIAL
            + self.bos as u32 * sys::SKALD_ENCODE_BOS
            + self.eos as u32 * sys::SKALD_ENCODE_EOS
    }
}

macro_rules! roles {
    ($($(#[$doc:meta])* $name:ident = $number:ident,)*) => {
        /// What an id is for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Role { $($(#[$doc])* $name,)* }
        impl Role {
            fn number(self) -> u32 {
                match self { $(Role::$name => sys::$number,)* }
            }
        }
    };
}

roles! {
    /// Begins a text.
    Bos = SKALD_TOKEN_BOS,
    /// Ends a text.
    Eos = SKALD_TOKEN_EOS,
    /// Ends what one side of a conversation says.
    EndOfTurn = SKALD_TOKEN_END_OF_TURN,
    /// Stands for what has no id.
    Unknown = SKALD_TOKEN_UNKNOWN,
    /// Between two texts.
    Separator = SKALD_TOKEN_SEPARATOR,
    /// Fills up a row of ids.
    Padding = SKALD_TOKEN_PADDING,
    /// Fill in the middle: what stands before.
    FimPrefix = SKALD_TOKEN_FIM_PREFIX,
    /// What stands behind.
    FimSuffix = SKALD_TOKEN_FIM_SUFFIX,
    /// What is to be written.
    FimMiddle = SKALD_TOKEN_FIM_MIDDLE,
    /// A repository's name.
    FimRepo = SKALD_TOKEN_FIM_REPO,
    /// A file's name.
    FimFile = SKALD_TOKEN_FIM_FILE,
    /// Fills up.
    FimPadding = SKALD_TOKEN_FIM_PADDING,
    /// Stands for a hidden word.
    Mask = SKALD_TOKEN_MASK,
    /// Ends an answer that waits for a tool's result.
    EndOfMessage = SKALD_TOKEN_END_OF_MESSAGE,
}

/// Texts and ids. All of it from any thread.
impl Model {
    /// Text to ids.
    pub fn encode(&self, text: &str, how: Encode) -> Result<Vec<i32>> {
        fill(text.len() + 16, report(), |ids, n, _| {
            // SAFETY: `ids` has room for *n.
            unsafe { sys::skald_encode(ids, n, self.as_ptr(), how.flags(), text.as_ptr().cast(), text.len()) }
        })
    }

    /// The same for a text of which a stranger has written a part: where `stranger` is not 0, that byte of the text is his, and
    /// control tokens are read only where all their bytes are the host's own. One byte for each of the text.
    pub fn encode_guarded(&self, text: &[u8], stranger: &[u8], how: Encode) -> Result<Vec<i32>> {
        if text.len() != stranger.len() {
            return Err(argument("stranger has one byte for each of the text"));
        }
        let at = text.as_ptr().cast();
        fill(text.len() + 16, report(), |ids, n, _| {
            let flags = how.flags();
            // SAFETY: `ids` has room for *n, and `stranger` is as long as the text.
            unsafe { sys::skald_encode_guarded(ids, n, self.as_ptr(), flags, at, stranger.as_ptr(), text.len()) }
        })
    }

    /// Ids to text; control tokens are written out when `special`. Bytes that are no UTF-8 become U+FFFD.
    pub fn decode(&self, ids: &[i32], special: bool) -> Result<String> {
        self.decode_bytes(ids, special, false).map(lossy_text)
    }

    /// The same as it is. `begin`: the ids begin a text, and the space that encoding puts in front of some is taken away.
    pub fn decode_bytes(&self, ids: &[i32], special: bool, begin: bool) -> Result<Vec<u8>> {
        let flags = special as u32 * sys::SKALD_DECODE_SPECIAL + begin as u32 * sys::SKALD_DECODE_BEGIN;
        fill_bytes(ids.len() * 8 + 16, report(), |text, n, _| {
            // SAFETY: `text` has room for *n.
            unsafe { sys::skald_decode(text, n, self.as_ptr(), flags, ids.as_ptr(), ids.len() as u32) }
        })
    }

    /// Whether an answer stops at this id.
    pub fn is_end(&self, id: i32) -> bool {
        // SAFETY: any thread.
        unsafe { sys::skald_model_is_end(self.as_ptr(), id) != 0 }
    }

    /// The ids at which an answer stops.
    pub fn ends(&self) -> Vec<i32> {
        // SAFETY: any thread.
        let end = |index| unsafe { sys::skald_model_end(self.as_ptr(), index) };
        (0..).map(end).take_while(|&id| id >= 0).collect()
    }

    /// The id of a role; None when the model has none.
    pub fn token(&self, role: Role) -> Option<i32> {
        // SAFETY: any thread.
        let id = unsafe { sys::skald_model_token(self.as_ptr(), role.number()) };
        (id >= 0).then_some(id)
    }
}

/// Ids to text one by one, never splitting a character.
pub struct Decoder {
    model: Model,
    state: sys::skald_decoder,
    text: Vec<u8>,
}

impl Decoder {
    /// Control tokens are written out when `special`, else silent.
    pub fn new(model: &Model, special: bool) -> Decoder {
        let mut state = sys::skald_decoder::zeroed();
        state.flags = if special { sys::SKALD_DECODE_SPECIAL } else { 0 };
        Decoder { model: model.clone(), state, text: vec![0; 512] }
    }

    /// The characters that are complete with this id.
    pub fn push(&mut self, id: i32) -> Result<&str> {
        let mut n = self.text.len();
        let mut status = self.call(&mut n, id);
        if status == sys::SKALD_SHORT {
            self.text.resize(n, 0);
            status = self.call(&mut n, id);
        }
        check(status)?;
        // SAFETY: the library gives out whole characters.
        Ok(unsafe { std::str::from_utf8_unchecked(&self.text[..n]) })
    }

    /// What is pending, as U+FFFD; the next id begins another text.
    pub fn end(&mut self) -> Result<&str> {
        self.push(-1)
    }

    fn call(&mut self, n: &mut usize, id: i32) -> i32 {
        // SAFETY: `text` has room for *n.
        unsafe { sys::skald_decoder_push(self.text.as_mut_ptr().cast(), n, &mut self.state, self.model.as_ptr(), id) }
    }
}
