//! What an answer may say: rules, schemas, tools; in a loop, a stream and an engine.
mod common;
use common::{model, prompt, run};
use skald::{
    stream_with, Answer, Engine, EngineOptions, Error, Form, Grammar, GrammarOptions, Happened, Matcher, Model, Piece,
    Request, Sampling, StreamOptions, Watch,
};

const SCHEMA: &str = r#"{"type": "object", "properties": {"mood": {"enum": ["calm", "angry"]},
    "hp": {"type": "integer", "minimum": 0, "maximum": 99}}, "required": ["mood", "hp"], "additionalProperties": false}"#;
const TOOLS: &str = r#"[{"type": "function", "function": {"name": "look", "parameters": {"type": "object",
    "properties": {"far": {"type": "boolean"}}, "required": ["far"], "additionalProperties": false}}}]"#;

fn wild(seed: u64) -> Sampling {
    Sampling { temperature: 2.0, seed, ..Sampling::default() }
}

fn answer(model: &Model, options: &StreamOptions<'_>) -> String {
    stream_with(model, &prompt(model), options).unwrap().map(Result::unwrap).collect()
}

/// {"mood": ..., "hp": ...}, in any order and with any white space.
fn parsed(text: &str) -> Option<(String, u32)> {
    let inside = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    let (mut mood, mut hp) = (None, None);
    for member in inside.split(',') {
        let (key, value) = member.split_once(':')?;
        match key.trim() {
            "\"mood\"" => mood = Some(value.trim().strip_prefix('"')?.strip_suffix('"')?.to_string()),
            "\"hp\"" => hp = Some(value.trim().parse().ok()?),
            _ => return None,
        }
    }
    Some((mood?, hp?))
}

#[test]
fn a_schema_s_answer_parses_in_stream_and_engine() {
    let model = model();
    let grammar = Grammar::json_schema(&model, SCHEMA).unwrap();
    let mut engine = Engine::new(&model, &EngineOptions { n_tokens: 2048, ..EngineOptions::default() }).unwrap();
    for seed in 0..8 {
        let (sampling, ids) = (wild(seed), prompt(&model));
        let options = StreamOptions {
            n_tokens: 40,
            sampling: sampling.clone(),
            grammar: Some(&grammar),
            ..StreamOptions::default()
        };
        let text = answer(&model, &options);
        let (mood, hp) = parsed(&text).unwrap_or_else(|| panic!("{text}"));
        assert!(["calm", "angry"].contains(&mood.as_str()) && hp < 100, "{text}");
        let short_lived = grammar.clone();
        let request =
            Request { prompt: &ids, n_tokens: 40, sampling, grammar: Some(&short_lived), ..Request::default() };
        engine.submit(&request).unwrap();
        drop(short_lived);
        let events = run(&mut engine);
        assert_eq!(events.iter().map(|e| e.text.as_str()).collect::<String>(), text);
        assert_eq!(events.last().unwrap().what, Happened::Stop(None));
    }
}

#[test]
fn rules_hold_whatever_is_drawn() {
    let model = model();
    let grammar = Grammar::rules(&model, "root ::= (\"yes\" | \"no\") \"!\"").unwrap();
    let said: std::collections::BTreeSet<String> = (0..24)
        .map(|seed| {
            answer(&model, &StreamOptions { sampling: wild(seed), grammar: Some(&grammar), ..Default::default() })
        })
        .collect();
    assert_eq!(said.into_iter().collect::<Vec<_>>(), ["no!", "yes!"]);
    let few = StreamOptions { n_tokens: 1, grammar: Some(&grammar), ..StreamOptions::default() };
    assert!(matches!(stream_with(&model, &prompt(&model), &few), Err(Error::Argument(_))));
}

#[test]
fn a_call_of_a_tool_is_read_as_one() {
    let model = model();
    let options = GrammarOptions { cache_bytes: 1 << 20, ..GrammarOptions::default() };
    let grammar = Grammar::new(&model, Form::Tools(Some("hermes")), TOOLS, options).unwrap();
    let options =
        StreamOptions { sampling: wild(3), grammar: Some(&grammar), special: true, ..StreamOptions::default() };
    let text = answer(&model, &options);
    let mut reader = Answer::new(&model, Some("hermes"), false).unwrap();
    let mut pieces = reader.push(&text).unwrap();
    pieces.extend(reader.end().unwrap());
    assert_eq!(pieces[0], Piece::Call("look".into()), "{text}");
    let arguments: String =
        pieces.iter().filter_map(|p| if let Piece::Arguments(a) = p { Some(a.as_str()) } else { None }).collect();
    let compact: String = arguments.split_whitespace().collect();
    assert!(["{\"far\":true}", "{\"far\":false}"].contains(&compact.as_str()), "{text}");
    assert_eq!(pieces[pieces.len() - 2..], [Piece::CallEnd, Piece::End]);
}

#[test]
fn a_mask_forbids_what_is_not_accepted() {
    let model = model();
    let grammar = Grammar::rules(&model, "root ::= \"the\" [0-9]+").unwrap();
    let mut matcher = Matcher::new(&grammar).unwrap();
    drop(grammar);
    let n = model.info().n_vocab as usize;
    let (row, mut masked) = (vec![1.0; n], vec![0.0; n]);
    let mut text = String::new();
    while text.len() < 5 {
        assert!(!matcher.may_end() || text.len() > 3, "{text}");
        assert!(matcher.mask_into(&mut masked, &row, 0).unwrap());
        for id in (0..n as i32).filter(|&id| !model.is_end(id)) {
            let mut other = matcher.try_clone().unwrap();
            assert_eq!(other.accept(id).is_ok(), masked[id as usize] == 1.0, "{text} and id {id}");
        }
        let allowed = |&id: &i32| !model.is_end(id) && masked[id as usize] == 1.0;
        let next = (0..n as i32).find(allowed).unwrap();
        assert_eq!(matcher.accept(next), Ok(true));
        text.push_str(&model.decode(&[next], false).unwrap());
    }
    assert!(matcher.may_end() && matcher.least() == 0);
    let bad = model.encode("x", Default::default()).unwrap()[0];
    assert!(matches!(matcher.accept(bad), Err(Error::Argument(_))));
    assert!(matches!(matcher.mask(&mut masked[1..], 0), Err(Error::Argument(_))));
    assert!(matches!(matcher.mask_into(&mut masked, &row[1..], 0), Err(Error::Argument(_))));
}

#[test]
fn a_whole_text_says_so() {
    let model = model();
    let grammar = Grammar::rules(&model, "root ::= \"(\"").unwrap();
    let (mut a, mut b) = (Matcher::new(&grammar).unwrap(), Matcher::new(&grammar).unwrap());
    assert_eq!((a.least(), a.may_end()), (1, false));
    let id = model.encode("(", Default::default()).unwrap()[0];
    assert_eq!(a.accept(id), Ok(false));
    b.copy_from(&a).unwrap();
    let mut row = vec![0.0; model.info().n_vocab as usize];
    assert_eq!(b.mask(&mut row, 1), Ok(false));
    let left: Vec<i32> = (0..row.len() as i32).filter(|&id| row[id as usize] == 0.0).collect();
    assert_eq!(left, model.ends());
    let other = Grammar::rules(&model, "root ::= \"(\"").unwrap();
    assert!(matches!(Matcher::new(&other).unwrap().copy_from(&a), Err(Error::Argument(_))));
}

#[test]
fn what_cannot_be_compiled_is_refused_with_the_place() {
    let model = model();
    let rule = Grammar::rules(&model, "root ::= other").err().unwrap();
    assert!(matches!(&rule, Error::Format(why) if why.text.contains("other")), "{rule:?}");
    assert!(matches!(Grammar::json_schema(&model, "{\"type\": 7}"), Err(Error::Format(_))));
    assert!(matches!(Grammar::json_schema(&model, "{\"$dynamicRef\": \"#a\"}"), Err(Error::Unsupported(_))));
    let nobody = Grammar::new(&model, Form::Tools(Some("nobody")), TOOLS, GrammarOptions::default());
    assert!(matches!(nobody, Err(Error::Unsupported(_))));
    let engine = Engine::new(&model, &EngineOptions { n_tokens: 1024, ..EngineOptions::default() }).unwrap();
    let (ids, grammar) = (prompt(&model), Grammar::json_schema(&model, SCHEMA).unwrap());
    let request = Request { prompt: &ids, n_tokens: 2, grammar: Some(&grammar), ..Request::default() };
    assert!(matches!(engine.submit(&request), Err(Error::Argument(_))));
    let foreign = Grammar::json_schema(&common::model(), SCHEMA).unwrap();
    let request = Request { n_tokens: 40, grammar: Some(&foreign), ..request };
    assert!(matches!(engine.submit(&request), Err(Error::Argument(_))));
}

/// Asked with the first grammar of a model; one that was cancelled leaves the next to be the first.
#[test]
fn progress_cancels_and_panics_come_back() {
    fn yes(model: &Model, progress: Watch<'_>) -> Result<Grammar, Error> {
        let options = GrammarOptions { progress: Some(progress), ..GrammarOptions::default() };
        Grammar::new(model, Form::Rules, "root ::= \"yes\"", options)
    }
    let model = model();
    let mut stop = |_: f32| false;
    assert!(matches!(yes(&model, &mut stop), Err(Error::Cancelled(_))));
    let caught = std::panic::catch_unwind(|| {
        let mut fail = |_: f32| panic!("enough");
        yes(&model, &mut fail).map(|_| ())
    });
    assert_eq!(*caught.unwrap_err().downcast::<&str>().unwrap(), "enough");
    let mut heard = 0;
    let mut hear = |done: f32| {
        assert_eq!(done, 0.0);
        heard += 1;
        true
    };
    let grammar = yes(&model, &mut hear).unwrap();
    assert!(heard > 0 && Matcher::new(&grammar).unwrap().least() > 0);
}
