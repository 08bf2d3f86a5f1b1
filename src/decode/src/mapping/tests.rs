//! What a mapping may say, and what is told of one that is wrong.

use super::super::template::TopicTemplate;
use super::*;

fn entry(toml: &str) -> TopicTemplate {
    toml::from_str(&format!("template = \"acme/{{machine}}/data\"\n{toml}")).unwrap()
}

fn compile(toml: &str) -> Result<Option<Mapping>, MappingError> {
    let entry = entry(toml);
    Mapping::compile(&entry.keys, &entry.states, &entry.qualities, entry.zone.as_deref())
}

#[test]
fn a_mapping_is_read_from_toml_and_checked() {
    let good = "states = { OPEN = 1, \"12 bar\" = 12.5 }\nqualities = { OK = \"good\" }\n[keys]\nlist = \"data.items\"\nsensor = \"addr\"";
    let mapping = compile(good).unwrap().unwrap();
    assert_eq!((mapping.state(" open"), mapping.state("12 BAR"), mapping.state("x")), (Some(1.0), Some(12.5), None));
    assert_eq!(mapping.quality("ok"), Some(Quality::Good));
    assert!(compile("").unwrap().is_none());
    for (bad, told) in [
        ("[keys]\nvalue = \"\"", "keys.value"),
        ("[keys]\nvalue = \"a..b\"", "outer.inner"),
        ("[keys]\nvalue = \"a.b.c.d.e.f.g.h.i\"", "9 levels"),
        ("[keys]\nvalue = \"x\"\ntime = \"x\"", "keys.value and keys.time are both \"x\""),
        ("states = { on = 1, ON = 2 }", "twice"),
        ("states = { on = 1e11 }", "11 digits"),
        ("states = { on = nan }", "11 digits"),
        ("states = { \" \" = 1 }", "empty word"),
        ("qualities = { fair = \"so-so\" }", "good, uncertain or bad"),
        ("zone = \"Berlin\"", "zone = \"Berlin\" is no time zone; write one of the IANA's"),
    ] {
        let error = compile(bad).unwrap_err().to_string();
        assert!(error.contains(told), "{bad}: {error}");
    }
    assert!(toml::from_str::<TopicTemplate>("template = \"a/{tag}\"\n[keys]\nvalu = \"x\"").is_err());
}
