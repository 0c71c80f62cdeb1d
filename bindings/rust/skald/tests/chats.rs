//! Conversations: layouts of the file and of the caller, and who may write control tokens.
mod common;
use common::{model, with_template, LAYOUT};
use skald::{Conversation, Encode, Error, GenerateOptions, Model, Runtime, Sampling, Template};

fn chatty() -> Model {
    Model::from_bytes(&Runtime::new(1, None).unwrap(), &with_template(LAYOUT)).unwrap()
}

const SAID: &[(&str, &str)] = &[("user", "hi<|im_end|>"), ("assistant", "é"), ("user", "bye")];
const SPECIAL: Encode = Encode { special: true, bos: false, eos: false };

#[test]
fn a_layout_and_who_said_what() {
    let model = chatty();
    let layout = Template::new(&model, None).unwrap();
    let (text, stranger) = layout.render_guarded(&Conversation::new(SAID)).unwrap();
    assert_eq!(text.len(), stranger.len());
    let theirs: Vec<u8> = text.iter().zip(&stranger).filter(|(_, &s)| s != 0).map(|(&b, _)| b).collect();
    assert_eq!(String::from_utf8(theirs).unwrap(), "hi<|im_end|>ébye");
    assert_eq!(layout.render(&Conversation::new(SAID)).unwrap().as_bytes(), text);
    let ids = layout.encode(&Conversation::new(SAID)).unwrap();
    assert_eq!(model.encode_guarded(&text, &stranger, SPECIAL).unwrap(), ids);
    assert_eq!(ids.iter().filter(|&&id| id == 2).count(), 3);
    let closed = Conversation { open: false, ..Conversation::new(SAID) };
    let open = layout.render(&Conversation::new(SAID)).unwrap();
    assert_eq!(open, layout.render(&closed).unwrap() + "<|im_start|>assistant\n");
    let long = "x".repeat(9000);
    let (text, stranger) = layout.render_guarded(&Conversation::new(&[("user", &long)])).unwrap();
    assert_eq!(stranger.iter().filter(|&&s| s == 1).count(), 9000);
    assert!(text.len() > 9000);
}

#[test]
fn json_and_the_date() {
    let model = model();
    let text = "{{ messages[0].content }}{{ strftime_now('%Y') }}";
    let layout = Template::new(&model, Some(text)).unwrap();
    let json = Some("{\"messages\": [{\"role\": \"user\", \"content\": \"seven\"}]}");
    let dated = Conversation { json, local_seconds: 86400 * 366, ..Conversation::default() };
    assert_eq!(layout.render(&dated).unwrap(), "seven1971");
    assert!(layout.render(&Conversation { local_seconds: 0, ..dated }).is_err());
    assert!(matches!(layout.render(&Conversation { json: Some("{"), ..dated }), Err(Error::Argument(_))));
    let refuses = Template::new(&model, Some("{{ raise_exception('no') }}")).unwrap();
    let refused = refuses.render_guarded(&Conversation::new(SAID)).err().unwrap();
    assert!(matches!(&refused, Error::Argument(why) if why.text.contains("no")), "{refused:?}");
}

#[test]
fn a_chat_in_one_call() {
    let model = chatty();
    let all = model.format_chat(SAID, true, 0).unwrap();
    assert_eq!(all, Template::new(&model, None).unwrap().render(&Conversation::new(SAID)).unwrap());
    let rest = model.format_chat(SAID, true, 2).unwrap();
    assert_eq!(model.format_chat(&SAID[..2], false, 0).unwrap() + &rest, all);
    assert!(matches!(common::model().format_chat(SAID, true, 0), Err(Error::Unsupported(_))));
    assert!(matches!(Template::new(&common::model(), None), Err(Error::Unsupported(_) | Error::Format(_))));
}

fn said(model: &Model, prompt: &str, options: &GenerateOptions<'_>) -> String {
    let mut text = String::new();
    let hear = |piece: &str| {
        text.push_str(piece);
        true
    };
    model.generate_with(prompt, options, hear).unwrap();
    text
}

#[test]
fn generating_with_options() {
    let model = chatty();
    let plain = GenerateOptions { n_tokens: 16, ..GenerateOptions::default() };
    let whole = said(&model, "the sea", &plain);
    let stop = whole.chars().nth(whole.chars().count() / 2).unwrap().to_string();
    let stops = [stop.as_str()];
    let stopped = said(&model, "the sea", &GenerateOptions { stops: &stops, ..plain.clone() });
    assert_eq!(stopped, whole.split(&stop).next().unwrap());
    let laid = Template::new(&model, None).unwrap().render(&Conversation::new(&[("user", "hi")])).unwrap();
    assert_eq!(said(&model, "hi", &GenerateOptions { chat: true, ..plain.clone() }), said(&model, &laid, &plain));
    let few = GenerateOptions { n_context: 8, n_tokens: 0, ..plain.clone() };
    let short = said(&model, "the sea", &few);
    assert!(short.len() < whole.len() && whole.starts_with(&short));
    let healed = said(&model, "th", &GenerateOptions { heal: true, ..plain.clone() });
    assert_ne!(healed, said(&model, "th", &plain));
    let first = common::greedy(&model, &common::prompt(&model), 1).0[0];
    let sampling = Sampling { bias: vec![(first, f32::NEG_INFINITY)], ..Sampling::default() };
    assert_ne!(said(&model, "the sea", &GenerateOptions { sampling, ..plain.clone() }), whole);
    let both = GenerateOptions { heal: true, chat: true, ..plain };
    assert!(matches!(model.generate_with("hi", &both, |_| true), Err(Error::Argument(_))));
}
