//! What a model writes, as what it means.
mod common;
use common::model;
use skald::{Answer, Error, Piece};

const TEXT: &str =
    "<think>né</think>Héllo <tool_call>\n{\"name\": \"look\", \"arguments\": {\"at\": \"ü\"}}\n</tool_call>";

/// Pieces of one kind together.
fn joined(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut all: Vec<Piece> = Vec::new();
    for piece in pieces {
        match (all.last_mut(), &piece) {
            (Some(Piece::Content(a)), Piece::Content(b)) => a.push_str(b),
            (Some(Piece::Reasoning(a)), Piece::Reasoning(b)) => a.push_str(b),
            (Some(Piece::Arguments(a)), Piece::Arguments(b)) => a.push_str(b),
            _ => all.push(piece),
        }
    }
    all
}

fn wanted() -> Vec<Piece> {
    vec![
        Piece::Reasoning("né".into()),
        Piece::Content("Héllo ".into()),
        Piece::Call("look".into()),
        Piece::Arguments("{\"at\": \"ü\"}".into()),
        Piece::CallEnd,
        Piece::End,
    ]
}

#[test]
fn however_it_is_cut() {
    let model = model();
    let mut answer = Answer::new(&model, Some("hermes"), false).unwrap();
    let places: Vec<usize> = TEXT.char_indices().map(|(at, _)| at).collect();
    for at in places {
        let (a, b) = TEXT.split_at(at);
        let mut pieces = answer.push(a).unwrap();
        pieces.extend(answer.push(b).unwrap());
        pieces.extend(answer.end().unwrap()); // the next round is another answer
        assert_eq!(joined(pieces), wanted(), "cut at {at}");
    }
    let mut pieces = Vec::new();
    let mut letters = [0; 4];
    for letter in TEXT.chars() {
        pieces.extend(answer.push(letter.encode_utf8(&mut letters)).unwrap());
    }
    pieces.extend(answer.end().unwrap());
    assert_eq!(joined(pieces), wanted());
}

#[test]
fn families_and_where_it_begins() {
    let model = model();
    let mut inside = Answer::new(&model, Some("hermes"), true).unwrap();
    let mut pieces = inside.push("hm</think>so").unwrap();
    pieces.extend(inside.end().unwrap());
    assert_eq!(joined(pieces), [Piece::Reasoning("hm".into()), Piece::Content("so".into()), Piece::End]);
    let mut plain = Answer::new(&model, None, false).unwrap();
    drop(model);
    let mut pieces = std::thread::spawn(move || {
        let mut pieces = plain.push("<tool_call>{}").unwrap();
        pieces.extend(plain.end().unwrap());
        pieces
    })
    .join()
    .unwrap();
    assert_eq!(pieces.pop(), Some(Piece::End));
    assert_eq!(joined(pieces), [Piece::Content("<tool_call>{}".into())]);
    assert!(matches!(Answer::new(&common::model(), Some("nobody"), false), Err(Error::Unsupported(_))));
}

#[test]
fn a_call_that_is_cut_off_never_ends() {
    let mut answer = Answer::new(&model(), Some("hermes"), false).unwrap();
    let mut pieces = answer.push("<tool_call>{\"name\": \"look\", \"arguments\": {\"at\"").unwrap();
    pieces.extend(answer.end().unwrap());
    assert!(pieces.contains(&Piece::Call("look".into())) && !pieces.contains(&Piece::CallEnd), "{pieces:?}");
    assert_eq!(pieces.last(), Some(&Piece::End));
}
