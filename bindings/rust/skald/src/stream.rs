use crate::adapter::{Adapter, Scaled};
use crate::cache::{Cache, CacheOptions};
use crate::context::{Context, ContextOptions};
use crate::error::{argument, Result};
use crate::grammar::{Grammar, Matcher};
use crate::model::Model;
use crate::sampler::{Sampler, Sampling};
use crate::span::Span;
use crate::vocabulary::{Decoder, Encode};

/// How [`stream_with`] answers.
#[derive(Clone, Default)]
pub struct StreamOptions<'a> {
    /// The most ids; 0: until the model ends, at most the room.
    pub n_tokens: u32,
    /// Room in tokens; 0: the model's context, at most 4096.
    pub n_context: u32,
    /// How ids are chosen.
    pub sampling: Sampling,
    /// What the answer may say; it is whole within its ids.
    pub grammar: Option<&'a Grammar>,
    /// Adapters for prompt and answer, in this order.
    pub adapters: &'a [Scaled<'a>],
    /// Control tokens are written out, as an [`Answer`](crate::Answer) wants them.
    pub special: bool,
}

/// An answer as an iterator of pieces of text: what [`Model::generate`] says, in the caller's own time. It can be sent, not
/// shared. After an error it is over.
pub struct Stream {
    model: Model,
    cache: Cache,
    saved: Option<u32>, // the sequence, between two pieces
    context: Context,
    sampler: Sampler,
    bound: Option<Bound>,
    adapters: Vec<(Adapter, f32)>,
    decoder: Decoder,
    text: Vec<i32>, // prompt and answer
    n_read: usize,
    n_left: usize,
    over: bool,
}

/// Where the answer is in its grammar, and a row that may be changed.
struct Bound {
    matcher: Matcher,
    row: Vec<f32>,
}

/// Continues `prompt` by up to `n_tokens` tokens; 0: until the model ends, at most the room of 4096.
pub fn stream(model: &Model, prompt: &str, n_tokens: u32, sampling: &Sampling) -> Result<Stream> {
    let ids = model.encode(prompt, Encode { special: true, bos: true, eos: false })?;
    stream_with(model, &ids, &StreamOptions { n_tokens, sampling: sampling.clone(), ..StreamOptions::default() })
}

/// The same with all options, for a prompt's ids. Argument: there are none, or the grammar needs more ids than there may be.
pub fn stream_with(model: &Model, prompt: &[i32], options: &StreamOptions<'_>) -> Result<Stream> {
    if prompt.is_empty() {
        return Err(argument("the prompt is empty"));
    }
    let room = match (options.n_context as usize, model.info().n_context as usize) {
        (0, trained) if trained > 0 && trained < 4096 => trained,
        (0, _) => 4096,
        (asked, _) => asked,
    };
    let most = if options.n_tokens > 0 { options.n_tokens as usize } else { room };
    let n_left = room.saturating_sub(prompt.len()).min(most);
    let bound = options.grammar.map(|g| Bound::new(g, model, n_left)).transpose()?;
    let max_rank = options.adapters.iter().map(|(a, _)| a.info().rank).max().unwrap_or(0);
    Ok(Stream {
        cache: Cache::new(model, &CacheOptions { n_tokens: room as u64, ..CacheOptions::default() })?,
        saved: None,
        context: Context::with(model, &ContextOptions { n_logits: 1, max_rank, ..ContextOptions::default() })?,
        sampler: Sampler::new(model, &options.sampling)?,
        bound,
        adapters: options.adapters.iter().map(|&(a, scale)| (a.clone(), scale)).collect(),
        decoder: Decoder::new(model, options.special),
        model: model.clone(),
        text: prompt.to_vec(),
        n_read: 0,
        n_left,
        over: false,
    })
}

impl Bound {
    fn new(grammar: &Grammar, model: &Model, n_left: usize) -> Result<Bound> {
        let matcher = Matcher::new(grammar)?;
        if matcher.least() as usize > n_left {
            return Err(argument("the grammar's shortest text needs more ids than the answer may have"));
        }
        Ok(Bound { matcher, row: vec![0.0; model.info().n_vocab as usize] })
    }
}

impl Stream {
    /// The next id of the answer; None at its end.
    fn next_id(&mut self) -> Result<Option<i32>> {
        if self.n_left == 0 {
            return Ok(None);
        }
        self.read()?;
        let mut row = self.context.logits(0).expect("a row of the last token");
        if let Some(bound) = &mut self.bound {
            if !bound.matcher.mask_into(&mut bound.row, row, self.n_left as u32)? {
                return Ok(None);
            }
            row = &bound.row;
        }
        let id = self.sampler.choose(row, self.text.len() as u64, &self.text)?;
        self.n_left -= 1;
        self.text.push(id);
        if self.model.is_end(id) {
            return Ok(None);
        }
        if let Some(bound) = &mut self.bound {
            if !bound.matcher.accept(id)? {
                self.n_left = 0;
            }
        }
        Ok(Some(id))
    }

    /// What was not read yet.
    fn read(&mut self) -> Result<()> {
        let scaled: Vec<Scaled<'_>> = self.adapters.iter().map(|(a, scale)| (a, *scale)).collect();
        let sequence = self.cache.take(self.saved)?;
        let step = [Span::new(&sequence, &self.text[self.n_read..]).adapters(&scaled)];
        let fed = self.context.step(&step);
        self.saved = Some(sequence.leave());
        self.n_read = self.text.len();
        fed
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
