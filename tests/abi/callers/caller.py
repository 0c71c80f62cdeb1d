"""Python as a caller, by ctypes alone: prints the ids it chose. usage: caller.py LIBSKALD.so MODEL.gguf SIZES_PROGRAM"""
import ctypes as c
import subprocess
import sys

U32, U64, I32, P = c.c_uint32, c.c_uint64, c.c_int32, c.c_void_p


def struct(name, *fields):
    return type(name, (c.Structure,), {"_fields_": list(fields)})


Report = struct("skald_report", ("size", U32), ("status", I32), ("offset", U64), ("text", c.c_char * 496))
RuntimeOptions = struct("skald_runtime_options", ("size", U32), ("n_threads", U32), ("allocator", P), ("executor", P),
                        ("log", P), ("log_user", P), ("cpu_level", c.c_char_p), ("small_pages", U32), ("reserved", U32))
ModelInfo = struct("skald_model_info", ("size", U32), *[(f, U32) for f in (
    "n_layers n_embd n_heads n_kv_heads head_dim_k head_dim_v n_ff n_vocab n_context").split()],
    ("n_parameters", U64), ("n_file_bytes", U64), ("latent_dim", U32), ("latent_rope_dim", U32),
    ("architecture", c.c_char_p), ("name", c.c_char_p), ("device", c.c_char_p))
CacheOptions = struct("skald_kv_cache_options", ("size", U32), ("n_sequences", U32), ("n_tokens", U64),
                      ("k_type", U32), ("v_type", U32))
Span = struct("skald_span", ("size", U32), ("seq", U32), ("tokens", P), ("embeddings", P), ("n_tokens", U32),
              ("logits", U32))


def check_sizes(program):
    """Fields lie where they did. A struct may have grown behind them: its size says which one a caller knows."""
    structs = {s.__name__: s for s in (Report, RuntimeOptions, ModelInfo, CacheOptions, Span)}
    for line in subprocess.run([program], check=True, capture_output=True, text=True).stdout.splitlines():
        name, want = line.split()
        name, _, field = name.partition(".")
        got = getattr(structs[name], field).offset if field else c.sizeof(structs[name])
        assert got == int(want) if field else got <= int(want), f"{line}, {got} here"


def main():
    path, model_path, sizes = sys.argv[1:]
    check_sizes(sizes)
    skald = c.CDLL(path)
    why = Report(size=c.sizeof(Report))
    runtime, model, cache, context, seq = P(), P(), P(), P(), U32()

    def call(name, *arguments):
        status = getattr(skald, name)(*arguments)
        assert status == 0, f"{name}: {status} {why.text.decode()}"

    options = RuntimeOptions()
    skald.skald_runtime_options_init(c.byref(options), c.sizeof(options))
    assert options.size == c.sizeof(options)
    options.n_threads = 2
    call("skald_runtime_create", c.byref(runtime), c.byref(options), c.byref(why))
    call("skald_model_open_path", c.byref(model), runtime, model_path.encode(), None, c.byref(why))
    info = ModelInfo(size=c.sizeof(ModelInfo))
    call("skald_model_get_info", c.byref(info), model)
    assert info.architecture == b"llama" and info.device == b"cpu"
    room = CacheOptions()
    skald.skald_kv_cache_options_init(c.byref(room), c.sizeof(room))
    room.n_tokens = 512
    call("skald_kv_cache_create", c.byref(cache), model, c.byref(room), c.byref(why))
    call("skald_context_create", c.byref(context), model, None, c.byref(why))
    call("skald_kv_cache_open", c.byref(seq), cache)
    skald.skald_logits.restype = c.POINTER(c.c_float)
    ids, new = [], [5, 17, 42, 3]
    for _ in range(16):
        tokens = (I32 * len(new))(*new)
        span = Span(c.sizeof(Span), seq, c.cast(tokens, P), None, len(new), 0)
        call("skald_step", context, cache, None, c.byref(why), c.byref(span), U32(1))
        row = skald.skald_logits(context, U32(0))[:info.n_vocab]
        new = [row.index(max(row))]
        assert new[0] == skald.skald_logits_argmax(context, U32(0))
        ids += new
    call("skald_context_free", context)
    call("skald_kv_cache_free", cache)
    skald.skald_model_release(model)
    skald.skald_runtime_release(runtime)
    print(*ids)


if __name__ == "__main__":
    main()
