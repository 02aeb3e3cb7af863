//! Edits: the text around them stays as the operator wrote it.

use std::path::Path;

use config::{Problems, Source, edit};
use jiff::civil::{Date, date};

const TODAY: Date = date(2026, 11, 21);
const KEY: [u8; 32] = [0xab; 32];

fn add(text: &str, name: &str) -> Result<String, Problems> {
    edit::add_tenant(Source { path: Path::new("tenants.toml"), text }, name, &KEY, TODAY)
}

#[test]
fn a_tenant_is_added_and_nothing_else_moves() {
    let before = "\
# who may call
version = \"2026-11-20.3\"   # raised by hand

[tenants.acme] # the first
key_sha256 = [
  # laptop
  \"0000000000000000000000000000000000000000000000000000000000000000\",
]

# keep this at the end
# end 2026-11-20.3
";
    let after = "\
# who may call
version = \"2026-11-21.1\"   # raised by hand

[tenants.acme] # the first
key_sha256 = [
  # laptop
  \"0000000000000000000000000000000000000000000000000000000000000000\",
]

[tenants.globex]
key_sha256 = [\"abababababababababababababababababababababababababababababababab\"]

# keep this at the end
# end 2026-11-21.1
";
    assert_eq!(add(before, "globex").unwrap(), after);
}

#[test]
fn the_shipped_file_and_an_empty_one_can_be_added_to() {
    let shipped = include_str!("../../../config/tenants.toml");
    assert!(add(shipped, "hooli").unwrap().ends_with("# end 2026-11-21.4\n"));
    assert!(add("version = \"a\"\n# end a\n", "b").unwrap().ends_with("]\n# end a.1\n"));
}

#[test]
fn other_layouts_can_be_added_to() {
    let layouts = [
        "tenants = { acme = { key_sha256 = [] } }\nversion = \"1\"\n# end 1\n",
        "tenants.acme.key_sha256 = []\nversion = \"1\"\n# end 1\n",
        "tenants.acme = { key_sha256 = [] }\nversion = \"1\"\n# end 1\n",
        "version = \"1\"\n[tenants]\nacme = { key_sha256 = [] }\n# end 1\n",
        "version = \"1\"\n[tenants]\n[tenants.acme]\nkey_sha256 = []\n# end 1\n",
    ];
    for layout in layouts {
        let added = add(layout, "new").unwrap_or_else(|problems| panic!("{layout}\n{problems}"));
        assert!(added.contains("acme") && added.contains("new") && added.ends_with("# end 1.1\n"), "{added}");
        // And again, to see that what was written is as good as what was read.
        assert!(add(&added, "acme").unwrap_err().to_string().contains("there is a tenant `acme` already"));
        assert!(add(&added, "third").unwrap_err().to_string().contains("tenant `new` has this key already"));
    }
}

#[test]
fn a_taken_or_impossible_name_and_a_broken_file_are_refused() {
    let text = "version = \"1\"\n[tenants.acme]\nkey_sha256 = []\n# end 1\n";
    let said = |text: &str, name: &str| add(text, name).unwrap_err().to_string();
    let taken = said(text, "acme");
    assert!(taken.starts_with("error[E0411]: there is a tenant `acme` already"), "{taken}");
    assert!(taken.contains("--> tenants.toml:2:10"), "{taken}");
    assert!(said(text, "a b").contains("cannot be a tenant's name"));
    assert!(said(&text.replace("# end 1\n", ""), "new").contains("half-written"));
}
