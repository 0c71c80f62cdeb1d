/* From here to end.h functions use the products of 8-bit matrices, whatever the compiler was told for the whole build. */
#include <arm_neon.h>
#define SK_NEON_I8MM
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("v8.2a,i8mm"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("arch=armv8.2-a+i8mm")
#endif
