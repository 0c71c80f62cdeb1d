//! The safe crate at work on a small model of tests/golden/data.
use skald::{
    stream, Cache, CacheOptions, Context, Conversation, Decoder, Encode, Engine, EngineOptions, Error, Happened,
    Logits, Model, Progress, Request, Runtime, Sampler, Sampling, Span, Template,
};

const PATH: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../../tests/golden/data/tiny/llama_gqa_tied/model-f32.gguf");
const PROMPT: Encode = Encode { special: true, bos: true, eos: false };

fn model() -> Model {
    Model::open(&Runtime::new(2, None).unwrap(), PATH).unwrap()
}

fn drawn() -> Sampling {
    Sampling { temperature: 0.9, top_k: 40, top_p: 0.95, repetition: 1.1, seed: 7, ..Sampling::default() }
}

fn answer(model: &Model, n: u32, sampling: &Sampling) -> String {
    let mut text = String::new();
    model
        .generate("the sea", n, sampling, |piece| {
            text.push_str(piece);
            true
        })
        .unwrap();
    text
}

/// Does not compile when one of the types is what must not be.
macro_rules! never {
    ($trait:ident: $($type:ty),*) => {
        $({
            trait Either<A> {
                fn some() {}
            }
            impl<T> Either<u8> for T {}
            impl<T: $trait> Either<u16> for T {}
            let _ = <$type as Either<_>>::some;
        })*
    };
}

#[test]
fn what_is_shared_and_what_is_not() {
    fn shared<T: Send + Sync>() {}
    fn sent<T: Send>() {}
    shared::<Runtime>();
    shared::<Model>();
    shared::<Template>();
    shared::<skald::Adapter>();
    shared::<skald::Grammar>();
    shared::<skald::Beams>();
    shared::<skald::Inbox>();
    sent::<Cache>();
    sent::<Context>();
    sent::<Sampler>();
    sent::<skald::Matcher>();
    sent::<skald::Answer>();
    sent::<skald::Stream>();
    sent::<Decoder>();
    sent::<Engine>();
    never!(Sync: Cache, Context, Sampler, skald::Matcher, skald::Answer, skald::Stream, skald::Sequence<'_>);
    never!(Send: skald::Sequence<'_>, Span<'_>, skald::Paused<'_>);
}

#[test]
fn errors_are_variants_with_sentences() {
    let runtime = Runtime::new(1, None).unwrap();
    let missing = Model::open(&runtime, "/nowhere/model.gguf").err().unwrap();
    assert!(matches!(&missing, Error::Read(why) if !why.text.is_empty()), "{missing:?}");
    assert_eq!(missing.status(), skald::sys::SKALD_READ);
    assert!(matches!(Model::from_bytes(&runtime, b"no model"), Err(Error::Format(_))));
    assert!(matches!(Runtime::new(1, Some("abacus")), Err(Error::Argument(_))));
    assert!(matches!(model().generate("a\0b", 1, &Sampling::default(), |_| true), Err(Error::Argument(_))));
}

#[test]
fn text_comes_back() {
    let model = model();
    let text = "the sea, déjà vu";
    let ids = model.encode(text, Encode::default()).unwrap();
    assert_eq!(model.decode(&ids, false).unwrap(), text);
    let mut decoder = Decoder::new(&model, false);
    let mut pieces: String = ids.iter().map(|&id| decoder.push(id).unwrap().to_string()).collect();
    pieces.push_str(decoder.end().unwrap());
    assert_eq!(pieces, text);
    let layout =
        Template::new(&model, Some("{{ tools[0] }}{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"));
    let layout = layout.unwrap();
    let said = Conversation { json: Some("{\"tools\": [7]}"), ..Conversation::new(&[("user", "hi")]) };
    assert_eq!(layout.render(&said).unwrap(), "7<user>hi");
    assert_eq!(layout.encode(&said).unwrap(), model.encode("7<user>hi", Encode::default()).unwrap());
    assert!(matches!(Template::new(&model, Some("{% for %}")), Err(Error::Format(_))));
}

#[test]
fn an_iterator_says_what_generate_says() {
    let model = model();
    for sampling in [Sampling::default(), drawn()] {
        let pieces: String = stream(&model, "the sea", 24, &sampling).unwrap().map(Result::unwrap).collect();
        assert_eq!(pieces, answer(&model, 24, &sampling));
    }
    let bytes = std::fs::read(PATH).unwrap();
    let other = Model::from_bytes(&Runtime::new(1, Some("scalar")).unwrap(), &bytes).unwrap();
    drop(bytes);
    assert_eq!(answer(&other, 24, &drawn()), answer(&model.clone(), 24, &drawn()));
}

#[test]
fn a_panic_in_a_callback_reaches_the_caller() {
    let model = model();
    let caught = std::panic::catch_unwind(|| model.generate("the sea", 8, &Sampling::default(), |_| panic!("out")));
    assert_eq!(*caught.unwrap_err().downcast::<&str>().unwrap(), "out");
}

#[test]
fn steps_fork_rewind_save() {
    let model = model();
    let options = CacheOptions { n_sequences: 4, n_tokens: 1024, ..CacheOptions::default() };
    let cache = Cache::new(&model, &options).unwrap();
    let mut context = Context::new(&model, 0, 8).unwrap();
    let mut sampler = Sampler::new(&model, &Sampling::default()).unwrap();
    let mut a = cache.open().unwrap();
    let b = cache.open().unwrap();
    let spans = [Span::new(&a, &[1, 2, 3]).logits(Logits::All), Span::new(&b, &[9]).logits(Logits::None)];
    context.step(&spans).unwrap();
    let row = context.logits(2).unwrap().to_vec();
    assert!(context.logits(3).is_none());
    assert_eq!(sampler.choose(&row, 3, &[1, 2, 3]).unwrap(), context.argmax(2).unwrap());

    let (mut saved, fork) = (Vec::new(), a.fork(2).unwrap());
    a.save(&mut saved).unwrap();
    context.feed(&fork, &[3]).unwrap();
    assert_eq!(context.logits(0).unwrap(), row);
    drop(fork);
    let mut again = cache.restore(&mut saved.as_slice()).unwrap();
    again.rewind(2).unwrap();
    context.feed(&again, &[3]).unwrap();
    assert_eq!(context.logits(0).unwrap(), row);
    let short = cache.restore(&mut &saved[..saved.len() - 1]);
    assert!(matches!(short, Err(Error::Read(_))));
    a.rewind(1).unwrap();
    assert_eq!((a.len().unwrap(), cache.stats().unwrap().n_sequences), (1, 3));
    assert!(matches!(a.rewind(9), Err(Error::Argument(_))));
}

#[test]
fn a_paused_step_goes_on_or_is_forgotten() {
    let model = model();
    let cache = Cache::new(&model, &CacheOptions { n_tokens: 1024, ..CacheOptions::default() }).unwrap();
    let mut context = Context::new(&model, 0, 1).unwrap();
    let sequence = cache.open().unwrap();
    let text: Vec<i32> = (0..200).collect();
    let spans = [Span::new(&sequence, &text)];
    let paused = context.step_within(&spans, 1).unwrap().expect("200 tokens take more than a microsecond");
    assert!(matches!(sequence.len(), Err(Error::Busy(_))));
    drop(paused);
    assert!(sequence.is_empty().unwrap());
    let mut paused = context.step_within(&spans, 1).unwrap();
    let mut times = 0;
    while let Some(step) = paused {
        paused = step.go_on(1).unwrap();
        times += 1;
    }
    assert!(times > 1);
    assert_eq!(sequence.len().unwrap(), 200);
}

#[test]
fn an_engine_answers_as_if_alone() {
    let model = model();
    let mut engine =
        Engine::new(&model, &EngineOptions { n_running: 4, n_tokens: 2048, ..EngineOptions::default() }).unwrap();
    let prompt = model.encode("the sea", PROMPT).unwrap();
    let inbox = engine.inbox();
    let request = Request { prompt: &prompt, n_tokens: 24, sampling: drawn(), ..Request::default() };
    let numbers: Vec<u64> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..3).map(|_| scope.spawn(|| inbox.submit(&request).unwrap())).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    let long = engine.submit(&Request { n_tokens: 400, ignore_end: true, ..request.clone() }).unwrap();
    inbox.cancel(long).unwrap();
    let (mut ids, mut cancelled) = (vec![Vec::new(); 3], false);
    loop {
        let progress = engine.step(0).unwrap();
        for event in engine.events() {
            match (numbers.iter().position(|&n| n == event.request), event.what) {
                (Some(n), Happened::Token(id)) => ids[n].push(id),
                (None, Happened::Cancelled) => cancelled = true,
                _ => {}
            }
        }
        if progress == Progress::Idle {
            break;
        }
    }
    assert!(cancelled && matches!(inbox.cancel(long), Err(Error::Absent(_))));
    for ids in ids {
        let mut decoder = Decoder::new(&model, false);
        let mut text: String = ids.iter().map(|&id| decoder.push(id).unwrap().to_string()).collect();
        text.push_str(decoder.end().unwrap());
        assert_eq!(text, answer(&model, 24, &drawn()));
    }
    assert_eq!(engine.stats().unwrap().n_ended, 4);
}
