//! The worksheets of the contract: what a probe fills in, and what waits for a person.

use evidence::Kind;
use serde_json::{Value, json};
use testkit::Reply;

use crate::support::comet::{MODEL, comet, early, is_bad_key};
use crate::support::records::recorded;
use crate::{files_for, is_models, nothing_else, run};

#[tokio::test]
async fn a_worksheet_is_filled_in_by_probes_and_by_people() {
    let provider = comet(nothing_else).await;
    let files = files_for(&provider, r#"["streaming"]"#);
    let sheet = async || {
        let (code, said, complained) = files.run(&["probe", "worksheet", "--format", "json"]).await;
        assert_eq!(code, 0, "{complained}");
        serde_json::from_str::<Value>(&said).unwrap()
    };
    let state = |sheet: &Value, worksheet: &str, item: &str| {
        let rows = sheet.as_array().unwrap();
        let row =
            rows.iter().find(|row| row["worksheet"] == worksheet && row["contract_item"] == item).unwrap();
        (row["state"].as_str().unwrap().to_owned(), row["verified_by"].clone())
    };
    let empty = sheet().await;
    assert_eq!(empty.as_array().unwrap().len(), 16);
    assert!(empty.as_array().unwrap().iter().all(|row| row["state"] == "not_verified"));
    assert_eq!(run(&files, &["--contract"]).await.0, 0);
    let filled = sheet().await;
    for (worksheet, item) in [
        ("inference", "endpoint_path"),
        ("inference", "auth_headers"),
        ("inference", "request_fields"),
        ("inference", "response_fields"),
        ("inference", "error_behavior"),
        ("models", "endpoint_path"),
        ("models", "http_method"),
        ("models", "auth_headers"),
        ("models", "request_fields"),
        ("models", "response_fields"),
        ("models", "error_behavior"),
        ("models", "model_availability"),
    ] {
        assert_eq!(
            state(&filled, worksheet, item),
            ("verified".to_owned(), json!("kim")),
            "{worksheet}.{item}"
        );
    }
    let nobody_said = [
        ("inference", "rate_limit_or_billing_assumptions"),
        ("models", "rate_limit_assumptions"),
        ("models", "billing_assumptions"),
        ("models", "logging_policy"),
    ];
    for (worksheet, item) in nobody_said {
        assert_eq!(state(&filled, worksheet, item).0, "not_verified", "{worksheet}.{item}");
    }
    let set = ["probe", "worksheet", "set"];
    let said = ["listing is free", "--source", "https://vendor.example/terms", "--by", "dana"];
    let (code, _, complained) = files.run(&[&set[..], &["billing_assumptions"], &said].concat()).await;
    assert_eq!(code, 0, "{complained}");
    assert_eq!(
        state(&sheet().await, "models", "billing_assumptions"),
        ("verified".to_owned(), json!("dana"))
    );
    let (code, _, complained) = files.run(&[&set[..], &["endpoint_path"], &said].concat()).await;
    assert!(code == 3 && complained.contains("models.endpoint_path"), "{complained}");
    assert_eq!(files.run(&[&set[..], &["weather"], &said].concat()).await.0, 3);
}

#[tokio::test]
async fn the_list_is_asked_for_where_the_map_says() {
    let list = json!({"object": "list", "data": [{"id": MODEL}]});
    let provider = comet(move |request, _| {
        let is_asked = is_models(request) || request.path().starts_with("/v1/catalog");
        is_asked.then(|| match request.path() {
            "/v1/catalog" if !is_bad_key(request) => Reply::json(200, &list),
            "/v1/catalog" => early(401, "", "Invalid token"),
            _ => Reply::bytes(404, "text/html", "<!doctype html><title>CometAPI</title>"),
        })
    })
    .await;
    let files = files_for(&provider, "[]");
    let map = std::fs::read_to_string(files.routes()).unwrap();
    let key = "credential = { env = \"CANARY_KEY\" }";
    files.write("routes.toml", &map.replace(key, &format!("{key}\npaths = {{ models = \"/catalog\" }}")));
    let (_, said, complained) = run(&files, &["--contract"]).await;
    for name in ["models_list", "models_without_credential", "models_invalid_credential"] {
        assert_eq!(crate::probe(&said, name)["result"], "works", "{name}: {said:#}\n{complained}");
    }
    let (_, sheet, _) = files.run(&["probe", "worksheet", "--format", "json"]).await;
    let sheet: Value = serde_json::from_str(&sheet).unwrap();
    let is_place = |row: &&Value| row["worksheet"] == "models" && row["contract_item"] == "endpoint_path";
    let row = sheet.as_array().unwrap().iter().find(is_place).unwrap();
    assert_eq!(row["state"], "verified", "{row}");
    assert!(row["value"].as_str().unwrap().ends_with("/v1/catalog"), "{row}");
}

#[tokio::test]
async fn a_model_that_the_list_lacks_is_refuted() {
    let provider = comet(|request, _| {
        is_models(request)
            .then(|| Reply::json(200, &json!({"object": "list", "data": [{"id": "GPT-Canary"}]})))
    })
    .await;
    let files = files_for(&provider, "[]");
    run(&files, &[]).await;
    let items = recorded(&files, Kind::ContractItem);
    let item = items.iter().find(|item| item["body"]["contract_item"] == "model_availability").unwrap();
    assert_eq!(item["body"]["state"], "refuted");
    assert!(item["body"]["value"].as_str().unwrap().contains(MODEL), "{item}");
}
