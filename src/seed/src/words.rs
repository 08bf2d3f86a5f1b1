//! Named lists of words (`config/seed/words.toml`): first names, cities, causes of failure ...

use std::collections::HashMap;

#[derive(Debug, Default)]
pub(crate) struct Words(HashMap<String, Vec<String>>);

impl Words {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let lists: HashMap<String, Vec<String>> = toml::from_str(text).map_err(|error| error.to_string())?;
        match lists.iter().find(|(_, list)| list.is_empty()) {
            Some((name, _)) => Err(format!("list {name:?} is empty")),
            None => Ok(Self(lists)),
        }
    }

    /// Lists of one file more; a name may be used once.
    pub(crate) fn extend(&mut self, other: Self) -> Result<(), String> {
        for (name, list) in other.0 {
            if self.0.insert(name.clone(), list).is_some() {
                return Err(format!("list {name:?} is there twice"));
            }
        }
        Ok(())
    }

    pub(crate) fn list(&self, name: &str) -> Result<&[String], String> {
        self.0.get(name).map(Vec::as_slice).ok_or_else(|| format!("there is no list of words {name:?}"))
    }
}
