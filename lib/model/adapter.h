/* Adapters: low-rank matrices beside a model's weights, for sequences that name them (LoRA, arXiv 2106.09685). */
#ifndef SK_MODEL_ADAPTER_H
#define SK_MODEL_ADAPTER_H
#include "model/model.h"

#define SK_MAX_RANK 512u
#define SK_NO_SITE  UINT32_MAX

struct skald_adapter {
    atomic_uint owners;
    skald_model *model;
    uint64_t number; /* of the model's adapters, from 1; never reused */
    uint64_t block_bytes;
    skald_buffer *weights;
    uint32_t rank;    /* the largest of its matrices */
    uint32_t n_sites; /* of the model's pass */
    uint32_t n_changed;
    uint64_t n_parameters;
    skald_low_rank *sites; /* [n_sites] */
};

/* Every matrix of a layer that rows are multiplied with is a site. NO_SITE: not one of those. */
uint32_t sk_site_of(const sk_layer *layers, const skald_weight *weight);
uint32_t sk_site_count(const sk_config *config);

/* config: of PEFT; NULL: the source is a GGUF file. FORMAT or UNSUPPORTED naming key or tensor; nothing is left then. */
skald_status sk_adapter_open(skald_adapter **out, skald_model *model, const skald_source *source,
                             const skald_source *config, skald_report *why);
void sk_adapter_free(skald_adapter *adapter);
#endif
