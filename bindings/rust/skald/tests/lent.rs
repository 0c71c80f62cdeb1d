//! What a host lends: memory, threads, a log. And what of it a plan foretells.
#![warn(unsafe_op_in_unsafe_fn)]
mod common;
use common::{prompt, run, PATH};
use skald::{
    Allocator, Cache, CacheOptions, Context, ContextOptions, DType, Engine, EngineOptions, Error, Executor, MemoryKind,
    Model, ModelOptions, Request, Runtime, RuntimeOptions, Sampling, Source,
};
use std::alloc::{alloc, dealloc, Layout};
use std::path::Path;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

/// Counts what is out, of all kinds, and can refuse or panic.
#[derive(Default)]
struct Counts {
    live: u64,
    peak: u64,
    n_blocks: u64,
    kinds: Vec<MemoryKind>,
    refuses: bool,
    panics: bool,
}

#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Counts>>);

// SAFETY: blocks are those of the global allocator.
unsafe impl Allocator for Memory {
    fn alloc(&self, layout: Layout, kind: MemoryKind) -> *mut u8 {
        let mut counts = self.0.lock().unwrap_or_else(|e| e.into_inner());
        assert!(!counts.panics, "out of order");
        if counts.refuses {
            return null_mut();
        }
        counts.n_blocks += 1;
        counts.live += layout.size() as u64;
        counts.peak = counts.peak.max(counts.live);
        counts.kinds.push(kind);
        // SAFETY: a layout of at least one byte.
        unsafe { alloc(layout) }
    }

    unsafe fn free(&self, block: *mut u8, layout: Layout) {
        let mut counts = self.0.lock().unwrap_or_else(|e| e.into_inner());
        counts.live -= layout.size() as u64;
        counts.n_blocks -= 1;
        // SAFETY: it came from alloc with this layout.
        unsafe { dealloc(block, layout) }
    }
}

impl Memory {
    fn counts(&self) -> std::sync::MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn live(&self) -> u64 {
        self.counts().live
    }

    fn runtime(&self) -> Runtime {
        let options = RuntimeOptions { n_threads: 2, allocator: Some(Box::new(self.clone())), ..Default::default() };
        Runtime::with(options).unwrap()
    }
}

/// Runs jobs on threads made for the purpose.
struct Threads(Arc<AtomicU32>);

// SAFETY: each index once, and the scope waits for all.
unsafe impl Executor for Threads {
    fn n_threads(&self) -> u32 {
        3
    }

    fn run(&self, job: &(dyn Fn(u32) + Sync), n_jobs: u32) {
        self.0.fetch_add(n_jobs, SeqCst);
        std::thread::scope(|s| {
            for index in 0..n_jobs {
                s.spawn(move || job(index));
            }
        });
    }
}

fn said(model: &Model) -> String {
    let mut text = String::new();
    let hear = |piece: &str| {
        text.push_str(piece);
        true
    };
    model.generate("the sea", 16, &Sampling::default(), hear).unwrap();
    text
}

fn source() -> Vec<Source<'static>> {
    vec![Source::Path(Path::new(PATH))]
}

#[test]
fn memory_is_asked_for_as_planned_and_given_back() {
    let memory = Memory::default();
    let runtime = memory.runtime();
    let own = memory.live();
    let cache = CacheOptions { n_sequences: 2, n_tokens: 512, k_type: DType::F32, ..CacheOptions::default() };
    let context = ContextOptions { n_rows: 64, n_logits: 4, ..ContextOptions::default() };
    let plan = runtime.plan(source(), ModelOptions::default(), &cache, &context).unwrap();
    assert_eq!(memory.live(), own);
    memory.counts().peak = own;
    let model = Model::open_with(&runtime, source(), ModelOptions::default()).unwrap();
    assert_eq!(memory.live() - own, plan.model_bytes + plan.weights_bytes);
    drop(runtime); // the model keeps it, and what was lent
    let cache = Cache::new(&model, &cache).unwrap();
    let context = Context::with(&model, &context).unwrap();
    let live = memory.live();
    let peak = memory.counts().peak;
    assert_eq!(live - own, plan.model_bytes + plan.weights_bytes + plan.cache_bytes + plan.context_bytes);
    assert_eq!(peak - own, plan.peak_bytes);
    assert_eq!(plan.cache_bytes_per_token, model.info().cache_bytes_per_token(DType::F32, DType::F16));
    assert_eq!((plan.engine_bytes, plan.mapped_bytes), (0, 0));
    for kind in [MemoryKind::Handle, MemoryKind::Weights, MemoryKind::Cache, MemoryKind::Scratch, MemoryKind::Load] {
        assert!(memory.counts().kinds.contains(&kind), "{kind:?}");
    }
    drop(model);
    drop(context);
    drop(cache);
    assert_eq!(memory.live(), 0);
    assert_eq!(memory.counts().n_blocks, 0);
    assert_eq!(Arc::strong_count(&memory.0), 1);
}

#[test]
fn an_engine_is_planned_too() {
    let memory = Memory::default();
    let runtime = memory.runtime();
    let own = memory.live();
    let options = EngineOptions { n_running: 2, n_tokens: 512, lookup: true, n_top: 3, ..EngineOptions::default() };
    let plan = runtime.engine_plan(source(), ModelOptions::default(), &options).unwrap();
    let model = Model::open_with(&runtime, source(), ModelOptions::default()).unwrap();
    let opened = memory.live();
    let mut engine = Engine::new(&model, &options).unwrap();
    let live = memory.live();
    assert!(plan.engine_bytes > 0);
    assert_eq!(live - opened, plan.engine_bytes + plan.cache_bytes + plan.context_bytes);
    assert_eq!(opened - own, plan.model_bytes + plan.weights_bytes);
    let ids = prompt(&model);
    engine.submit(&Request { prompt: &ids, n_tokens: 8, n_top: 2, ..Request::default() }).unwrap();
    assert!(!run(&mut engine).is_empty());
    assert_eq!(memory.live(), live); // a step asks for none
    let inbox = engine.inbox();
    drop((runtime, model, engine));
    assert_eq!(memory.live(), live);
    drop(inbox);
    assert_eq!(memory.live(), 0);
    assert!(matches!(
        common::model().generate("a", 0, &Sampling { temperature: -1.0, ..Sampling::default() }, |_| true),
        Err(Error::Argument(_))
    ));
}

#[test]
fn a_host_without_memory_is_an_error_and_no_more() {
    let memory = Memory::default();
    let runtime = memory.runtime();
    let model = Model::open(&runtime, PATH).unwrap();
    memory.counts().refuses = true;
    assert!(matches!(Model::open(&runtime, PATH), Err(Error::Memory(_))));
    assert!(matches!(Cache::new(&model, &CacheOptions::default()), Err(Error::Memory(_))));
    memory.counts().refuses = false;
    memory.counts().panics = true;
    assert!(matches!(Context::new(&model, 0, 0), Err(Error::Memory(_))));
    memory.counts().panics = false;
    Context::new(&model, 0, 0).unwrap();
}

#[test]
fn the_host_s_threads_compute_the_same() {
    let n_jobs = Arc::new(AtomicU32::new(0));
    let lent = Box::new(Threads(n_jobs.clone()));
    let runtime = Runtime::with(RuntimeOptions { executor: Some(lent), ..RuntimeOptions::default() }).unwrap();
    let model = Model::open(&runtime, PATH).unwrap();
    drop(runtime);
    assert_eq!(said(&model), said(&common::model()));
    assert!(n_jobs.load(SeqCst) > 2);
    drop(model);
    assert_eq!(Arc::strong_count(&n_jobs), 1);
}

#[test]
fn other_options_of_a_runtime() {
    let log =
        Box::new(|level: skald::LogLevel, text: &str| assert!(level >= skald::LogLevel::Error && !text.is_empty()));
    let options = RuntimeOptions { cpu_level: Some("scalar"), small_pages: true, log: Some(log), ..Default::default() };
    let model = Model::open(&Runtime::with(options).unwrap(), PATH).unwrap();
    assert!(model.tensors().any(|t| t.kernel == "f32/scalar"));
    assert_eq!(said(&model), said(&common::model()));
    let runtime = Runtime::new(1, None).unwrap();
    // SAFETY: there is no such plug-in, and no other thread.
    let loaded = unsafe { runtime.load_backend("/nowhere/libnothing.so", Some("device=0")) };
    assert!(matches!(loaded, Err(Error::Read(_) | Error::Unsupported(_))), "{loaded:?}");
    // SAFETY: likewise.
    assert!(matches!(unsafe { runtime.load_backend("a\0b", None) }, Err(Error::Argument(_))));
}
