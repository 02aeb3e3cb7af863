//! Reads JSON in pieces, split anywhere, and reports what stands at the few places someone asks about.
//!
//! No document is built and nothing is allocated: what is kept is one bit for each level of nesting, the place of the
//! outermost levels, and the start of the one text being read. Whether it is JSON is decided as RFC 8259 says, with
//! these leniencies: text need not be UTF-8, surrogates need not come in pairs, and more than 128 levels deep only
//! strings and the number of brackets are looked at. Nesting deeper than 10,000 levels is refused.

mod number;
mod text;

use number::NumberPart;
use text::{Kept, plain_run};

/// Up to here brackets must match; the width of `Json::objects`.
const EXACT_DEPTH: u32 = 128;
/// Deeper than this nobody means it.
const MAX_DEPTH: u32 = 10_000;
/// So many levels may have a place that someone asks about.
const PLACES: usize = 8;

/// What someone wants to know of a document: a tree of places, and what to do with the values there.
pub(crate) trait Document {
    /// Where a value stands.
    type Place: Copy + PartialEq;
    /// Where nobody asks about anything.
    const NOWHERE: Self::Place;
    /// The whole document.
    const ROOT: Self::Place;

    /// The place of this member of an object. Only the start of a very long key is given.
    fn member(&mut self, object: Self::Place, key: &[u8]) -> Self::Place;
    /// The place of every element of an array.
    fn element(array: Self::Place) -> Self::Place;
    /// How much of a text or number at this place is worth keeping, in bytes (512 at most).
    fn keep(place: Self::Place) -> usize;
    /// What stands at a place.
    fn value(&mut self, place: Self::Place, value: Value<'_>);
}

/// A value, or the end of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value<'b> {
    Null,
    Bool,
    /// As it was written, cut to what is kept.
    Number(&'b [u8]),
    /// Decoded, cut to what is kept.
    Text(&'b [u8]),
    Object,
    Array,
    /// The object or array of this place has ended.
    Closed,
}

/// The state between two pieces.
#[derive(Debug)]
pub(crate) struct Json<P> {
    state: State,
    /// A text being read is a key.
    in_key: bool,
    /// What is left of `true`, `false` or `null`.
    word: &'static [u8],
    depth: u32,
    /// One bit for each level, the innermost lowest: set in an object, clear in an array.
    objects: u128,
    /// The place of the value that comes next, or is being read.
    here: P,
    /// The places of the containers that are open.
    places: [P; PLACES],
    kept: Kept,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Value,
    FirstElement,
    FirstKey,
    Key,
    Colon,
    /// After a value: a comma or the end of the container.
    After,
    /// After the outermost value.
    Whole,
    Text,
    Escape,
    /// So many hex digits are still to come, and the value of those before.
    Hex(u8, u16),
    Number(NumberPart),
    Word,
    /// Below `EXACT_DEPTH`.
    Deep,
    DeepText,
    DeepEscape,
    Malformed,
}

impl<P: Copy + PartialEq> Json<P> {
    pub(crate) fn new<D: Document<Place = P>>() -> Json<P> {
        Json {
            state: State::Value,
            in_key: false,
            word: b"",
            depth: 0,
            objects: 0,
            here: D::ROOT,
            places: [D::NOWHERE; PLACES],
            kept: Kept::default(),
        }
    }

    /// Ready for the next document.
    pub(crate) fn restart<D: Document<Place = P>>(&mut self) {
        self.state = State::Value;
        self.depth = 0;
        self.here = D::ROOT;
    }

    /// The outermost value has not ended and still can.
    pub(crate) fn is_open(&self) -> bool {
        !matches!(self.state, State::Whole | State::Malformed)
    }

    /// No more comes: true if it was one whole value.
    pub(crate) fn finish<D: Document<Place = P>>(&mut self, document: &mut D) -> bool {
        if let State::Number(part) = self.state
            && part.may_end()
            && self.depth == 0
        {
            self.report(document, Value::Number(self.kept.bytes()));
            self.state = State::Whole;
        }
        self.state == State::Whole
    }

    /// The next piece.
    pub(crate) fn feed<D: Document<Place = P>>(&mut self, bytes: &[u8], document: &mut D) {
        let mut rest = bytes;
        while let [byte, after @ ..] = rest {
            let byte = *byte;
            rest = match self.state {
                State::Text => self.more_text(rest, document),
                State::Number(part) => self.number(rest, part, document),
                State::Value | State::FirstElement => match byte {
                    b'"' => self.text(after, false, document),
                    b' ' | b'\t' | b'\n' | b'\r' => after,
                    b']' if self.state == State::FirstElement => self.close(after, false, document),
                    _ => self.value(rest, byte, after, document),
                },
                State::Key | State::FirstKey => match byte {
                    b'"' => self.text(after, true, document),
                    b' ' | b'\t' | b'\n' | b'\r' => after,
                    b'}' if self.state == State::FirstKey => self.close(after, true, document),
                    _ => self.refuse(),
                },
                State::Colon => match byte {
                    b':' => self.then(State::Value, after),
                    b' ' | b'\t' | b'\n' | b'\r' => after,
                    _ => self.refuse(),
                },
                State::After => match byte {
                    b',' => self.comma::<D>(after),
                    b'}' => self.close(after, true, document),
                    b']' => self.close(after, false, document),
                    b' ' | b'\t' | b'\n' | b'\r' => after,
                    _ => self.refuse(),
                },
                State::Whole => match byte {
                    b' ' | b'\t' | b'\n' | b'\r' => after,
                    _ => self.refuse(),
                },
                State::Escape => self.escape(byte, after),
                State::Hex(left, code) => self.hex(left, code, byte, after),
                State::Word => self.word(byte, after, document),
                State::Deep | State::DeepText | State::DeepEscape => self.deep(byte, after),
                State::Malformed => return,
            };
        }
    }

    /// A value that is not a text begins.
    #[inline]
    fn value<'b, D: Document<Place = P>>(
        &mut self,
        rest: &'b [u8],
        byte: u8,
        after: &'b [u8],
        document: &mut D,
    ) -> &'b [u8] {
        match byte {
            b'{' => self.open(after, true, document),
            b'[' => self.open(after, false, document),
            b'-' | b'0'..=b'9' => {
                self.kept.start(self.keep::<D>());
                self.number(rest, NumberPart::Start, document)
            }
            b'n' => self.whole_word(after, b"ull", Value::Null, document),
            b't' => self.whole_word(after, b"rue", Value::Bool, document),
            b'f' => self.whole_word(after, b"alse", Value::Bool, document),
            _ => self.refuse(),
        }
    }

    #[inline]
    fn open<'b, D: Document<Place = P>>(
        &mut self,
        after: &'b [u8],
        object: bool,
        document: &mut D,
    ) -> &'b [u8] {
        self.report(document, if object { Value::Object } else { Value::Array });
        if self.depth == EXACT_DEPTH {
            self.depth += 1;
            return self.then(State::Deep, after);
        }
        if let Some(place) = self.places.get_mut(self.depth as usize) {
            *place = self.here;
        }
        self.depth += 1;
        self.objects = self.objects << 1 | u128::from(object);
        if object {
            return self.then(State::FirstKey, after);
        }
        self.here = self.element::<D>();
        self.then(State::FirstElement, after)
    }

    #[inline]
    fn close<'b, D: Document<Place = P>>(
        &mut self,
        after: &'b [u8],
        object: bool,
        document: &mut D,
    ) -> &'b [u8] {
        if self.in_object() != object {
            return self.refuse();
        }
        self.here = self.container::<D>();
        self.report(document, Value::Closed);
        self.objects >>= 1;
        self.depth -= 1;
        self.ended::<D>(after)
    }

    #[inline]
    fn comma<'b, D: Document<Place = P>>(&mut self, after: &'b [u8]) -> &'b [u8] {
        if self.in_object() {
            return self.then(State::Key, after);
        }
        self.here = self.element::<D>();
        self.then(State::Value, after)
    }

    /// A value has ended, at whatever level. Most often a comma follows at once.
    #[inline]
    fn ended<'b, D: Document<Place = P>>(&mut self, after: &'b [u8]) -> &'b [u8] {
        if self.depth == 0 {
            return self.then(State::Whole, after);
        }
        match after {
            [b',', after @ ..] => self.comma::<D>(after),
            _ => self.then(State::After, after),
        }
    }

    /// A text begins. Most end in the same piece, without an escape, and are not copied.
    ///
    /// Inlined whatever the compiler thinks: this is where the time goes, and it saves a tenth of it.
    #[inline(always)]
    fn text<'b, D: Document<Place = P>>(&mut self, after: &'b [u8], key: bool, document: &mut D) -> &'b [u8] {
        let keep = if key { text::CAPACITY } else { self.keep::<D>() };
        let (text, rest) = after.split_at_checked(plain_run(after)).unwrap_or((after, &[]));
        if let [b'"', after @ ..] = rest {
            let text = text.get(..keep).unwrap_or(text);
            if !key {
                self.report(document, Value::Text(text));
                return self.ended::<D>(after);
            }
            self.here = Self::member(self.container::<D>(), text, document);
            return self.key_ended(after);
        }
        self.in_key = key;
        self.kept.start(keep);
        self.state = State::Text;
        self.text_after(text, rest, document)
    }

    fn more_text<'b, D: Document<Place = P>>(&mut self, rest: &'b [u8], document: &mut D) -> &'b [u8] {
        let (plain, rest) = rest.split_at_checked(plain_run(rest)).unwrap_or((rest, &[]));
        self.text_after(plain, rest, document)
    }

    /// A text goes on after some of it that is plain. Escapes of one letter are read here, because long texts are full of
    /// line ends and quotes.
    #[inline(never)]
    fn text_after<'b, D: Document<Place = P>>(
        &mut self,
        mut plain: &'b [u8],
        mut rest: &'b [u8],
        document: &mut D,
    ) -> &'b [u8] {
        self.kept.push(plain);
        while let [b'\\', letter, after @ ..] = rest
            && let Some(decoded) = text::escaped(*letter)
        {
            (plain, rest) = after.split_at_checked(plain_run(after)).unwrap_or((after, &[]));
            self.kept.push(&[decoded]);
            self.kept.push(plain);
        }
        match rest {
            [] => rest,
            [b'"', after @ ..] => {
                if !self.in_key {
                    self.report(document, Value::Text(self.kept.bytes()));
                    return self.ended::<D>(after);
                }
                let object = self.container::<D>();
                self.here = Self::member(object, self.kept.bytes(), document);
                self.key_ended(after)
            }
            [b'\\', after @ ..] => self.then(State::Escape, after),
            // A control character.
            [_, ..] => self.refuse(),
        }
    }

    #[inline]
    fn key_ended<'b>(&mut self, after: &'b [u8]) -> &'b [u8] {
        match after {
            [b':', after @ ..] => self.then(State::Value, after),
            _ => self.then(State::Colon, after),
        }
    }

    fn escape<'b>(&mut self, byte: u8, after: &'b [u8]) -> &'b [u8] {
        match text::escaped(byte) {
            Some(decoded) => {
                self.kept.push(&[decoded]);
                self.then(State::Text, after)
            }
            None if byte == b'u' => self.then(State::Hex(4, 0), after),
            None => self.refuse(),
        }
    }

    fn hex<'b>(&mut self, left: u8, code: u16, byte: u8, after: &'b [u8]) -> &'b [u8] {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            _ => return self.refuse(),
        };
        let code = code << 4 | u16::from(digit);
        if left > 1 {
            return self.then(State::Hex(left - 1, code), after);
        }
        self.kept.push_code(code);
        self.then(State::Text, after)
    }

    /// A number begins or goes on. What ends it is not part of it.
    #[inline]
    fn number<'b, D: Document<Place = P>>(
        &mut self,
        rest: &'b [u8],
        part: NumberPart,
        document: &mut D,
    ) -> &'b [u8] {
        let (len, part) = number::run(rest, part);
        let (digits, after) = rest.split_at_checked(len).unwrap_or((rest, &[]));
        if self.here != D::NOWHERE {
            self.kept.push(digits);
        }
        if after.is_empty() {
            return self.then(State::Number(part), after);
        }
        if !part.may_end() {
            return self.refuse();
        }
        if self.here != D::NOWHERE {
            document.value(self.here, Value::Number(self.kept.bytes()));
        }
        self.ended::<D>(after)
    }

    #[inline]
    fn whole_word<'b, D: Document<Place = P>>(
        &mut self,
        after: &'b [u8],
        word: &'static [u8],
        value: Value<'_>,
        document: &mut D,
    ) -> &'b [u8] {
        match after.strip_prefix(word) {
            Some(after) => {
                self.report(document, value);
                self.ended::<D>(after)
            }
            None => {
                self.word = word;
                self.then(State::Word, after)
            }
        }
    }

    fn word<'b, D: Document<Place = P>>(&mut self, byte: u8, after: &'b [u8], document: &mut D) -> &'b [u8] {
        match self.word {
            [last] if *last == byte => {
                // Only one of the three words ends like this.
                self.report(document, if byte == b'l' { Value::Null } else { Value::Bool });
                self.ended::<D>(after)
            }
            [next, left @ ..] if *next == byte => {
                self.word = left;
                after
            }
            _ => self.refuse(),
        }
    }

    /// Where only brackets outside of texts count.
    fn deep<'b>(&mut self, byte: u8, after: &'b [u8]) -> &'b [u8] {
        let state = match (self.state, byte) {
            (State::DeepText, b'\\') => State::DeepEscape,
            (State::DeepText, b'"') => State::Deep,
            (State::DeepText | State::DeepEscape, _) | (_, b'"') => State::DeepText,
            (_, b'{' | b'[') if self.depth == MAX_DEPTH => return self.refuse(),
            (_, b'{' | b'[') => {
                self.depth += 1;
                State::Deep
            }
            (_, b'}' | b']') => {
                self.depth -= 1;
                if self.depth == EXACT_DEPTH { State::After } else { State::Deep }
            }
            _ => State::Deep,
        };
        self.then(state, after)
    }

    #[inline]
    fn then<'b>(&mut self, state: State, after: &'b [u8]) -> &'b [u8] {
        self.state = state;
        after
    }

    #[cold]
    fn refuse<'b>(&mut self) -> &'b [u8] {
        self.state = State::Malformed;
        &[]
    }

    #[inline]
    fn report<D: Document<Place = P>>(&self, document: &mut D, value: Value<'_>) {
        if self.here != D::NOWHERE {
            document.value(self.here, value);
        }
    }

    #[inline]
    fn keep<D: Document<Place = P>>(&self) -> usize {
        if self.here == D::NOWHERE { 0 } else { D::keep(self.here) }
    }

    #[inline]
    fn in_object(&self) -> bool {
        self.objects & 1 == 1
    }

    /// The place of the innermost container.
    #[inline]
    fn container<D: Document<Place = P>>(&self) -> P {
        let level = (self.depth as usize).wrapping_sub(1);
        self.places.get(level).copied().unwrap_or(D::NOWHERE)
    }

    #[inline]
    fn member<D: Document<Place = P>>(object: P, key: &[u8], document: &mut D) -> P {
        if object == D::NOWHERE { object } else { document.member(object, key) }
    }

    /// The place of the innermost array's elements.
    #[inline]
    fn element<D: Document<Place = P>>(&self) -> P {
        let array = self.container::<D>();
        if array == D::NOWHERE { array } else { D::element(array) }
    }
}

#[cfg(test)]
mod tests;
