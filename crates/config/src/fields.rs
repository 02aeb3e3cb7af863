//! Takes the fields out of a TOML table one by one, and reports the ones that are wrong, missing or unknown.
//!
//! It stands where serde's derive would: serde stops at the first error of a file and repeats values in its messages,
//! and an operator who pasted a key into the wrong field must not find it in a log.

use std::ops::RangeInclusive;
use std::time::Duration;

use jiff::Timestamp;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::code::Code;
use crate::document::{Document, Named};
use crate::map_file::Date;
use crate::names::{closest, quote};

/// A value with its place.
pub(crate) type Value<'t> = Spanned<DeValue<'t>>;

/// A table of which fields are taken. [`Fields::finish`] reports what nobody asked for.
#[derive(Debug)]
pub(crate) struct Fields<'d, 't> {
    document: &'d Document<'t>,
    table: &'d DeTable<'t>,
    at: usize,
    /// What the table is, as in "route `x`"; for messages.
    title: String,
    known: Vec<&'static str>,
}

impl<'d, 't> Fields<'d, 't> {
    pub(crate) fn new(
        document: &'d Document<'t>,
        table: &'d DeTable<'t>,
        at: usize,
        title: impl Into<String>,
    ) -> Fields<'d, 't> {
        Fields { document, table, at, title: title.into(), known: Vec::new() }
    }

    /// Where the table begins.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Calls the table by what is known of it by now.
    pub(crate) fn set_title(&mut self, title: String) {
        self.title = title;
    }

    /// A field of any type.
    pub(crate) fn value(&mut self, name: &'static str) -> Option<&'d Value<'t>> {
        self.learn(name);
        self.table.get(name)
    }

    /// A field of any type that must be there.
    pub(crate) fn required(&mut self, name: &'static str) -> Option<&'d Value<'t>> {
        let value = self.value(name);
        if value.is_none() {
            self.document.problem(Code::MissingField, self.at, format!("{} has no `{name}`", self.title));
        }
        value
    }

    /// A string.
    pub(crate) fn text(&mut self, name: &'static str) -> Option<Named> {
        let value = self.value(name)?;
        self.as_text(name, value)
    }

    /// A string that must be there.
    pub(crate) fn required_text(&mut self, name: &'static str) -> Option<Named> {
        let value = self.required(name)?;
        self.as_text(name, value)
    }

    /// A string that is easily taken for something else; `help` says how it is written.
    pub(crate) fn text_as(&mut self, name: &'static str, help: &str) -> Option<Named> {
        let value = self.value(name)?;
        if let DeValue::String(_) = value.get_ref() {
            return self.as_text(name, value);
        }
        let message = format!("`{name}` must be a string, not {}", describe(value.get_ref()));
        self.document.problem_with_help(Code::WrongType, value.span().start, message, help);
        None
    }

    /// A string that obeys a rule.
    pub(crate) fn checked_text(
        &mut self,
        name: &'static str,
        is_valid: impl Fn(&str) -> bool,
        (code, rule): (Code, &str),
    ) -> Option<Named> {
        let text = self.text(name)?;
        if is_valid(&text.text) {
            return Some(text);
        }
        self.document.problem(
            code,
            text.at,
            format!("{} is not a valid `{name}`: {rule}", quote(&text.text)),
        );
        None
    }

    /// One of a few words.
    pub(crate) fn choice<T: Copy>(&mut self, name: &'static str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text(name)?;
        let found = choices.iter().find(|(word, _)| *word == text.text).map(|(_, choice)| *choice);
        if found.is_none() {
            let message = format!("`{name}` cannot be {}", quote(&text.text));
            self.document.unknown(
                Code::NotAChoice,
                text.at,
                message,
                &text.text,
                choices.iter().map(|(word, _)| *word),
            );
        }
        found
    }

    /// Yes or no.
    pub(crate) fn flag(&mut self, name: &'static str) -> Option<bool> {
        let value = self.value(name)?;
        if let DeValue::Boolean(flag) = value.get_ref() {
            return Some(*flag);
        }
        self.wrong_type(name, value, "true or false");
        None
    }

    /// Where a field's value stands, if it is there.
    pub(crate) fn position(&mut self, name: &'static str) -> Option<usize> {
        self.value(name).map(|value| value.span().start)
    }

    /// An integer within a range.
    pub(crate) fn integer(&mut self, name: &'static str, range: RangeInclusive<u64>, default: u64) -> u64 {
        let Some(value) = self.value(name) else { return default };
        let DeValue::Integer(integer) = value.get_ref() else {
            self.wrong_type(name, value, "an integer");
            return default;
        };
        match u64::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(number) if range.contains(&number) => number,
            _ => {
                let message = format!("`{name}` must be from {} to {}", range.start(), range.end());
                self.document.problem(Code::OutOfRange, value.span().start, message);
                default
            }
        }
    }

    /// A number that is not negative, in millionths; with more decimals than that it is refused.
    pub(crate) fn millionths(&mut self, name: &'static str, most: u64) -> Option<u64> {
        let value = self.value(name)?;
        let written = match value.get_ref() {
            DeValue::Integer(integer) if integer.radix() == 10 => integer.as_str(),
            DeValue::Float(float) => float.as_str(),
            _ => {
                self.wrong_type(name, value, "a number");
                return None;
            }
        };
        let read = millionths(written).filter(|read| *read <= most * 1_000_000);
        if read.is_none() {
            let message = format!("`{name}` must be from 0 to {most}, with six decimals at the most");
            self.document.problem(Code::OutOfRange, value.span().start, message);
        }
        read
    }

    /// A duration in milliseconds.
    pub(crate) fn millis(
        &mut self,
        name: &'static str,
        range: RangeInclusive<u64>,
        default: u64,
    ) -> Duration {
        Duration::from_millis(self.integer(name, range, default))
    }

    /// A point in time.
    pub(crate) fn date(&mut self, name: &'static str) -> Option<Date> {
        let value = self.value(name)?;
        let DeValue::Datetime(written) = value.get_ref() else {
            let message = format!("`{name}` must be a date with a time, not {}", describe(value.get_ref()));
            let help = "as in 2026-12-31T00:00:00Z, without quotes";
            self.document.problem_with_help(Code::WrongType, value.span().start, message, help);
            return None;
        };
        let at = value.span().start;
        match written.to_string().parse::<Timestamp>() {
            Ok(time) => Some(Date { time, at }),
            Err(_) => {
                let message = format!("`{name}` must be a date with a time and an offset");
                self.document.problem_with_help(Code::BadDate, at, message, "as in 2026-12-31T00:00:00Z");
                None
            }
        }
    }

    /// A list of strings.
    pub(crate) fn texts(&mut self, name: &'static str) -> Option<Vec<Named>> {
        let value = self.value(name)?;
        self.as_texts(name, value)
    }

    /// What a value holds that must be a list of strings; `name` is the field's.
    pub(crate) fn as_texts(&self, name: &str, value: &Value<'_>) -> Option<Vec<Named>> {
        let DeValue::Array(array) = value.get_ref() else {
            self.wrong_type(name, value, "a list of strings");
            return None;
        };
        let text = |item: &Value<'_>| {
            if let DeValue::String(text) = item.get_ref() {
                return Some(Named { text: text.clone().into_owned(), at: item.span().start });
            }
            let message = format!("`{name}` is a list of strings, and this is {}", describe(item.get_ref()));
            self.document.problem(Code::WrongType, item.span().start, message);
            None
        };
        Some(array.iter().filter_map(text).collect())
    }

    /// A table inside this one.
    pub(crate) fn table(&mut self, name: &'static str) -> Option<Fields<'d, 't>> {
        let (key, value) = self.table.get_key_value(name).unzip();
        let at = key.map_or(self.at, |key| key.span().start);
        self.learn(name);
        let title = format!("`{name}` of {}", self.title);
        self.as_table(name, value?, at, title)
    }

    /// The entries of a table of tables, `[providers.openai]`, in the file's order.
    pub(crate) fn entries(&mut self, name: &'static str, kind: &str) -> Vec<(Named, Fields<'d, 't>)> {
        let Some(value) = self.value(name) else { return Vec::new() };
        let DeValue::Table(table) = value.get_ref() else {
            self.wrong_type(name, value, "a table");
            return Vec::new();
        };
        named_values(table)
            .filter_map(|(key, value)| {
                let title = format!("{kind} {}", quote(&key.text));
                let fields = self.as_table(name, value, key.at, title)?;
                Some((key, fields))
            })
            .collect()
    }

    /// The items of a list of tables, each headed as `[[routes]]`.
    pub(crate) fn items(&mut self, name: &'static str, kind: &str, heading: &str) -> Vec<Fields<'d, 't>> {
        let Some(value) = self.value(name) else { return Vec::new() };
        let DeValue::Array(array) = value.get_ref() else {
            self.wrong_type(name, value, &format!("a list of tables, each headed `{heading}`"));
            return Vec::new();
        };
        array
            .iter()
            .filter_map(|item| self.as_table(name, item, item.span().start, format!("a {kind}")))
            .collect()
    }

    /// Reports a value of another type than it should have; never the value itself.
    pub(crate) fn wrong_type(&self, name: &str, value: &Value<'_>, expected: &str) {
        let message = format!("`{name}` must be {expected}, not {}", describe(value.get_ref()));
        self.document.problem(Code::WrongType, value.span().start, message);
    }

    /// Reports every field that nobody took.
    pub(crate) fn finish(self) {
        #[cfg(test)]
        LOOKED_FOR.with_borrow_mut(|tables| tables.push((self.title.clone(), self.known.clone())));
        for key in self.table.keys().filter(|key| !self.known.contains(&key.get_ref().as_ref())) {
            let message = format!("{} has no field {}", self.title, quote(key.get_ref()));
            let at = key.span().start;
            if self.document.follows_dot(at) && !self.is_known_word(key.get_ref()) {
                let help =
                    "a dot makes two tables; a name with a dot stands in quotes: [aliases.\"gpt-5.4\"]";
                self.document.problem_with_help(Code::UnknownField, at, message, help);
                continue;
            }
            self.document.unknown(Code::UnknownField, at, message, key.get_ref(), self.known.iter().copied());
        }
    }

    /// Whether a word is nearly one of the fields, so that it is a typo and no part of a name.
    fn is_known_word(&self, word: &str) -> bool {
        closest(word, self.known.iter().copied()).is_some()
    }

    fn learn(&mut self, name: &'static str) {
        if !self.known.contains(&name) {
            self.known.push(name);
        }
    }

    fn as_text(&self, name: &str, value: &Value<'_>) -> Option<Named> {
        if let DeValue::String(text) = value.get_ref() {
            return Some(Named { text: text.clone().into_owned(), at: value.span().start });
        }
        self.wrong_type(name, value, "a string");
        None
    }

    fn as_table(&self, name: &str, value: &'d Value<'t>, at: usize, title: String) -> Option<Fields<'d, 't>> {
        if let DeValue::Table(table) = value.get_ref() {
            return Some(Fields::new(self.document, table, at, title));
        }
        self.wrong_type(name, value, "a table");
        None
    }
}

/// A decimal number without sign or exponent.
fn millionths(written: &str) -> Option<u64> {
    let (whole, decimals) = written.split_once('.').unwrap_or((written, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(decimals) || decimals.len() > 6 {
        return None;
    }
    let whole: u64 = whole.parse().ok()?;
    let millionths: u64 = format!("{decimals:0<6}").parse().ok()?;
    whole.checked_mul(1_000_000)?.checked_add(millionths)
}

/// The entries of a table in the file's order; the parser sorts them by name.
pub(crate) fn named_values<'d, 't>(
    table: &'d DeTable<'t>,
) -> impl Iterator<Item = (Named, &'d Value<'t>)> + use<'d, 't> {
    let mut entries: Vec<_> = table
        .iter()
        .map(|(key, value)| {
            let key = Named { text: key.get_ref().clone().into_owned(), at: key.span().start };
            (key, value)
        })
        .collect();
    entries.sort_by_key(|(key, _)| key.at);
    entries.into_iter()
}

#[cfg(test)]
type Tables = Vec<(String, Vec<&'static str>)>;

#[cfg(test)]
thread_local! {
    static LOOKED_FOR: std::cell::RefCell<Tables> = const { std::cell::RefCell::new(Vec::new()) };
}

/// Every table that this thread finished since the last call, with the fields that the loader looked for.
#[cfg(test)]
pub(crate) fn looked_for() -> Tables {
    LOOKED_FOR.take()
}

fn describe(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

#[cfg(test)]
mod tests {
    use super::millionths;

    #[test]
    fn a_price_is_read_to_the_last_decimal_or_not_at_all() {
        for (written, read) in [
            ("0", Some(0)),
            ("12", Some(12_000_000)),
            ("2.5", Some(2_500_000)),
            ("0.000001", Some(1)),
            ("0.0000001", None),
            ("-1", None),
            ("1e3", None),
            ("inf", None),
            ("18446744073709551616", None),
            ("18446744073709551615", None),
        ] {
            assert_eq!(millionths(written), read, "{written}");
        }
    }
}
