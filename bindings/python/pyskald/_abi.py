"""The C side of skald.h, for ctypes: every struct and every function, and nothing else. tests/bindings/tables.py writes the
tables, a test holds them against the header. Handles and buffers are plain addresses here."""
from __future__ import annotations

import ctypes as c
import ctypes.util
import os
from typing import Any, Optional

U8, I32, U32, I64, U64, Size, F32 = c.c_uint8, c.c_int32, c.c_uint32, c.c_int64, c.c_uint64, c.c_size_t, c.c_float
P, Text = c.c_void_p, c.c_char_p

AllocatorAllocFn = c.CFUNCTYPE(P, P, Size, Size, U32)
AllocatorFreeFn = c.CFUNCTYPE(None, P, P, Size, Size)
ExecutorRunFn = c.CFUNCTYPE(None, P, P, P, U32)
SourceReadFn = c.CFUNCTYPE(I32, P, P, U64, Size)
# ---- skald.h
LogFn = c.CFUNCTYPE(None, P, I32, P)
ProgressFn = c.CFUNCTYPE(I32, P, F32)
WriteFn = c.CFUNCTYPE(I32, P, P, Size)
ReadFn = c.CFUNCTYPE(I32, P, P, Size)
StageFn = c.CFUNCTYPE(None, P, P, U32, U64, P, U32)
TextFn = c.CFUNCTYPE(I32, P, P, Size)
AnswerFn = c.CFUNCTYPE(I32, P, U32, P, Size)


class Report(c.Structure):
    _fields_ = [
        ("size", U32), ("status", I32), ("offset", U64), ("text", c.c_char * 496)]


class Allocator(c.Structure):
    _fields_ = [
        ("alloc", AllocatorAllocFn), ("free", AllocatorFreeFn), ("user", P)]


class Executor(c.Structure):
    _fields_ = [
        ("run", ExecutorRunFn), ("user", P), ("n_threads", U32)]


class RuntimeOptions(c.Structure):
    _fields_ = [
        ("size", U32), ("n_threads", U32), ("allocator", P), ("executor", P), ("log", LogFn), ("log_user", P),
        ("cpu_level", Text), ("small_pages", U32), ("reserved", U32)]


class Source(c.Structure):
    _fields_ = [
        ("size", U32), ("map", U32), ("path", Text), ("bytes", P), ("n_bytes", U64), ("read", SourceReadFn),
        ("user", P), ("concurrent", U32), ("reserved", U32)]


class MemoryPlan(c.Structure):
    _fields_ = [
        ("size", U32), ("reserved", U32), ("model_bytes", U64), ("weights_bytes", U64), ("load_bytes", U64),
        ("cache_bytes", U64), ("context_bytes", U64), ("peak_bytes", U64), ("mapped_bytes", U64),
        ("stack_bytes", U64), ("device_bytes", U64), ("cache_bytes_per_token", U64), ("engine_bytes", U64)]


class ModelOptions(c.Structure):
    _fields_ = [
        ("size", U32), ("vocabulary_only", U32), ("device", Text), ("progress", ProgressFn), ("progress_user", P),
        ("in_place", U32), ("n_context", U32), ("split", Text)]


class ModelInfo(c.Structure):
    _fields_ = [
        ("size", U32), ("n_layers", U32), ("n_embd", U32), ("n_heads", U32), ("n_kv_heads", U32),
        ("head_dim_k", U32), ("head_dim_v", U32), ("n_ff", U32), ("n_vocab", U32), ("n_context", U32),
        ("n_parameters", U64), ("n_file_bytes", U64), ("latent_dim", U32), ("latent_rope_dim", U32),
        ("architecture", Text), ("name", Text), ("device", Text)]


class TensorInfo(c.Structure):
    _fields_ = [
        ("size", U32), ("type", U32), ("shape", U64 * 4), ("n_bytes", U64), ("name", Text), ("type_name", Text),
        ("kernel", Text)]


class Decoder(c.Structure):
    _fields_ = [
        ("pending", U8 * 8), ("n_pending", U32), ("flags", U32)]


class Message(c.Structure):
    _fields_ = [
        ("role", Text), ("text", Text)]


class TemplateInput(c.Structure):
    _fields_ = [
        ("size", U32), ("open", U32), ("messages", P), ("json", Text), ("n_json_bytes", Size),
        ("local_seconds", I64), ("n_messages", U32), ("reserved", U32)]


class AdapterInfo(c.Structure):
    _fields_ = [
        ("size", U32), ("rank", U32), ("n_changed", U32), ("reserved", U32), ("n_parameters", U64)]


class KvCacheOptions(c.Structure):
    _fields_ = [
        ("size", U32), ("n_sequences", U32), ("n_tokens", U64), ("k_type", U32), ("v_type", U32)]


class KvCacheStats(c.Structure):
    _fields_ = [
        ("size", U32), ("n_pages", U32), ("n_pages_free", U32), ("n_pages_shared", U32), ("n_sequences", U32),
        ("n_sequences_max", U32), ("n_tokens", U64), ("bytes", U64), ("bytes_per_token", U64),
        ("n_window_pages", U32), ("n_window_pages_free", U32), ("n_slots", U32), ("n_slots_free", U32)]


class ContextOptions(c.Structure):
    _fields_ = [
        ("size", U32), ("n_rows", U32), ("n_logits", U32), ("n_threads", U32), ("max_rank", U32)]


class SpanAdapter(c.Structure):
    _fields_ = [
        ("adapter", P), ("scale", F32), ("reserved", U32)]


class Span(c.Structure):
    _fields_ = [
        ("size", U32), ("seq", U32), ("tokens", P), ("embeddings", P), ("n_tokens", U32), ("logits", U32),
        ("adapters", P), ("n_adapters", U32), ("reserved", U32)]


class StepOptions(c.Structure):
    _fields_ = [
        ("size", U32), ("microseconds", U32), ("progress", ProgressFn), ("progress_user", P)]


class LogitBias(c.Structure):
    _fields_ = [
        ("id", I32), ("bias", F32)]


class SamplerOptions(c.Structure):
    _fields_ = [
        ("size", U32), ("temperature", F32), ("top_k", U32), ("top_p", F32), ("min_p", F32), ("repetition", F32),
        ("frequency", F32), ("presence", F32), ("penalty_window", U32), ("seed", U64), ("bias", P), ("n_bias", U32),
        ("reserved", U32)]


class GrammarOptions(c.Structure):
    _fields_ = [
        ("size", U32), ("kind", U32), ("cache_bytes", U64), ("family", Text), ("progress", ProgressFn),
        ("progress_user", P)]


class EngineOptions(c.Structure):
    _fields_ = [
        ("size", U32), ("n_running", U32), ("n_requests", U32), ("n_kept", U32), ("n_tokens", U64), ("n_text", U64),
        ("n_rows", U32), ("n_prompt_rows", U32), ("no_sharing", U32), ("n_threads", U32), ("k_type", U32),
        ("v_type", U32), ("n_top", U32), ("lookup", U32), ("draft", P), ("n_draft", U32), ("max_rank", U32)]


class Request(c.Structure):
    _fields_ = [
        ("size", U32), ("n_prompt", U32), ("prompt", P), ("n_tokens", U32), ("priority", I32), ("deadline", U64),
        ("sampler", P), ("stage", StageFn), ("stage_user", P), ("ignore_end", U32), ("reserved", U32),
        ("grammar", P), ("stops", P), ("n_stops", U32), ("n_top", U32), ("prefix", Text), ("n_prefix", U32),
        ("n_heal", U32), ("adapters", P), ("n_adapters", U32), ("reserved_2", U32)]


class Logprob(c.Structure):
    _fields_ = [
        ("id", I32), ("logprob", F32)]


class Event(c.Structure):
    _fields_ = [
        ("size", U32), ("kind", U32), ("request", U64), ("id", I32), ("position", U32), ("text", Text),
        ("n_bytes", Size), ("stop", I32), ("n_top", U32), ("logprob", F32), ("reserved", U32), ("top", P),
        ("n_drafted", U32), ("n_right", U32)]


class EngineStats(c.Structure):
    _fields_ = [
        ("size", U32), ("n_waiting", U32), ("n_running", U32), ("n_kept", U32), ("n_pages", U32),
        ("n_pages_free", U32), ("n_pages_shared", U32), ("reserved", U32), ("n_submitted", U64), ("n_ended", U64),
        ("n_preempted", U64), ("n_steps", U64), ("n_prompt_read", U64), ("n_prompt_shared", U64),
        ("n_answered", U64), ("queue_microseconds", U64), ("first_microseconds", U64), ("n_first", U64),
        ("n_drafted", U64), ("n_right", U64)]


class BeamOptions(c.Structure):
    _fields_ = [
        ("size", U32), ("n_beams", U32), ("n_tokens", U32), ("length_penalty", F32), ("stop", U32),
        ("ignore_end", U32), ("k_type", U32), ("v_type", U32), ("progress", ProgressFn), ("progress_user", P)]


class Beam(c.Structure):
    _fields_ = [
        ("size", U32), ("n_ids", U32), ("ids", P), ("score", F32), ("ended", U32)]


class GenerateOptions(c.Structure):
    _fields_ = [
        ("size", U32), ("n_tokens", U32), ("chat", U32), ("n_context", U32), ("sampler", P), ("stops", P),
        ("n_stops", U32), ("heal", U32)]


STRUCTS = (
    Report, Allocator, Executor, RuntimeOptions, Source, MemoryPlan, ModelOptions, ModelInfo, TensorInfo,
    Decoder, Message, TemplateInput, AdapterInfo, KvCacheOptions, KvCacheStats, ContextOptions, SpanAdapter,
    Span, StepOptions, LogitBias, SamplerOptions, GrammarOptions, EngineOptions, Request, Logprob, Event,
    EngineStats, BeamOptions, Beam, GenerateOptions)

FUNCTIONS = {
    "skald_version": (U32, []),
    "skald_numerics_version": (U32, []),
    "skald_status_text": (Text, [I32]),
    "skald_runtime_options_init": (None, [P, U32]),
    "skald_runtime_create": (I32, [P, P, P]),
    "skald_runtime_load_backend": (I32, [P, Text, Text, P]),
    "skald_runtime_release": (None, [P]),
    "skald_model_options_init": (None, [P, U32]),
    "skald_model_open": (I32, [P, P, P, P, P, U32]),
    "skald_model_open_path": (I32, [P, P, Text, P, P]),
    "skald_model_retain": (None, [P]),
    "skald_model_release": (None, [P]),
    "skald_model_get_info": (I32, [P, P]),
    "skald_model_metadata": (I32, [P, P, P, Text]),
    "skald_model_metadata_key": (Text, [P, U32]),
    "skald_model_tensor": (I32, [P, P, U32]),
    "skald_model_kernel": (I32, [P, P, P, U32]),
    "skald_encode": (I32, [P, P, P, U32, Text, Size]),
    "skald_encode_guarded": (I32, [P, P, P, U32, Text, P, Size]),
    "skald_decode": (I32, [P, P, P, U32, P, U32]),
    "skald_decoder_push": (I32, [P, P, P, P, I32]),
    "skald_model_token": (I32, [P, U32]),
    "skald_model_is_end": (I32, [P, I32]),
    "skald_model_end": (I32, [P, U32]),
    "skald_template_create": (I32, [P, P, Text, Size, P]),
    "skald_template_free": (None, [P]),
    "skald_template_input_init": (None, [P, U32]),
    "skald_template_render": (I32, [P, P, P, P, P, P]),
    "skald_template_encode": (I32, [P, P, P, P, P]),
    "skald_chat_format": (I32, [P, P, P, U32, U32, P, U32]),
    "skald_adapter_open": (I32, [P, P, P, P]),
    "skald_adapter_open_peft": (I32, [P, P, P, P, P]),
    "skald_adapter_open_path": (I32, [P, P, Text, P]),
    "skald_adapter_retain": (None, [P]),
    "skald_adapter_release": (None, [P]),
    "skald_adapter_get_info": (I32, [P, P]),
    "skald_kv_cache_options_init": (None, [P, U32]),
    "skald_kv_cache_create": (I32, [P, P, P, P]),
    "skald_kv_cache_free": (I32, [P]),
    "skald_kv_cache_open": (I32, [P, P]),
    "skald_kv_cache_reserve": (I32, [P, U32, U32]),
    "skald_kv_cache_fork": (I32, [P, P, U32, U32]),
    "skald_kv_cache_rewind": (I32, [P, U32, U32]),
    "skald_kv_cache_release": (I32, [P, U32]),
    "skald_kv_cache_length": (I32, [P, P, U32]),
    "skald_kv_cache_get_stats": (I32, [P, P]),
    "skald_kv_cache_save": (I32, [P, P, U32, WriteFn, P, P]),
    "skald_kv_cache_restore": (I32, [P, P, ReadFn, P, P]),
    "skald_kv_bytes_per_token": (U64, [P, U32, U32]),
    "skald_model_inspect": (I32, [P, P, Text, P]),
    "skald_context_options_init": (None, [P, U32]),
    "skald_context_create": (I32, [P, P, P, P]),
    "skald_context_free": (I32, [P]),
    "skald_step_options_init": (None, [P, U32]),
    "skald_step": (I32, [P, P, P, P, P, U32]),
    "skald_step_continue": (I32, [P, P, P]),
    "skald_step_cancel": (I32, [P]),
    "skald_logits": (P, [P, U32]),
    "skald_logits_argmax": (I32, [P, U32]),
    "skald_context_op": (I32, [P, P, P, U32]),
    "skald_memory_get_plan": (I32, [P, P, P, P, P, P, P, U32]),
    "skald_sampler_options_init": (None, [P, U32]),
    "skald_sampler_create": (I32, [P, P, P, P]),
    "skald_sampler_free": (None, [P]),
    "skald_sampler_choose": (I32, [P, P, P, U64, P, U32]),
    "skald_grammar_options_init": (None, [P, U32]),
    "skald_grammar_create": (I32, [P, P, Text, Size, P, P]),
    "skald_grammar_retain": (None, [P]),
    "skald_grammar_release": (None, [P]),
    "skald_matcher_create": (I32, [P, P, P]),
    "skald_matcher_copy": (I32, [P, P]),
    "skald_matcher_free": (None, [P]),
    "skald_matcher_mask": (I32, [P, P, P, U32]),
    "skald_matcher_accept": (I32, [P, I32]),
    "skald_matcher_may_end": (I32, [P]),
    "skald_matcher_least": (U32, [P]),
    "skald_engine_options_init": (None, [P, U32]),
    "skald_engine_create": (I32, [P, P, P, P]),
    "skald_engine_get_plan": (I32, [P, P, P, P, P, P, U32]),
    "skald_engine_free": (I32, [P]),
    "skald_engine_submit": (I32, [P, P, P, P]),
    "skald_engine_cancel": (I32, [P, U64]),
    "skald_engine_step": (I32, [P, U32, P]),
    "skald_engine_poll": (I32, [P, P]),
    "skald_engine_get_stats": (I32, [P, P]),
    "skald_beam_options_init": (None, [P, U32]),
    "skald_beams_search": (I32, [P, P, P, P, U32, P]),
    "skald_beams_get": (I32, [P, P, U32]),
    "skald_beams_free": (None, [P]),
    "skald_generate_options_init": (None, [P, U32]),
    "skald_generate": (I32, [P, Text, P, TextFn, P, P]),
    "skald_answer_create": (I32, [P, P, Text, U32, AnswerFn, P, P]),
    "skald_answer_push": (I32, [P, Text, Size]),
    "skald_answer_end": (I32, [P]),
    "skald_answer_free": (None, [P]),
    "skald_dtype_name": (Text, [U32]),
    "skald_dtype_bytes": (U64, [U32, U64]),
    "skald_dtype_to_f32": (I32, [P, U32, P, U64]),
}

# ---- end of the tables

VERSION = (0, 1)  # of the header that these tables were written from; before 1.0 a minor version may differ in anything


def _find() -> str:
    """PYSKALD_LIBRARY, the library inside the package, or the system's."""
    own = os.path.join(os.path.dirname(os.path.abspath(__file__)), "libskald.so")
    path = os.environ.get("PYSKALD_LIBRARY") or (own if os.path.exists(own) else ctypes.util.find_library("skald"))
    if not path:
        raise ImportError("libskald.so is neither in this package nor installed; PYSKALD_LIBRARY may name it")
    return path


def _load() -> c.CDLL:
    library = c.CDLL(_find())
    for name, (result, arguments) in FUNCTIONS.items():
        function = getattr(library, name, None)
        if function is None:
            raise ImportError(f"{library._name} has no {name}: it is older than this package")
        function.restype, function.argtypes = result, arguments
    version = library.skald_version()
    if (version >> 16, version >> 8 & 255) != VERSION:
        raise ImportError(f"{library._name} is version {version >> 16}.{version >> 8 & 255}, "
                          f"this package speaks {VERSION[0]}.{VERSION[1]}")
    return library


lib = _load()


def sized(struct: Any, init: Optional[str] = None) -> Any:
    """A struct that knows its size, with the library's defaults when `init` names the function that writes them."""
    made = struct()
    made.size = c.sizeof(struct)
    if init:
        getattr(lib, init)(c.byref(made), c.sizeof(struct))
    return made
