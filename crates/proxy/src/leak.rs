//! Leaks on purpose: a test that finds none has to be shown to find them. With the feature `leaky`, which only a test
//! build may have, the variable `COMETGATE_LEAK` takes one protection away; without the feature nothing of this is left.

#[cfg(all(feature = "leaky", not(debug_assertions)))]
compile_error!("`leaky` takes protections away, for a test; it is not for builds that are used");

/// A protection that can be taken away.
#[derive(Clone, Copy)]
pub(crate) enum Leak {
    /// Headers of answers that show a credential are taken out.
    Headers,
    /// Credentials in the bodies of errors are covered.
    Errors,
    /// Credentials in errors within event streams are covered.
    Events,
    /// No key is logged.
    Log,
}

/// Whether it is taken away.
#[cfg(feature = "leaky")]
pub(crate) fn leaks(what: Leak) -> bool {
    let name = match what {
        Leak::Headers => "headers",
        Leak::Errors => "errors",
        Leak::Events => "events",
        Leak::Log => "log",
    };
    std::env::var_os("COMETGATE_LEAK").is_some_and(|wanted| wanted == name)
}

/// Whether it is taken away: never.
#[cfg(not(feature = "leaky"))]
pub(crate) const fn leaks(_: Leak) -> bool {
    false
}
