//! Temporary.
use super::collected::Collected;
use crate::payload::Decoder;

#[test]
fn probe() {
    let text = std::fs::read_to_string(std::env::var("CASES").unwrap()).unwrap();
    for line in text.lines() {
        if line.trim().is_empty() || line.starts_with("##") { println!("\n{line}"); continue; }
        let mut parts = line.splitn(3, '|');
        let topic = match parts.next().unwrap().trim() { "S" => "genims/v1/F/L/M/TEMP", "T" => "genims/v1/F/L/M/tags", "R" => "genims/v1/F/readings", other => other }.to_owned();
        let known: Vec<&'static str> = parts.next().unwrap().split(' ').filter(|k| !k.is_empty()).map(|k| &*k.to_owned().leak()).collect();
        let payload = parts.next().unwrap().strip_prefix(' ').unwrap_or_default();
        let mut bytes = Vec::new();
        let mut rest = payload;
        while let Some(at) = rest.find("\\<") {
            bytes.extend_from_slice(rest[..at].as_bytes());
            let end = rest[at..].find('>').unwrap() + at;
            bytes.push(u8::from_str_radix(&rest[at+2..end], 16).unwrap());
            rest = &rest[end+1..];
        }
        bytes.extend_from_slice(rest.as_bytes());
        let mut v = Collected { known, ..Collected::default() };
        Decoder::default().message(&topic, &bytes, &mut v);
        println!("{line}");
        for p in &v.points { println!("    -> {}/{} = {} {:?} {:?}", p.machine.as_deref().unwrap_or("-"), p.sensor, p.value, p.quality, p.timestamp_us); }
        for s in &v.snapshots { println!("    -> snap {} {:?}", s.0, s.1); }
        for r in &v.rejects { println!("    !! {:?} {} [{}]", r.0, r.1, String::from_utf8_lossy(&r.2).chars().take(120).collect::<String>()); }
        for r in &v.remarks { println!("    ?? {r}"); }
        if v.points.len() + v.snapshots.len() + v.rejects.len() == 0 { println!("    (nothing)"); }
    }
}
