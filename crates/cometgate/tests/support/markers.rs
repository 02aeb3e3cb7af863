//! Markers that stand for secrets, prompts and completions, and an oracle that finds them in whatever form: as they are,
//! in base64, in hexadecimal, percent-encoded, and cut to their first eight bytes.

use memchr::memmem::Finder;

/// Eight bytes that nothing else begins with; what follows tells markers of one kind apart. Some of them change where a
/// text is percent-encoded.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) prefix: &'static str,
}

/// Finds markers of some kinds.
pub(crate) struct Oracle {
    patterns: Vec<(&'static str, &'static str, Finder<'static>)>,
}

impl Oracle {
    pub(crate) fn new(kinds: &[&Kind]) -> Oracle {
        let patterns = kinds.iter().flat_map(|kind| {
            let forms = forms(kind.prefix.as_bytes());
            forms.into_iter().map(|(form, text)| (kind.name, form, Finder::new(&text).into_owned()))
        });
        Oracle { patterns: patterns.collect() }
    }

    /// The markers that are there: their kind and form.
    pub(crate) fn find(&self, bytes: &[u8]) -> impl Iterator<Item = (&'static str, &'static str)> {
        let found = self.patterns.iter().filter(move |(_, _, pattern)| pattern.find(bytes).is_some());
        found.map(|(kind, form, _)| (*kind, *form))
    }
}

fn forms(prefix: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut forms = vec![
        ("raw", prefix.to_vec()),
        ("hexadecimal", hex(prefix).into_bytes()),
        ("hexadecimal", hex(prefix).to_ascii_uppercase().into_bytes()),
        ("percent-encoded", percent(prefix, false)),
        ("percent-encoded", percent(prefix, true)),
    ];
    for before in 0..3 {
        let standard = base64(prefix, before);
        let for_urls = standard.iter().map(|byte| match byte {
            b'+' => b'-',
            b'/' => b'_',
            byte => *byte,
        });
        forms.push(("base64", for_urls.collect()));
        forms.push(("base64", standard));
    }
    forms
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn percent(bytes: &[u8], is_lower: bool) -> Vec<u8> {
    let encode = |byte: &u8| match byte {
        byte if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) => (*byte as char).to_string(),
        byte if is_lower => format!("%{byte:02x}"),
        byte => format!("%{byte:02X}"),
    };
    bytes.iter().map(encode).collect::<String>().into_bytes()
}

/// The characters that these bytes alone decide, where so many bytes stand before them.
pub(crate) fn base64(bytes: &[u8], before: usize) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bit = |at: usize| usize::from(bytes[at / 8 - before] >> (7 - at % 8) & 1);
    let (first, last) = ((before * 8).div_ceil(6), (before + bytes.len()) * 8 / 6);
    (first..last).map(|at| ALPHABET[(at * 6..at * 6 + 6).fold(0, |value, at| value << 1 | bit(at))]).collect()
}
