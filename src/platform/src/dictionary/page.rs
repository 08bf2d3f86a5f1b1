//! The dictionary as one HTML page: no other file, nothing from the network, a search over tables, columns and comments.

use super::{ColumnEntry, DatabaseEntry, Dictionary, TableEntry};
use std::fmt::{self, Write};

const STYLE: &str = "body{font:14px/1.5 system-ui,sans-serif;margin:0;color:#1c2733}\
    header{position:sticky;top:0;background:#fff;border-bottom:1px solid #c9d2db;padding:12px 24px}\
    main{padding:0 24px 48px}input{font:inherit;width:28em;max-width:60vw;padding:4px 8px}\
    h1{font-size:18px;margin:0 0 8px}h2{font-size:18px;margin:32px 0 0}h3{font-size:15px;margin:20px 0 0}\
    p{margin:2px 0 6px;color:#4a5966}nav a{margin-right:12px;white-space:nowrap}a{color:#0b5cad;text-decoration:none}\
    table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:2px 10px 2px 0;\
    border-bottom:1px solid #e5eaef}th{color:#4a5966;font-weight:600}code{font:13px ui-monospace,monospace}\
    section:target h3{background:#fff3c4}h3{scroll-margin-top:130px}.none{display:none}";

/// Hides tables without all of the words; a database without tables is hidden too.
const SCRIPT: &str = "const box=document.getElementById('search'),count=document.getElementById('count');\
    const tables=[...document.querySelectorAll('section')].map(s=>[s,s.textContent.toLowerCase()+' '+s.id]);\
    const show=()=>{const words=box.value.toLowerCase().split(/\\s+/).filter(w=>w);let shown=0;\
    for(const [s,text] of tables){const yes=words.every(w=>text.includes(w));s.classList.toggle('none',!yes);shown+=yes}\
    for(const d of document.querySelectorAll('article'))\
    d.classList.toggle('none',!d.querySelector('section:not(.none)'));count.textContent=shown+' tables'};\
    box.addEventListener('input',show);show();";

/// The whole page.
pub fn page(dictionary: &Dictionary) -> String {
    let mut page = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut page, dictionary);
    page
}

fn write(page: &mut String, dictionary: &Dictionary) -> fmt::Result {
    write!(
        page,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>GenIMS data dictionary</title>"
    )?;
    write!(page, "<style>{STYLE}</style></head><body><header><h1>GenIMS data dictionary</h1>")?;
    write!(page, "<input id=\"search\" type=\"search\" placeholder=\"table, column, type or comment\" autofocus> ")?;
    write!(page, "<span id=\"count\"></span><nav>")?;
    for entry in &dictionary.databases {
        write!(page, "<a href=\"#{0}\">{1}</a>", entry.database.name, escaped(&entry.database.module))?;
    }
    write!(page, "</nav></header><main>")?;
    for entry in &dictionary.databases {
        database(page, entry)?;
    }
    writeln!(page, "</main><script>{SCRIPT}</script></body></html>")
}

fn database(page: &mut String, entry: &DatabaseEntry) -> fmt::Result {
    let database = &entry.database;
    write!(page, "\n<article><h2 id=\"{0}\">{0}</h2><p>{1}. ", database.name, escaped(&database.purpose))?;
    write!(page, "{:?}, {} tables, team {}.</p>", database.engine, entry.contents.len(), escaped(&database.team))?;
    for content in &entry.contents {
        table(page, &database.name, content)?;
    }
    write!(page, "</article>")
}

fn table(page: &mut String, database: &str, table: &TableEntry) -> fmt::Result {
    write!(page, "\n<section id=\"{database}.{0}\"><h3>{0}</h3><p>{1}</p>", table.name, escaped(&table.comment))?;
    write!(page, "<table><tr><th>column<th>type<th>null<th>default<th>refers to<th>meaning</tr>")?;
    for one in &table.columns {
        column(page, one)?;
    }
    write!(page, "</table></section>")
}

fn column(page: &mut String, column: &ColumnEntry) -> fmt::Result {
    let mark = match (column.key, column.unique) {
        (true, _) => " <b>key</b>",
        (false, true) => " unique",
        _ => "",
    };
    let null = if column.nullable { "null" } else { "" };
    write!(page, "<tr><td><code>{}</code>{mark}<td>{}<td>{null}", escaped(&column.name), escaped(&column.declared))?;
    write!(page, "<td>{}<td>", escaped(column.default.as_deref().unwrap_or_default()))?;
    for (index, target) in column.references.iter().enumerate() {
        let gap = if index > 0 { " or " } else { "" };
        let table = target.rsplit_once('.').map_or(target.as_str(), |(table, _)| table);
        write!(page, "{gap}<a href=\"#{}\">{}</a>", escaped(table), escaped(target))?;
    }
    write!(page, "<td>{}</tr>", escaped(&column.comment))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comments_say_is_text_and_no_markup() {
        assert_eq!(escaped("a < b & \"c\""), "a &lt; b &amp; &quot;c&quot;");
    }
}
