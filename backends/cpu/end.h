/* Ends what a begin.h began: the build's own instruction set again. */
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
