/* The codebooks of the IQ formats; grids.c says how a word is read. */
#ifndef SK_DTYPE_GRIDS_H
#define SK_DTYPE_GRIDS_H
#include <stdint.h>

extern const uint16_t sk_iq2xxs_grid[256]; /* 0, 1, 2 stand for 8, 25, 43, in all of iq2 */
extern const uint16_t sk_iq2xs_grid[512];
extern const uint16_t sk_iq2s_grid[1024];
extern const uint16_t sk_iq3xxs_grid[256]; /* 0 .. 7 stand for 4, 12, 20, 28, 36, 44, 52, 62 */
extern const uint16_t sk_iq3s_grid[512];   /* 0 .. 7 stand for 1, 3 .. 15 */
extern const uint16_t sk_iq1_grid[2048];   /* 0, 1, 2 stand for -1, 0, 1 */

#endif
