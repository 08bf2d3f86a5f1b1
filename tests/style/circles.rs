//! Modules of a crate that import each other in a circle cannot be read, tested or moved one by one. Files enter, circles
//! leave.
//!
//! A child that names its parent's items, and a parent that names its child's, are no circle: that is what a folder is for.

use super::File;
use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};

/// Names from the root of the crate.
type Module = Vec<String>;

/// One for each group of modules that import each other, with who imports whom.
pub(super) fn circles(files: &[File]) -> Vec<String> {
    let mut crates: BTreeMap<&str, BTreeMap<Module, String>> = BTreeMap::new();
    for file in files {
        if let Some((root, module)) = module(&file.name) {
            // `lib.rs` comes before `main.rs`, which is a crate of its own.
            crates.entry(root).or_default().entry(module).or_insert_with(|| code(&file.text));
        }
    }
    crates.into_iter().flat_map(|(root, modules)| Crate::new(modules).circles(root)).collect()
}

fn module(name: &str) -> Option<(&str, Module)> {
    let root = if name.starts_with("src/genims/") {
        "src/genims/"
    } else {
        let at = name.find("/src/")?;
        name.get(..at + "/src/".len()).filter(|_| name.starts_with("src/") || name.starts_with("loadtest/"))?
    };
    let mut module: Module = name[root.len()..].strip_suffix(".rs")?.split('/').map(str::to_owned).collect();
    module.pop_if(|last| last == "mod");
    if module.len() == 1 && ["lib", "main"].contains(&module[0].as_str()) {
        module.clear();
    }
    Some((root, module))
}

/// The text without comments, strings and unit tests.
fn code(text: &str) -> String {
    let other = Regex::new(r#"//[^\n]*|'\\?"'|"(?:\\.|[^"\\])*""#).unwrap();
    let code = other.replace_all(text, "");
    code.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned()
}

struct Crate {
    modules: BTreeMap<Module, String>,
    /// What a module exports of another, by name.
    exports: BTreeMap<(Module, String), Module>,
    paths: BTreeMap<Module, Vec<Module>>,
}

impl Crate {
    fn new(modules: BTreeMap<Module, String>) -> Self {
        let mut found = Self { modules, exports: BTreeMap::new(), paths: BTreeMap::new() };
        let import = Regex::new(r"(?m)^[ \t]*(pub(?:\([a-z ]+\))? )?use ([^;]+);").unwrap();
        let path = Regex::new(r"\b[a-z_]\w*(?:::\w+)+").unwrap();
        for (module, code) in &found.modules {
            let mut paths = Vec::new();
            for part in import.captures_iter(code) {
                for named in tree(&part[2]) {
                    let Some(absolute) = found.absolute(module, &named) else { continue };
                    if let (Some(_), Some(name)) = (part.get(1), absolute.last()) {
                        found.exports.insert((module.clone(), name.clone()), absolute.clone());
                    }
                    paths.push(absolute);
                }
            }
            let rest = import.replace_all(code, "");
            let named = path.find_iter(&rest).map(|path| path.as_str().split("::").map(str::to_owned).collect());
            paths.extend(named.filter_map(|named: Module| found.absolute(module, &named)));
            found.paths.insert(module.clone(), paths);
        }
        found
    }

    /// A path as written in `module`, from the root of the crate; `None` for other crates and for what is no module.
    fn absolute(&self, module: &[String], path: &[String]) -> Option<Module> {
        let above = path.iter().take_while(|part| *part == "super").count();
        let (base, rest) = match path.first()?.as_str() {
            "crate" => (&module[..0], &path[1..]),
            "self" => (module, &path[1..]),
            "super" => (&module[..module.len().checked_sub(above)?], &path[above..]),
            child if self.modules.contains_key(&[module, &[child.to_owned()]].concat()) => (module, path),
            _ => return None,
        };
        Some([base, rest].concat())
    }

    /// The module that a path leads to, through what is exported on the way.
    fn target(&self, path: &[String], steps: usize) -> Option<Module> {
        let length = (0..=path.len()).rev().find(|length| self.modules.contains_key(&path[..*length]))?;
        let module = path[..length].to_vec();
        let name = path.get(length).filter(|_| steps > 0).cloned();
        match name.and_then(|name| self.exports.get(&(module.clone(), name))) {
            Some(exported) => self.target(&[exported, &path[length + 1..]].concat(), steps - 1),
            None => Some(module),
        }
    }

    fn circles(&self, root: &str) -> Vec<String> {
        let imports: BTreeMap<&Module, BTreeSet<Module>> = self.paths.keys().map(|it| (it, self.imports(it))).collect();
        let reached = |from: &Module| {
            let (mut seen, mut next) = (BTreeSet::new(), vec![from.clone()]);
            while let Some(module) = next.pop() {
                next.extend(imports[&module].iter().filter(|it| seen.insert((*it).clone())).cloned());
            }
            seen
        };
        let reached: BTreeMap<&Module, BTreeSet<Module>> = imports.keys().map(|it| (*it, reached(it))).collect();
        let mut circles = Vec::new();
        for (module, others) in &reached {
            let circle: Vec<&Module> = others.iter().filter(|other| reached[other].contains(*module)).collect();
            if circle.first() == Some(module) && circle.len() > 1 {
                let edges = circle.iter().flat_map(|from| {
                    let within = imports[from].iter().filter(|to| circle.contains(to));
                    within.map(|to| format!("{} -> {}", from.join("::"), to.join("::")))
                });
                circles.push(format!("{root}: {}", edges.collect::<Vec<_>>().join(", ")));
            }
        }
        circles
    }

    fn imports(&self, module: &Module) -> BTreeSet<Module> {
        let targets = self.paths[module].iter().filter_map(|path| self.target(path, 8));
        targets.filter(|target| !target.starts_with(module) && !module.starts_with(target)).collect()
    }
}

/// The paths of a `use` tree.
fn tree(text: &str) -> Vec<Module> {
    let names = |text: &str| -> Module {
        text.split("::").map(|it| it.trim().to_owned()).filter(|it| !it.is_empty()).collect()
    };
    let text = text.trim();
    let Some((head, inner)) = text.split_once('{') else {
        return vec![names(text.split(" as ").next().unwrap_or_default())];
    };
    let inner = inner.rsplit_once('}').map_or(inner, |(inner, _)| inner);
    let (mut parts, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, it) in inner.char_indices() {
        match it {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&inner[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&inner[start..]);
    let below = parts.into_iter().filter(|part| !part.trim().is_empty()).flat_map(tree);
    below.map(|path| [names(head), path].concat()).collect()
}
