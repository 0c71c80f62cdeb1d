use crate::cache::{Cache, CacheOptions};
use crate::context::Context;
use crate::error::{argument, Result};
use crate::model::{Decoder, Encode, Model};
use crate::sampler::{Sampler, Sampling};

/// An answer as an iterator of pieces of text: what [`Model::generate`] says, in the caller's own time.
pub struct Stream {
    model: Model,
    cache: Cache,
    saved: Option<u32>, // the sequence, between two pieces
    context: Context,
    sampler: Sampler,
    decoder: Decoder,
    text: Vec<i32>, // prompt and answer
    n_read: usize,
    n_left: usize,
    over: bool,
}

/// Continues `prompt` by up to `n_tokens` tokens; 0: until the model ends, at most the room of 4096.
pub fn stream(model: &Model, prompt: &str, n_tokens: u32, sampling: &Sampling) -> Result<Stream> {
    let text = model.encode(prompt, Encode { special: true, bos: true, eos: false })?;
    if text.is_empty() {
        return Err(argument("the prompt is empty"));
    }
    let trained = model.info().n_context as usize;
    let room = if trained > 0 && trained < 4096 { trained } else { 4096 };
    let n_left = room.saturating_sub(text.len()).min(if n_tokens > 0 { n_tokens as usize } else { room });
    Ok(Stream {
        cache: Cache::new(model, &CacheOptions { n_tokens: room as u64, ..CacheOptions::default() })?,
        saved: None,
        context: Context::new(model, 0, 1)?,
        sampler: Sampler::new(model, sampling)?,
        decoder: Decoder::new(model, false),
        model: model.clone(),
        text,
        n_read: 0,
        n_left,
        over: false,
    })
}

impl Stream {
    /// The next id of the answer; None at its end.
    fn next_id(&mut self) -> Result<Option<i32>> {
        if self.n_left == 0 {
            return Ok(None);
        }
        let sequence = self.cache.take(self.saved)?;
        let fed = self.context.feed(&sequence, &self.text[self.n_read..]);
        self.saved = Some(sequence.leave());
        fed?;
        self.n_read = self.text.len();
        self.n_left -= 1;
        let row = self.context.logits(0).expect("a row of the last token");
        let id = self.sampler.choose(row, self.text.len() as u64, &self.text)?;
        self.text.push(id);
        Ok((!self.model.is_end(id)).then_some(id))
    }

    fn piece(&mut self) -> Result<Option<String>> {
        while let Some(id) = self.next_id()? {
            let text = self.decoder.push(id)?;
            if !text.is_empty() {
                return Ok(Some(text.to_string()));
            }
        }
        self.over = true;
        let rest = self.decoder.end()?;
        Ok((!rest.is_empty()).then(|| rest.to_string()))
    }
}

impl Iterator for Stream {
    type Item = Result<String>;

    fn next(&mut self) -> Option<Result<String>> {
        if self.over {
            return None;
        }
        let piece = self.piece().transpose();
        self.over |= matches!(piece, Some(Err(_)));
        piece
    }
}
