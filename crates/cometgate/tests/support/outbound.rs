//! A strict reader of what the gateway has sent.

/// Reads what reached the provider again, strictly: one request with one length, and nothing of a hop before.
pub(crate) fn check_outbound(text: &str, name: &str) {
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let mut lines = head.split("\r\n");
    let first = lines.next().unwrap();
    assert!(first.ends_with(" HTTP/1.1") && first.split(' ').count() == 3, "{name}: {first}");
    let mut lengths = Vec::new();
    for line in lines {
        let (header, value) = line.split_once(": ").unwrap();
        assert!(
            header.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'),
            "{name}: {line:?}"
        );
        assert!(!value.contains(['\r', '\n', '\0']) && !value.contains("leak"), "{name}: {line:?}");
        if header == "content-length" {
            lengths.push(value.parse::<usize>().unwrap());
        }
        let hop = [
            "connection",
            "transfer-encoding",
            "te",
            "trailer",
            "upgrade",
            "expect",
            "keep-alive",
            "proxy-connection",
            "proxy-authorization",
            "http2-settings",
            "via",
            "cookie",
        ];
        assert!(!hop.contains(&header), "{name}: {line:?}");
    }
    assert!(lengths.len() <= 1, "{name}: {head}");
    assert_eq!(lengths.first().copied().unwrap_or(0), body.len(), "{name}: {text}");
}
