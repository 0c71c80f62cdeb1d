/* What tests may ask of the test device besides backend.h: get_interface(device, "skald.test.fault", 1). */
#ifndef SK_TESTS_DEVICE_FAULT_H
#define SK_TESTS_DEVICE_FAULT_H
#include <skald/backend.h>

#define DEVICE_FAULT_NAME "skald.test.fault"

typedef struct device_fault {
    uint32_t size;
    uint32_t reserved;
    /* The n-th operation from now on fails, once; 0: none. */
    void (*set_fail_after)(skald_device *device, uint64_t n_ops);
    /* Operations since open, the failed ones included. */
    uint64_t (*executed)(skald_device *device);
    /* Where the device's memory lies. Touching it from the host is a segmentation fault. */
    void *(*region)(skald_device *device, uint64_t *n_bytes);
} device_fault;
#endif
