//! chat: reads what you say line by line and streams the answers. What was read of the conversation already is not read again.
use skald::{
    Answer, Cache, CacheOptions, Context, Conversation, Decoder, Error, Model, Piece, Runtime, Sampler, Sampling,
    Sequence, Template,
};
use std::io::{self, BufRead, Write};

const USAGE: &str = "usage: chat MODEL.gguf [MOST-TOKENS-OF-AN-ANSWER [TEMPLATE.jinja]]";

/// One conversation: what was said, and what of it lies in the cache.
struct Chat<'c> {
    model: &'c Model,
    layout: Template,
    context: Context,
    sampler: Sampler,
    sequence: Sequence<'c>,
    read: Vec<i32>,
    said: Vec<(&'static str, String)>,
}

impl Chat<'_> {
    /// Answers a line, piece by piece.
    fn answer(&mut self, line: String, most: usize, out: &mut impl Write) -> Result<(), Box<dyn std::error::Error>> {
        self.said.push(("user", line));
        let messages: Vec<_> = self.said.iter().map(|(role, text)| (*role, text.as_str())).collect();
        let mut text = self.layout.encode(&Conversation::new(&messages))?;
        self.forget_what_differs(&text)?;
        let (mut decoder, mut reader) = (Decoder::new(self.model, true), Answer::new(self.model, None, false)?);
        let mut content = String::new();
        for _ in 0..most {
            self.context.feed(&self.sequence, &text[self.read.len()..])?;
            self.read.clone_from(&text);
            let row = self.context.logits(0).expect("the logits of the last id");
            let id = self.sampler.choose(row, text.len() as u64, &text)?;
            if self.model.is_end(id) {
                break;
            }
            text.push(id);
            show(reader.push(decoder.push(id)?)?, &mut content, out)?;
        }
        show(reader.push(decoder.end()?)?, &mut content, out)?;
        show(reader.end()?, &mut content, out)?;
        writeln!(out)?;
        self.said.push(("assistant", content));
        Ok(())
    }

    /// Keeps of the cache what the next text begins with; its last id is read anyway, for its logits.
    fn forget_what_differs(&mut self, text: &[i32]) -> skald::Result<()> {
        let most = text.len().saturating_sub(1);
        let mut same = self.read.iter().zip(&text[..most]).take_while(|(a, b)| a == b).count();
        if let Err(failed) = self.sequence.rewind(same as u32) {
            if !matches!(failed, Error::Gone(_)) {
                return Err(failed);
            }
            same = 0; // windows reach back only so far
            self.sequence.rewind(0)?;
        }
        self.read.truncate(same);
        Ok(())
    }
}

fn show(pieces: Vec<Piece>, content: &mut String, out: &mut impl Write) -> io::Result<()> {
    for piece in pieces {
        if let Piece::Content(text) = piece {
            write!(out, "{text}")?;
            content.push_str(&text);
        }
    }
    out.flush()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let path = arguments.first().ok_or(USAGE)?;
    let most = arguments.get(1).map_or(Ok(512), |n| n.parse())?;
    let template = arguments.get(2).map(std::fs::read_to_string).transpose()?;
    let model = Model::open(&Runtime::new(0, None)?, path)?;
    let cache = Cache::new(&model, &CacheOptions::default())?;
    let mut chat = Chat {
        model: &model,
        layout: Template::new(&model, template.as_deref())?,
        context: Context::new(&model, 0, 1)?,
        sampler: Sampler::new(&model, &Sampling { temperature: 0.7, top_p: 0.95, ..Sampling::default() })?,
        sequence: cache.open()?,
        read: Vec::new(),
        said: Vec::new(),
    };
    for line in io::stdin().lock().lines() {
        chat.answer(line?, most, &mut io::stdout())?;
    }
    Ok(())
}
