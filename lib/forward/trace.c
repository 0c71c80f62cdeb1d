/* A table of operations that computes nothing: it counts them, asks a backend about each, and writes one as text. */
#include "base/report.h"
#include "forward/forward.h"

static sk_trace *trace_of(skald_stream *stream) { return (sk_trace *)(void *)stream; }

/* Counts an op; true when its text is wanted. */
static bool met(sk_trace *t, skald_op_kind kind, const void *op) {
    if (t->backend && !t->refused) t->refused = t->backend->refuses(t->device, kind, op);
    return t->n_ops++ == t->wanted;
}

#define SAY(t, ...) ((t)->length = sk_format((t)->text, (t)->room, __VA_ARGS__))

static const char *kernel_of(const sk_trace *t, const skald_weight *w) {
    return t->backend ? t->backend->weight_kernel(t->device, w) : "";
}

static const char *norm_name(const skald_norm *n) {
    return n->kind == SKALD_NORM_RMS ? "rms norm, " : n->kind == SKALD_NORM_LAYER ? "layer norm, " : "";
}

static void grow(uint32_t *most, uint32_t n) {
    if (n > *most) *most = n;
}

static void embed(skald_stream *stream, const skald_embed *op) {
    sk_trace *t = trace_of(stream);
    if (met(t, SKALD_OP_EMBED, op))
        SAY(t, "%u embed: %u ids of %s -> %u%s%s", t->wanted, op->table.n_out, skald_dtype_name(op->table.type),
            op->out.width, op->scale != 1.0f ? ", scaled" : "", op->positions.n_in ? ", learned positions" : "");
}

static void normalize(skald_stream *stream, const skald_normalize *op) {
    sk_trace *t = trace_of(stream);
    grow(&t->max_width, op->x.width);
    if (met(t, SKALD_OP_NORMALIZE, op))
        SAY(t, "%u normalize: %s%u%s", t->wanted, norm_name(&op->norm), op->x.width,
            op->add.width ? ", added to the stream" : "");
}

static void project(skald_stream *stream, const skald_project *op) {
    sk_trace *t = trace_of(stream);
    grow(&t->max_width, op->x.width);
    if (!met(t, SKALD_OP_PROJECT, op)) return;
    char outs[160];
    size_t n = 0;
    for (uint32_t i = 0; i < op->n_weights && n < sizeof outs; i++)
        n += sk_format(outs + n, sizeof outs - n, "%s%u (%s%s)", i ? ", " : "", op->weight[i].n_out,
                       kernel_of(t, &op->weight[i]), op->bias[i].width ? ", bias" : "");
    SAY(t, "%u project: %s%u -> %s%s%s", t->wanted, norm_name(&op->norm), op->x.width, outs,
        op->add.width ? ", added to the stream" : "", op->soft_cap > 0.0f ? ", capped" : "");
}

static void angles(skald_stream *stream, const skald_angles *op) {
    sk_trace *t = trace_of(stream);
    if (met(t, SKALD_OP_ANGLES, op)) SAY(t, "%u angles: %u pairs", t->wanted, op->frequency.width);
}

static void append(skald_stream *stream, const skald_append *op) {
    static const char *const turns[] = {"not turned", "turned in pairs", "turned by halves"};
    sk_trace *t = trace_of(stream);
    if (met(t, SKALD_OP_APPEND, op))
        SAY(t, "%u append: layer %u, %u KV heads of %u and %u, %s", t->wanted, op->layer, op->n_kv_heads,
            op->head_dim_k, op->head_dim_v, turns[op->rope < 3 ? op->rope : 0]);
}

static void attend(skald_stream *stream, const skald_attend *op) {
    sk_trace *t = trace_of(stream);
    grow(&t->max_head_dim, op->head_dim_k);
    grow(&t->max_head_dim, op->head_dim_v);
    if (!met(t, SKALD_OP_ATTEND, op)) return;
    const char *kind = op->n_kv_heads == op->n_heads ? "MHA" : op->n_kv_heads == 1 ? "MQA" : "GQA";
    if (op->values_in_keys) kind = "MLA";
    char window[32] = "";
    if (op->window) sk_format(window, sizeof window, ", window of %u", op->window);
    SAY(t, "%u attend: layer %u, %s %u over %u heads of %u%s%s%s", t->wanted, op->layer, kind, op->n_heads,
        op->n_kv_heads, op->head_dim_k, window, op->soft_cap > 0.0f ? ", capped" : "",
        op->sinks.width ? ", sinks" : "");
}

static void project_heads(skald_stream *stream, const skald_project_heads *op) {
    sk_trace *t = trace_of(stream);
    grow(&t->max_head_dim, op->x.width / op->n_heads);
    if (met(t, SKALD_OP_PROJECT_HEADS, op))
        SAY(t, "%u project heads: %u of %u -> %u (%s)", t->wanted, op->n_heads, op->weight.n_in, op->weight.n_out,
            kernel_of(t, &op->weight));
}

static void gate(skald_stream *stream, const skald_gate *op) {
    static const char *const names[] = {"?", "silu", "gelu (tanh)", "gelu", "relu", "sigmoid", "swiglu (clamped)"};
    sk_trace *t = trace_of(stream);
    if (met(t, SKALD_OP_GATE, op))
        SAY(t, "%u gate: %s, %u", t->wanted, names[op->activation < 7 ? op->activation : 0], op->out.width);
}

static void select_rows(skald_stream *stream, const skald_select *op) {
    sk_trace *t = trace_of(stream);
    if (met(t, SKALD_OP_SELECT, op)) SAY(t, "%u select: rows whose logits are wanted, %u", t->wanted, op->x.width);
}

static void route(skald_stream *stream, const skald_route *op) {
    static const char *const scores[] = {"?", "softmax", "sigmoid", "softmax of the chosen"};
    sk_trace *t = trace_of(stream);
    if (met(t, SKALD_OP_ROUTE, op))
        SAY(t, "%u route: %s, %u of %u experts", t->wanted, scores[op->scoring < 4 ? op->scoring : 0], op->ids.width,
            op->logits.width);
}

static void experts(skald_stream *stream, const skald_experts *op) {
    sk_trace *t = trace_of(stream);
    grow(&t->max_experts, op->n_experts);
    grow(&t->max_experts_used, op->ids.width);
    grow(&t->max_expert_width, op->x.width);
    grow(&t->max_expert_width, op->out.width);
    grow(&t->max_expert_ff, op->n_ff);
    if (met(t, SKALD_OP_EXPERTS, op))
        SAY(t, "%u experts: %u of %u, %u -> %u (%s, %s) -> %u (%s)%s", t->wanted, op->ids.width, op->n_experts,
            op->x.width, op->n_ff, kernel_of(t, &op->gate), kernel_of(t, &op->up), op->out.width,
            kernel_of(t, &op->down), op->add.width ? ", added to the stream" : "");
}

static void convolve(skald_stream *stream, const skald_convolve *op) {
    sk_trace *t = trace_of(stream);
    if (met(t, SKALD_OP_CONVOLVE, op))
        SAY(t, "%u convolve: layer %u, %u channels, %u taps, silu", t->wanted, op->layer, op->x.width, op->n_taps);
}

static void delta(skald_stream *stream, const skald_delta *op) {
    sk_trace *t = trace_of(stream);
    grow(&t->max_head_dim, op->head_dim_k);
    grow(&t->max_head_dim, op->head_dim_v);
    if (met(t, SKALD_OP_DELTA, op))
        SAY(t, "%u delta: layer %u, %s%s, %u heads over %u keys of %u, values of %u", t->wanted, op->layer,
            op->alpha.width ? "gated " : "", op->kind == SKALD_DELTA_RULE ? "delta rule" : "additive", op->n_heads,
            op->n_k_heads, op->head_dim_k, op->head_dim_v);
}

static void adapt(skald_stream *stream, const skald_adapt *op) {
    sk_trace *t = trace_of(stream);
    grow(&t->max_width, op->x.width);
    if (met(t, SKALD_OP_ADAPT, op))
        SAY(t, "%u adapt: site %u, %s%u -> %u", t->wanted, op->site, norm_name(&op->norm), op->x.width, op->out.width);
}

static const skald_ops table = {sizeof table, 0,           embed, normalize, project,       angles,   append, attend,
                                gate,         select_rows, route, experts,   project_heads, convolve, delta,  adapt};

void sk_forward_trace(sk_trace *trace, const skald_model *model, const sk_activations *rows) {
    sk_forward_record(&table, (skald_stream *)(void *)trace, model, rows);
}

sk_forward_sizes sk_forward_measure(const sk_config *config, uint32_t n_rows, uint32_t n_logits, bool adapts) {
    sk_activations at;
    sk_trace trace = {.wanted = UINT32_MAX};
    sk_activations_layout(&at, config, NULL, n_rows, n_logits);
    at.adapts = adapts;
    const uint64_t bytes = sk_forward_size(&table, (skald_stream *)(void *)&trace, config, &at);
    return (sk_forward_sizes){.activation_bytes = bytes,
                              .n_ops = trace.n_ops,
                              .max_width = trace.max_width,
                              .max_head_dim = trace.max_head_dim,
                              .max_experts = trace.max_experts,
                              .max_experts_used = trace.max_experts_used,
                              .max_expert_width = trace.max_expert_width,
                              .max_expert_ff = trace.max_expert_ff};
}
