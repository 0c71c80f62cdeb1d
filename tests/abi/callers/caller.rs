//! Rust as a caller, with an extern block and nothing else: prints the ids it chose. usage: caller MODEL.gguf
use std::ffi::{c_void, CStr, CString};
use std::os::raw::c_char;
use std::ptr::{null, null_mut};

#[repr(C)]
struct Report {
    size: u32,
    status: i32,
    offset: u64,
    text: [c_char; 496],
}

#[repr(C)]
struct CacheOptions {
    size: u32,
    n_sequences: u32,
    n_tokens: u64,
    k_type: u32,
    v_type: u32,
}

#[repr(C)]
struct Span {
    size: u32,
    seq: u32,
    tokens: *const i32,
    embeddings: *const f32,
    n_tokens: u32,
    logits: u32,
}

extern "C" {
    fn skald_runtime_create(out: *mut *mut c_void, options: *const c_void, why: *mut Report) -> i32;
    fn skald_runtime_release(runtime: *mut c_void);
    fn skald_model_open_path(
        out: *mut *mut c_void,
        runtime: *mut c_void,
        path: *const c_char,
        options: *const c_void,
        why: *mut Report,
    ) -> i32;
    fn skald_model_release(model: *mut c_void);
    fn skald_kv_cache_options_init(options: *mut CacheOptions, size: u32);
    fn skald_kv_cache_create(
        out: *mut *mut c_void,
        model: *mut c_void,
        options: *const CacheOptions,
        why: *mut Report,
    ) -> i32;
    fn skald_kv_cache_open(out: *mut u32, cache: *mut c_void) -> i32;
    fn skald_kv_cache_free(cache: *mut c_void) -> i32;
    fn skald_context_create(out: *mut *mut c_void, model: *mut c_void, options: *const c_void, why: *mut Report) -> i32;
    fn skald_context_free(context: *mut c_void) -> i32;
    fn skald_step(
        context: *mut c_void,
        cache: *mut c_void,
        options: *const c_void,
        why: *mut Report,
        spans: *const Span,
        n_spans: u32,
    ) -> i32;
    fn skald_logits_argmax(context: *const c_void, index: u32) -> i32;
}

fn check(status: i32, why: &Report) {
    if status != 0 {
        let text = unsafe { CStr::from_ptr(why.text.as_ptr()) };
        panic!("status {status}: {}", text.to_string_lossy());
    }
}

fn main() {
    let path = CString::new(std::env::args().nth(1).expect("usage: caller MODEL.gguf")).unwrap();
    let mut why = Report { size: std::mem::size_of::<Report>() as u32, status: 0, offset: 0, text: [0; 496] };
    let (mut runtime, mut model, mut cache, mut context) = (null_mut(), null_mut(), null_mut(), null_mut());
    let mut room = CacheOptions { size: 0, n_sequences: 0, n_tokens: 0, k_type: 0, v_type: 0 };
    let mut seq = 0;
    let mut ids = Vec::new();
    let mut new = vec![5, 17, 42, 3];
    unsafe {
        check(skald_runtime_create(&mut runtime, null(), &mut why), &why);
        check(skald_model_open_path(&mut model, runtime, path.as_ptr(), null(), &mut why), &why);
        skald_kv_cache_options_init(&mut room, std::mem::size_of::<CacheOptions>() as u32);
        assert_eq!(room.size as usize, std::mem::size_of::<CacheOptions>());
        room.n_tokens = 512;
        check(skald_kv_cache_create(&mut cache, model, &room, &mut why), &why);
        check(skald_context_create(&mut context, model, null(), &mut why), &why);
        check(skald_kv_cache_open(&mut seq, cache), &why);
        for _ in 0..16 {
            let span = Span {
                size: std::mem::size_of::<Span>() as u32,
                seq,
                tokens: new.as_ptr(),
                embeddings: null(),
                n_tokens: new.len() as u32,
                logits: 0,
            };
            check(skald_step(context, cache, null(), &mut why, &span, 1), &why);
            new = vec![skald_logits_argmax(context, 0)];
            ids.push(new[0].to_string());
        }
        check(skald_context_free(context), &why);
        check(skald_kv_cache_free(cache), &why);
        skald_model_release(model);
        skald_runtime_release(runtime);
    }
    println!("{}", ids.join(" "));
}
