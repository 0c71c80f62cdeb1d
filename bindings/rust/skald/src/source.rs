use crate::buffers::{c_path, size_of};
use crate::callback::Guarded;
use crate::error::{argument, Result};
use skald_sys as sys;
use std::ffi::CString;
use std::io;
use std::os::raw::c_void;
use std::path::Path;
use std::sync::Arc;

/// Where a file comes from.
pub enum Source<'a> {
    /// A path, read.
    Path(&'a Path),
    /// A path, mapped while the file is opened. It must not shrink meanwhile: the system kills the process if it does.
    Mapped(&'a Path),
    /// A file in memory, not needed afterwards.
    Bytes(&'a [u8]),
    /// The same, kept as long as the model where weights are used in place.
    Shared(Arc<[u8]>),
    /// The host's own way to read, called on the opening thread alone.
    Reader(&'a mut dyn ReadAt),
}

/// A file behind a host's own functions.
pub trait ReadAt {
    /// Its length.
    fn n_bytes(&self) -> u64;

    /// Fills `to` from `offset` on. An error fails the call with [`Error::Read`](crate::Error::Read); so does a panic, which
    /// then goes on in the caller. It must not use the library.
    fn read_at(&mut self, to: &mut [u8], offset: u64) -> io::Result<()>;
}

/// Sources as C has them, and what they point to.
pub(crate) struct Sources<'a> {
    raw: Vec<sys::skald_source>,
    _paths: Vec<CString>,
    readers: Vec<Guarded<&'a mut dyn ReadAt>>,
    /// What must live as long as a model in place.
    pub(crate) shared: Vec<Arc<[u8]>>,
}

impl<'a> Sources<'a> {
    /// `in_place`: borrowed bytes would be used for too long.
    pub(crate) fn new(parts: Vec<Source<'a>>, in_place: bool) -> Result<Self> {
        let mut s = Sources { raw: Vec::new(), _paths: Vec::new(), readers: Vec::new(), shared: Vec::new() };
        for part in parts {
            let mut raw = sys::skald_source::zeroed();
            raw.size = size_of::<sys::skald_source>();
            match part {
                Source::Path(path) => s.path(&mut raw, path, false)?,
                Source::Mapped(path) => s.path(&mut raw, path, true)?,
                Source::Bytes(_) if in_place => {
                    return Err(argument("borrowed bytes cannot be used in place: Source::Shared can"))
                }
                Source::Bytes(bytes) => at_bytes(&mut raw, bytes),
                Source::Shared(bytes) => {
                    at_bytes(&mut raw, &bytes);
                    s.shared.push(bytes);
                }
                Source::Reader(reader) => {
                    raw.n_bytes = reader.n_bytes();
                    raw.read = Some(read);
                    s.readers.push(Guarded::new(reader));
                }
            }
            s.raw.push(raw);
        }
        let mut readers = s.readers.iter_mut();
        for raw in s.raw.iter_mut().filter(|r| r.read.is_some()) {
            let reader = readers.next().expect("one for each");
            raw.user = (reader as *mut Guarded<&'a mut dyn ReadAt>).cast();
        }
        Ok(s)
    }

    fn path(&mut self, raw: &mut sys::skald_source, path: &Path, map: bool) -> Result<()> {
        let path = c_path(path)?;
        raw.path = path.as_ptr();
        raw.map = map.into();
        self._paths.push(path);
        Ok(())
    }

    pub(crate) fn as_ptr(&self) -> *const sys::skald_source {
        self.raw.as_ptr()
    }

    pub(crate) fn len(&self) -> u32 {
        self.raw.len() as u32
    }

    /// The panic of a reader.
    pub(crate) fn finish(&mut self) {
        self.readers.iter_mut().for_each(Guarded::finish);
    }
}

fn at_bytes(raw: &mut sys::skald_source, bytes: &[u8]) {
    raw.bytes = bytes.as_ptr().cast();
    raw.n_bytes = bytes.len() as u64;
}

unsafe extern "C" fn read(user: *mut c_void, to: *mut c_void, offset: u64, n: usize) -> sys::skald_status {
    // SAFETY: the type that Sources::new gave, on the thread that lent it; `to` has n bytes, which are made bytes of Rust first.
    let (reader, buffer) = unsafe {
        to.cast::<u8>().write_bytes(0, n);
        (&mut *user.cast::<Guarded<&mut dyn ReadAt>>(), std::slice::from_raw_parts_mut(to.cast::<u8>(), n))
    };
    if reader.run(false, |r| r.read_at(buffer, offset).is_ok()) {
        sys::SKALD_OK
    } else {
        sys::SKALD_READ
    }
}
