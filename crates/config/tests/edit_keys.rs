//! Keys are rotated and revoked: comments stay with what they are about, and nothing else moves.

#![expect(clippy::unwrap_used, reason = "helpers of tests are not seen as tests")]

use std::path::Path;

use config::edit::{EditedKeys, KeyEdit, KeyEditError, edit_keys};
use config::{Source, list_tenants};
use jiff::Timestamp;
use jiff::civil::{Date, date};

const TODAY: Date = date(2026, 11, 21);
const NEW: [u8; 32] = [0xab; 32];
const A: &str = "aaaaaaaa00000000000000000000000000000000000000000000000000000000";
const B: &str = "bbbbbbbb00000000000000000000000000000000000000000000000000000000";
const C: &str = "cccccccc00000000000000000000000000000000000000000000000000000000";

fn source(text: &str) -> Source<'_> {
    Source { path: Path::new("tenants.toml"), text }
}

fn rotate(text: &str, name: Option<&str>) -> Result<EditedKeys, KeyEditError> {
    let others_end: Timestamp = "2026-11-22T09:00:00Z".parse().unwrap();
    let edit = KeyEdit::Rotate { sha256: NEW, name: name.map(str::to_owned), others_end };
    edit_keys(source(text), "acme", &edit, TODAY)
}

fn revoke(text: &str, key: Option<&str>) -> Result<EditedKeys, KeyEditError> {
    edit_keys(source(text), "acme", &KeyEdit::Revoke { key: key.map(str::to_owned) }, TODAY)
}

fn before() -> String {
    format!(
        "\
# who may call
version = \"2026-11-20.3\"   # raised by hand

[tenants.acme] # the first
# changed twice a year
key_sha256 = [
  # laptop of kim
  \"{A}\", # until Friday
  # build server
  \"{B}\",
  # no more than two
]
requests_per_minute = 600

# not from here
[[tenants.acme.keys]] # made by hand
sha256 = \"{C}\"
name = \"ci\" # the runner's
expires_at = 2026-12-31T00:00:00+01:00 # as the contract

# somebody else
[tenants.globex]
key_sha256 = []

# keep this at the end
# end 2026-11-20.3
"
    )
}

#[test]
fn every_key_gets_an_end_and_keeps_its_comments() {
    let new = "ab".repeat(32);
    let after = format!(
        "\
# who may call
version = \"2026-11-21.1\"   # raised by hand

[tenants.acme] # the first
# changed twice a year
key_sha256 = [
  # no more than two
]
requests_per_minute = 600

# not from here
[[tenants.acme.keys]] # made by hand
sha256 = \"{C}\"
name = \"ci\" # the runner's
expires_at = 2026-11-22T09:00:00Z # as the contract

# laptop of kim
# until Friday
[[tenants.acme.keys]]
sha256 = \"{A}\"
expires_at = 2026-11-22T09:00:00Z

# build server
[[tenants.acme.keys]]
sha256 = \"{B}\"
expires_at = 2026-11-22T09:00:00Z

[[tenants.acme.keys]]
sha256 = \"{new}\"
name = \"2026-11-21\"

# somebody else
[tenants.globex]
key_sha256 = []

# keep this at the end
# end 2026-11-21.1
"
    );
    let edited = rotate(&before(), None).unwrap();
    assert_eq!(edited.text, after);
    assert_eq!((edited.touched.len(), edited.version.as_str()), (3, "2026-11-21.1"));
    // Once more on the same day: the ends that are there stay, to the byte.
    let again = edit_keys(
        source(&after),
        "acme",
        &KeyEdit::Rotate {
            sha256: [0xcd; 32],
            name: None,
            others_end: "2026-11-23T00:00:00Z".parse().unwrap(),
        },
        TODAY,
    );
    let again = again.unwrap();
    assert_eq!(again.touched.len(), 1);
    assert!(again.text.contains("name = \"2026-11-21.2\"\n"), "{}", again.text);
    assert!(again.text.contains("2026-11-22T09:00:00Z # as the contract"), "{}", again.text);
    assert!(
        again.text.contains("name = \"2026-11-21\"\nexpires_at = 2026-11-23T00:00:00Z\n"),
        "{}",
        again.text
    );
}

#[test]
fn one_key_is_removed_by_its_name_or_by_its_hash() {
    let without_c = revoke(&before(), Some("ci")).unwrap();
    assert!(
        !without_c.text.contains(C) && !without_c.text.contains("[[tenants.acme.keys]]"),
        "{}",
        without_c.text
    );
    assert!(without_c.text.contains("# build server"), "{}", without_c.text);
    let without_a = revoke(&before(), Some("aaaaaaaa")).unwrap().text;
    let list = format!("key_sha256 = [\n  # build server\n  \"{B}\",\n  # no more than two\n]\n");
    assert!(without_a.contains(&list), "{without_a}");
    let without_b = revoke(&before(), Some("BBBBBBBB00")).unwrap().text;
    let list =
        format!("key_sha256 = [\n  # laptop of kim\n  \"{A}\", # until Friday\n  # no more than two\n]\n");
    assert!(without_b.contains(&list), "{without_b}");
    assert!(without_b.ends_with("# end 2026-11-21.1\n"));
}

#[test]
fn all_keys_are_removed_and_the_tenant_stays() {
    let none = revoke(&before(), None).unwrap();
    assert_eq!((none.touched.len(), none.tenant.keys.len()), (3, 0));
    let listed = list_tenants(source(&none.text)).unwrap();
    assert_eq!(listed.len(), 2);
    assert!(matches!(revoke(&none.text, None), Err(KeyEditError::NothingToDo(_))));
}

#[test]
fn other_layouts_can_be_edited() {
    let layouts = [
        format!("tenants = {{ acme = {{ key_sha256 = [\"{A}\", \"{B}\"] }} }}\nversion = \"1\"\n# end 1\n"),
        format!("tenants.acme.key_sha256 = [\"{A}\", \"{B}\"]\nversion = \"1\"\n# end 1\n"),
        format!(
            "tenants.acme = {{ keys = [{{ sha256 = \"{A}\" }}, {{ sha256 = \"{B}\" }}] }}\nversion = \"1\"\n# end 1\n"
        ),
        format!(
            "version = \"1\"\n[tenants]\nacme = {{ key_sha256 = [\"{A}\"], keys = [{{ sha256 = \"{B}\" }}] }}\n# end 1\n"
        ),
        format!("version = \"1\"\n[tenants]\nacme.key_sha256 = [\"{A}\", \"{B}\"]\n# end 1\n"),
        format!("version = \"1\"\n[tenants]\n[tenants.acme]\nkey_sha256 = [\n\"{A}\",\n\"{B}\"]\n# end 1\n"),
        format!(
            "version = \"1\"\n[[tenants.acme.keys]]\nsha256 = \"{A}\"\n[[tenants.acme.keys]]\nsha256 = \"{B}\"\n# end 1\n"
        ),
        format!(
            "version = \"1\"\n[tenants.acme]\nkeys = [\n  {{ sha256 = \"{A}\" }}, # one\n  {{ sha256 = \"{B}\" }},\n]\n# end 1\n"
        ),
        format!(
            "version = \"1\"\n[tenants.zoe]\nkey_sha256 = []\n[tenants.acme]\nkey_sha256 = [\"{A}\",\"{B}\"]\n[tenants.bob]\nkey_sha256 = []\n# end 1\n"
        ),
    ];
    for layout in layouts {
        let rotated = rotate(&layout, Some("new")).unwrap_or_else(|error| panic!("{layout}\n{error}"));
        assert_eq!((rotated.touched.len(), rotated.tenant.keys.len()), (2, 3), "{}", rotated.text);
        let one = revoke(&rotated.text, Some("aaaaaaaa")).unwrap_or_else(|error| panic!("{layout}\n{error}"));
        assert_eq!(one.tenant.keys.len(), 2, "{}", one.text);
        let none = revoke(&one.text, None).unwrap_or_else(|error| panic!("{}\n{error}", one.text));
        let listed = list_tenants(source(&none.text)).unwrap();
        assert!(listed.iter().any(|tenant| tenant.name == "acme" && tenant.keys.is_empty()), "{}", none.text);
        let direct = revoke(&layout, None).unwrap_or_else(|error| panic!("{layout}\n{error}"));
        assert_eq!(direct.tenant.keys.len(), 0);
    }
}

#[test]
fn what_makes_no_sense_is_refused_with_a_reason() {
    let said = |edited: Result<EditedKeys, KeyEditError>| edited.unwrap_err().to_string();
    let text = before();
    let typo = edit_keys(source(&text), "acmee", &KeyEdit::Revoke { key: None }, TODAY);
    assert_eq!(said(typo), "there is no tenant `acmee`\n  help: did you mean `acme`?");
    assert!(said(revoke(&text, Some("aaaaaaa"))).starts_with("tenant `acme` has no key `aaaaaaa`\n  help: "));
    assert!(said(revoke(&text, Some("dddddddd"))).starts_with("tenant `acme` has no key"));
    assert_eq!(said(rotate(&text, Some("ci"))), "tenant `acme` has a key `ci` already");
    assert!(said(rotate(&text, Some("my key"))).starts_with("`my key` cannot be a key's name: "));
    let twins = text.replace(B, &A.replace("aaaaaaaa0", "aaaaaaaa1"));
    assert!(said(revoke(&twins, Some("aaaaaaaa"))).starts_with("more than one key of tenant `acme`"));
    assert!(said(rotate("version = 1\n", None)).contains("E0203"));
}
