/* What an ARM processor can: Linux hands it to each program in its auxiliary vector. */
#include "base/os/arm.h"
#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>

/* HWCAP_ASIMDDP and HWCAP2_I8MM, which a libc may be too old to know. */
#define DOTPROD_BIT (1ul << 20)
#define I8MM_BIT    (1ul << 13)

uint32_t sk_os_arm_features(void) {
    uint32_t features = getauxval(AT_HWCAP) & DOTPROD_BIT ? SK_OS_ARM_DOTPROD : 0;
    return features | (getauxval(AT_HWCAP2) & I8MM_BIT ? SK_OS_ARM_I8MM : 0);
}
#else
uint32_t sk_os_arm_features(void) { return 0; }
#endif
