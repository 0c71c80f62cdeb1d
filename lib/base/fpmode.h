/* The caller's floating-point mode is the caller's: every public call that computes takes the mode that the numerics
 * need (nearest even, no flushing, no traps) and gives the old one back. */
#ifndef SK_BASE_FPMODE_H
#define SK_BASE_FPMODE_H
#include <stdint.h>

#if defined(__x86_64__) || defined(_M_X64)
#include <xmmintrin.h>
static inline uint64_t sk_fp_enter(void) {
    uint32_t before = _mm_getcsr();
    if (before != 0x1f80u) _mm_setcsr(0x1f80u);
    return before;
}
static inline void sk_fp_leave(uint64_t before) { _mm_setcsr((uint32_t)before); }
#elif defined(__aarch64__)
static inline uint64_t sk_fp_enter(void) {
    uint64_t before;
    __asm__ volatile("mrs %0, fpcr" : "=r"(before));
    if (before) __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)0));
    return before;
}
static inline void sk_fp_leave(uint64_t before) { __asm__ volatile("msr fpcr, %0" : : "r"(before)); }
#else
static inline uint64_t sk_fp_enter(void) { return 0; }
static inline void sk_fp_leave(uint64_t before) { (void)before; }
#endif
#endif
