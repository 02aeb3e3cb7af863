//! What an answer cost, by a table that the operator supplies. Whole numbers throughout, so that sums of many small
//! amounts are exact.
//!
//! Whose money it is, is nobody's business here: the operator counts in one currency.

use std::fmt;

/// Billionths of the operator's money.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cost(pub u64);

impl fmt::Display for Cost {
    /// As a decimal number without zeros at its end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 1_000_000_000, self.0 % 1_000_000_000);
        if rest == 0 {
            return write!(f, "{whole}");
        }
        let decimals = format!("{rest:09}");
        write!(f, "{whole}.{}", decimals.trim_end_matches('0'))
    }
}

/// What tokens of one model cost at one provider: millionths of the operator's money for a million tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Price {
    /// Of input.
    pub input: u64,
    /// Of input that the provider has read from a cache.
    pub cached_input: u64,
    /// Of output, reasoning included.
    pub output: u64,
}

impl Price {
    /// What so many tokens cost; `cached` is a part of `input`.
    #[must_use]
    pub fn of(&self, input: u64, cached: u64, output: u64) -> Cost {
        let cached = cached.min(input);
        let parts = [(input - cached, self.input), (cached, self.cached_input), (output, self.output)];
        // A millionth for a million tokens is a thousandth of a billionth for one.
        let sum: u128 = parts.iter().map(|(tokens, price)| u128::from(*tokens) * u128::from(*price)).sum();
        Cost(u64::try_from(sum / 1_000).unwrap_or(u64::MAX))
    }
}

/// The prices of a provider's models.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prices(Vec<(String, Price)>);

impl Prices {
    /// By model ID, each once, in whatever order.
    #[must_use]
    pub fn new(mut prices: Vec<(String, Price)>) -> Prices {
        prices.sort_by(|(a, _), (b, _)| a.cmp(b));
        Prices(prices)
    }

    /// That of a model; `None` where the table has none.
    #[must_use]
    pub fn of(&self, model_id: &str) -> Option<Price> {
        let found = self.0.binary_search_by(|(id, _)| id.as_str().cmp(model_id)).ok()?;
        self.0.get(found).map(|(_, price)| *price)
    }

    /// All of them, in the order of their models' IDs.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Price)> {
        self.0.iter().map(|(id, price)| (id.as_str(), *price))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_costs_what_its_tokens_do() {
        // 2.50, 0.25 and 10 for a million.
        let price = Price { input: 2_500_000, cached_input: 250_000, output: 10_000_000 };
        let cases = [
            ((0, 0, 0), 0),
            ((1, 0, 0), 2_500),
            ((1_000, 400, 100), 600 * 2_500 + 400 * 250 + 100 * 10_000),
            ((1_000_000, 0, 1_000_000), 12_500_000_000),
            // What a provider says is never more than there is.
            ((10, 50, 0), 10 * 250),
            ((u64::MAX, 0, u64::MAX), u64::MAX),
        ];
        for ((input, cached, output), billionths) in cases {
            assert_eq!(price.of(input, cached, output), Cost(billionths), "{input} {cached} {output}");
        }
        let cheap = Price { input: 1, cached_input: 1, output: 1 };
        assert_eq!(cheap.of(999, 0, 0), Cost(0), "less than can be said is nothing");
    }

    #[test]
    fn money_is_shown_as_a_decimal_number() {
        for (billionths, shown) in [
            (0, "0"),
            (1, "0.000000001"),
            (2_500_000_000, "2.5"),
            (1_000_000_000, "1"),
            (1_050_000_000, "1.05"),
        ] {
            assert_eq!(Cost(billionths).to_string(), shown);
        }
    }

    #[test]
    fn a_price_is_found_by_the_exact_id() {
        let price = |input| Price { input, cached_input: 0, output: 0 };
        let prices = Prices::new(vec![("b".to_owned(), price(2)), ("a".to_owned(), price(1))]);
        assert_eq!(prices.of("a"), Some(price(1)));
        assert_eq!(prices.of("b"), Some(price(2)));
        assert_eq!((prices.of("A"), prices.of("")), (None, None));
    }
}
