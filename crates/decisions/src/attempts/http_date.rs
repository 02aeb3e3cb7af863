//! Dates of HTTP headers.
