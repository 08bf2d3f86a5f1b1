//! The page and the dictionary in a real browser, Debian's Chromium without a screen: the page is live, works by keyboard and for screen readers, on a phone and in
//! the dark, and asks nobody else for anything. Pictures of it are kept in `target/tmp/screenshots`.

mod driver;
mod pages;

use crate::harness::Harness;
use crate::running::{eventually, goes_on};
use crate::server::{PATIENCE, Plant, Setup};
use crate::stream::{now_ms, send};
use driver::Browser;
use libtest_mimic::Trial;
use serde_json::{Value, json};

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![
        harness.trial("browser::the_page_serves_everybody", page),
        harness.trial("browser::every_other_page_serves_everybody", pages::pages),
        harness.trial("browser::the_dictionary_fits_a_phone_and_finds_its_tables", dictionary),
    ]
}

/// Bytes that a look at the page may cost, pictures and scripts included.
const BYTES_MAX: u64 = 120 * 1024;
/// WCAG 2.1 AA for text of ordinary size.
const CONTRAST_MIN: f64 = 4.5;
/// A phone, in CSS pixels.
const PHONE: (u32, u32) = (360, 740);
const DESK: (u32, u32) = (1280, 900);

/// What may have the focus, in the page's order: a name for people, and whether it can be seen.
const STOPS: &str = "return [...document.querySelectorAll('a[href], button, input, summary, [tabindex=\"0\"]')]\
    .filter((it) => it.checkVisibility() && !it.disabled).map((it) => it.outerHTML.slice(0, 80));";
const FOCUS: &str =
    "const it = document.activeElement; return it === document.body ? null : it.outerHTML.slice(0, 80);";

/// Each text that can be seen and has less contrast with what is behind it than `arguments[0]`.
const FAINT: &str = r"
const canvas = document.createElement('canvas'); canvas.width = canvas.height = 1;
const context = canvas.getContext('2d', { willReadFrequently: true });
const rgba = (color) => { context.clearRect(0, 0, 1, 1); context.fillStyle = color; context.fillRect(0, 0, 1, 1);
  return context.getImageData(0, 0, 1, 1).data; };
const light = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
  .reduce((sum, c, at) => sum + c * [0.2126, 0.7152, 0.0722][at], 0);
const ground = (it) => { for (; it; it = it.parentElement) { const color = rgba(getComputedStyle(it).backgroundColor);
  if (color[3] === 255) return color; } return [255, 255, 255, 255]; };
const faint = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
let looked = 0;
while (walker.nextNode()) {
  const it = walker.currentNode.parentElement;
  if (!walker.currentNode.data.trim() || !it.checkVisibility() || it.closest('.skip, script, noscript')) continue;
  const style = getComputedStyle(it), color = rgba(it.closest('svg') ? style.fill : style.color);
  const [above, below] = [light(color), light(ground(it))].sort((one, two) => two - one);
  looked += 1;
  if ((above + 0.05) / (below + 0.05) < arguments[0]) faint.push(`${walker.currentNode.data.trim()}: ${style.color}`);
}
return { looked, faint };";

/// How many pixels of the page are wider than the screen.
const HANGS_OVER: &str = "return document.documentElement.scrollWidth - document.documentElement.clientWidth;";

/// From where the page had what it shows, and how many bytes all of it has; what it asks for later, to stay new, is no part of it.
const ASKED: &str = "const all = [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')];\
    return { hosts: [...new Set(all.map((it) => new URL(it.name).host))],\
    bytes: all.filter((it) => it.initiatorType !== 'fetch').reduce((sum, it) => sum + it.decodedBodySize, 0) };";

/// Of the dictionary's lists: links, tables that they lead to, those without repeats, links of databases that list all their tables.
const LISTED: &str = r"
const links = [...document.querySelectorAll('.list a')];
const tables = links.map((it) => document.getElementById(it.getAttribute('href').slice(1))).filter((it) => it?.nodeName === 'SECTION');
const count = (it, what) => it.querySelectorAll(what).length;
const full = [...document.querySelectorAll('article')].filter((it) => count(it, '.list a') === count(it, 'section'));
return [links.length, tables.length, new Set(tables).size, full.reduce((sum, it) => sum + count(it, '.list a'), 0)];";

fn page(harness: &'static Harness) {
    let plant = Plant::start(harness, &Setup::default());
    let browser = Browser::open(harness);
    browser.size(DESK, false);
    browser.goto(&format!("http://{}/", plant.doors.http));
    nobody_else_is_asked(&browser, &plant);
    is_live(harness, &browser, &plant);
    keyboard(&browser);
    names(&browser, 10);
    for (scheme, name) in [("light", "page-light"), ("dark", "page-dark")] {
        browser.prefer(scheme);
        has_contrast(&browser, scheme, 50);
        browser.screenshot(name);
    }
    browser.size(PHONE, true);
    hangs_over(&browser, "page");
    browser.screenshot("page-phone");
    assert_eq!(browser.complaints(), Vec::<String>::new(), "the browser has nothing to complain about");
    plant.kill();
    eventually("the page says that it is old", PATIENCE, || {
        browser.run("return document.body.classList.contains('old');", &[]) == json!(true)
    });
    browser.close();
}

fn dictionary(harness: &'static Harness) {
    let folder = harness.folder("dictionary");
    let file = folder.join("dictionary.html");
    let written = harness.command(&["dictionary", "--html", file.to_str().unwrap()]).status().unwrap();
    assert!(written.success(), "{written}");
    let browser = Browser::open(harness);
    browser.size((480, 800), true);
    browser.goto(&format!("file://{}", file.display()));
    assert_eq!(browser.run(HANGS_OVER, &[]), json!(0), "nothing hangs over the edge");
    let listed: Vec<u64> = serde_json::from_value(browser.run(LISTED, &[])).unwrap();
    let tables = browser.run("return document.querySelectorAll('section').length;", &[]);
    assert!(tables.as_u64() > Some(300), "{tables}");
    assert!(listed.iter().all(|count| json!(count) == tables), "{listed:?}, not {tables} each");
    for name in ["genims_hr_db.employees", "genims_reporting_db", "genims_production.scada_events"] {
        browser.run("location.hash = arguments[0];", &[json!(name)]);
        let below = "return document.getElementById(arguments[0]).getBoundingClientRect().top
            - document.querySelector('header').getBoundingClientRect().bottom;";
        goes_on("the anchor is in sight, below the header", PATIENCE, || {
            let pixels = browser.run(below, &[json!(name)]);
            (!(0.0..200.0).contains(&pixels.as_f64().unwrap())).then_some(pixels)
        });
    }
    let find = "const box = document.getElementById('search'); box.value = arguments[0];
        box.dispatchEvent(new Event('input'));
        return [document.getElementById('count').textContent, document.getElementById('nothing').checkVisibility()];";
    assert_eq!(browser.run(find, &[json!("no such word anywhere")]), json!(["0 tables", true]));
    assert_eq!(browser.run(find, &[json!("genims_hr_db.employees ")])[1], json!(false));
    assert_eq!(browser.complaints(), Vec::<String>::new());
    browser.close();
}

fn nobody_else_is_asked(browser: &Browser, plant: &Plant) {
    let asked = browser.run(ASKED, &[]);
    assert_eq!(asked["hosts"], json!([plant.doors.http.to_string()]));
    let bytes = asked["bytes"].as_u64().unwrap();
    assert!((1..BYTES_MAX).contains(&bytes), "{bytes} bytes");
}

/// The number of what is stored follows, without the page being loaded again.
fn is_live(harness: &'static Harness, browser: &Browser, plant: &Plant) {
    browser.run("window.wasThere = true;", &[]);
    let sensor = plant.sensor();
    send(
        harness,
        plant,
        &[1_000, 2_000, 3_000]
            .map(|ago| (sensor.topic(), json!({ "value": 1.5, "timestamp_ms": now_ms() - ago }).to_string())),
    );
    let stored = plant.idle()["total"]["committed"].as_u64().unwrap();
    assert!(stored >= 3);
    let shown = format!("{stored} committed since the start");
    goes_on("the page shows what is stored", PATIENCE, || {
        let text = browser.text();
        (!text.contains(&shown)).then_some(text)
    });
    assert_eq!(browser.run("return window.wasThere === true;", &[]), json!(true));
}

#[track_caller]
fn hangs_over(browser: &Browser, page: &str) {
    assert_eq!(browser.run(HANGS_OVER, &[]), json!(0), "{page}: nothing hangs over the edge of a phone");
}

/// Tab reaches everything that can be used, in the page's order.
#[track_caller]
fn tabs(browser: &Browser, least: usize) {
    browser.run("document.activeElement.blur(); window.scrollTo(0, 0);", &[]);
    let Value::Array(stops) = browser.run(STOPS, &[]) else { panic!("no stops") };
    assert!(stops.len() >= least, "{stops:#?}");
    for stop in &stops {
        browser.press(driver::TAB);
        assert_eq!(&browser.run(FOCUS, &[]), stop, "the next one that Tab reaches");
        let outline = "return getComputedStyle(document.activeElement).outlineStyle;";
        assert_ne!(browser.run(outline, &[]), json!("none"), "it shows that {stop} has the focus");
    }
}

/// Besides, Enter opens what is folded, and news leave it open and focused.
fn keyboard(browser: &Browser) {
    tabs(browser, 6);
    browser.run("document.querySelector('summary').focus();", &[]);
    browser.press(driver::ENTER);
    let open = "return document.activeElement.parentElement.open === true;";
    assert_eq!(browser.run(open, &[]), json!(true));
    let taken = "return document.getElementById('verdict').dataset.taken;";
    let before = browser.run(taken, &[]);
    eventually("news", PATIENCE, || browser.run(taken, &[]) != before);
    assert_eq!(browser.run(open, &[]), json!(true), "what is open stays open and focused");
}

/// What has the focus, is a picture, a table or a part of the page has a name that a screen reader reads out.
#[track_caller]
fn names(browser: &Browser, least: usize) {
    let named = browser.labels("a[href], button, input, summary, [tabindex='0'], svg, section, meter");
    assert!(named.len() >= least, "{named:#?}");
    let nameless: Vec<_> = named.iter().filter(|(label, _)| label.trim().is_empty()).collect();
    assert!(nameless.is_empty(), "{nameless:#?}");
    let headings = "return [...document.querySelectorAll('h1, h2, h3, h4')].map((it) => Number(it.nodeName[1]));";
    let levels: Vec<u64> = serde_json::from_value(browser.run(headings, &[])).unwrap();
    assert_eq!(levels.iter().filter(|level| **level == 1).count(), 1);
    assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "no level is left out: {levels:?}");
    assert_eq!(browser.run("return document.documentElement.lang;", &[]), json!("en"));
}

#[track_caller]
fn has_contrast(browser: &Browser, scheme: &str, least: usize) {
    let found = browser.run(FAINT, &[json!(CONTRAST_MIN)]);
    assert!(found["looked"].as_u64() >= Some(least as u64), "{found:#}");
    assert_eq!(found["faint"], json!([]), "{scheme}");
}
