/* From here to end.h functions use the dot products of ARMv8.2, whatever the compiler was told for the whole build. */
#include <arm_neon.h>
#define SK_NEON_DOTPROD
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("v8.2a,dotprod"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("arch=armv8.2-a+dotprod")
#endif
