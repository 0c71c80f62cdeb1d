//! Where models come from, and how they are opened.
mod common;
use common::PATH;
use skald::{Encode, Error, Model, ModelOptions, ReadAt, Result, Runtime, Sampling, Source};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// A file in memory that can be made to fail.
struct Slow {
    bytes: Vec<u8>,
    n_calls: usize,
    fails: bool,
    panics: bool,
}

impl ReadAt for Slow {
    fn n_bytes(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&mut self, to: &mut [u8], offset: u64) -> io::Result<()> {
        self.n_calls += 1;
        assert!(!self.panics, "no disk");
        if self.fails {
            return Err(io::ErrorKind::Other.into());
        }
        let at = offset as usize;
        to.copy_from_slice(&self.bytes[at..at + to.len()]);
        Ok(())
    }
}

fn slow() -> Slow {
    Slow { bytes: std::fs::read(PATH).unwrap(), n_calls: 0, fails: false, panics: false }
}

fn open(source: Source<'_>, options: ModelOptions<'_>) -> Result<Model> {
    Model::open_with(&Runtime::new(2, None).unwrap(), vec![source], options)
}

fn said(model: &Model) -> String {
    let mut text = String::new();
    let hear = |piece: &str| {
        text.push_str(piece);
        true
    };
    model.generate("the sea", 16, &Sampling::default(), hear).unwrap();
    text
}

#[test]
fn the_same_from_everywhere() {
    let want = said(&common::model());
    let (bytes, path) = (std::fs::read(PATH).unwrap(), Path::new(PATH));
    let mut reader = slow();
    for source in [Source::Path(path), Source::Mapped(path), Source::Bytes(&bytes), Source::Reader(&mut reader)] {
        assert_eq!(said(&open(source, ModelOptions::default()).unwrap()), want);
    }
    assert!(reader.n_calls > 2);
    let in_place = || ModelOptions { in_place: true, ..ModelOptions::default() };
    let shared: Arc<[u8]> = bytes.clone().into();
    let models = [
        open(Source::Shared(shared.clone()), in_place()).unwrap(),
        open(Source::Path(path), in_place()).unwrap(),
        open(Source::Shared(shared), ModelOptions::default()).unwrap(),
    ];
    assert_eq!(models.map(|m| said(&m)), [want.clone(), want.clone(), want]);
    assert!(matches!(open(Source::Bytes(&bytes), in_place()), Err(Error::Argument(_))));
    assert!(matches!(open(Source::Reader(&mut reader), in_place()), Err(Error::Argument(_))));
    assert!(matches!(Model::open_with(&Runtime::new(1, None).unwrap(), vec![], in_place()), Err(Error::Argument(_))));
}

#[test]
fn bytes_in_place_live_as_long_as_the_model() {
    let shared: Arc<[u8]> = std::fs::read(PATH).unwrap().into();
    let weak = Arc::downgrade(&shared);
    let options = ModelOptions { in_place: true, ..ModelOptions::default() };
    let model = open(Source::Shared(shared), options).unwrap();
    let other = model.clone();
    drop(model);
    assert!(weak.upgrade().is_some());
    drop(other);
    assert!(weak.upgrade().is_none());
}

#[test]
fn a_reader_s_error_and_panic() {
    let mut reader = Slow { fails: true, ..slow() };
    assert!(matches!(open(Source::Reader(&mut reader), ModelOptions::default()), Err(Error::Read(_))));
    let mut reader = Slow { panics: true, ..slow() };
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        open(Source::Reader(&mut reader), ModelOptions::default()).map(|_| ())
    }));
    assert_eq!(*caught.unwrap_err().downcast::<&str>().unwrap(), "no disk");
}

#[test]
fn options_of_opening() {
    let path = || Source::Path(Path::new(PATH));
    let words = open(path(), ModelOptions { vocabulary_only: true, ..ModelOptions::default() }).unwrap();
    assert!(words.encode("the sea", Encode::default()).unwrap().len() > 1);
    assert!(matches!(words.generate("a", 1, &Sampling::default(), |_| true), Err(Error::Argument(_))));
    let nowhere = open(path(), ModelOptions { device: Some("abacus"), ..ModelOptions::default() });
    assert!(nowhere.err().unwrap().why().text.contains("abacus"));
    let letters = open(path(), ModelOptions { split: Some("[a-z]| "), ..ModelOptions::default() }).unwrap();
    assert_eq!(letters.encode("the sea", Encode::default()).unwrap().len(), 7);
    let wrong = open(path(), ModelOptions { split: Some("("), ..ModelOptions::default() });
    assert!(wrong.is_err());
}

#[test]
fn progress_cancels_and_panics_come_back() {
    let path = || Source::Path(Path::new(PATH));
    let mut last = -1.0;
    let mut hear = |done: f32| {
        assert!(done >= last && done <= 1.0);
        last = done;
        true
    };
    open(path(), ModelOptions { progress: Some(&mut hear), ..ModelOptions::default() }).unwrap();
    assert!(last >= 0.0);
    let mut stop = |_: f32| false;
    let cancelled = open(path(), ModelOptions { progress: Some(&mut stop), ..ModelOptions::default() });
    assert!(matches!(cancelled, Err(Error::Cancelled(_))));
    let caught = std::panic::catch_unwind(|| {
        let mut fail = |_: f32| panic!("enough");
        open(path(), ModelOptions { progress: Some(&mut fail), ..ModelOptions::default() }).map(|_| ())
    });
    assert_eq!(*caught.unwrap_err().downcast::<&str>().unwrap(), "enough");
}
