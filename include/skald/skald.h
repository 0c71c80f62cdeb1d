/* skald.h - language models inside your own process.
 *
 *   runtime   what the host lends: memory, threads, a log. No hidden state; several may live side by side.
 *   model     what was learnt: weights and vocabulary. Never changes; threads share it.
 *   kv_cache  what was read: pages of many sequences. One thread at a time.
 *   context   room to think: scratch and one stream. One thread at a time.
 *   sampler   how a token is chosen from logits. One thread at a time.
 *   template  how a conversation is laid out. Never changes; threads share it.
 *   answer    what a model writes, as content, reasoning and calls of tools. One thread at a time.
 *   grammar   what an answer may say. Never changes; threads share it.
 *   matcher   how far one answer has come in a grammar. One thread at a time.
 *   engine    many requests at once on one model. One thread steps; any thread submits and cancels.
 *   beams     the likeliest texts behind a prompt, found. Never changes; threads share it.
 *
 * Short way: skald_model_open_path, skald_generate.   Own loop: skald_step, skald_logits, skald_sampler_choose.
 * Own device: backend.h.
 *
 * Rules that hold everywhere
 *  - 0 is success, positive is "not now, and nothing is wrong", negative is an error. Outputs come first, sizes last.
 *  - A call that fails has changed nothing, unless its comment says what it changed. A handle that it should have made is NULL,
 *    if all of its arguments were there. Where it could fail for several reasons, which of them it says is open.
 *  - `why` may be NULL; set why->size to sizeof *why before the first call. It says what and where, for a person.
 *  - Option structs begin with their size. skald_..._options_init(&o, sizeof o) fills in the defaults; NULL options are
 *    the defaults too; 0 means "default" wherever a field's comment does not say otherwise.
 *  - Text is UTF-8. Strings that the library hands out live as long as the object they were asked from.
 *  - Freeing NULL does nothing. A handle made from another keeps that one alive: free in any order.
 *  - A handle with the rule "one thread at a time" answers SKALD_BUSY to a second thread, and to calls from a callback.
 *  - Callbacks run in the library's floating-point mode (nearest even, no flushing, no traps); the caller's own is back
 *    when the call returns.
 *  - The library never prints, reads the environment, aborts, raises signals or keeps global state.
 *  - ABI: 0.x may still change with a new minor version; from 1.0 on nothing is removed, moved or renumbered.
 */
#ifndef SKALD_H
#define SKALD_H

#include <stddef.h>
#include <stdint.h>
#include <skald/dtype.h>

#ifdef SKALD_PREFIX
#include <skald/prefix.h> /* every name below gets the prefix, so that two copies can live in one program */
#endif

#if defined(SKALD_STATIC)
#define SKALD_API
#elif defined(_WIN32)
#if defined(SKALD_BUILDING)
#define SKALD_API __declspec(dllexport)
#else
#define SKALD_API __declspec(dllimport)
#endif
#elif defined(__GNUC__)
#define SKALD_API __attribute__((visibility("default")))
#else
#define SKALD_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- version ---------------------------------------------------------------------------------------------------- */

/* Of this header; skald_version says that of the library. */
#define SKALD_VERSION_MAJOR 0
#define SKALD_VERSION_MINOR 1
#define SKALD_VERSION_PATCH 0

/* major << 16 | minor << 8 | patch of the library that runs, which may be newer than this header. Any thread. */
SKALD_API uint32_t skald_version(void);

/* The number of docs/numerics.md that this library computes: equal numbers, equal bits. Any thread. */
SKALD_API uint32_t skald_numerics_version(void);

/* ---- status ----------------------------------------------------------------------------------------------------- */

/* X(name, number, sentence) */
#define SKALD_STATUS_LIST(X)                                                                                           \
    X(OK, 0, "done")                                                                                                   \
    X(FULL, 1, "not now: no free page or sequence; nothing was taken")                                                 \
    X(SHORT, 2, "not now: the buffer is too small; the needed size is told")                                           \
    X(PENDING, 3, "not now: the time is used up; call again to go on")                                                 \
    X(END, 4, "there is no more")                                                                                      \
    X(ARGUMENT, -1, "an argument breaks the contract; nothing changed")                                                \
    X(MEMORY, -2, "no memory; nothing changed")                                                                        \
    X(FORMAT, -3, "the file does not say what it must")                                                                \
    X(READ, -4, "the file cannot be read")                                                                             \
    X(UNSUPPORTED, -5, "well formed, but not offered by this library or device")                                       \
    X(BUSY, -6, "the object is in use by another call")                                                                \
    X(CANCELLED, -7, "the host asked to stop; nothing changed")                                                        \
    X(DEVICE, -8, "the device failed; nothing changed")                                                                \
    X(ABSENT, -9, "there is no such thing")                                                                            \
    X(GONE, -10, "no longer kept: windows and states reach back only so far; nothing changed")

/* What a call returns: SKALD_OK and the others of the list. */
typedef int32_t skald_status;
enum {
#define SKALD_STATUS_ENUM(name, number, text) SKALD_##name = number,
    SKALD_STATUS_LIST(SKALD_STATUS_ENUM)
#undef SKALD_STATUS_ENUM
};

/* The sentence of the list above; "unknown status" for other numbers. Static text, never NULL. Any thread. */
SKALD_API const char *skald_status_text(skald_status status);

/* Where a call says why it failed, or what is FULL. The caller's memory; after any other status it is as it was. */
typedef struct skald_report {
    uint32_t size;       /* sizeof(skald_report), set by the caller */
    skald_status status; /* what the call returned */
    uint64_t offset;     /* byte offset in the file the sentence is about, UINT64_MAX when there is none */
    char text[496];      /* e.g. "tensor blk.3.attn_q.weight: 576 x 576 expected, 576 x 192 found"; ends with NUL */
} skald_report;

/* ---- what the host lends ------------------------------------------------------------------------------------------ */

/* What a block is for, so that a host can place it (huge pages, a budget per kind). More kinds may come. */
typedef uint32_t skald_memory_kind;
enum {
    SKALD_MEMORY_HANDLE = 0,  /* a handle and its tables */
    SKALD_MEMORY_WEIGHTS = 1, /* packed weights of a model */
    SKALD_MEMORY_CACHE = 2,   /* pages of a cache */
    SKALD_MEMORY_SCRATCH = 3, /* activations of a context */
    SKALD_MEMORY_LOAD = 4,    /* given back before the call that asked for it returns */
};

/* `alloc` returns `bytes` bytes at `alignment` (a power of two up to 4096), or NULL. `free` gets the same two numbers
 * back. Both may be called from any thread that calls skald, never from a worker, and never during a step. */
typedef struct skald_allocator {
    void *(*alloc)(void *user, size_t bytes, size_t alignment, skald_memory_kind kind);
    void (*free)(void *user, void *pointer, size_t bytes, size_t alignment);
    void *user;
} skald_allocator;

/* The host's own job system in place of skald's threads: run job(arg, 0) ... job(arg, n_jobs - 1), in any order, on any
 * threads, and return when all have returned. Jobs never wait for each other. */
typedef struct skald_executor {
    void (*run)(void *user, void (*job)(void *arg, uint32_t index), void *arg, uint32_t n_jobs);
    void *user;
    uint32_t n_threads; /* how many jobs may run at once, at least 1 */
} skald_executor;

/* A line for the host's log, level 1 error, 2 warning, 3 information. From the thread that made the call. */
typedef void (*skald_log_fn)(void *user, int32_t level, const char *text);

/* How far a long call has come: done from 0 to 1, and 0 as long as that cannot be told. Return 0 to go on, anything else to
 * cancel. Called on the thread that made the long call, at most about once a millisecond. It may call skald_status_text and
 * version calls only. */
typedef int32_t (*skald_progress_fn)(void *user, float done);

/* ---- runtime ------------------------------------------------------------------------------------------------------ */

/* What the host lends: memory, threads, devices and a log. Threads share it. */
typedef struct skald_runtime skald_runtime;

/* How a runtime shall be. */
typedef struct skald_runtime_options {
    uint32_t size;
    uint32_t n_threads;               /* workers and the caller together; 0: the processors this process may use */
    const skald_allocator *allocator; /* NULL: libc. Copied. */
    const skald_executor *executor;   /* NULL: the runtime's own workers. Copied. */
    skald_log_fn log;                 /* NULL: silence */
    void *log_user;
    const char *cpu_level; /* highest instruction set allowed: "scalar", "avx2", "avxvnni", "avx512", "amx", "neon",
                              "dotprod", "i8mm"; NULL: the best the machine has */
    uint32_t small_pages; /* 1: libc alone serves when `allocator` is NULL. 0: blocks from 4 MiB on come from the system
                             itself, which gets them back at once and is asked for huge pages for weights (Linux: madvise) */
    uint32_t reserved;    /* 0 */
} skald_runtime_options;

SKALD_API void skald_runtime_options_init(skald_runtime_options *options, uint32_t size);

/* Makes a runtime and its sleeping workers. MEMORY: no memory, or a thread could not be made.
 * ARGUMENT: unknown level, or an incomplete allocator or executor. */
SKALD_API skald_status skald_runtime_create(skald_runtime **out, const skald_runtime_options *options,
                                            skald_report *why);

/* Loads a device plug-in (see backend.h) from a shared library. `config` is the plug-in's own text, may be NULL. The
 * first device is "cpu"; a model names its device in its options. UNSUPPORTED: this build has no run-time loading, or
 * the plug-in speaks another version. Not while another thread uses the runtime. */
SKALD_API skald_status skald_runtime_load_backend(skald_runtime *runtime, const char *path, const char *config,
                                                  skald_report *why);

/* Lets go. What was made from the runtime keeps it alive. Any thread, but not from a callback. */
SKALD_API void skald_runtime_release(skald_runtime *runtime);

/* ---- where a model comes from ------------------------------------------------------------------------------------- */

/* One file. Fill in exactly one of path, bytes and read. */
typedef struct skald_source {
    uint32_t size;
    uint32_t map;      /* path only, 1: map instead of reading, while the model is opened. The file must not shrink
                            meanwhile: the system kills the process (SIGBUS) if it does */
    const char *path;  /* UTF-8 */
    const void *bytes; /* a file in memory, untouched after the model is open unless it is used in place */
    uint64_t n_bytes;  /* length of `bytes`, or of what `read` can give */
    /* Fill `to` with n_bytes bytes from `offset`. Anything but SKALD_OK fails the open with that status, so CANCELLED calls
     * it off. Called on the opening thread and, with workers, on several at once when `concurrent` is 1. */
    skald_status (*read)(void *user, void *to, uint64_t offset, size_t n_bytes);
    void *user;
    uint32_t concurrent;
    uint32_t reserved; /* 0 */
} skald_source;

/* ---- memory plan -------------------------------------------------------------------------------------------------- */

/* Bytes that the allocator will be asked for. Exact: the allocator's peak equals `peak_bytes`. */
typedef struct skald_memory_plan {
    uint32_t size;
    uint32_t reserved;
    uint64_t model_bytes;           /* handle, vocabulary, tables */
    uint64_t weights_bytes;         /* packed weights in host memory */
    uint64_t load_bytes;            /* scratch while loading, given back */
    uint64_t cache_bytes;           /* handle and pages in host memory */
    uint64_t context_bytes;         /* handle and activations in host memory */
    uint64_t peak_bytes;            /* the most at any one time of: open, create the cache, create the context */
    uint64_t mapped_bytes;          /* of the file, with skald_source.map or skald_model_options.in_place */
    uint64_t stack_bytes;           /* of the runtime's worker threads, all together */
    uint64_t device_bytes;          /* on the device, where it is not host memory; a pass may take scratch on top */
    uint64_t cache_bytes_per_token; /* of cache_bytes, as skald_kv_bytes_per_token */
    uint64_t engine_bytes;          /* of an engine besides its cache and its context */
} skald_memory_plan;

/* ---- model -------------------------------------------------------------------------------------------------------- */

/* Weights and vocabulary. Never changes; any number of threads and contexts share it. */
typedef struct skald_model skald_model;

/* How a model shall be opened. */
typedef struct skald_model_options {
    uint32_t size;
    uint32_t vocabulary_only;   /* 1: no weights; encode, decode and information work */
    const char *device;         /* name of a loaded device; NULL: "cpu" */
    skald_progress_fn progress; /* of the open, 0 until weights are read; NULL: none */
    void *progress_user;
    /* 1: weights are used where they lie in the file and not packed, wherever the device can: same bits, less memory,
     * shared between processes, several times slower. A path is mapped and `bytes` stay in use until the model is freed;
     * who changes the file meanwhile changes the answers, who shortens it has the process killed (SIGBUS).
     * ARGUMENT for a source that can only be read. */
    uint32_t in_place;
    /* Positions that sequences will reach; 0: as many as the file says. Only models with a rotation for short and one for
     * long texts (Phi 3) look at it: they use the long one from their original context on, for all positions, so that
     * the bits of a sequence do not depend on how far it has come. */
    uint32_t n_context;
    /* A split expression that cuts a text into words before the merges of a byte-level vocabulary, in place of the one that
     * tokenizer.ggml.pre names: for files whose name is not known. NULL: the file's. docs/text.md says what it may hold;
     * opening says what of it is not offered, and at which byte. */
    const char *split;
} skald_model_options;

SKALD_API void skald_model_options_init(skald_model_options *options, uint32_t size);

/* Opens a GGUF file (or its parts: the first one, or all in order). Checks everything before it believes anything.
 * FORMAT: malformed, with the key, tensor or offset. UNSUPPORTED: an architecture or type this library does not have.
 * READ, MEMORY, CANCELLED as they say. After OK the file is not touched again unless it is used in place. */
SKALD_API skald_status skald_model_open(skald_model **out, skald_runtime *runtime, const skald_model_options *options,
                                        skald_report *why, const skald_source *parts, uint32_t n_parts);

/* The same for a path, read and not mapped; further parts of a split file are found beside it. */
SKALD_API skald_status skald_model_open_path(skald_model **out, skald_runtime *runtime, const char *path,
                                             const skald_model_options *options, skald_report *why);

/* One more owner. Any thread. */
SKALD_API void skald_model_retain(skald_model *model);
/* One owner less; the last one frees. Any thread, but not from a callback. */
SKALD_API void skald_model_release(skald_model *model);

/* The sizes of a model. */
typedef struct skald_model_info {
    uint32_t size;
    uint32_t n_layers;        /* blocks of attention and feed-forward */
    uint32_t n_embd;          /* width of the residual stream */
    uint32_t n_heads;         /* query heads */
    uint32_t n_kv_heads;      /* 1: MQA, n_heads: MHA, between: GQA */
    uint32_t head_dim_k;      /* elements of one query or key head */
    uint32_t head_dim_v;      /* elements of one value head */
    uint32_t n_ff;            /* width inside the feed-forward part */
    uint32_t n_vocab;         /* ids are 0 ... n_vocab - 1, and logits rows as long */
    uint32_t n_context;       /* tokens it was trained for; 0 unknown */
    uint64_t n_parameters;    /* elements of all tensors */
    uint64_t n_file_bytes;    /* bytes of all tensors in the file */
    uint32_t latent_dim;      /* MLA: elements of the latent kept per token; 0: keys and values */
    uint32_t latent_rope_dim; /* MLA: elements of the rotated key kept beside the latent */
    const char *architecture; /* e.g. "llama" */
    const char *name;         /* general.name, or "" */
    const char *device;       /* where the weights are */
} skald_model_info;

/* Any thread. Fills the first info->size bytes. */
SKALD_API skald_status skald_model_get_info(skald_model_info *info, const skald_model *model);

/* The value of metadata key `key` as text (arrays as "[n values of type t]"), with a closing NUL. *n_bytes: room, then the length
 * needed with the NUL. SHORT: too little room. ABSENT: no such key. Any thread. */
SKALD_API skald_status skald_model_metadata(char *text, size_t *n_bytes, const skald_model *model, const char *key);
/* The key at `index`, counted from 0; NULL behind the last. Lives as long as the model. Any thread. */
SKALD_API const char *skald_model_metadata_key(const skald_model *model, uint32_t index);

/* A tensor of the file. The strings live as long as the model. */
typedef struct skald_tensor_info {
    uint32_t size;
    skald_dtype type;      /* of its elements in the file */
    uint64_t shape[4];     /* fastest first, 1 where unused */
    uint64_t n_bytes;      /* in the file */
    const char *name;      /* as the file says */
    const char *type_name; /* as skald_dtype_name */
    const char *kernel;    /* which leaf multiplies with it, e.g. "q4_1/avx2"; "" where none does */
} skald_tensor_info;

/* END behind the last. Any thread. */
SKALD_API skald_status skald_model_tensor(skald_tensor_info *info, const skald_model *model, uint32_t index);

/* The kernels that the model's device has chosen, besides those that multiply with tensors: name of the operation and of
 * its kernel, static text. END behind the last. Any thread. */
SKALD_API skald_status skald_model_kernel(const char **operation, const char **kernel, const skald_model *model,
                                          uint32_t index);

/* ---- text --------------------------------------------------------------------------------------------------------- */

/* Bits of a set. */
typedef uint32_t skald_encode_flags;
enum {
    SKALD_ENCODE_SPECIAL = 1, /* control tokens written in the text become their ids; without it they are plain text */
    SKALD_ENCODE_BOS = 2, /* put the model's begin-of-sequence id in front, where the model asks for one and the text
                                 does not begin with it */
    SKALD_ENCODE_EOS = 4, /* put the model's end-of-sequence id behind, where the model asks for one */
};

/* Text to ids. *n_ids: room in `ids` (which may be NULL for room 0), then how many there are; SHORT when they do not
 * fit (the first ones are written). Bytes that are not UTF-8 are encoded as bytes. Any thread.
 * MEMORY: the work needs room in proportion to the longest word, and to a text that its tokenizer has to normalize. */
SKALD_API skald_status skald_encode(int32_t *ids, uint32_t *n_ids, const skald_model *model, skald_encode_flags flags,
                                    const char *text, size_t n_bytes);

/* The same for a text of which a stranger has written a part, e.g. a message inside the layout of a conversation: where
 * stranger[i] (n_bytes of them; NULL: nowhere) is not 0, byte i is his. A control token is read only where all its bytes
 * are the host's own; merges do not mind who wrote what. */
SKALD_API skald_status skald_encode_guarded(int32_t *ids, uint32_t *n_ids, const skald_model *model,
                                            skald_encode_flags flags, const char *text, const uint8_t *stranger,
                                            size_t n_bytes);

/* Bits of a set. */
typedef uint32_t skald_decode_flags;
enum {
    SKALD_DECODE_SPECIAL = 1, /* control tokens are written out; without it they are silent */
    SKALD_DECODE_BEGIN =
        2, /* the ids begin a text: the space that encoding puts in front of some is taken away. Not for
                                 skald_decoder */
};

/* Ids to text without a closing NUL. Encoding and decoding gives the bytes back where the vocabulary has a token for every
 * byte (some do not, and leave such a byte out) and the tokenizer does not normalize (docs/text.md). *n_bytes: room, then length; SHORT as above. ARGUMENT: an id out of range. */
SKALD_API skald_status skald_decode(char *text, size_t *n_bytes, const skald_model *model, skald_decode_flags flags,
                                    const int32_t *ids, uint32_t n_ids);

/* Ids to text one by one, never splitting a character. The caller's memory; zero it to begin. */
typedef struct skald_decoder {
    uint8_t pending[8];       /* bytes of a character that is not complete yet */
    uint32_t n_pending;       /* how many */
    skald_decode_flags flags; /* the caller's, but for SKALD_DECODE_BEGIN */
} skald_decoder;

/* Adds one id and gives out the complete characters. id -1 ends the text: what is pending comes out as U+FFFD.
 * SHORT: nothing happened, *n_bytes is the room needed. */
SKALD_API skald_status skald_decoder_push(char *text, size_t *n_bytes, skald_decoder *decoder, const skald_model *model,
                                          int32_t id);

/* What an id is for. Numbers never change, more may come. */
typedef uint32_t skald_token_role;
enum {
    SKALD_TOKEN_BOS = 0,         /* begins a text */
    SKALD_TOKEN_EOS = 1,         /* ends a text */
    SKALD_TOKEN_END_OF_TURN = 2, /* ends what one side of a conversation says */
    SKALD_TOKEN_UNKNOWN = 3,
    SKALD_TOKEN_SEPARATOR = 4,
    SKALD_TOKEN_PADDING = 5,
    SKALD_TOKEN_FIM_PREFIX = 6, /* fill in the middle */
    SKALD_TOKEN_FIM_SUFFIX = 7,
    SKALD_TOKEN_FIM_MIDDLE = 8,
    SKALD_TOKEN_FIM_REPO = 9,
    SKALD_TOKEN_FIM_FILE = 10,
    SKALD_TOKEN_FIM_PADDING = 11,
    SKALD_TOKEN_MASK = 12,
    SKALD_TOKEN_END_OF_MESSAGE = 13, /* ends an answer that waits for a tool's result */
};

/* The id of a role, by the file's key or by the text that known tokenizers give it; -1 when the model has none. Any thread. */
SKALD_API int32_t skald_model_token(const skald_model *model, skald_token_role role);
/* 1 when generation stops at this id (end of text, of turn, of a call), else 0. Any thread. */
SKALD_API int32_t skald_model_is_end(const skald_model *model, int32_t id);
/* The ids at which generation stops, by index from 0; -1 behind the last. Any thread. */
SKALD_API int32_t skald_model_end(const skald_model *model, uint32_t index);

/* What one side of a conversation says. */
typedef struct skald_message {
    const char *role; /* "system", "user", "assistant" */
    const char *text; /* UTF-8 */
} skald_message;

/* The layout of conversations that a model was trained on: its file's chat template (Jinja, as transformers runs it), or
 * the caller's own. Never changes; threads share it. docs/chat.md says what a template may hold. */
typedef struct skald_template skald_template;

/* Compiles `text` of n_bytes, which is copied; NULL: the template of the file, and where that is not offered but its
 * layout is known, that layout, which knows messages only. FORMAT, UNSUPPORTED: what is wrong or not offered, with line
 * and column; or the file has no template. Any thread. */
SKALD_API skald_status skald_template_create(skald_template **out, skald_model *model, const char *text, size_t n_bytes,
                                             skald_report *why);
/* Any thread, but not from a callback. */
SKALD_API void skald_template_free(skald_template *t);

/* A conversation. Everything is only read during the call. */
typedef struct skald_template_input {
    uint32_t size;
    uint32_t open;                 /* 1: the answer's beginning is added (add_generation_prompt) */
    const skald_message *messages; /* [n_messages], where `json` has no "messages" */
    const char *json;              /* an object: "messages", "tools", "documents", and what else the template asks for;
                                      it goes before the fields above. NULL: nothing */
    size_t n_json_bytes;           /* of `json` */
    int64_t local_seconds; /* seconds since 1970 of the local clock, for templates that write the date; 0: those that
                              cannot do without are refused */
    uint32_t n_messages;
    uint32_t reserved; /* 0 */
} skald_template_input;

SKALD_API void skald_template_input_init(skald_template_input *input, uint32_t size);

/* The conversation as text. stranger (may be NULL) gets for each byte 1 where the content of a message or the JSON said it and 0
 * where the template or a role did, as skald_encode_guarded wants it. *n_bytes: room in both, then length; SHORT when it does not fit (the
 * first bytes are written). ARGUMENT: the template refuses this conversation, with its own sentence, or the JSON is none.
 * FORMAT: it cannot be run on it, or takes too many steps or bytes. UNSUPPORTED, MEMORY. Any thread. */
SKALD_API skald_status skald_template_render(char *text, uint8_t *stranger, size_t *n_bytes, const skald_template *t,
                                             const skald_template_input *input, skald_report *why);

/* The conversation as ids: control tokens come from the template alone, whatever the messages spell. *n_ids as in
 * skald_encode. Fails as skald_template_render. Any thread. */
SKALD_API skald_status skald_template_encode(int32_t *ids, uint32_t *n_ids, const skald_template *t,
                                             const skald_template_input *input, skald_report *why);

/* The same in one call, for messages alone and as text, to be encoded with SKALD_ENCODE_SPECIAL: only for messages that
 * may spell control tokens. `first` leaves out what the first messages alone become, so that a caller who has them in a
 * cache already gets what is new. *n_bytes as in skald_decode. UNSUPPORTED: no template, or one that lays out the first
 * messages otherwise when more follow. ARGUMENT: also a conversation that the template refuses. */
SKALD_API skald_status skald_chat_format(char *text, size_t *n_bytes, const skald_model *model, uint32_t open,
                                         uint32_t first, const skald_message *messages, uint32_t n_messages);

/* ---- adapters ----------------------------------------------------------------------------------------------------- */

/* Low-rank matrices beside some of a model's weights (LoRA, arXiv 2106.09685): W x becomes W x + scale * alpha / rank * B (A x)
 * for the sequences whose spans name the adapter. The model's own weights are neither copied nor changed. Read only once
 * open: any number of contexts and threads. */
typedef struct skald_adapter skald_adapter;

/* A GGUF file of general.type "adapter" and adapter.type "lora" for the model's architecture: tensors NAME.lora_a [rank, n_in]
 * and NAME.lora_b [n_out, rank] of any type for matrices of the model's layers; its rank is at most 512. Keeps the model.
 * FORMAT, UNSUPPORTED: the key or tensor, named; nothing is left. The source is not used again. */
SKALD_API skald_status skald_adapter_open(skald_adapter **out, skald_model *model, const skald_source *source,
                                          skald_report *why);
/* The same of what Hugging Face's PEFT writes: adapter_model.safetensors, F32, F16, BF16 or F8 for modules of the layers by
 * their names in transformers, and adapter_config.json, which says how much they count (lora_alpha, use_rslora: alpha / sqrt(rank),
 * arXiv 2312.03732). What changes the model otherwise is refused by key or tensor: DoRA, biases, whole modules, experts. */
SKALD_API skald_status skald_adapter_open_peft(skald_adapter **out, skald_model *model, const skald_source *tensors,
                                               const skald_source *config, skald_report *why);
/* A GGUF file; or a .safetensors file, or a folder with adapter_model.safetensors, and adapter_config.json beside or in it. */
SKALD_API skald_status skald_adapter_open_path(skald_adapter **out, skald_model *model, const char *path,
                                               skald_report *why);
/* One owner more, one less; the last one frees. Any thread, but not from a callback. NULL is nothing. */
SKALD_API void skald_adapter_retain(skald_adapter *adapter);
SKALD_API void skald_adapter_release(skald_adapter *adapter);

/* The sizes of an adapter. */
typedef struct skald_adapter_info {
    uint32_t size;
    uint32_t rank;      /* the largest */
    uint32_t n_changed; /* matrices of the model that it changes */
    uint32_t reserved;
    uint64_t n_parameters; /* elements of its tensors */
} skald_adapter_info;

/* Fills the first info->size bytes. Any thread. */
SKALD_API skald_status skald_adapter_get_info(skald_adapter_info *info, const skald_adapter *adapter);

/* ---- cache -------------------------------------------------------------------------------------------------------- */

/* Pages hold SKALD_PAGE_TOKENS positions of one sequence; forked sequences share pages until one writes. */
#define SKALD_PAGE_TOKENS 128u

/* Keys, values and states of many sequences. One thread at a time. */
typedef struct skald_kv_cache skald_kv_cache;
typedef uint32_t skald_seq; /* a sequence in a cache, from 1; never reused before its release */

/* How a cache shall be. */
typedef struct skald_kv_cache_options {
    uint32_t size;
    uint32_t n_sequences; /* the most at a time; 0: 1 */
    uint64_t n_tokens; /* room for all sequences together, rounded up to pages; 0: the model's context, at most 4096 */
    /* SKALD_F32, F16, BF16, F8_E4M3, Q8_0, Q4_0 (the last two: heads of whole blocks of 32, where layers have pages); init: F16 */
    skald_dtype k_type;
    skald_dtype v_type; /* likewise; the two may differ */
} skald_kv_cache_options;

SKALD_API void skald_kv_cache_options_init(skald_kv_cache_options *options, uint32_t size);
/* Makes a cache, which keeps the model; its pages are asked for at once and are not touched before they are written.
 * UNSUPPORTED: the device has no such pages. MEMORY: nothing is left. Any thread. */
SKALD_API skald_status skald_kv_cache_create(skald_kv_cache **out, skald_model *model,
                                             const skald_kv_cache_options *options, skald_report *why);
/* BUSY (and nothing freed) while a paused step uses it: cancel that first. */
SKALD_API skald_status skald_kv_cache_free(skald_kv_cache *cache);

/* An empty sequence. FULL: as many as allowed live already. */
SKALD_API skald_status skald_kv_cache_open(skald_seq *out, skald_kv_cache *cache);
/* Room for `n_tokens` more tokens of `seq` than it holds, so that a later step cannot be FULL unless it is forked. FULL: nothing was taken;
 * release or rewind a sequence, then call again. A step that needs more reserves by itself. */
SKALD_API skald_status skald_kv_cache_reserve(skald_kv_cache *cache, skald_seq seq, uint32_t n_tokens);
/* A new sequence with the first `n_tokens` tokens of `seq`. Shares pages; the one that both may write is copied at
 * the first write, by whoever writes first: that may need a page more than either has reserved. ARGUMENT: `seq` holds fewer.
 * FULL: as open. GONE: as rewind. */
SKALD_API skald_status skald_kv_cache_fork(skald_seq *out, skald_kv_cache *cache, skald_seq seq, uint32_t n_tokens);
/* Forgets all but the first `n_tokens` tokens and gives back the pages behind them. ARGUMENT: `seq` holds fewer.
 * GONE: layers with a window keep what rows to come can see and SKALD_PAGE_TOKENS positions more, states the last two
 * multiples of 16. So with windows every n_tokens from SKALD_PAGE_TOKENS before the longest the sequence has been since it
 * was empty (a fork begins with its source's longest) is kept, with states every one from 16 before, and 0 always; some
 * before that. Where all layers see everything, nothing is ever gone. */
SKALD_API skald_status skald_kv_cache_rewind(skald_kv_cache *cache, skald_seq seq, uint32_t n_tokens);
/* Ends the sequence; pages that nobody shares are free again. */
SKALD_API skald_status skald_kv_cache_release(skald_kv_cache *cache, skald_seq seq);
/* How many tokens the sequence holds. */
SKALD_API skald_status skald_kv_cache_length(uint32_t *n_tokens, skald_kv_cache *cache, skald_seq seq);

/* What a cache holds. */
typedef struct skald_kv_cache_stats {
    uint32_t size;
    uint32_t n_pages;             /* all */
    uint32_t n_pages_free;        /* held by no sequence */
    uint32_t n_pages_shared;      /* held by more than one sequence */
    uint32_t n_sequences;         /* that live */
    uint32_t n_sequences_max;     /* that may live at a time */
    uint64_t n_tokens;            /* held by all sequences, shared ones counted for each */
    uint64_t bytes;               /* of all pages and slots */
    uint64_t bytes_per_token;     /* as skald_kv_bytes_per_token */
    uint32_t n_window_pages;      /* of layers that see a window; they never run out */
    uint32_t n_window_pages_free; /* of them, held by no sequence */
    uint32_t n_slots;             /* of states, likewise */
    uint32_t n_slots_free;        /* of them, held by no sequence */
} skald_kv_cache_stats;

/* Fills the first stats->size bytes. */
SKALD_API skald_status skald_kv_cache_get_stats(skald_kv_cache_stats *stats, skald_kv_cache *cache);

/* Take the next n_bytes of a saved sequence, or give them. Anything but SKALD_OK ends the call with that status. */
typedef skald_status (*skald_write_fn)(void *user, const void *from, size_t n_bytes);
typedef skald_status (*skald_read_fn)(void *user, void *to, size_t n_bytes);

/* Writes what `seq` holds, in order and in pieces: *n_bytes in all (may be NULL). `write` NULL: only tells n_bytes. What comes
 * out depends neither on pages nor on other sequences; ids are the host's to keep. Asks for one layer's part of memory and
 * gives it back. `seq` stays as it is. */
SKALD_API skald_status skald_kv_cache_save(uint64_t *n_bytes, skald_kv_cache *cache, skald_seq seq,
                                           skald_write_fn write, void *user, skald_report *why);
/* A new sequence from what was saved, in this process or another: the next logits have the same bits. It can be rewound as far
 * as the saved one could. Nothing changes unless all is right, to the sum at the end:
 * FORMAT: no saved sequence, or a damaged one. UNSUPPORTED: of another model (told apart by header and a sample of each
 * tensor), numerics, k_type or v_type, or longer than the cache has room for. FULL: as reserve. MEMORY; what `read` says.
 * The sum is against damage: who can forge one can give a sequence any contents, but reach nothing else. */
SKALD_API skald_status skald_kv_cache_restore(skald_seq *out, skald_kv_cache *cache, skald_read_fn read, void *user,
                                              skald_report *why);

/* What one token costs in a cache, from sizes alone:
 * latent_dim 0: n_layers * n_kv_heads * (head_dim_k + head_dim_v) elements, else n_layers * (latent_dim + latent_rope_dim)
 * (DeepSeek-V2, arXiv 2405.04434). 0: a type without whole blocks there. Any thread. */
SKALD_API uint64_t skald_kv_bytes_per_token(const skald_model_info *shape, skald_dtype k_type, skald_dtype v_type);
/* Reads the sizes only: of a GGUF file, a folder with a config.json, or a config.json. The strings of `info` are "",
 * n_parameters and n_file_bytes 0. */
SKALD_API skald_status skald_model_inspect(skald_model_info *info, skald_runtime *runtime, const char *path,
                                           skald_report *why);

/* ---- context: running the model ------------------------------------------------------------------------------------ */

/* Scratch and one stream of passes through the model. One thread at a time. */
typedef struct skald_context skald_context;

/* How a context shall be. */
typedef struct skald_context_options {
    uint32_t size;
    uint32_t n_rows;    /* tokens that go through the model together; longer input goes in pieces, same bits; 0: 512 */
    uint32_t n_logits;  /* rows of logits that one step can give; 0: 32 */
    uint32_t n_threads; /* 0: all of the runtime's */
    uint32_t max_rank; /* the largest of adapters that spans may name; 0: none may, and joined operations stay joined */
} skald_context_options;

SKALD_API void skald_context_options_init(skald_context_options *options, uint32_t size);
/* Makes a context, which keeps the model. All memory is asked for here; a step asks for none. MEMORY: nothing is left. Any
 * thread. */
SKALD_API skald_status skald_context_create(skald_context **out, skald_model *model,
                                            const skald_context_options *options, skald_report *why);
/* A paused step is cancelled first. BUSY (and nothing freed): a call is running. */
SKALD_API skald_status skald_context_free(skald_context *context);

/* Which rows of a span want logits. */
enum {
    SKALD_LOGITS_LAST = 0, /* of the last token */
    SKALD_LOGITS_NONE = 1,
    SKALD_LOGITS_ALL = 2,
};

/* One of the adapters of a span. */
typedef struct skald_span_adapter {
    const skald_adapter *adapter; /* of the cache's model; the caller's until the step ends */
    float scale;                  /* finite; 1: as it was trained */
    uint32_t reserved;            /* 0 */
} skald_span_adapter;

#define SKALD_SPAN_ADAPTERS 4u /* most adapters of a span or a request */

/* Some more tokens of one sequence. A step takes any mixture: prompts, single tokens, drafts. Each sequence at most
 * once in a step. */
typedef struct skald_span {
    uint32_t size;
    skald_seq seq;           /* of the cache */
    const int32_t *tokens;   /* [n_tokens] ids, or NULL with `embeddings` */
    const float *embeddings; /* [n_tokens, n_embd] rows in place of ids (images, soft prompts), or NULL */
    uint32_t n_tokens;       /* at least 1 */
    uint32_t logits;         /* SKALD_LOGITS_... */
    /* Adapters that change the weights for these tokens, in this order: none, or those of the sequence's earlier tokens
     * too, which lie in the cache as they were read. Other sequences of the step are not touched. */
    const skald_span_adapter *adapters; /* [n_adapters] */
    uint32_t n_adapters;
    uint32_t reserved; /* 0 */
} skald_span;

/* How far a step goes in one call. */
typedef struct skald_step_options {
    uint32_t size;
    uint32_t microseconds;      /* return PENDING after about so long, at a place to go on from; 0: run to the end */
    skald_progress_fn progress; /* NULL: none */
    void *progress_user;
} skald_step_options;

SKALD_API void skald_step_options_init(skald_step_options *options, uint32_t size);

/* Runs the spans through the model and appends them to their sequences: all of them, or nothing.
 *   OK         every span is appended, and its logits can be read.
 *   PENDING    the time is used up. The cache's other calls give BUSY; skald_step_continue goes on, and for it the array of spans and its
 *              memory must still be there; skald_step_cancel forgets, and needs it no more.
 *   FULL       the cache has not enough free pages; nothing changed.
 *   CANCELLED, DEVICE   nothing changed: the next step gives the bits it would have given without this one.
 *   ARGUMENT   an id or sequence that is not there, more logits than n_logits, a cache of another model.
 * Spans may hold more tokens than n_rows. Bits do not depend on threads, neighbours, or how a text is cut into steps. */
SKALD_API skald_status skald_step(skald_context *context, skald_kv_cache *cache, const skald_step_options *options,
                                  skald_report *why, const skald_span *spans, uint32_t n_spans);
SKALD_API skald_status skald_step_continue(skald_context *context, const skald_step_options *options,
                                           skald_report *why);
SKALD_API skald_status skald_step_cancel(skald_context *context);

/* Row `index` of the last finished step's logits: spans in order, within a span the wanted tokens in order. n_vocab
 * floats, the context's memory, until its next step; one that is FULL or refused for an argument leaves them, one that is
 * paused, cancelled or failed has none. NULL: no such row. */
SKALD_API const float *skald_logits(const skald_context *context, uint32_t index);

/* The id with the largest logit of row `index`, the lower id of equals; -1: no such row. */
SKALD_API int32_t skald_logits_argmax(const skald_context *context, uint32_t index);

/* Line `index` of the recorded pass, e.g. "4 attend: layer 0, GQA 9 over 3 heads of 64"; *n_bytes as in
 * skald_model_metadata. END behind the last. */
SKALD_API skald_status skald_context_op(char *text, size_t *n_bytes, const skald_context *context, uint32_t index);

/* What open, cache and context together will ask for, from the header of the file. NULL options are the defaults. */
SKALD_API skald_status skald_memory_get_plan(skald_memory_plan *plan, skald_runtime *runtime,
                                             const skald_model_options *model, const skald_kv_cache_options *cache,
                                             const skald_context_options *context, skald_report *why,
                                             const skald_source *parts, uint32_t n_parts);

/* ---- choosing a token ---------------------------------------------------------------------------------------------- */

/* How an id is chosen from logits. One thread at a time. */
typedef struct skald_sampler skald_sampler;

/* What is added to one id's logit. */
typedef struct skald_logit_bias {
    int32_t id; /* of the vocabulary */
    float bias; /* added to the logit; -INFINITY forbids the id */
} skald_logit_bias;

/* Applied in this order: bias, penalties, temperature, top_k, top_p, min_p, draw. The defaults are greedy. */
typedef struct skald_sampler_options {
    uint32_t size;
    float temperature;       /* 0: greedy, the largest logit */
    uint32_t top_k;          /* keep the k largest; 0: all */
    float top_p;             /* keep the smallest set that holds this share (arXiv 1904.09751); 0 or 1: all */
    float min_p;             /* drop below this share of the largest probability (arXiv 2407.01082); 0: none */
    float repetition;        /* divide positive, multiply negative logits of seen ids (arXiv 1909.05858); 0 or 1: off */
    float frequency;         /* subtract this times the count of an id */
    float presence;          /* subtract this once for a seen id */
    uint32_t penalty_window; /* how many of the last tokens count as seen; 0: 64 */
    uint64_t seed;           /* the draw is a function of (seed, position, draw) alone */
    const skald_logit_bias *bias; /* [n_bias], copied */
    uint32_t n_bias;
    uint32_t reserved; /* 0 */
} skald_sampler_options;

SKALD_API void skald_sampler_options_init(skald_sampler_options *options, uint32_t size);
/* For rows of `model`'s n_vocab logits. ARGUMENT: a number that is not finite or out of its range, a bias id out of range. */
SKALD_API skald_status skald_sampler_create(skald_sampler **out, skald_model *model,
                                            const skald_sampler_options *options, skald_report *why);
SKALD_API void skald_sampler_free(skald_sampler *sampler);

/* Chooses the token for `position`. Pure: the same arguments give the same id, on every platform. `history` are the
 * tokens so far, newest last; only the last penalty_window are looked at; may be NULL when n_history is 0.
 * ARGUMENT: a logit is NaN, or every id is forbidden. */
SKALD_API skald_status skald_sampler_choose(int32_t *id, skald_sampler *sampler, const float *logits, uint64_t position,
                                            const int32_t *history, uint32_t n_history);

/* ---- what an answer may say ---------------------------------------------------------------------------------------- */

/* A grammar, compiled for the vocabulary of one model. Before a token is chosen, a matcher forbids those by which the text
 * could not become one of the grammar; so it always does, whatever the logits, and it can never come to a place from where
 * there is no way on (docs/constraints.md). */
typedef struct skald_grammar skald_grammar;
typedef struct skald_matcher skald_matcher;

/* What a grammar is written in. */
typedef uint32_t skald_grammar_kind;
enum {
    SKALD_GRAMMAR_RULES = 0,       /* rules in the manner of BNF, as llama.cpp's GBNF; the text is what `root` says */
    SKALD_GRAMMAR_JSON_SCHEMA = 1, /* JSON that is valid against a schema (draft 2020-12) */
    /* A call of one of the tools in a JSON list, as the model's family writes calls (skald_answer reads it), with arguments
     * that are valid against its parameters. */
    SKALD_GRAMMAR_TOOLS = 2,
};

/* What a grammar is written in, and its memory. */
typedef struct skald_grammar_options {
    uint32_t size;
    skald_grammar_kind kind; /* of the text */
    uint64_t cache_bytes;    /* arena for masks and what leads to them; 0: 16 MiB; at least what one token may need */
    const char *family;      /* of TOOLS, as for skald_answer_create; NULL: found by the marks in the file's template */
    skald_progress_fn progress; /* of skald_grammar_create, `done` stays 0; NULL: none */
    void *progress_user;
} skald_grammar_options;

SKALD_API void skald_grammar_options_init(skald_grammar_options *options, uint32_t size);
/* Compiles n_bytes of text, which is not kept. All memory is asked for here, but for the trie of the vocabulary, which is
 * made with the first grammar of a model and freed with the model. That one takes some tens of milliseconds, a large
 * schema takes some more. CANCELLED: by `progress`.
 * FORMAT: malformed, with the rule or keyword, and line and column, or a JSON pointer. UNSUPPORTED: well formed, but this
 * library cannot make sure of it; likewise. Nothing that a grammar asks for is ever passed over. Any thread. */
SKALD_API skald_status skald_grammar_create(skald_grammar **out, skald_model *model, const char *text, size_t n_bytes,
                                            const skald_grammar_options *options, skald_report *why);
/* One more owner; one less, the last one frees. Any thread, release not from a callback. */
SKALD_API void skald_grammar_retain(skald_grammar *grammar);
SKALD_API void skald_grammar_release(skald_grammar *grammar);

/* At the beginning of an answer. */
SKALD_API skald_status skald_matcher_create(skald_matcher **out, skald_grammar *grammar, skald_report *why);
/* `to` becomes a copy of `from`, of the same grammar: for a beam, or to try something. ARGUMENT: of another grammar. */
SKALD_API skald_status skald_matcher_copy(skald_matcher *to, const skald_matcher *from);
SKALD_API void skald_matcher_free(skald_matcher *matcher);

/* Copies a row of n_vocab logits to `to` (which may be the row itself) with -INFINITY for every token that may not come
 * next; the ids that end a text may come where the grammar may end. n_left: tokens that the answer may have from here on, the
 * one that ends it not counted. Only those are left after which it can end in time, so that it is whole when n_left has come
 * down to 0; where it was too late for that from the beginning, and for 0, there is no such bound.
 * END: the text is whole and nothing can follow; only ids that end a text are left. */
SKALD_API skald_status skald_matcher_mask(float *to, skald_matcher *matcher, const float *logits, uint32_t n_left);
/* The answer goes on with `id`. OK; END: likewise, and now nothing can follow. ARGUMENT: `id` may not come here. */
SKALD_API skald_status skald_matcher_accept(skald_matcher *matcher, int32_t id);
/* 1 when the text is one of the grammar as it is, else 0. */
SKALD_API int32_t skald_matcher_may_end(const skald_matcher *matcher);
/* Tokens that surely suffice to bring the text to an end, the one that ends it not counted. */
SKALD_API uint32_t skald_matcher_least(const skald_matcher *matcher);

/* ---- engine: many requests ------------------------------------------------------------------------------------------ */

/* Requests come and go while others run: all that run share each pass through the model (continuous batching, Orca, OSDI
 * 2022), prompts are read in chunks beside answers that go on, and a beginning that some sequence has read already is
 * shared and not computed again. An answer has the same ids as the request alone, whatever runs beside it.
 *
 * Threads: submit and cancel from any thread at any time; every other call from one thread at a time, a second one gets
 * BUSY. A host's loop: skald_engine_step, then skald_engine_poll until END. */
typedef struct skald_engine skald_engine;
typedef uint64_t skald_request_id; /* never 0, never reused */

/* How an engine shall be. */
typedef struct skald_engine_options {
    uint32_t size;
    uint32_t n_running;  /* requests in a step, at most; 0: 32 */
    uint32_t n_requests; /* submitted and not yet told to have ended, at most; 0: 256, at most 32768 */
    uint32_t n_kept;     /* sequences that are kept for their beginnings after they ended; 0: n_running */
    uint64_t n_tokens;   /* room of the cache, in tokens; 0: n_running times the model's context, that at most 4096 */
    uint64_t n_text;     /* ids of prompts and answers of all requests, at most; 0: 4 times the room of the cache */
    uint32_t n_rows;     /* tokens that go through the model together; 0: 512 */
    uint32_t n_prompt_rows; /* of them for prompts while others answer, so that those keep their pace; 0: 64 */
    uint32_t no_sharing;    /* 1: each request computes all of its prompt, and nothing is kept */
    uint32_t n_threads;     /* 0: all of the runtime's */
    skald_dtype k_type;     /* of the cache; init sets SKALD_F16 */
    skald_dtype v_type;     /* likewise */
    uint32_t n_top;         /* most skald_request.n_top, at most 64; room for n_text times 1 + n_top of them. 0: none */
    /* Drafts: ids guessed before a step and read in it beside the certain one (speculative decoding, arXiv 2211.17192). One is
     * right when it is the id that is chosen there anyway: answers are the same with and without, sampled ones too. How many
     * are guessed follows how many were right. lookup 1: what followed the last ids where they came before in prompt and
     * answer. `draft`: a small model's, of the same vocabulary, kept alive; it has a cache of n_tokens of its own, and reads
     * prompts for itself. One of the two. */
    uint32_t lookup;
    skald_model *draft;
    uint32_t
        n_draft; /* most ids of a draft, at most 16: a rewind by so many is never gone; 0: 8 with one of the above */
    uint32_t max_rank; /* the largest of adapters that requests may name, as in skald_context_options; 0: none may */
} skald_engine_options;

SKALD_API void skald_engine_options_init(skald_engine_options *options, uint32_t size);
/* Makes an engine with a cache and a context of its own. All memory is asked for here; nothing is asked for later. */
SKALD_API skald_status skald_engine_create(skald_engine **out, skald_model *model, const skald_engine_options *options,
                                           skald_report *why);
/* What open and skald_engine_create together will ask for, from the header of the file: cache_bytes and context_bytes are of the
 * engine's own. NULL options are the defaults. */
SKALD_API skald_status skald_engine_get_plan(skald_memory_plan *plan, skald_runtime *runtime,
                                             const skald_model_options *model, const skald_engine_options *engine,
                                             skald_report *why, const skald_source *parts, uint32_t n_parts);
/* Requests that have not ended are forgotten. BUSY (and nothing freed): a call is running. */
SKALD_API skald_status skald_engine_free(skald_engine *engine);

/* A host's stage: looks at the logits of one position, and may change them, before the sampler does. Called by
 * skald_engine_step once for each id of an answer, in order. `text` are the last n_text ids before it, at most 64. */
typedef void (*skald_stage_fn)(void *user, float *logits, uint32_t n_vocab, uint64_t position, const int32_t *text,
                               uint32_t n_text);

#define SKALD_REQUEST_BIASES 64u  /* most sampler.n_bias of a request; sampler.penalty_window is at most 64 too */
#define SKALD_REQUEST_STOPS  8u   /* most stops of a request, 256 bytes together */
#define SKALD_REQUEST_PREFIX 256u /* most bytes of a request's prefix */

/* What an answer is asked for. */
typedef struct skald_request {
    uint32_t size;
    uint32_t n_prompt;
    const int32_t *prompt; /* [n_prompt] ids, at least one; copied */
    uint32_t n_tokens;     /* ids of the answer, at most; 0: only read the prompt, when no other request has work, and
                              keep it for requests that begin with it (warm-up) */
    int32_t priority;      /* the higher runs first, of equals the one submitted first; 0 is ordinary */
    uint64_t deadline;     /* microseconds from now; then the request ends with what it has; 0: none */
    const skald_sampler_options *sampler; /* NULL: greedy; copied */
    skald_stage_fn stage;                 /* NULL: none */
    void *stage_user;
    uint32_t ignore_end; /* 1: ids that end a text do not end the answer */
    uint32_t reserved;   /* 0 */
    /* What the answer may say; NULL: anything. The stage looks first, then the grammar, then the sampler. The answer ends
     * with STOP where the grammar ends, whatever ignore_end says, and it is whole when it ends with LENGTH. */
    skald_grammar *grammar;
    const char *const
        *stops; /* [n_stops] UTF-8: the answer ends when its text holds one, and is told up to it; copied */
    uint32_t n_stops;
    uint32_t n_top; /* how many of the most likely ids each TOKEN names; 0: none, and no logprob */
    /* n_prefix bytes that the answer must begin with, at most SKALD_REQUEST_PREFIX, whatever ids they become: others are
     * forbidden until these are told (token healing). The last n_heal ids of the prompt are taken back, and their bytes
     * go before the prefix: a prompt cut inside a word then goes on with any token that the word may become. At least one
     * id stays, and none may be a control token. */
    const char *prefix;
    uint32_t n_prefix, n_heal;
    /* Adapters that change the weights for this request's prompt and answer, in this order: of the engine's model, at most
     * SKALD_SPAN_ADAPTERS, their scales finite. Copied, and the engine is one of each adapter's owners until the end was
     * told: the caller may release its own at once. What was read of a prompt is found again by requests of the same
     * adapters in the same order with the same scales, and by no others; a small model drafts without them. */
    const skald_span_adapter *adapters; /* [n_adapters] */
    uint32_t n_adapters;
    uint32_t reserved_2; /* 0 */
} skald_request;

/* Takes a request. FULL: n_requests are there already, or n_text ids; submit again when one has ended. ARGUMENT: an id out of
 * the vocabulary, a sampler's field, a grammar of another model or, unless n_tokens is 0, one whose shortest text needs more,
 * an adapter of another model or of a higher rank than max_rank, or prompt and answer could never fit into the cache
 * together. Any thread. */
SKALD_API skald_status skald_engine_submit(skald_request_id *out, skald_engine *engine, const skald_request *request,
                                           skald_report *why);
/* The request ends soon, with what it has; what was read of its prompt is kept. ABSENT: its end was told. Any thread. */
SKALD_API skald_status skald_engine_cancel(skald_engine *engine, skald_request_id request);

/* Works for about so many microseconds, and at most about 250 more; 0: until one pass through the model is done.
 *   OK       a pass was done; there may be more to do
 *   PENDING  the time is used up
 *   END      nothing to do until a request is submitted
 *   DEVICE   the device failed; nothing changed */
SKALD_API skald_status skald_engine_step(skald_engine *engine, uint32_t microseconds, skald_report *why);

/* What happened to a request. */
typedef uint32_t skald_event_kind;
enum {
    SKALD_EVENT_TOKEN = 1,     /* an id of the answer; one that ends the text is not told */
    SKALD_EVENT_STOP = 2,      /* the request ended: the model ended the text, or it holds one of the stops */
    SKALD_EVENT_LENGTH = 3,    /* n_tokens ids were given, or with n_tokens 0 the prompt is read */
    SKALD_EVENT_CANCELLED = 4, /* skald_engine_cancel */
    SKALD_EVENT_DEADLINE = 5,  /* its time was over */
    SKALD_EVENT_FAILED = 6,    /* no id can be chosen: a logit is NaN, or all are forbidden */
};

/* An id and the logarithm of its share of the model's own distribution, before bias, penalties and temperature. */
typedef struct skald_logprob {
    int32_t id;    /* of the vocabulary */
    float logprob; /* natural logarithm */
} skald_logprob;

/* What happened to a request. */
typedef struct skald_event {
    uint32_t size;
    skald_event_kind kind;    /* what */
    skald_request_id request; /* to which */
    int32_t id;               /* of a TOKEN, else -1 */
    uint32_t position;        /* of it in prompt and answer; otherwise their length */
    /* What it adds to the text: whole characters, and nothing that may be the beginning of a stop. The end brings what was
     * held back. The engine's memory, until the next call but submit and cancel; empty without a tokenizer. */
    const char *text;
    size_t n_bytes;
    int32_t stop;                /* of a STOP: which of the stops it was; -1: the model ended the text */
    uint32_t n_top;              /* of a TOKEN: as the request asked */
    float logprob;               /* of the id, when n_top is not 0 */
    uint32_t reserved;           /* 0 */
    const skald_logprob *top;    /* [n_top], the most likely first; the engine's memory as `text` */
    uint32_t n_drafted, n_right; /* of an end: ids of drafts that were read, and of them those that were right */
} skald_event;

/* The next thing that happened: of one request in order, ends last. END: nothing new. */
SKALD_API skald_status skald_engine_poll(skald_event *event, skald_engine *engine);

/* What an engine does and has done. */
typedef struct skald_engine_stats {
    uint32_t size;
    uint32_t n_waiting, n_running;                  /* requests that a step has seen */
    uint32_t n_kept;                                /* sequences kept for their beginnings */
    uint32_t n_pages, n_pages_free, n_pages_shared; /* as in skald_kv_cache_stats */
    uint32_t reserved;
    uint64_t n_submitted, n_ended, n_preempted; /* since the engine was made; preempted: its pages went to others */
    uint64_t n_steps;                           /* passes through the model */
    uint64_t n_prompt_read, n_prompt_shared;    /* prompt tokens computed, and found in the cache */
    uint64_t n_answered;                        /* ids of answers */
    uint64_t queue_microseconds;                /* from submission to the first pass, of all requests together */
    uint64_t first_microseconds;                /* from submission to the first id, likewise */
    uint64_t n_first;                           /* requests that have a first id */
    uint64_t n_drafted, n_right;                /* ids of drafts that were read; of them those that were right */
} skald_engine_stats;

/* Fills the first stats->size bytes. BUSY: a call is running. */
SKALD_API skald_status skald_engine_get_stats(skald_engine_stats *stats, skald_engine *engine);

/* ---- beams ---------------------------------------------------------------------------------------------------------- */

/* A finished beam search: texts side by side of which those go on that are likeliest as a whole, as transformers'
 * generate(num_beams) does it. Never changes; threads share it. */
typedef struct skald_beams skald_beams;

/* When a search by beams ends. */
typedef uint32_t skald_beams_stop;
enum {
    SKALD_BEAMS_STOP_USUAL =
        0, /* when n_beams have ended and the best that runs would score less now (early_stopping False) */
    SKALD_BEAMS_STOP_FULL = 1,  /* when n_beams have ended (True) */
    SKALD_BEAMS_STOP_NEVER = 2, /* when none that runs can score better at any length ("never") */
};

/* How a search by beams shall be. */
typedef struct skald_beam_options {
    uint32_t size;
    uint32_t n_beams;  /* 0: 4; at most 64. 1 is the greedy answer */
    uint32_t n_tokens; /* ids of a text, at most; at least 1 */
    float
        length_penalty; /* score = sum of log-probabilities / (ids with the end's)^this; init sets 1, larger: longer texts */
    skald_beams_stop stop;      /* when the search ends */
    uint32_t ignore_end;        /* 1: ids that end a text do not */
    skald_dtype k_type;         /* of the cache; init sets SKALD_F16 */
    skald_dtype v_type;         /* likewise */
    skald_progress_fn progress; /* of each step */
    void *progress_user;
} skald_beam_options;

SKALD_API void skald_beam_options_init(skald_beam_options *options, uint32_t size);
/* Searches behind the prompt's ids; beams are forks of its pages, in a cache and context that are freed on return. Any
 * thread. ARGUMENT: also a logit that is NaN. CANCELLED: by `progress`. */
SKALD_API skald_status skald_beams_search(skald_beams **out, skald_model *model, const skald_beam_options *options,
                                          const int32_t *prompt, uint32_t n_prompt, skald_report *why);

/* One text that a search has found. */
typedef struct skald_beam {
    uint32_t size;
    uint32_t n_ids;     /* without the one that ended it */
    const int32_t *ids; /* live as long as the search */
    float score;        /* as skald_beam_options.length_penalty says */
    uint32_t ended;     /* 1: the model ended it, 0: n_tokens did */
} skald_beam;

/* The text at `index`, the best first. END behind the last, there are at most n_beams. Any thread. */
SKALD_API skald_status skald_beams_get(skald_beam *beam, const skald_beams *beams, uint32_t index);
SKALD_API void skald_beams_free(skald_beams *beams);

/* ---- the short way ------------------------------------------------------------------------------------------------- */

/* Some text of the answer, whole characters, no closing NUL. Return 0 to go on, anything else to stop there. */
typedef int32_t (*skald_text_fn)(void *user, const char *text, size_t n_bytes);

/* How skald_generate answers. */
typedef struct skald_generate_options {
    uint32_t size;
    uint32_t n_tokens;                    /* the most; 0: until the model ends, at most the room */
    uint32_t chat;                        /* 1: `prompt` is what a user says, words and no control tokens;
                                             0: it is continued as it stands */
    uint32_t n_context;                   /* room in tokens; 0: the model's context, at most 4096 */
    const skald_sampler_options *sampler; /* NULL: greedy */
    const char *const *stops; /* [n_stops] UTF-8, at most 8 and 256 bytes together: the answer ends before one */
    uint32_t n_stops;
    uint32_t heal; /* 1: a prompt may end inside a word: its last token is taken back and may become a longer one. Not
                      with `chat` */
} skald_generate_options;

SKALD_API void skald_generate_options_init(skald_generate_options *options, uint32_t size);

/* Prompt in, text out. Makes its own cache, context and sampler and frees them. OK also when `text` stopped it.
 * Any thread. */
SKALD_API skald_status skald_generate(skald_model *model, const char *prompt, const skald_generate_options *options,
                                      skald_text_fn text, void *user, skald_report *why);

/* ---- what an answer means ------------------------------------------------------------------------------------------- */

/* An answer while it is written, as what it means. One thread at a time; takes no memory after create. */
typedef struct skald_answer skald_answer;

/* What a piece of an answer is. */
typedef uint32_t skald_answer_event;
enum {
    SKALD_ANSWER_CONTENT = 0,   /* a piece of text for the reader */
    SKALD_ANSWER_REASONING = 1, /* a piece of what the model says to itself */
    SKALD_ANSWER_CALL = 2,      /* a call begins; the text is the tool's name, whole */
    SKALD_ANSWER_ARGUMENTS =
        3,                     /* a piece of its arguments, JSON as the model writes it: trust it as little as a text */
    SKALD_ANSWER_CALL_END = 4, /* the call is whole; one that was cut off or is no JSON never says so */
    SKALD_ANSWER_END = 5,      /* the answer is over */
};

/* Pieces of one text come in order, cut anywhere, also inside a character when pushed so. No closing NUL. Return 0 to go
 * on, anything else to hear no more. */
typedef int32_t (*skald_answer_fn)(void *user, skald_answer_event event, const char *text, size_t n_bytes);

/* For answers of `model`. `family` is "hermes" (Qwen too), "llama3", "mistral", "deepseek", "harmony" (gpt-oss) or
 * "plain"; NULL: found by the marks in the file's template. `reasoning` 1: the laid out conversation ends inside the
 * reasoning ("<think>"). UNSUPPORTED: no such family. */
SKALD_API skald_status skald_answer_create(skald_answer **out, skald_model *model, const char *family,
                                           uint32_t reasoning, skald_answer_fn say, void *user, skald_report *why);
/* More of the answer: decoded with SKALD_DECODE_SPECIAL, for some tags are control tokens, without the id that ends it.
 * However it is cut into pushes, the events are the same up to how a text is cut into pieces. A tag is never heard in
 * part. Only a call's head (its tag, its name and what stands around it) is held back, at most 640 bytes: what then turns
 * out to be no call is content. BUSY: called from its own `say`. */
SKALD_API skald_status skald_answer_push(skald_answer *answer, const char *text, size_t n_bytes);
/* The answer is over: what was held back is said, then END. Pushing begins another answer. */
SKALD_API skald_status skald_answer_end(skald_answer *answer);
SKALD_API void skald_answer_free(skald_answer *answer);

/* ---- formats ------------------------------------------------------------------------------------------------------- */

/* "Q4_K" and so on; NULL for an unknown number. Static text. Any thread. */
SKALD_API const char *skald_dtype_name(skald_dtype type);
/* Bytes of n elements; 0 when the type is unknown or n is not a whole number of blocks. Any thread. */
SKALD_API uint64_t skald_dtype_bytes(skald_dtype type, uint64_t n);
/* n elements of `type` as f32, bit for bit what the format defines. ARGUMENT: not whole blocks, or an integer type.
 * Any thread. */
SKALD_API skald_status skald_dtype_to_f32(float *to, skald_dtype type, const void *from, uint64_t n);

#ifdef __cplusplus
}
#endif
#endif
