//! What C wants of a call: sizes, texts with a NUL, buffers that grow once.
use crate::error::{argument, check_why, Result};
use skald_sys as sys;
use std::ffi::{CStr, CString};
use std::os::raw::c_char;
use std::path::Path;
use std::ptr::null;

/// Bytes of a struct, as its `size` field wants them.
pub(crate) fn size_of<T>() -> u32 {
    std::mem::size_of::<T>() as u32
}

pub(crate) fn c_string(text: &str) -> Result<CString> {
    CString::new(text).map_err(|_| argument("the text holds a NUL"))
}

pub(crate) fn c_strings(texts: &[&str]) -> Result<Vec<CString>> {
    texts.iter().map(|t| c_string(t)).collect()
}

pub(crate) fn c_path(path: &Path) -> Result<CString> {
    c_string(path.to_str().ok_or_else(|| argument("the path is not UTF-8"))?)
}

/// NULL for None.
pub(crate) fn at(text: &Option<CString>) -> *const c_char {
    text.as_ref().map_or(null(), |t| t.as_ptr())
}

/// "" for NULL.
pub(crate) fn lossy(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: ends with NUL, and lives as long as the object that it was asked from.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// Bytes that are no UTF-8 become U+FFFD.
pub(crate) fn lossy_text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

/// A text that came with its closing NUL.
pub(crate) fn without_nul(mut text: Vec<u8>) -> String {
    text.pop();
    lossy_text(text)
}

/// [] for NULL, which C may give for an array of none.
///
/// # Safety
/// `at` has `n` elements, which live and stay as they are for `'a`.
pub(crate) unsafe fn slice<'a, T>(at: *const T, n: usize) -> &'a [T] {
    if at.is_null() {
        &[]
    } else {
        // SAFETY: the caller's promise.
        unsafe { std::slice::from_raw_parts(at, n) }
    }
}

/// Calls call(buffer, &mut n, why), once more when it says SHORT.
pub(crate) fn fill(
    room: usize,
    mut why: sys::skald_report,
    mut call: impl FnMut(*mut i32, &mut u32, &mut sys::skald_report) -> i32,
) -> Result<Vec<i32>> {
    let mut ids = vec![0; room];
    let mut n = room as u32;
    let mut status = call(ids.as_mut_ptr(), &mut n, &mut why);
    if status == sys::SKALD_SHORT {
        ids.resize(n as usize, 0);
        status = call(ids.as_mut_ptr(), &mut n, &mut why);
    }
    check_why(status, &why)?;
    ids.truncate(n as usize);
    Ok(ids)
}

/// The same for text.
pub(crate) fn fill_bytes(
    room: usize,
    mut why: sys::skald_report,
    mut call: impl FnMut(*mut c_char, &mut usize, &mut sys::skald_report) -> i32,
) -> Result<Vec<u8>> {
    let mut text = vec![0u8; room];
    let mut n = room;
    let mut status = call(text.as_mut_ptr().cast(), &mut n, &mut why);
    if status == sys::SKALD_SHORT {
        text.resize(n, 0);
        status = call(text.as_mut_ptr().cast(), &mut n, &mut why);
    }
    check_why(status, &why)?;
    text.truncate(n);
    Ok(text)
}

/// A struct of skald.h as a plain one: the fields that are named, without size and padding.
macro_rules! mirror {
    ($(#[$doc:meta])* $name:ident = $raw:ident { $($(#[$about:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct $name { $($(#[$about])* pub $field: $type,)* }
        impl $name {
            pub(crate) fn told(raw: &skald_sys::$raw) -> Self {
                Self { $($field: raw.$field,)* }
            }
        }
    };
}
pub(crate) use mirror;
