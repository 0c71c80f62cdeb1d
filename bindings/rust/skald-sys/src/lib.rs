//! The C side of skald.h: every struct, function and constant, and nothing else. Layouts are held against the header by
//! tests/layout.rs and tests/bindings/check_rust.py; the crate `skald` is the safe side.
#![no_std]
#![allow(non_camel_case_types, clippy::too_many_arguments)]

use core::marker::{PhantomData, PhantomPinned};
use std_types::{c_char, c_void};

/// `core::ffi` has these from Rust 1.64 on.
mod std_types {
    extern crate std;
    pub use std::os::raw::{c_char, c_void};
}

/// Handles are only ever behind pointers.
macro_rules! opaque {
    ($($name:ident),*) => { $(
        #[repr(C)]
        pub struct $name {
            _bytes: [u8; 0],
            _not_send: PhantomData<(*mut u8, PhantomPinned)>,
        }
    )* };
}

/// A struct of the header, and its layout for the test: name, size, and the offset of each field.
macro_rules! layout {
    ($name:ident { $($field:ident: $type:ty,)* }) => {
        #[repr(C)]
        #[derive(Clone, Copy)]
        pub struct $name { $(pub $field: $type,)* }
        impl $name {
            /// All zero: no pointer, no callback.
            pub fn zeroed() -> Self {
                // SAFETY: integers, floats, nullable pointers and Options of functions are valid as zeros.
                unsafe { core::mem::MaybeUninit::<Self>::zeroed().assume_init() }
            }
            #[doc(hidden)]
            pub fn layout(say: &mut dyn FnMut(&str, Option<&str>, usize)) {
                let it = core::mem::MaybeUninit::<Self>::uninit();
                let base = it.as_ptr();
                say(stringify!($name), None, core::mem::size_of::<Self>());
                // SAFETY: addresses only, nothing is read.
                $( say(stringify!($name), Some(stringify!($field)),
                       unsafe { core::ptr::addr_of!((*base).$field) as usize - base as usize }); )*
            }
        }
    };
}

pub type skald_allocator_alloc_fn =
    unsafe extern "C" fn(user: *mut c_void, bytes: usize, alignment: usize, kind: skald_memory_kind) -> *mut c_void;
pub type skald_allocator_free_fn =
    unsafe extern "C" fn(user: *mut c_void, pointer: *mut c_void, bytes: usize, alignment: usize);
pub type skald_job_fn = unsafe extern "C" fn(arg: *mut c_void, index: u32);
pub type skald_executor_run_fn =
    unsafe extern "C" fn(user: *mut c_void, job: skald_job_fn, arg: *mut c_void, n_jobs: u32);
pub type skald_source_read_fn =
    unsafe extern "C" fn(user: *mut c_void, to: *mut c_void, offset: u64, n_bytes: usize) -> skald_status;
// ---- skald.h
pub type skald_status = i32;
pub type skald_memory_kind = u32;
pub type skald_encode_flags = u32;
pub type skald_decode_flags = u32;
pub type skald_token_role = u32;
pub type skald_seq = u32;
pub type skald_grammar_kind = u32;
pub type skald_request_id = u64;
pub type skald_event_kind = u32;
pub type skald_beams_stop = u32;
pub type skald_answer_event = u32;
pub type skald_dtype = u32;

opaque!(
    skald_adapter,
    skald_answer,
    skald_beams,
    skald_context,
    skald_engine,
    skald_grammar,
    skald_kv_cache,
    skald_matcher,
    skald_model,
    skald_runtime,
    skald_sampler,
    skald_template
);

pub type skald_log_fn = unsafe extern "C" fn(user: *mut c_void, level: i32, text: *const c_char);
pub type skald_progress_fn = unsafe extern "C" fn(user: *mut c_void, done: f32) -> i32;
pub type skald_write_fn = unsafe extern "C" fn(user: *mut c_void, from: *const c_void, n_bytes: usize) -> skald_status;
pub type skald_read_fn = unsafe extern "C" fn(user: *mut c_void, to: *mut c_void, n_bytes: usize) -> skald_status;
pub type skald_stage_fn = unsafe extern "C" fn(
    user: *mut c_void,
    logits: *mut f32,
    n_vocab: u32,
    position: u64,
    text: *const i32,
    n_text: u32,
);
pub type skald_text_fn = unsafe extern "C" fn(user: *mut c_void, text: *const c_char, n_bytes: usize) -> i32;
pub type skald_answer_fn =
    unsafe extern "C" fn(user: *mut c_void, event: skald_answer_event, text: *const c_char, n_bytes: usize) -> i32;

layout! { skald_report {
    size: u32,
    status: skald_status,
    offset: u64,
    text: [c_char; 496],
} }

layout! { skald_allocator {
    alloc: Option<skald_allocator_alloc_fn>,
    free: Option<skald_allocator_free_fn>,
    user: *mut c_void,
} }

layout! { skald_executor {
    run: Option<skald_executor_run_fn>,
    user: *mut c_void,
    n_threads: u32,
} }

layout! { skald_runtime_options {
    size: u32,
    n_threads: u32,
    allocator: *const skald_allocator,
    executor: *const skald_executor,
    log: Option<skald_log_fn>,
    log_user: *mut c_void,
    cpu_level: *const c_char,
    small_pages: u32,
    reserved: u32,
} }

layout! { skald_source {
    size: u32,
    map: u32,
    path: *const c_char,
    bytes: *const c_void,
    n_bytes: u64,
    read: Option<skald_source_read_fn>,
    user: *mut c_void,
    concurrent: u32,
    reserved: u32,
} }

layout! { skald_memory_plan {
    size: u32,
    reserved: u32,
    model_bytes: u64,
    weights_bytes: u64,
    load_bytes: u64,
    cache_bytes: u64,
    context_bytes: u64,
    peak_bytes: u64,
    mapped_bytes: u64,
    stack_bytes: u64,
    device_bytes: u64,
    cache_bytes_per_token: u64,
    engine_bytes: u64,
} }

layout! { skald_model_options {
    size: u32,
    vocabulary_only: u32,
    device: *const c_char,
    progress: Option<skald_progress_fn>,
    progress_user: *mut c_void,
    in_place: u32,
    n_context: u32,
    split: *const c_char,
} }

layout! { skald_model_info {
    size: u32,
    n_layers: u32,
    n_embd: u32,
    n_heads: u32,
    n_kv_heads: u32,
    head_dim_k: u32,
    head_dim_v: u32,
    n_ff: u32,
    n_vocab: u32,
    n_context: u32,
    n_parameters: u64,
    n_file_bytes: u64,
    latent_dim: u32,
    latent_rope_dim: u32,
    architecture: *const c_char,
    name: *const c_char,
    device: *const c_char,
} }

layout! { skald_tensor_info {
    size: u32,
    type_: skald_dtype,
    shape: [u64; 4],
    n_bytes: u64,
    name: *const c_char,
    type_name: *const c_char,
    kernel: *const c_char,
} }

layout! { skald_decoder {
    pending: [u8; 8],
    n_pending: u32,
    flags: skald_decode_flags,
} }

layout! { skald_message {
    role: *const c_char,
    text: *const c_char,
} }

layout! { skald_template_input {
    size: u32,
    open: u32,
    messages: *const skald_message,
    json: *const c_char,
    n_json_bytes: usize,
    local_seconds: i64,
    n_messages: u32,
    reserved: u32,
} }

layout! { skald_adapter_info {
    size: u32,
    rank: u32,
    n_changed: u32,
    reserved: u32,
    n_parameters: u64,
} }

layout! { skald_kv_cache_options {
    size: u32,
    n_sequences: u32,
    n_tokens: u64,
    k_type: skald_dtype,
    v_type: skald_dtype,
} }

layout! { skald_kv_cache_stats {
    size: u32,
    n_pages: u32,
    n_pages_free: u32,
    n_pages_shared: u32,
    n_sequences: u32,
    n_sequences_max: u32,
    n_tokens: u64,
    bytes: u64,
    bytes_per_token: u64,
    n_window_pages: u32,
    n_window_pages_free: u32,
    n_slots: u32,
    n_slots_free: u32,
} }

layout! { skald_context_options {
    size: u32,
    n_rows: u32,
    n_logits: u32,
    n_threads: u32,
    max_rank: u32,
} }

layout! { skald_span_adapter {
    adapter: *const skald_adapter,
    scale: f32,
    reserved: u32,
} }

layout! { skald_span {
    size: u32,
    seq: skald_seq,
    tokens: *const i32,
    embeddings: *const f32,
    n_tokens: u32,
    logits: u32,
    adapters: *const skald_span_adapter,
    n_adapters: u32,
    reserved: u32,
} }

layout! { skald_step_options {
    size: u32,
    microseconds: u32,
    progress: Option<skald_progress_fn>,
    progress_user: *mut c_void,
} }

layout! { skald_logit_bias {
    id: i32,
    bias: f32,
} }

layout! { skald_sampler_options {
    size: u32,
    temperature: f32,
    top_k: u32,
    top_p: f32,
    min_p: f32,
    repetition: f32,
    frequency: f32,
    presence: f32,
    penalty_window: u32,
    seed: u64,
    bias: *const skald_logit_bias,
    n_bias: u32,
    reserved: u32,
} }

layout! { skald_grammar_options {
    size: u32,
    kind: skald_grammar_kind,
    cache_bytes: u64,
    family: *const c_char,
    progress: Option<skald_progress_fn>,
    progress_user: *mut c_void,
} }

layout! { skald_engine_options {
    size: u32,
    n_running: u32,
    n_requests: u32,
    n_kept: u32,
    n_tokens: u64,
    n_text: u64,
    n_rows: u32,
    n_prompt_rows: u32,
    no_sharing: u32,
    n_threads: u32,
    k_type: skald_dtype,
    v_type: skald_dtype,
    n_top: u32,
    lookup: u32,
    draft: *mut skald_model,
    n_draft: u32,
    max_rank: u32,
} }

layout! { skald_request {
    size: u32,
    n_prompt: u32,
    prompt: *const i32,
    n_tokens: u32,
    priority: i32,
    deadline: u64,
    sampler: *const skald_sampler_options,
    stage: Option<skald_stage_fn>,
    stage_user: *mut c_void,
    ignore_end: u32,
    reserved: u32,
    grammar: *mut skald_grammar,
    stops: *const *const c_char,
    n_stops: u32,
    n_top: u32,
    prefix: *const c_char,
    n_prefix: u32,
    n_heal: u32,
    adapters: *const skald_span_adapter,
    n_adapters: u32,
    reserved_2: u32,
} }

layout! { skald_logprob {
    id: i32,
    logprob: f32,
} }

layout! { skald_event {
    size: u32,
    kind: skald_event_kind,
    request: skald_request_id,
    id: i32,
    position: u32,
    text: *const c_char,
    n_bytes: usize,
    stop: i32,
    n_top: u32,
    logprob: f32,
    reserved: u32,
    top: *const skald_logprob,
    n_drafted: u32,
    n_right: u32,
} }

layout! { skald_engine_stats {
    size: u32,
    n_waiting: u32,
    n_running: u32,
    n_kept: u32,
    n_pages: u32,
    n_pages_free: u32,
    n_pages_shared: u32,
    reserved: u32,
    n_submitted: u64,
    n_ended: u64,
    n_preempted: u64,
    n_steps: u64,
    n_prompt_read: u64,
    n_prompt_shared: u64,
    n_answered: u64,
    queue_microseconds: u64,
    first_microseconds: u64,
    n_first: u64,
    n_drafted: u64,
    n_right: u64,
} }

layout! { skald_beam_options {
    size: u32,
    n_beams: u32,
    n_tokens: u32,
    length_penalty: f32,
    stop: skald_beams_stop,
    ignore_end: u32,
    k_type: skald_dtype,
    v_type: skald_dtype,
    progress: Option<skald_progress_fn>,
    progress_user: *mut c_void,
} }

layout! { skald_beam {
    size: u32,
    n_ids: u32,
    ids: *const i32,
    score: f32,
    ended: u32,
} }

layout! { skald_generate_options {
    size: u32,
    n_tokens: u32,
    chat: u32,
    n_context: u32,
    sampler: *const skald_sampler_options,
    stops: *const *const c_char,
    n_stops: u32,
    heal: u32,
} }

extern "C" {
    pub fn skald_version() -> u32;
    pub fn skald_numerics_version() -> u32;
    pub fn skald_status_text(status: skald_status) -> *const c_char;
    pub fn skald_runtime_options_init(options: *mut skald_runtime_options, size: u32);
    pub fn skald_runtime_create(
        out: *mut *mut skald_runtime,
        options: *const skald_runtime_options,
        why: *mut skald_report,
    ) -> skald_status;
    pub fn skald_runtime_load_backend(
        runtime: *mut skald_runtime,
        path: *const c_char,
        config: *const c_char,
        why: *mut skald_report,
    ) -> skald_status;
    pub fn skald_runtime_release(runtime: *mut skald_runtime);
    pub fn skald_model_options_init(options: *mut skald_model_options, size: u32);
    pub fn skald_model_open(
        out: *mut *mut skald_model,
        runtime: *mut skald_runtime,
        options: *const skald_model_options,
        why: *mut skald_report,
        parts: *const skald_source,
        n_parts: u32,
    ) -> skald_status;
    pub fn skald_model_open_path(
        out: *mut *mut skald_model,
        runtime: *mut skald_runtime,
        path: *const c_char,
        options: *const skald_model_options,
        why: *mut skald_report,
    ) -> skald_status;
    pub fn skald_model_retain(model: *mut skald_model);
    pub fn skald_model_release(model: *mut skald_model);
    pub fn skald_model_get_info(info: *mut skald_model_info, model: *const skald_model) -> skald_status;
    pub fn skald_model_metadata(
        text: *mut c_char,
        n_bytes: *mut usize,
        model: *const skald_model,
        key: *const c_char,
    ) -> skald_status;
    pub fn skald_model_metadata_key(model: *const skald_model, index: u32) -> *const c_char;
    pub fn skald_model_tensor(info: *mut skald_tensor_info, model: *const skald_model, index: u32) -> skald_status;
    pub fn skald_model_kernel(
        operation: *mut *const c_char,
        kernel: *mut *const c_char,
        model: *const skald_model,
        index: u32,
    ) -> skald_status;
    pub fn skald_encode(
        ids: *mut i32,
        n_ids: *mut u32,
        model: *const skald_model,
        flags: skald_encode_flags,
        text: *const c_char,
        n_bytes: usize,
    ) -> skald_status;
    pub fn skald_encode_guarded(
        ids: *mut i32,
        n_ids: *mut u32,
        model: *const skald_model,
        flags: skald_encode_flags,
        text: *const c_char,
        stranger: *const u8,
        n_bytes: usize,
    ) -> skald_status;
    pub fn skald_decode(
        text: *mut c_char,
        n_bytes: *mut usize,
        model: *const skald_model,
        flags: skald_decode_flags,
        ids: *const i32,
        n_ids: u32,
    ) -> skald_status;
    pub fn skald_decoder_push(
        text: *mut c_char,
        n_bytes: *mut usize,
        decoder: *mut skald_decoder,
        model: *const skald_model,
        id: i32,
    ) -> skald_status;
    pub fn skald_model_token(model: *const skald_model, role: skald_token_role) -> i32;
    pub fn skald_model_is_end(model: *const skald_model, id: i32) -> i32;
    pub fn skald_model_end(model: *const skald_model, index: u32) -> i32;
    pub fn skald_template_create(
        out: *mut *mut skald_template,
        model: *mut skald_model,
        text: *const c_char,
        n_bytes: usize,
        why: *mut skald_report,
    ) -> skald_status;
    pub fn skald_template_free(t: *mut skald_template);
    pub fn skald_template_input_init(input: *mut skald_template_input, size: u32);
    pub fn skald_template_render(
        text: *mut c_char,
        stranger: *mut u8,
        n_bytes: *mut usize,
        t: *const skald_template,
        input: *const skald_template_input,
        why: *mut skald_report,
    ) -> skald_status;
    pub fn skald_template_encode(
        ids: *mut i32,
        n_ids: *mut u32,
        t: *const skald_template,
        input: *const skald_template_input,
        why: *mut skald_report,
    ) -> skald_status;
    pub fn skald_chat_format(
        text: *mut c_char,
        n_bytes: *mut usize,
        model: *const skald_model,
        open: u32,
        first: u32,
        messages: *const skald_message,
        n_messages: u32,
    ) -> skald_status;
    pub fn skald_adapter_open(
        out: *mut *mut skald_adapter,
        model: *mut skald_model,
        source: *const skald_source,
        why: *mut skald_report,
    ) -> skald_status;
    pub fn skald_adapter_open_peft(
        out: *mut *mut skald_adapter,
        model: *mut skald_model,
        tensors: *const skald_source,
        config: *const skald_source,
        why: *mut skald_report,
    ) -> skald_status;
    pub fn skald_adapter_open_path(
        out: *mut *mut skald_adapter,
        model: *mut skald_model,
        path: *const c_char,
        why: *mut skald_report,
    ) -> skald_status;
    pub fn skald_adapter_retain(adapter: *mut skald_adapter);
    pub fn skald_adapter_release(adapter: *mut skald_adapter);
    pub fn skald_adapter_get_info(info: *mut skald_adapter_info, adapter: *const skald_adapter) -> skald_status;
    pub fn skald_kv_cache_options_init(options: *mut skald_kv_cache_options, size: u32);
    pub fn skald_kv_cache_create(
        out: *mut *mut skald_kv_cache,
        model: *mut skald_model,
        options: *const skald_kv_cache_options,
        why: *mut skald_report,
    ) -> skald_status;
    pub fn skald_kv_cache_free(cache: *mut skald_kv_cache) -> skald_status;
    pub fn skald_kv_cache_open(out: *mut skald_seq, cache: *mut skald_kv_cache) -> skald_status;
    pub fn skald_kv_cache_reserve(cache: *mut skald_kv_cache, seq: skald_seq, n_tokens: u32) -> skald_status;
    pub fn skald_kv_cache_fork(
        out: *mut skald_seq,
        cache: *mut skald_kv_cache,
        seq: skald_seq,
        n_tokens: u32,
    ) -> skald_status;
    pub fn skald_kv_cache_rewind(cache: *mut skald_kv_cache, seq: skald_seq, n_tokens: u32) -> skald_status;
    pub fn skald_kv_cache_release(cache: *mut skald_kv_cache, seq: skald_seq) -> skald_status;
    pub fn skald_kv_cache_length(n_tokens: *mut u32, cache: *mut skald_kv_cache, seq: skald_seq) -> skald_status;
    pub fn skald_kv_cache_get_stats(stats: *mut skald_kv_cache_stats, cache: *mut skald_kv_cache) -> skald_status;
    pub fn skald_kv_cache_save(
        n_bytes: *mut u64,
        cache: *mut skald_kv_cache,
        seq: skald_seq,
        write: Option<skald_write_fn>,
        user: *mut c_void,
        why: *mut skald_report,
    ) -> skald_status;
    pub fn skald_kv_cache_restore(
        out: *mut skald_seq,
        cache: *mut skald_kv_cache,
        read: Option<skald_read_fn>,
        user: *mut c_void,
        why: *mut skald_report,
    ) -> skald_status;
    pub fn skald_kv_bytes_per_token(shape: *const skald_model_info, k_type: skald_dtype, v_type: skald_dtype) -> u64;
    pub fn skald_model_inspect(
        info: *mut skald_model_info,
        runtime: *mut skald_runtime,
        path: *const c_char,
        why: *mut skald_report,
    ) -> skald_status;
    pub fn skald_context_options_init(options: *mut skald_context_options, size: u32);
    pub fn skald_context_create(
        out: *mut *mut skald_context,
        model: *mut skald_model,
        options: *const skald_context_options,
        why: *mut skald_report,
    ) -> skald_status;
    pub fn skald_context_free(context: *mut skald_context) -> skald_status;
    pub fn skald_step_options_init(options: *mut skald_step_options, size: u32);
    pub fn skald_step(
        context: *mut skald_context,
        cache: *mut skald_kv_cache,
        options: *const skald_step_options,
        why: *mut skald_report,
        spans: *const skald_span,
        n_spans: u32,
    ) -> skald_status;
    pub fn skald_step_continue(
        context: *mut skald_context,
        options: *const skald_step_options,
        why: *mut skald_report,
    ) -> skald_status;
    pub fn skald_step_cancel(context: *mut skald_context) -> skald_status;
    pub fn skald_logits(context: *const skald_context, index: u32) -> *const f32;
    pub fn skald_logits_argmax(context: *const skald_context, index: u32) -> i32;
    pub fn skald_context_op(
        text: *mut c_char,
        n_bytes: *mut usize,
        context: *const skald_context,
        index: u32,
    ) -> skald_status;
    pub fn skald_memory_get_plan(
        plan: *mut skald_memory_plan,
        runtime: *mut skald_runtime,
        model: *const skald_model_options,
        cache: *const skald_kv_cache_options,
        context: *const skald_context_options,
        why: *mut skald_report,
        parts: *const skald_source,
        n_parts: u32,
    ) -> skald_status;
    pub fn skald_sampler_options_init(options: *mut skald_sampler_options, size: u32);
    pub fn skald_sampler_create(
        out: *mut *mut skald_sampler,
        model: *mut skald_model,
        options: *const skald_sampler_options,
        why: *mut skald_report,
    ) -> skald_status;
    pub fn skald_sampler_free(sampler: *mut skald_sampler);
    pub fn skald_sampler_choose(
        id: *mut i32,
        sampler: *mut skald_sampler,
        logits: *const f32,
        position: u64,
        history: *const i32,
        n_history: u32,
    ) -> skald_status;
    pub fn skald_grammar_options_init(options: *mut skald_grammar_options, size: u32);
    pub fn skald_grammar_create(
        out: *mut *mut skald_grammar,
        model: *mut skald_model,
        text: *const c_char,
        n_bytes: usize,
        options: *const skald_grammar_options,
        why: *mut skald_report,
    ) -> skald_status;
    pub fn skald_grammar_retain(grammar: *mut skald_grammar);
    pub fn skald_grammar_release(grammar: *mut skald_grammar);
    pub fn skald_matcher_create(
        out: *mut *mut skald_matcher,
        grammar: *mut skald_grammar,
        why: *mut skald_report,
    ) -> skald_status;
    pub fn skald_matcher_copy(to: *mut skald_matcher, from: *const skald_matcher) -> skald_status;
    pub fn skald_matcher_free(matcher: *mut skald_matcher);
    pub fn skald_matcher_mask(
        to: *mut f32,
        matcher: *mut skald_matcher,
        logits: *const f32,
        n_left: u32,
    ) -> skald_status;
    pub fn skald_matcher_accept(matcher: *mut skald_matcher, id: i32) -> skald_status;
    pub fn skald_matcher_may_end(matcher: *const skald_matcher) -> i32;
    pub fn skald_matcher_least(matcher: *const skald_matcher) -> u32;
    pub fn skald_engine_options_init(options: *mut skald_engine_options, size: u32);
    pub fn skald_engine_create(
        out: *mut *mut skald_engine,
        model: *mut skald_model,
        options: *const skald_engine_options,
        why: *mut skald_report,
    ) -> skald_status;
    pub fn skald_engine_get_plan(
        plan: *mut skald_memory_plan,
        runtime: *mut skald_runtime,
        model: *const skald_model_options,
        engine: *const skald_engine_options,
        why: *mut skald_report,
        parts: *const skald_source,
        n_parts: u32,
    ) -> skald_status;
    pub fn skald_engine_free(engine: *mut skald_engine) -> skald_status;
    pub fn skald_engine_submit(
        out: *mut skald_request_id,
        engine: *mut skald_engine,
        request: *const skald_request,
        why: *mut skald_report,
    ) -> skald_status;
    pub fn skald_engine_cancel(engine: *mut skald_engine, request: skald_request_id) -> skald_status;
    pub fn skald_engine_step(engine: *mut skald_engine, microseconds: u32, why: *mut skald_report) -> skald_status;
    pub fn skald_engine_poll(event: *mut skald_event, engine: *mut skald_engine) -> skald_status;
    pub fn skald_engine_get_stats(stats: *mut skald_engine_stats, engine: *mut skald_engine) -> skald_status;
    pub fn skald_beam_options_init(options: *mut skald_beam_options, size: u32);
    pub fn skald_beams_search(
        out: *mut *mut skald_beams,
        model: *mut skald_model,
        options: *const skald_beam_options,
        prompt: *const i32,
        n_prompt: u32,
        why: *mut skald_report,
    ) -> skald_status;
    pub fn skald_beams_get(beam: *mut skald_beam, beams: *const skald_beams, index: u32) -> skald_status;
    pub fn skald_beams_free(beams: *mut skald_beams);
    pub fn skald_generate_options_init(options: *mut skald_generate_options, size: u32);
    pub fn skald_generate(
        model: *mut skald_model,
        prompt: *const c_char,
        options: *const skald_generate_options,
        text: Option<skald_text_fn>,
        user: *mut c_void,
        why: *mut skald_report,
    ) -> skald_status;
    pub fn skald_answer_create(
        out: *mut *mut skald_answer,
        model: *mut skald_model,
        family: *const c_char,
        reasoning: u32,
        say: Option<skald_answer_fn>,
        user: *mut c_void,
        why: *mut skald_report,
    ) -> skald_status;
    pub fn skald_answer_push(answer: *mut skald_answer, text: *const c_char, n_bytes: usize) -> skald_status;
    pub fn skald_answer_end(answer: *mut skald_answer) -> skald_status;
    pub fn skald_answer_free(answer: *mut skald_answer);
    pub fn skald_dtype_name(type_: skald_dtype) -> *const c_char;
    pub fn skald_dtype_bytes(type_: skald_dtype, n: u64) -> u64;
    pub fn skald_dtype_to_f32(to: *mut f32, type_: skald_dtype, from: *const c_void, n: u64) -> skald_status;
}

pub const SKALD_OK: skald_status = 0;
pub const SKALD_FULL: skald_status = 1;
pub const SKALD_SHORT: skald_status = 2;
pub const SKALD_PENDING: skald_status = 3;
pub const SKALD_END: skald_status = 4;
pub const SKALD_ARGUMENT: skald_status = -1;
pub const SKALD_MEMORY: skald_status = -2;
pub const SKALD_FORMAT: skald_status = -3;
pub const SKALD_READ: skald_status = -4;
pub const SKALD_UNSUPPORTED: skald_status = -5;
pub const SKALD_BUSY: skald_status = -6;
pub const SKALD_CANCELLED: skald_status = -7;
pub const SKALD_DEVICE: skald_status = -8;
pub const SKALD_ABSENT: skald_status = -9;
pub const SKALD_GONE: skald_status = -10;
pub const SKALD_F32: u32 = 0;
pub const SKALD_F16: u32 = 1;
pub const SKALD_Q4_0: u32 = 2;
pub const SKALD_Q4_1: u32 = 3;
pub const SKALD_Q5_0: u32 = 6;
pub const SKALD_Q5_1: u32 = 7;
pub const SKALD_Q8_0: u32 = 8;
pub const SKALD_Q2_K: u32 = 10;
pub const SKALD_Q3_K: u32 = 11;
pub const SKALD_Q4_K: u32 = 12;
pub const SKALD_Q5_K: u32 = 13;
pub const SKALD_Q6_K: u32 = 14;
pub const SKALD_IQ2_XXS: u32 = 16;
pub const SKALD_IQ2_XS: u32 = 17;
pub const SKALD_IQ3_XXS: u32 = 18;
pub const SKALD_IQ1_S: u32 = 19;
pub const SKALD_IQ4_NL: u32 = 20;
pub const SKALD_IQ3_S: u32 = 21;
pub const SKALD_IQ2_S: u32 = 22;
pub const SKALD_IQ4_XS: u32 = 23;
pub const SKALD_I8: u32 = 24;
pub const SKALD_I16: u32 = 25;
pub const SKALD_I32: u32 = 26;
pub const SKALD_I64: u32 = 27;
pub const SKALD_F64: u32 = 28;
pub const SKALD_IQ1_M: u32 = 29;
pub const SKALD_BF16: u32 = 30;
pub const SKALD_TQ1_0: u32 = 34;
pub const SKALD_TQ2_0: u32 = 35;
pub const SKALD_MXFP4: u32 = 39;
pub const SKALD_NVFP4: u32 = 40;
pub const SKALD_Q1_0: u32 = 41;
pub const SKALD_Q2_0: u32 = 42;
pub const SKALD_F8_E4M3: u32 = 256;
pub const SKALD_F8_E5M2: u32 = 257;
pub const SKALD_MEMORY_HANDLE: u32 = 0;
pub const SKALD_MEMORY_WEIGHTS: u32 = 1;
pub const SKALD_MEMORY_CACHE: u32 = 2;
pub const SKALD_MEMORY_SCRATCH: u32 = 3;
pub const SKALD_MEMORY_LOAD: u32 = 4;
pub const SKALD_ENCODE_SPECIAL: u32 = 1;
pub const SKALD_ENCODE_BOS: u32 = 2;
pub const SKALD_ENCODE_EOS: u32 = 4;
pub const SKALD_DECODE_SPECIAL: u32 = 1;
pub const SKALD_DECODE_BEGIN: u32 = 2;
pub const SKALD_TOKEN_BOS: u32 = 0;
pub const SKALD_TOKEN_EOS: u32 = 1;
pub const SKALD_TOKEN_END_OF_TURN: u32 = 2;
pub const SKALD_TOKEN_UNKNOWN: u32 = 3;
pub const SKALD_TOKEN_SEPARATOR: u32 = 4;
pub const SKALD_TOKEN_PADDING: u32 = 5;
pub const SKALD_TOKEN_FIM_PREFIX: u32 = 6;
pub const SKALD_TOKEN_FIM_SUFFIX: u32 = 7;
pub const SKALD_TOKEN_FIM_MIDDLE: u32 = 8;
pub const SKALD_TOKEN_FIM_REPO: u32 = 9;
pub const SKALD_TOKEN_FIM_FILE: u32 = 10;
pub const SKALD_TOKEN_FIM_PADDING: u32 = 11;
pub const SKALD_TOKEN_MASK: u32 = 12;
pub const SKALD_TOKEN_END_OF_MESSAGE: u32 = 13;
pub const SKALD_LOGITS_LAST: u32 = 0;
pub const SKALD_LOGITS_NONE: u32 = 1;
pub const SKALD_LOGITS_ALL: u32 = 2;
pub const SKALD_GRAMMAR_RULES: u32 = 0;
pub const SKALD_GRAMMAR_JSON_SCHEMA: u32 = 1;
pub const SKALD_GRAMMAR_TOOLS: u32 = 2;
pub const SKALD_EVENT_TOKEN: u32 = 1;
pub const SKALD_EVENT_STOP: u32 = 2;
pub const SKALD_EVENT_LENGTH: u32 = 3;
pub const SKALD_EVENT_CANCELLED: u32 = 4;
pub const SKALD_EVENT_DEADLINE: u32 = 5;
pub const SKALD_EVENT_FAILED: u32 = 6;
pub const SKALD_BEAMS_STOP_USUAL: u32 = 0;
pub const SKALD_BEAMS_STOP_FULL: u32 = 1;
pub const SKALD_BEAMS_STOP_NEVER: u32 = 2;
pub const SKALD_ANSWER_CONTENT: u32 = 0;
pub const SKALD_ANSWER_REASONING: u32 = 1;
pub const SKALD_ANSWER_CALL: u32 = 2;
pub const SKALD_ANSWER_ARGUMENTS: u32 = 3;
pub const SKALD_ANSWER_CALL_END: u32 = 4;
pub const SKALD_ANSWER_END: u32 = 5;

/// Every struct above, for the test of layouts.
#[doc(hidden)]
pub fn layouts(say: &mut dyn FnMut(&str, Option<&str>, usize)) {
    skald_report::layout(say);
    skald_allocator::layout(say);
    skald_executor::layout(say);
    skald_runtime_options::layout(say);
    skald_source::layout(say);
    skald_memory_plan::layout(say);
    skald_model_options::layout(say);
    skald_model_info::layout(say);
    skald_tensor_info::layout(say);
    skald_decoder::layout(say);
    skald_message::layout(say);
    skald_template_input::layout(say);
    skald_adapter_info::layout(say);
    skald_kv_cache_options::layout(say);
    skald_kv_cache_stats::layout(say);
    skald_context_options::layout(say);
    skald_span_adapter::layout(say);
    skald_span::layout(say);
    skald_step_options::layout(say);
    skald_logit_bias::layout(say);
    skald_sampler_options::layout(say);
    skald_grammar_options::layout(say);
    skald_engine_options::layout(say);
    skald_request::layout(say);
    skald_logprob::layout(say);
    skald_event::layout(say);
    skald_engine_stats::layout(say);
    skald_beam_options::layout(say);
    skald_beam::layout(say);
    skald_generate_options::layout(say);
}
