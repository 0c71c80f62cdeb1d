//! The likeliest texts behind a prompt.
mod common;
use common::{greedy, logprob, model, prompt};
use skald::{BeamOptions, BeamStop, Beams, Cache, CacheOptions, Context, DType, Error, Logits, Model, Span};

fn search(model: &Model, n_beams: u32, options: BeamOptions<'_>) -> Beams {
    let options = BeamOptions { n_beams, n_tokens: 8, ignore_end: true, ..options };
    Beams::search(model, &prompt(model), options).unwrap()
}

/// The sum of the log-probabilities of `ids` behind the prompt.
fn likelihood(model: &Model, ids: &[i32]) -> f64 {
    let cache = Cache::new(model, &CacheOptions::default()).unwrap();
    let (mut context, sequence) = (Context::new(model, 0, 64).unwrap(), cache.open().unwrap());
    let before = prompt(model);
    let text: Vec<i32> = before.iter().chain(ids).copied().collect();
    context.step(&[Span::new(&sequence, &text).logits(Logits::All)]).unwrap();
    let of = |i: usize| logprob(context.logits((before.len() + i - 1) as u32).unwrap(), ids[i]);
    (0..ids.len()).map(of).sum()
}

#[test]
fn one_beam_is_the_greedy_answer() {
    let model = model();
    let beams = search(&model, 1, BeamOptions::default());
    let want = greedy(&model, &prompt(&model), 8).0;
    assert_eq!(beams.iter().map(|b| b.ids.to_vec()).collect::<Vec<_>>(), [want]);
    assert!(beams.get(1).is_none());
}

#[test]
fn the_best_first_with_scores_that_are_likelihoods() {
    let model = model();
    let beams = search(&model, 4, BeamOptions::default());
    let all: Vec<_> = beams.iter().collect();
    assert_eq!(all.len(), 4);
    assert!(all.windows(2).all(|pair| pair[0].score >= pair[1].score && pair[0].ids != pair[1].ids));
    for beam in &all {
        let mean = likelihood(&model, beam.ids) / 8.0;
        assert!((f64::from(beam.score) - mean).abs() < 1e-3 && !beam.ended, "{beam:?}, {mean}");
    }
    let sums = search(&model, 4, BeamOptions { length_penalty: 0.0, ..BeamOptions::default() });
    assert!((f64::from(sums.get(0).unwrap().score) - likelihood(&model, sums.get(0).unwrap().ids)).abs() < 1e-2);
    let texts = beams.texts().unwrap();
    assert_eq!(texts[3], model.decode(all[3].ids, false).unwrap());
    let greedy = likelihood(&model, &greedy(&model, &prompt(&model), 8).0) / 8.0;
    assert!(f64::from(all[0].score) >= greedy - 1e-4);
    std::thread::scope(|s| {
        s.spawn(|| assert_eq!(beams.get(0).unwrap().ids, all[0].ids));
    });
}

#[test]
fn ways_to_end_and_formats() {
    let model = model();
    for stop in [BeamStop::Usual, BeamStop::Full, BeamStop::Never] {
        let beams =
            search(&model, 2, BeamOptions { stop, k_type: DType::F32, v_type: DType::F32, ..Default::default() });
        assert_eq!(beams.iter().count(), 2);
    }
    let none = Beams::search(&model, &[], BeamOptions::default());
    assert!(matches!(none, Err(Error::Argument(_))));
    let many = Beams::search(&model, &[1], BeamOptions { n_beams: 65, ..BeamOptions::default() });
    assert!(matches!(many, Err(Error::Argument(_))));
}

#[test]
fn progress_cancels_and_panics_come_back() {
    let model = model();
    let mut heard = Vec::new();
    let mut hear = |done: f32| {
        heard.push(done);
        true
    };
    search(&model, 2, BeamOptions { progress: Some(&mut hear), ..BeamOptions::default() });
    assert!(
        !heard.is_empty() && heard.windows(2).all(|w| w[0] <= w[1]) && heard.iter().all(|d| (0.0..=1.0).contains(d))
    );
    let mut stop = |_: f32| false;
    let options = BeamOptions { progress: Some(&mut stop), ..BeamOptions::default() };
    assert!(matches!(Beams::search(&model, &[1], options), Err(Error::Cancelled(_))));
    let caught = std::panic::catch_unwind(|| {
        let mut fail = |_: f32| panic!("enough");
        Beams::search(&model, &[1], BeamOptions { progress: Some(&mut fail), ..BeamOptions::default() }).map(|_| ())
    });
    assert_eq!(*caught.unwrap_err().downcast::<&str>().unwrap(), "enough");
}
