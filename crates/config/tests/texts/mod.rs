//! Pieces of small files, to be put together by `concat!`.

/// `[providers.NAME]` for each, with a base URL and a credential of ours.
macro_rules! providers {
    ($($name:literal: $host:literal, $variable:literal;)*) => {
        concat!($(
            "[providers.", $name, "]\nbase_url = \"https://", $host, "/v1\"\n",
            "credential = { env = \"", $variable, "\" }\n",
        )*)
    };
}

/// The beginning of a `tenants.toml`: each tenant without a key, and with what else is said of it.
macro_rules! tenants {
    ($($name:literal $(: $line:literal)?;)*) => {
        concat!(
            "version = \"1\"\n",
            $("[tenants.", $name, "]\nkey_sha256 = []\n", $($line, "\n",)?)*
        )
    };
}
