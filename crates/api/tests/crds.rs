//! The committed definitions are the ones the types stand for, and small enough.

use std::fs;
use std::path::PathBuf;

fn dir() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../deploy/crds")
}

/// Stale files fail; `UPDATE_GENERATED=1` writes them anew.
#[test]
fn committed_definitions_are_current() {
    let mut total = 0;
    for crd in sdm_api::crd::all().unwrap() {
        let name = format!("{}.yaml", crd.metadata.name.as_deref().unwrap());
        let options = serde_saphyr::ser_options! { indent_step: 1 };
        let text = serde_saphyr::to_string_with_options(&crd, options).unwrap();
        assert!(text.len() < 256 * 1024, "{name}: {} bytes", text.len());
        let json = serde_json::to_string(&crd).unwrap();
        assert!(
            json.len() < 256 * 1024,
            "{name}: {} bytes as JSON",
            json.len()
        );
        total += json.len();
        let path = dir().join(&name);
        if std::env::var_os("UPDATE_GENERATED").is_some() {
            fs::create_dir_all(dir()).unwrap();
            fs::write(&path, &text).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == text, "{name} is stale: run `make generate`");
    }
    assert!(
        total < 400 * 1024,
        "all definitions together: {total} bytes"
    );
}

/// Stale files fail; `UPDATE_GENERATED=1` writes them anew.
#[test]
fn committed_fields_are_current() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/fields.json");
    let fields = sdm_api::crd::fields(&sdm_api::crd::all().unwrap());
    let text = serde_json::to_string(&fields).unwrap() + "\n";
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == text,
        "fields.json is stale: run `make generate`"
    );
}
