//! Resources in files: YAML documents, JSON, lists of either, in files, directories or standard input.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::exit::{Failure, Result};
use crate::output::Output;

/// No file is larger.
const SIZE_AT_MOST: u64 = 64 * 1024 * 1024;
/// No directory holds more.
const FILES_AT_MOST: usize = 10_000;

/// All resources, of any kind, each with the file it is in.
///
/// # Errors
/// When a file cannot be read.
pub fn read_any(paths: &[String]) -> Result<Vec<(Value, String)>> {
    let mut found = Vec::new();
    for (place, text) in texts(paths)? {
        let documents: Vec<Value> = serde_saphyr::from_multiple(&text)
            .map_err(|e| Failure::usage(e.to_string()).at(&place))?;
        let objects = documents.into_iter().flat_map(flatten);
        found.extend(objects.map(|object| (object, place.clone())));
    }
    Ok(found)
}

/// The resources of one kind, each with the file it is in; what else is there is left out, and said.
///
/// # Errors
/// When a file cannot be read, or a resource of this kind is none.
pub fn read<K>(paths: &[String], output: &Output) -> Result<Vec<(K, String)>>
where
    K: DeserializeOwned + kube::Resource<DynamicType = ()>,
{
    let kind = K::kind(&());
    let (mut found, mut others) = (Vec::new(), 0);
    for (place, text) in texts(paths)? {
        let broken = |e: &dyn std::fmt::Display| Failure::usage(e.to_string()).at(&place);
        let documents: Vec<Value> = serde_saphyr::from_multiple(&text).map_err(|e| broken(&e))?;
        for value in documents.into_iter().flat_map(flatten) {
            if value.get("kind").and_then(Value::as_str) != Some(&kind) {
                others += 1;
                continue;
            }
            let name = value
                .pointer("/metadata/name")
                .and_then(Value::as_str)
                .unwrap_or("?")
                .to_owned();
            let object = serde_json::from_value(value)
                .map_err(|e| broken(&e).doing(format!("{kind} {name}")))?;
            found.push((object, place.clone()));
        }
    }
    if others > 0 {
        output.note(format!(
            "{others} resources that are no {kind} are left out"
        ));
    }
    Ok(found)
}

/// The items of a list, or the object itself; nothing of an empty document.
fn flatten(value: Value) -> Vec<Value> {
    match value.get("items") {
        Some(Value::Array(items)) => items.clone(),
        _ if value.is_null() => Vec::new(),
        _ => vec![value],
    }
}

fn texts(paths: &[String]) -> Result<Vec<(String, String)>> {
    let mut texts = Vec::new();
    for path in paths {
        if path == "-" {
            let mut text = String::new();
            std::io::stdin()
                .take(SIZE_AT_MOST)
                .read_to_string(&mut text)?;
            texts.push(("standard input".to_owned(), text));
            continue;
        }
        for file in files(Path::new(path))? {
            let place = file.display().to_string();
            let text = text_of(&file).map_err(|e| Failure::from(e).doing(&place))?;
            texts.push((place, text));
        }
    }
    Ok(texts)
}

fn text_of(file: &Path) -> std::io::Result<String> {
    if std::fs::metadata(file)?.len() > SIZE_AT_MOST {
        return Err(std::io::Error::other("larger than 64 MiB"));
    }
    std::fs::read_to_string(file)
}

/// A file itself, or the YAML and JSON files of a directory and those beneath it, by name.
fn files(path: &Path) -> Result<Vec<PathBuf>> {
    let failed = |e: std::io::Error| Failure::from(e).doing(path.display());
    if !std::fs::metadata(path).map_err(failed)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let (mut found, mut left) = (Vec::new(), vec![path.to_owned()]);
    while let Some(directory) = left.pop() {
        for entry in std::fs::read_dir(&directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let (path, kind) = (entry.path(), entry.file_type().map_err(failed)?);
            let known = path
                .extension()
                .is_some_and(|e| e == "yaml" || e == "yml" || e == "json");
            // Links are not followed: they may lead in circles.
            if kind.is_dir() {
                left.push(path);
            } else if known {
                found.push(path);
            }
            if found.len() + left.len() > FILES_AT_MOST {
                return Err(Failure::usage(format!("more than {FILES_AT_MOST} files"))
                    .at(directory.display().to_string()));
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use sdm_api::KafkaTopic;

    use super::*;
    use crate::flags::Global;

    const TOPIC: &str = "apiVersion: kafka.sdm.dev/v1beta1\nkind: KafkaTopic\nmetadata: {name: NAME}\nspec: {clusterRef: {name: c}}\n";

    #[test]
    fn documents_lists_and_directories_are_read() {
        let directory =
            std::env::temp_dir().join(format!("kubectl-kafka-files-{}", std::process::id()));
        std::fs::create_dir_all(directory.join("sub")).unwrap();
        let two = format!(
            "{}---\n{}",
            TOPIC.replace("NAME", "a"),
            TOPIC.replace("NAME", "b")
        );
        std::fs::write(directory.join("1.yaml"), two).unwrap();
        let list = r#"{"kind": "List", "items": [{"kind": "Namespace"}, {"apiVersion": "kafka.sdm.dev/v1beta1", "kind": "KafkaTopic", "metadata": {"name": "c"}, "spec": {"clusterRef": {"name": "c"}}}]}"#;
        std::fs::write(directory.join("sub/2.json"), list).unwrap();
        std::fs::write(directory.join("readme.txt"), "kind: [").unwrap();
        let output = Output::new(&Global {
            quiet: true,
            ..Global::default()
        });
        let path = directory.display().to_string();
        let found = read::<KafkaTopic>(std::slice::from_ref(&path), &output).unwrap();
        let names: Vec<&str> = found.iter().map(|(o, _)| o.topic_name()).collect();
        assert_eq!(names, ["a", "b", "c"]);
        std::fs::write(
            directory.join("3.yaml"),
            "kind: KafkaTopic\nmetadata: {name: x}\n",
        )
        .unwrap();
        let failure = read::<KafkaTopic>(&[path], &output).unwrap_err();
        assert!(
            failure.to_string().contains("KafkaTopic x") && failure.to_string().contains("3.yaml")
        );
        std::fs::remove_dir_all(directory).unwrap();
    }
}
