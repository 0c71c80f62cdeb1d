use skald_sys as sys;

/// Major, minor and patch of the library that runs, which may be newer than this crate.
pub fn version() -> (u32, u32, u32) {
    // SAFETY: any thread, no arguments.
    let number = unsafe { sys::skald_version() };
    (number >> 16, number >> 8 & 255, number & 255)
}

/// The number of docs/numerics.md that this library computes: equal numbers, equal bits.
pub fn numerics_version() -> u32 {
    // SAFETY: any thread, no arguments.
    unsafe { sys::skald_numerics_version() }
}
