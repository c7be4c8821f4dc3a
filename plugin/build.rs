//! Embeds every manifest under `deploy/{rbac,crds,install}` into the plugin, so that a new file needs no list.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root =
        PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("../deploy");
    let mut table = String::from("&[\n");
    for directory in ["rbac", "crds", "install"] {
        let path = root.join(directory);
        println!("cargo::rerun-if-changed={}", path.display());
        for file in manifests(&path)? {
            println!("cargo::rerun-if-changed={}", file.display());
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            writeln!(
                table,
                "    ({:?}, include_str!({:?})),",
                format!("{directory}/{name}"),
                file
            )
            .map_err(io::Error::other)?;
        }
    }
    table.push_str("]\n");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(out.join("manifests.rs"), table)
}

/// The YAML files of a directory, by name. A directory that is not there has none.
fn manifests(path: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e),
    };
    let mut files = Vec::new();
    for entry in entries {
        let file = entry?.path();
        if file.extension().is_some_and(|e| e == "yaml") {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}
