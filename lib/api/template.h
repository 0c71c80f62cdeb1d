/* The chat template that a model's file carries. */
#ifndef SK_API_TEMPLATE_H
#define SK_API_TEMPLATE_H
#include "model/model.h"

/* Its text, in the model's memory; empty: the file has none. */
sk_string sk_api_template(const skald_model *model);
#endif
