/* Canonical composition, form C (Unicode Standard Annex 15), of a whole text. */
#ifndef SK_TEXT_NFC_H
#define SK_TEXT_NFC_H
#include "text/normalize.h"

/* A text that is in form C already stays where it is. Bytes that are not UTF-8 stay as they are. MEMORY. */
skald_status sk_nfc(sk_work *work, sk_plain *plain);
#endif
