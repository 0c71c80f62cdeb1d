//! Adapters: what they tell, what they change, and who keeps them.
mod common;
use common::{adapter, model, prompt, run, scratch};
use skald::{
    stream_with, Adapter, Cache, CacheOptions, Context, ContextOptions, Engine, EngineOptions, Error, Happened, Model,
    Request, Scaled, Source, Span, StreamOptions,
};

fn open(model: &Model, rank: u64, seed: i64) -> Adapter {
    Adapter::from_source(model, Source::Bytes(&adapter(rank, seed))).unwrap()
}

/// The logits behind the prompt.
fn row(model: &Model, adapters: &[Scaled<'_>]) -> Vec<f32> {
    let cache = Cache::new(model, &CacheOptions::default()).unwrap();
    let mut context = Context::with(model, &ContextOptions { max_rank: 8, ..ContextOptions::default() }).unwrap();
    let (sequence, ids) = (cache.open().unwrap(), prompt(model));
    context.step(&[Span::new(&sequence, &ids).adapters(adapters)]).unwrap();
    context.logits(0).unwrap().to_vec()
}

fn distance(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max)
}

#[test]
fn its_scale_is_how_much_of_it() {
    let model = model();
    let a = open(&model, 4, 1);
    let (none, one, half) = (row(&model, &[]), row(&model, &[(&a, 1.0)]), row(&model, &[(&a, 0.5)]));
    assert_eq!(row(&model, &[(&a, 0.0)]), none);
    assert!(distance(&one, &none) > 0.01 && distance(&half, &one) > 0.001);
    assert!(distance(&row(&model, &[(&a, 0.5), (&a, 0.5)]), &one) < 1e-4);
    let b = open(&model, 2, 9);
    assert!(distance(&row(&model, &[(&a, 1.0), (&b, 1.0)]), &one) > 0.001);
}

#[test]
fn it_tells_its_sizes_from_wherever_it_comes() {
    let model = model();
    let bytes = adapter(4, 1);
    let path = scratch("adapter.gguf", &bytes);
    let from_path = Adapter::open(&model, &path).unwrap();
    let info = from_path.info();
    assert_eq!((info.rank, info.n_changed, info.n_parameters), (4, 2, 4 * 4 * 108));
    let shared = Adapter::from_source(&model, Source::Shared(bytes.clone().into())).unwrap();
    let mapped = Adapter::from_source(&model, Source::Mapped(&path)).unwrap();
    let clone = from_path.clone();
    drop(from_path);
    for other in [shared, mapped, clone] {
        assert_eq!(other.info(), info);
        assert_eq!(other.model().info(), model.info());
    }
    let cut = Adapter::from_source(&model, Source::Bytes(&bytes[..bytes.len() / 2]));
    assert!(matches!(cut, Err(Error::Format(_))));
    assert!(matches!(Adapter::open(&model, "/nowhere/adapter.gguf"), Err(Error::Read(_))));
    assert!(matches!(Adapter::open(&model, common::PATH), Err(Error::Unsupported(_))));
}

#[test]
fn an_engine_answers_with_it_as_a_stream_does() {
    let model = model();
    let ids = prompt(&model);
    let a = open(&model, 4, 1);
    let options = EngineOptions { n_tokens: 2048, max_rank: 4, ..EngineOptions::default() };
    let mut engine = Engine::new(&model, &options).unwrap();
    let mut texts = Vec::new();
    for scale in [0.0, 1.0, -2.0] {
        let clone = a.clone();
        let adapters: [Scaled<'_>; 1] = [(&clone, scale)];
        let request = Request { prompt: &ids, n_tokens: 24, adapters: &adapters, ..Request::default() };
        engine.submit(&request).unwrap();
        let stream = StreamOptions { n_tokens: 24, adapters: &adapters, ..StreamOptions::default() };
        let want: String = stream_with(&model, &ids, &stream).unwrap().map(Result::unwrap).collect();
        drop(clone);
        let text: String = run(&mut engine).iter().map(|e| e.text.as_str()).collect();
        assert_eq!(text, want, "{scale}");
        texts.push(text);
    }
    engine.submit(&Request { prompt: &ids, n_tokens: 24, ..Request::default() }).unwrap();
    let events = run(&mut engine);
    assert_eq!(events.iter().map(|e| e.text.as_str()).collect::<String>(), texts[0]);
    assert!(matches!(events.last().unwrap().what, Happened::Length | Happened::Stop(None)));
    assert!(texts[1] != texts[0] && texts[2] != texts[1]);
}

#[test]
fn what_cannot_be_is_refused() {
    let model = model();
    let cache = Cache::new(&model, &CacheOptions::default()).unwrap();
    let (a, sequence) = (open(&model, 4, 1), cache.open().unwrap());
    let one: [Scaled<'_>; 1] = [(&a, 1.0)];
    let mut narrow = Context::with(&model, &ContextOptions { max_rank: 3, ..ContextOptions::default() }).unwrap();
    assert!(matches!(narrow.step(&[Span::new(&sequence, &[1]).adapters(&one)]), Err(Error::Argument(_))));
    let mut wide = Context::with(&model, &ContextOptions { max_rank: 4, ..ContextOptions::default() }).unwrap();
    let five = [(&a, 1.0); 5];
    assert!(matches!(wide.step(&[Span::new(&sequence, &[1]).adapters(&five)]), Err(Error::Argument(_))));
    let other = common::model();
    let foreign = open(&other, 4, 1);
    let adapters = [(&foreign, 1.0)];
    assert!(matches!(wide.step(&[Span::new(&sequence, &[1]).adapters(&adapters)]), Err(Error::Argument(_))));
    assert!(sequence.is_empty().unwrap());
    wide.step(&[Span::new(&sequence, &[1]).adapters(&one)]).unwrap();
    let engine = Engine::new(&model, &EngineOptions { n_tokens: 1024, max_rank: 4, ..Default::default() }).unwrap();
    let request = Request { prompt: &[1], n_tokens: 1, adapters: &adapters, ..Request::default() };
    assert!(matches!(engine.submit(&request), Err(Error::Argument(_))));
    let endless = [(&a, f32::INFINITY)];
    assert!(matches!(engine.submit(&Request { adapters: &endless, ..request }), Err(Error::Argument(_))));
}

#[test]
fn what_peft_writes_is_read_as_it_is() {
    let model = model();
    let folder = std::path::Path::new(common::PATH).with_file_name("../../peft/llama_gqa_tied");
    let [tensors, config] = ["adapter_model.safetensors", "adapter_config.json"].map(|name| folder.join(name));
    let want = row(&model, &[(&Adapter::open(&model, &folder).unwrap(), 1.0)]);
    assert!(distance(&want, &row(&model, &[])) > 0.1);
    let bytes = std::fs::read(&tensors).unwrap();
    let by_file = Adapter::open(&model, &tensors).unwrap();
    let by_parts = Adapter::from_peft(&model, Source::Bytes(&bytes), Source::Path(&config)).unwrap();
    for adapter in [by_file, by_parts] {
        assert_eq!((adapter.info().rank, row(&model, &[(&adapter, 1.0)])), (4, want.clone()));
    }
    let swapped = Adapter::from_peft(&model, Source::Path(&config), Source::Bytes(&bytes));
    assert!(matches!(swapped, Err(Error::Format(_))));
}
