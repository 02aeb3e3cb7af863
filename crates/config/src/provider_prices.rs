//! `prices` of a provider: what tokens of its models cost.

use decisions::price::{Price, Prices};

use crate::code::Code;
use crate::document::Document;
use crate::fields::Fields;
use crate::names::{EXACT_RULE, is_exact_text, quote};

/// What a million tokens may cost, in whole money.
pub(crate) const MOST_OF_A_PRICE: u64 = 1_000_000;

/// The table as it was written; what is wrong with an entry is reported.
pub(crate) fn read_prices(document: &Document<'_>, fields: &mut Fields<'_, '_>) -> Prices {
    let entries = fields.entries("prices", "the price of");
    let prices = entries.into_iter().filter_map(|(model, mut fields)| {
        if !is_exact_text(&model.text) {
            let message = format!("{} is not a model ID: {EXACT_RULE}", quote(&model.text));
            document.problem(Code::NotExactText, model.at, message);
        }
        let [input, output] = ["input", "output"].map(|name| {
            fields.required(name)?;
            fields.millionths(name, MOST_OF_A_PRICE)
        });
        let cached_input = fields.millionths("cached_input", MOST_OF_A_PRICE).or(input);
        fields.finish();
        Some((model.text, Price { input: input?, cached_input: cached_input?, output: output? }))
    });
    Prices::new(prices.collect())
}
