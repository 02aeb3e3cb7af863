use proptest::prelude::*;

use super::*;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

fn parse(text: &str) -> Option<TraceParent> {
    TraceParent::parse(text.as_bytes())
}

/// Version, trace, parent, flags.
fn written(version: &str, trace: &str, parent: &str, flags: &str) -> String {
    format!("{version}-{trace}-{parent}-{flags}")
}

#[test]
fn what_is_a_traceparent_and_what_is_none() {
    let zeros = "0".repeat(32);
    let upper = TRACE.to_uppercase();
    for (text, flags) in [
        (written("00", TRACE, PARENT, "00"), Some(0)),
        (written("00", TRACE, PARENT, "01"), Some(SAMPLED)),
        (written("00", TRACE, PARENT, "02"), Some(RANDOM)),
        (written("00", TRACE, PARENT, "03"), Some(SAMPLED | RANDOM)),
        // Flags that nobody knows are cleared.
        (written("00", TRACE, PARENT, "ff"), Some(SAMPLED | RANDOM)),
        (written("00", TRACE, PARENT, "f8"), Some(0)),
        // Of versions to come the first four fields are read.
        (written("01", TRACE, PARENT, "01"), Some(SAMPLED)),
        (written("cc", TRACE, PARENT, "01-what-the-future-brings"), Some(SAMPLED)),
        (written("01", TRACE, PARENT, "01-"), Some(SAMPLED)),
        (written("01", TRACE, PARENT, "01.x"), None),
        (written("01", TRACE, PARENT, "0100"), None),
        (written("ff", TRACE, PARENT, "01"), None),
        // Version 00 is as long as it is.
        (written("00", TRACE, PARENT, "01-"), None),
        (written("00", TRACE, PARENT, "01-more"), None),
        (written("00", TRACE, PARENT, "1"), None),
        (written("00", TRACE, PARENT, ""), None),
        (written("0", TRACE, PARENT, "001"), None),
        (written("00", &zeros, PARENT, "01"), None),
        (written("00", TRACE, "0000000000000000", "01"), None),
        (written("00", &upper, PARENT, "01"), None),
        (written("00", TRACE, &PARENT.to_uppercase(), "01"), None),
        (written("0A", TRACE, PARENT, "01"), None),
        (written("00", TRACE, PARENT, "0G"), None),
        (written("00", &TRACE[1..], PARENT, "01"), None),
        (written("00", TRACE, &format!("{PARENT}0"), "1"), None),
        (written("00", &TRACE.replace('4', "."), PARENT, "01"), None),
        (written("00", TRACE, PARENT, "01").replace('-', "_"), None),
        (format!(" {}", written("00", TRACE, PARENT, "01")), None),
        (format!("{} ", written("00", TRACE, PARENT, "01")), None),
        (TRACE.to_owned(), None),
        (String::new(), None),
        ("00".to_owned(), None),
    ] {
        assert_eq!(parse(&text).map(|parent| parent.flags), flags, "{text:?}");
    }
}

#[test]
fn what_goes_on_is_of_version_00() {
    let came = parse(&written("cc", TRACE, PARENT, "ff-and-more")).unwrap();
    assert_eq!(came.header().as_slice(), written("00", TRACE, PARENT, "03").as_bytes());
    assert!(came.is_sampled());
}

proptest! {
    #[test]
    fn what_is_written_is_read(trace in 1_u128.., parent in 1_u64.., flags in 0_u8..4) {
        let one = TraceParent {
            trace_id: TraceId(trace.to_be_bytes()),
            parent_id: SpanId(parent.to_be_bytes()),
            flags,
        };
        prop_assert_eq!(TraceParent::parse(&one.header()), Some(one));
    }

    #[test]
    fn no_text_breaks_it_and_what_is_taken_is_hexadecimal(text in proptest::collection::vec(any::<u8>(), 0..70)) {
        prop_assert_eq!(TraceParent::parse(&text), None);
    }

    /// One byte of a good header, changed: either it says something else in good form, or it is none.
    #[test]
    fn one_byte_changed(at in 0_usize..55, byte: u8) {
        let mut text = written("00", TRACE, PARENT, "01").into_bytes();
        text[at] = byte;
        if let Some(read) = TraceParent::parse(&text) {
            let is_digit = byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            prop_assert!(is_digit || byte == b'-');
            prop_assert_eq!(&read.header()[3..52], &text[3..52]);
        }
    }
}
