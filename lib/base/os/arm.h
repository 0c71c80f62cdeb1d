/* What an ARM processor can, as the system tells it: a program cannot look for itself. */
#ifndef SK_BASE_OS_ARM_H
#define SK_BASE_OS_ARM_H
#include <stdint.h>

enum { SK_OS_ARM_DOTPROD = 1, SK_OS_ARM_I8MM = 2 };

/* A set of the above; empty where the system does not say, and on other machines. */
uint32_t sk_os_arm_features(void);
#endif
