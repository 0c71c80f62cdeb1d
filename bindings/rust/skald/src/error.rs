use skald_sys as sys;
use std::ffi::CStr;
use std::fmt;

/// The library's sentence, and the byte of the file that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    /// What and where, for a person.
    pub text: String,
    /// Where in the file, when it is about one.
    pub offset: Option<u64>,
}

macro_rules! errors {
    ($($(#[$doc:meta])* $name:ident = $status:expr,)*) => {
        /// What a call said when it was not OK: one variant for each status.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Error {
            $($(#[$doc])* $name(Why),)*
            /// A status that this crate is too old to know.
            Unknown(i32, Why),
        }
        impl Error {
            fn new(status: i32, why: Why) -> Self {
                match status {
                    $(s if s == $status => Error::$name(why),)*
                    other => Error::Unknown(other, why),
                }
            }
            /// The sentence, and where.
            pub fn why(&self) -> &Why {
                match self {
                    $(Error::$name(why) => why,)*
                    Error::Unknown(_, why) => why,
                }
            }
            /// The number, as in skald.h.
            pub fn status(&self) -> i32 {
                match self {
                    $(Error::$name(_) => $status,)*
                    Error::Unknown(status, _) => *status,
                }
            }
        }
    };
}

errors! {
    /// Not now: no free page, sequence or place for a request. Nothing was taken.
    Full = sys::SKALD_FULL,
    /// A buffer is too small.
    Short = sys::SKALD_SHORT,
    /// The time is used up.
    Pending = sys::SKALD_PENDING,
    /// There is no more.
    End = sys::SKALD_END,
    /// An argument breaks the contract.
    Argument = sys::SKALD_ARGUMENT,
    /// The allocator had no memory.
    Memory = sys::SKALD_MEMORY,
    /// A file does not say what it must.
    Format = sys::SKALD_FORMAT,
    /// A file cannot be read.
    Read = sys::SKALD_READ,
    /// Well formed, but not offered by this library or device.
    Unsupported = sys::SKALD_UNSUPPORTED,
    /// The object is in use by another call.
    Busy = sys::SKALD_BUSY,
    /// The host asked to stop.
    Cancelled = sys::SKALD_CANCELLED,
    /// The device failed.
    Device = sys::SKALD_DEVICE,
    /// There is no such thing.
    Absent = sys::SKALD_ABSENT,
    /// No longer kept: windows and states reach back only so far.
    Gone = sys::SKALD_GONE,
}

/// What a fallible call gives.
pub type Result<T> = std::result::Result<T, Error>;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why().text)
    }
}
impl std::error::Error for Error {}

/// The library's sentence for a status.
pub fn status_text(status: i32) -> &'static str {
    // SAFETY: static text, never NULL, ASCII.
    unsafe { CStr::from_ptr(sys::skald_status_text(status)) }.to_str().unwrap_or("")
}

pub(crate) fn report() -> sys::skald_report {
    let mut why = sys::skald_report::zeroed();
    why.size = std::mem::size_of::<sys::skald_report>() as u32;
    why
}

pub(crate) fn check(status: i32) -> Result<()> {
    check_why(status, &report())
}

pub(crate) fn check_why(status: i32, why: &sys::skald_report) -> Result<()> {
    if status == sys::SKALD_OK {
        return Ok(());
    }
    let told = why.status == status && why.text[0] != 0;
    // SAFETY: the library ends the text with NUL.
    let text =
        if told { unsafe { CStr::from_ptr(why.text.as_ptr()) }.to_string_lossy() } else { status_text(status).into() };
    let offset = if told && why.offset != u64::MAX { Some(why.offset) } else { None };
    Err(Error::new(status, Why { text: text.into_owned(), offset }))
}

/// An error that this crate found before the library could.
pub(crate) fn argument(text: &str) -> Error {
    Error::Argument(Why { text: text.into(), offset: None })
}
