/* What tokens are for, where a file does not say it by key: by the texts that known tokenizers give them. */
#ifndef SK_TEXT_ROLES_H
#define SK_TEXT_ROLES_H
#include "text/vocab.h"

/* Fills roles that are -1, and the ids at which generation stops. The special tokens are in place. */
void sk_find_roles(sk_vocab *vocab);
#endif
