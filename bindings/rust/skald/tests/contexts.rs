//! Steps: embeddings in place of ids, progress, what was recorded, formats of caches, rooms for saved sequences.
mod common;
use common::{model, prompt, PATH};
use skald::{
    Cache, CacheOptions, Context, ContextOptions, DType, Error, Logits, Sampler, Sampling, Span, Stream, StreamOptions,
};
use std::io::{self, Read, Write};

/// The rows of token_embd.weight, the first tensor behind the header: n_embd floats for each id.
fn embeddings(ids: &[i32]) -> Vec<f32> {
    let (model, file) = (model(), std::fs::read(PATH).unwrap());
    let data: u64 = model.tensors().map(|t| (t.n_bytes + 31) / 32 * 32).sum();
    let begin = file.len() - data as usize;
    let row = |&id: &i32| DType::F32.to_f32(&file[begin + id as usize * 432..], 108).unwrap();
    ids.iter().flat_map(row).collect()
}

#[test]
fn rows_in_place_of_ids() {
    let model = model();
    let cache = Cache::new(&model, &CacheOptions { n_sequences: 2, n_tokens: 512, ..Default::default() }).unwrap();
    let mut context = Context::with(&model, &ContextOptions { n_threads: 1, ..ContextOptions::default() }).unwrap();
    let (a, b, ids) = (cache.open().unwrap(), cache.open().unwrap(), prompt(&model));
    let rows = embeddings(&ids);
    context.step(&[Span::new(&a, &ids).logits(Logits::All), Span::embeddings(&b, &rows).logits(Logits::All)]).unwrap();
    assert_eq!((a.len().unwrap(), b.len().unwrap()), (ids.len() as u32, ids.len() as u32));
    for i in 0..ids.len() as u32 {
        assert_eq!(context.logits(i).unwrap(), context.logits(i + ids.len() as u32).unwrap());
    }
    assert!(matches!(context.step(&[Span::embeddings(&b, &rows[1..])]), Err(Error::Argument(_))));
    assert!(matches!(context.step(&[]), Err(Error::Argument(_))));
    let other = Cache::new(&model, &CacheOptions { n_sequences: 2, ..CacheOptions::default() }).unwrap();
    let (_, c) = (other.open().unwrap(), other.open().unwrap()); // of the number of `b`
    assert!(matches!(context.step(&[Span::new(&a, &[1]), Span::new(&c, &[1])]), Err(Error::Argument(_))));
}

#[test]
fn progress_cancels_a_step_and_leaves_nothing() {
    let model = model();
    let cache = Cache::new(&model, &CacheOptions::default()).unwrap();
    let (mut context, sequence) = (Context::new(&model, 32, 1).unwrap(), cache.open().unwrap());
    let text: Vec<i32> = (3..203).collect();
    let spans = [Span::new(&sequence, &text)];
    assert!(matches!(context.step_watched(&spans, &mut |_| false), Err(Error::Cancelled(_))));
    assert!(sequence.is_empty().unwrap());
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        context.step_watched(&spans, &mut |_| panic!("enough")).map(|_| ())
    }));
    assert_eq!(*caught.unwrap_err().downcast::<&str>().unwrap(), "enough");
    let mut n_heard = 0;
    let mut hear = |done: f32| {
        n_heard += u32::from((0.0..=1.0).contains(&done));
        true
    };
    context.step_watched(&spans, &mut hear).unwrap();
    assert!(n_heard > 0 && sequence.len().unwrap() == 200);
}

#[test]
fn what_a_pass_is_made_of() {
    let model = model();
    let cache = Cache::new(&model, &CacheOptions::default()).unwrap();
    let (mut context, sequence) = (Context::new(&model, 0, 1).unwrap(), cache.open().unwrap());
    context.feed(&sequence, &[1]).unwrap();
    let lines: Vec<String> = context.ops().collect();
    assert_eq!(lines.iter().filter(|l| l.contains("attend: layer")).count(), 2, "{lines:?}");
    assert!(lines.iter().all(|l| !l.contains('\0')));
}

/// Fails after so many bytes.
struct Narrow(usize, Vec<u8>, bool);

impl Write for Narrow {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        assert!(!self.2, "no disk");
        let n = from.len().min(self.0);
        self.0 -= n;
        self.1.extend(&from[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Narrow {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        panic!("no disk")
    }
}

#[test]
fn saving_tells_its_length_and_fails_whole() {
    let model = model();
    let cache = Cache::new(&model, &CacheOptions { n_sequences: 2, ..CacheOptions::default() }).unwrap();
    let (mut context, mut sequence) = (Context::new(&model, 0, 1).unwrap(), cache.open().unwrap());
    sequence.reserve(100).unwrap();
    assert!(matches!(sequence.reserve(1 << 20), Err(Error::Full(_))));
    context.feed(&sequence, &prompt(&model)).unwrap();
    let (mut saved, n) = (Vec::new(), sequence.saved_bytes().unwrap());
    assert_eq!(sequence.save(&mut saved).unwrap(), n);
    assert_eq!(saved.len() as u64, n);
    assert!(matches!(sequence.save(&mut Narrow(100, Vec::new(), false)), Err(Error::Read(_))));
    let mut broken = saved.clone();
    *broken.last_mut().unwrap() ^= 1;
    assert!(matches!(cache.restore(&mut broken.as_slice()), Err(Error::Format(_))));
    for saves in [true, false] {
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut disk = Narrow(0, Vec::new(), true);
            if saves {
                sequence.save(&mut disk).map(|_| ())
            } else {
                cache.restore(&mut disk).map(|_| ())
            }
        }));
        assert_eq!(*caught.unwrap_err().downcast::<&str>().unwrap(), "no disk");
    }
    assert_eq!(cache.stats().unwrap().n_sequences, 1);
    let f32_cache = Cache::new(&model, &CacheOptions { k_type: DType::F32, ..CacheOptions::default() }).unwrap();
    assert!(matches!(f32_cache.restore(&mut saved.as_slice()), Err(Error::Unsupported(_))));
    let whole = CacheOptions { k_type: DType::Q4_0, ..CacheOptions::default() };
    assert!(matches!(Cache::new(&model, &whole), Err(Error::Argument(_) | Error::Unsupported(_))));
}

#[test]
fn a_bias_and_rows_of_another_length() {
    let model = model();
    let mut row = vec![0.0; 300];
    row[7] = 1.0;
    let mut plain = Sampler::new(&model, &Sampling::default()).unwrap();
    assert_eq!(plain.choose(&row, 0, &[]).unwrap(), 7);
    let biased = Sampling { bias: vec![(7, f32::NEG_INFINITY), (9, 0.5)], ..Sampling::default() };
    assert_eq!(Sampler::new(&model, &biased).unwrap().choose(&row, 0, &[]).unwrap(), 9);
    assert!(matches!(plain.choose(&row[1..], 0, &[]), Err(Error::Argument(_))));
    let outside = Sampling { bias: vec![(300, 1.0)], ..Sampling::default() };
    assert!(matches!(Sampler::new(&model, &outside), Err(Error::Argument(_))));
}

#[test]
fn a_stream_s_room_and_control_tokens() {
    let model = model();
    fn sent<T: Send>(_: &T) {}
    let count = |s: Stream| s.map(Result::unwrap).collect::<String>();
    let ids = prompt(&model);
    let forever =
        Sampling { bias: vec![(0, f32::NEG_INFINITY), (2, f32::NEG_INFINITY), (1, 99.0)], ..Default::default() };
    let options =
        StreamOptions { n_context: ids.len() as u32 + 3, sampling: forever, special: true, ..Default::default() };
    let stream = skald::stream_with(&model, &ids, &options).unwrap();
    sent(&stream);
    assert_eq!(count(stream), "<|im_start|>".repeat(3));
    assert!(matches!(skald::stream_with(&model, &[], &options), Err(Error::Argument(_))));
}
