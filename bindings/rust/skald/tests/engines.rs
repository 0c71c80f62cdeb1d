//! Engines: drafts, log-probabilities, stops, prefixes, stages, deadlines, what is shared.
mod common;
use common::{greedy, logprob, model, prompt, run};
use skald::{Engine, EngineOptions, Error, Event, Happened, Model, Request, Sampling};
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::Arc;

fn engine(model: &Model, options: EngineOptions<'_>) -> Engine {
    Engine::new(model, &EngineOptions { n_tokens: 2048, ..options }).unwrap()
}

fn ids(events: &[Event]) -> Vec<i32> {
    events.iter().filter_map(|e| if let Happened::Token(id) = e.what { Some(id) } else { None }).collect()
}

fn text(events: &[Event]) -> String {
    events.iter().map(|e| e.text.as_str()).collect()
}

fn one(engine: &mut Engine, request: &Request<'_>) -> Vec<Event> {
    let number = engine.submit(request).unwrap();
    let events = run(engine);
    assert!(events.iter().all(|e| e.request == number));
    assert_eq!(events.iter().filter(|e| e.is_end()).count(), 1);
    assert!(events.last().unwrap().is_end());
    events
}

#[test]
fn drafts_change_nothing_but_the_number_of_steps() {
    let model = model();
    let before = prompt(&model);
    let request = Request { prompt: &before, n_tokens: 48, ignore_end: true, ..Request::default() };
    let mut plain = engine(&model, EngineOptions::default());
    let want = ids(&one(&mut plain, &request));
    assert_eq!(plain.stats().unwrap().n_drafted, 0);
    let small = common::model(); // of the same vocabulary, and always right
    for (options, right) in [
        (EngineOptions { lookup: true, n_draft: 4, ..EngineOptions::default() }, false),
        (EngineOptions { draft: Some(&small), n_draft: 4, ..EngineOptions::default() }, true),
    ] {
        let mut drafting = engine(&model, options);
        let events = one(&mut drafting, &request);
        assert_eq!(ids(&events), want);
        let (end, stats) = (events.last().unwrap(), drafting.stats().unwrap());
        assert_eq!((u64::from(end.n_drafted), u64::from(end.n_right)), (stats.n_drafted, stats.n_right));
        assert!(stats.n_right <= stats.n_drafted);
        if right {
            assert!(stats.n_right > 20 && stats.n_steps < plain.stats().unwrap().n_steps);
        }
    }
    drop(small);
    let both = EngineOptions { lookup: true, draft: Some(&model), ..EngineOptions::default() };
    assert!(matches!(Engine::new(&model, &both), Err(Error::Argument(_))));
}

#[test]
fn an_engine_keeps_the_model_that_drafts() {
    let model = model();
    let small = common::model();
    let mut drafting = engine(&model, EngineOptions { draft: Some(&small), ..EngineOptions::default() });
    drop(small);
    let before = prompt(&model);
    let request = Request { prompt: &before, n_tokens: 8, ..Request::default() };
    drop(model);
    assert!(!one(&mut drafting, &request).is_empty());
}

#[test]
fn log_probabilities_are_those_of_the_logits() {
    let model = model();
    let (before, n) = (prompt(&model), 6);
    let (want, rows) = greedy(&model, &before, n);
    let mut telling = engine(&model, EngineOptions { n_top: 3, ..EngineOptions::default() });
    let request = Request { prompt: &before, n_tokens: n as u32, n_top: 3, ..Request::default() };
    let events = one(&mut telling, &request);
    assert_eq!(ids(&events), want);
    for ((event, row), id) in events.iter().zip(&rows).zip(want) {
        let near = |told: f32, id: i32| (f64::from(told) - logprob(row, id)).abs() < 1e-4;
        assert!(near(event.logprob.unwrap(), id));
        assert_eq!((event.top.len(), event.top[0].id), (3, id));
        assert!(event.top.iter().all(|t| near(t.logprob, t.id)));
        assert!(event.top.windows(2).all(|w| w[0].logprob >= w[1].logprob));
    }
    let quiet = one(&mut telling, &Request { n_top: 0, ..request.clone() });
    assert!(quiet.iter().all(|e| e.logprob.is_none() && e.top.is_empty()));
    assert!(matches!(telling.submit(&Request { n_top: 4, ..request }), Err(Error::Argument(_))));
}

#[test]
fn stops_prefixes_and_healing() {
    let model = model();
    let mut engine = engine(&model, EngineOptions::default());
    let before = prompt(&model);
    let request = Request { prompt: &before, n_tokens: 24, ..Request::default() };
    let prefixed = one(&mut engine, &Request { prefix: b" and 007", ..request.clone() });
    let whole = text(&prefixed);
    assert!(whole.starts_with(" and 007"), "{whole}");
    assert_eq!(prefixed.last().unwrap().what, Happened::Length);
    let stops = ["never", "007"];
    let stopped = one(&mut engine, &Request { prefix: b" and 007", stops: &stops, ..request.clone() });
    assert_eq!((text(&stopped).as_str(), stopped.last().unwrap().what), (" and ", Happened::Stop(Some(1))));
    let healed = text(&one(&mut engine, &Request { n_heal: 1, ..request.clone() }));
    let last = model.decode(&before[before.len() - 1..], false).unwrap();
    assert!(healed.starts_with(&last) && !last.is_empty(), "{last:?} {healed:?}");
    let many = ["a"; 9];
    assert!(matches!(engine.submit(&Request { stops: &many, ..request.clone() }), Err(Error::Argument(_))));
    assert!(matches!(engine.submit(&Request { stops: &["a\0"], ..request }), Err(Error::Argument(_))));
}

#[test]
fn a_stage_sees_and_changes_logits() {
    let model = model();
    let mut engine = engine(&model, EngineOptions::default());
    let before = prompt(&model);
    let request = Request { prompt: &before, n_tokens: 5, ..Request::default() };
    let (length, kept) = (before.len() as u64, Arc::new(AtomicU32::new(0)));
    let (counts, last) = (kept.clone(), *before.last().unwrap());
    let stage = move |row: &mut [f32], position: u64, text: &[i32]| {
        let n = counts.fetch_add(1, SeqCst);
        assert_eq!((row.len(), position), (300, length + u64::from(n)));
        assert_eq!(text.last(), Some(&if n == 0 { last } else { 50 + n as i32 }));
        row[51 + n as usize] = 1e9;
    };
    engine.submit_staged(&request, stage).unwrap();
    assert_eq!(ids(&run(&mut engine)), [51, 52, 53, 54, 55]);
    assert_eq!((kept.load(SeqCst), Arc::strong_count(&kept)), (5, 1)); // dropped with the end
    let again = kept.clone();
    let refused = engine.submit_staged(&Request { prompt: &[], ..request }, move |_: &mut [f32], _, _: &[i32]| {
        again.fetch_add(1, SeqCst);
    });
    assert!(matches!(refused, Err(Error::Argument(_))));
    assert_eq!(Arc::strong_count(&kept), 1);
}

#[test]
fn a_stage_s_panic_comes_out_of_the_step_and_others_go_on() {
    let model = model();
    let mut engine = engine(&model, EngineOptions::default());
    let before = prompt(&model);
    let request = Request { prompt: &before, n_tokens: 5, ..Request::default() };
    let fine = engine.submit(&request).unwrap();
    let bad = engine.submit_staged(&request, |_: &mut [f32], _, _: &[i32]| panic!("no stage")).unwrap();
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(&mut engine)));
    assert_eq!(*caught.unwrap_err().downcast::<&str>().unwrap(), "no stage");
    let events = run(&mut engine);
    let end = |number| events.iter().find(|e| e.request == number && e.is_end()).unwrap().what;
    assert_eq!(end(bad), Happened::Failed);
    assert!(matches!(end(fine), Happened::Length | Happened::Stop(None)));
}

#[test]
fn warm_up_deadlines_and_what_is_counted() {
    let model = model();
    let mut engine = engine(&model, EngineOptions { n_requests: 2, n_threads: 1, ..EngineOptions::default() });
    let long: Vec<i32> = (3..203).collect();
    let warm = one(&mut engine, &Request { prompt: &long, n_tokens: 0, ..Request::default() });
    assert_eq!((warm.len(), warm[0].what, warm[0].position), (1, Happened::Length, 200));
    one(&mut engine, &Request { prompt: &long, n_tokens: 4, ignore_end: true, ..Request::default() });
    let stats = engine.stats().unwrap();
    assert!(stats.n_prompt_shared >= 128 && stats.n_prompt_read < 400 && stats.n_kept > 0, "{stats:?}");
    assert_eq!((stats.n_submitted, stats.n_ended, stats.n_answered, stats.n_first), (2, 2, 4, 1));
    let late = Request { prompt: &long, n_tokens: 50, deadline: 1, ignore_end: true, ..Request::default() };
    let first = engine.submit(&late).unwrap();
    engine.submit(&Request { deadline: 0, n_tokens: 2, ..late.clone() }).unwrap();
    assert!(matches!(engine.submit(&late), Err(Error::Full(_))));
    std::thread::sleep(std::time::Duration::from_millis(2));
    let events = run(&mut engine);
    assert_eq!(events.iter().find(|e| e.request == first && e.is_end()).unwrap().what, Happened::Deadline);
    let mut unshared =
        Engine::new(&model, &EngineOptions { n_tokens: 2048, no_sharing: true, ..Default::default() }).unwrap();
    for _ in 0..2 {
        unshared.submit(&Request { prompt: &long, n_tokens: 1, ..Request::default() }).unwrap();
        run(&mut unshared);
    }
    assert_eq!(unshared.stats().unwrap().n_prompt_shared, 0);
}

#[test]
fn biases_forbid_and_priorities_go_first() {
    let model = model();
    let mut engine = engine(&model, EngineOptions { n_running: 1, ..EngineOptions::default() });
    let before = prompt(&model);
    let first = greedy(&model, &before, 1).0[0];
    let sampling = Sampling { bias: vec![(first, f32::NEG_INFINITY)], ..Sampling::default() };
    let plain = Request { prompt: &before, n_tokens: 2, ..Request::default() };
    let low = engine.submit(&plain).unwrap();
    let high = engine.submit(&Request { priority: 1, sampling, ..plain }).unwrap();
    let events = run(&mut engine);
    let at = |number| events.iter().position(|e| e.request == number).unwrap();
    assert!(at(high) < at(low));
    assert_eq!(events[at(low)].what, Happened::Token(first));
    assert_ne!(events[at(high)].what, Happened::Token(first));
}
