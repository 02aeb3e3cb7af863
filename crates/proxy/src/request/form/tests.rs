use super::*;

const TYPE: &[u8] = b"multipart/form-data; boundary=\"a b\"";

fn part(head: &str, content: &str) -> String {
    format!("--a b\r\n{head}\r\n\r\n{content}\r\n")
}

fn field(name: &str, value: &str) -> String {
    part(&format!("Content-Disposition: form-data; name=\"{name}\""), value)
}

fn file(content: &str) -> String {
    part(
        "Content-Disposition: form-data; name=\"file\"; filename=\"a\\b.mp3\"\r\nContent-Type: audio/mpeg",
        content,
    )
}

fn form(parts: &[String]) -> String {
    format!("{}--a b--\r\n", parts.concat())
}

/// What a body says, the same for every way to cut it.
fn read(body: &str) -> Result<(Option<String>, Option<String>), PeekError> {
    let in_pieces = |piece: usize| {
        let mut scanner = FormScanner::new(TYPE)?;
        for bytes in body.as_bytes().chunks(piece) {
            scanner.feed(bytes)?;
        }
        scanner.finish()?;
        let model = scanner.model().map(|(model, at)| {
            assert_eq!(body.get(at), Some(model));
            model.to_owned()
        });
        Ok((model, scanner.user().map(str::to_owned)))
    };
    let whole = in_pieces(body.len().max(1));
    for piece in [1, 2, 3, 7, 64] {
        assert_eq!(in_pieces(piece).is_ok(), whole.is_ok(), "in pieces of {piece}: {body:?}");
    }
    whole
}

#[test]
fn the_model_is_found_wherever_it_stands() {
    let sound = "\r\n--a\n\r\r\n-- a b\r\n\0--a b\u{fffd}";
    let model = || field("model", "whisper-1");
    for parts in [
        vec![model(), file(sound)],
        vec![file(sound), model(), field("user", "u")],
        vec![field("prompt", "model"), part("content-disposition: form-data;name=model", "whisper-1")],
    ] {
        let body = form(&parts);
        let (found, _) = read(&body).unwrap();
        assert_eq!(found.as_deref(), Some("whisper-1"), "{body:?}");
        // Without the last line end, with one before, with more after.
        assert!(read(body.trim_end()).is_ok() && read(&format!("\r\n{body}\r\n")).is_ok());
    }
    let (none, user) = read(&form(&[file("x"), field("user", "u"), field("user", "v")])).unwrap();
    assert_eq!((none, user.as_deref()), (None, Some("u")));
}

#[test]
fn what_two_parsers_could_read_differently_is_refused() {
    let model = field("model", "a");
    let second = field("model", "b");
    let alone = &form(std::slice::from_ref(&model));
    let disposition = |text: &str| part(&format!("Content-Disposition: {text}"), "b");
    for body in [
        form(&[model.clone(), second.clone()]),
        form(&[model.clone(), file("x\n--a b\nContent-Disposition: form-data; name=\"model\"\n\nb")]),
        form(&[model.clone(), file(&format!("x\n{second}"))]),
        form(&[model.clone(), file("\r\n--a bc\r\n")]),
        form(&[model.clone(), disposition("form-data; name=\"x\"; name=\"model\"")]),
        form(&[model.clone(), disposition("form-data; name*=utf-8''model")]),
        form(&[model.clone(), disposition("form-data; name=\"x\"; name*=utf-8''model")]),
        form(&[model.clone(), disposition("form-data; name=\"mod%65l\"")]),
        form(&[model.clone(), disposition("form-data; name=\"mod\\el\"")]),
        form(&[model.clone(), disposition("form-data; name=\"model\"x")]),
        form(&[model.clone(), disposition("form-data; name=\"model")]),
        form(&[model.clone(), disposition("form-data")]),
        form(&[model.clone(), disposition("attachment; name=\"model\"")]),
        form(&[
            model.clone(),
            disposition("form-data; name=\"x\"\r\nContent-Disposition: form-data; name=\"model\""),
        ]),
        form(&[model.clone(), disposition("form-data; name=\"x\"\r\n folded")]),
        form(&[model.clone(), disposition("form-data; name=\"x\"\nx: y")]),
        form(&[model.clone(), part("X: y", "b")]),
        form(&[part("Content-Disposition: form-data; name=\"model\"; filename=\"m\"", "b")]),
        form(&[part(
            "Content-Disposition: form-data; name=\"model\"\r\nContent-Transfer-Encoding: base64",
            "YQ==",
        )]),
        format!("preamble\r\n{}", alone),
        format!("{}{second}--a b--\r\n", alone),
        format!("{}epilogue", alone),
        model.clone(),
        alone.replace("\r\n", "\n"),
        form(&[field("model", "")]),
        form(&[field("model", &"x".repeat(2_000))]),
        form(&[part(&format!("Content-Disposition: form-data; name=\"x\"; y={}", "z".repeat(5_000)), "")]),
        String::new(),
    ] {
        assert!(read(&body).is_err(), "{body:?}");
    }
    for kind in [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=a; boundary=b",
        "multipart/form-data; boundary=\"a",
        "multipart/form-data; boundary=\"a\r\n\"",
    ] {
        assert!(FormScanner::new(kind.as_bytes()).is_err(), "{kind}");
    }
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::sample::select(b"--a b\r\n:;=\"x".to_vec()), 0..300), piece in 1_usize..40) {
        let mut scanner = FormScanner::new(TYPE).unwrap();
        let body = [b"--a b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n", &bytes[..]].concat();
        let fed = body.chunks(piece).all(|piece| scanner.feed(piece).is_ok());
        if fed && scanner.finish().is_ok() && let Some((model, at)) = scanner.model() {
            assert_eq!(&body[at], model.as_bytes());
        }
    }
}

#[test]
fn its_fields_say_what_of_the_api_is_used() {
    let (streaming, logprobs) = (Feature::Streaming, Feature::Logprobs);
    let used = |fields: &[String]| {
        let mut scanner = FormScanner::new(TYPE).unwrap();
        scanner.feed(form(fields).as_bytes()).unwrap();
        scanner.finish().unwrap();
        scanner.features()
    };
    let encoded = "Content-Disposition: form-data; name=\"stream\"\r\nContent-Transfer-Encoding: base64";
    let streams = FeatureSet::EMPTY.with(streaming);
    for (fields, expected) in [
        (vec![file("x"), field("model", "a"), field("prompt", "stream")], FeatureSet::EMPTY),
        (vec![field("stream", "false")], FeatureSet::EMPTY),
        (vec![field("stream", "False"), field("include[]", "other")], FeatureSet::EMPTY),
        (vec![file("x"), field("stream", "true")], streams),
        (vec![field("stream", "false"), field("stream", "yes")], streams),
        (vec![field("stream", &" ".repeat(2_000))], streams),
        (vec![part(encoded, "ZmFsc2U=")], streams),
        (vec![field("include[]", "logprobs")], FeatureSet::EMPTY.with(logprobs)),
        (vec![field("include", "[\"logprobs\"]"), field("stream", "1")], streams.with(logprobs)),
    ] {
        assert_eq!(used(&fields), expected, "{fields:?}");
    }
}
