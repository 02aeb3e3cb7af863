//! Flow control: RFC 9113 sections 5.2 and 6.9. What the gateway itself does about windows is in `sending`.

use crate::support::h2::{FLOW_CONTROL_ERROR, PROTOCOL_ERROR, settings, window_update};
use crate::{Corpus, Ends, Resets, Serves, body, chat, fields, head};

pub(crate) fn cases(corpus: &mut Corpus) {
    let clause = "H 6.9";
    corpus.add(clause, "an increment of 0 for the connection", &[window_update(0, 0)], Ends(PROTOCOL_ERROR));
    corpus
        .add(
            clause,
            "an increment of 0 for a stream",
            &[head(1, &fields(&[])), window_update(1, 0)],
            Resets(1, PROTOCOL_ERROR),
        )
        .but(
            Ends(PROTOCOL_ERROR),
            "h2 treats the error of the stream as one of the connection, as section 5.4.2 lets it",
        );
    corpus.add(
        clause,
        "an increment with the reserved bit",
        &[window_update(0, 1 << 31 | 1), chat(1)],
        Serves(1),
    );
    corpus.add(
        clause,
        "an increment of the reserved bit alone",
        &[window_update(0, 1 << 31)],
        Ends(PROTOCOL_ERROR),
    );
    let clause = "H 6.9.1";
    let most = (1 << 31) - 1;
    corpus.add(
        clause,
        "the connection's window above 2^31-1",
        &[window_update(0, most)],
        Ends(FLOW_CONTROL_ERROR),
    );
    corpus.add(
        clause,
        "the connection's window up to 2^31-1",
        &[window_update(0, most - 65_535), chat(1)],
        Serves(1),
    );
    corpus.add(
        clause,
        "the connection's window beyond it by one",
        &[window_update(0, most - 65_535), window_update(0, 1)],
        Ends(FLOW_CONTROL_ERROR),
    );
    corpus.add(
        clause,
        "a stream's window above 2^31-1",
        &[head(1, &fields(&[])), window_update(1, most)],
        Resets(1, FLOW_CONTROL_ERROR),
    );
    corpus.add(
        clause,
        "a stream's window up to 2^31-1",
        &[head(1, &fields(&[])), window_update(1, most - 65_535), body(1)],
        Serves(1),
    );
    corpus.add(
        clause,
        "a stream's window beyond it in steps",
        &[head(1, &fields(&[])), window_update(1, 1 << 30), window_update(1, 1 << 30)],
        Resets(1, FLOW_CONTROL_ERROR),
    );
    let clause = "H 6.9.2";
    let grown = [head(1, &fields(&[])), window_update(1, most - 65_535), settings(&[(4, 65_536)])];
    corpus.add(
        clause,
        "a setting that takes a stream's window above 2^31-1",
        &grown,
        Ends(FLOW_CONTROL_ERROR),
    );
    let shrunk = [head(1, &fields(&[])), settings(&[(4, 0)]), settings(&[(4, 65_535)]), body(1)];
    corpus.add(clause, "a window that is taken and given back", &shrunk, Serves(1));
    let nothing = [settings(&[(4, 0)]), chat(1), window_update(1, 1), window_update(1, 1)];
    corpus.add(clause, "windows of single bytes", &nothing, Serves(1));
}
