//! All route files together: read from the folder or from this program, and checked before anything runs.

use crate::event::{FIELDS, KINDS, no_field};
use crate::file::{File, Lookup, Operation, Route};
use crate::sql::{names_after, placeholders};
use crate::{check, document};
use genims_databases::{Database, Engine, Model, Registry};
use include_dir::{Dir, include_dir};
use std::path::Path;
use std::sync::Arc;

static BUILT_IN: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../../config/routes");

#[derive(Debug, thiserror::Error)]
pub enum RouteError {
    #[error("the routes in {path} cannot be read: {source}; name a readable folder of route files")]
    Folder { path: String, source: std::io::Error },
    #[error("{file}: {cause}")]
    File { file: String, cause: String },
    #[error("{file}, route {route}: {cause}")]
    Route { file: String, route: String, cause: String },
}

/// The routes into one database, in the order in which a batch runs through them.
#[derive(Clone, Debug)]
pub struct DatabaseRoutes {
    pub database: Database,
    pub routes: Vec<Route>,
    pub lookups: Vec<Lookup>,
}

/// The routes into all databases, in the registry's order.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    databases: Vec<Arc<DatabaseRoutes>>,
}

impl Routes {
    /// Those in `folder`; without one those that come with this program.
    pub fn load(registry: &Registry, folder: Option<&Path>) -> Result<Self, RouteError> {
        Self::parse(registry, &files(folder)?)
    }

    fn parse(registry: &Registry, files: &[(String, String)]) -> Result<Self, RouteError> {
        let mut found: Vec<DatabaseRoutes> = Vec::new();
        for (name, text) in files {
            let wrong = |cause: String| RouteError::File { file: name.clone(), cause };
            let file: File = toml::from_str(text).map_err(|error| wrong(error.to_string().trim().to_owned()))?;
            let database = registry.get(&file.database).map_err(|error| wrong(error.to_string()))?;
            if found.iter().any(|routes| routes.database.name == database.name) {
                return Err(wrong(format!("another file has the routes into {}; put them together", database.name)));
            }
            let routes = DatabaseRoutes { database: database.clone(), routes: file.route, lookups: file.lookup };
            routes.lookups_are_usable(registry).map_err(wrong)?;
            routes.check(name)?;
            found.push(routes);
        }
        found.sort_by_key(|routes| routes.database.load_order);
        Ok(Self { databases: found.into_iter().map(Arc::new).collect() })
    }

    pub fn databases(&self) -> &[Arc<DatabaseRoutes>] {
        &self.databases
    }

    pub fn of(&self, database: &str) -> Option<&Arc<DatabaseRoutes>> {
        self.databases.iter().find(|routes| routes.database.name == database)
    }
}

/// Name and text of each route file, by name.
fn files(folder: Option<&Path>) -> Result<Vec<(String, String)>, RouteError> {
    let mut files = Vec::new();
    match folder {
        None => {
            let shipped = BUILT_IN.files().filter(|file| is_route_file(file.path()));
            files.extend(shipped.filter_map(|file| {
                Some((format!("config/routes/{}", file.path().display()), file.contents_utf8()?.to_owned()))
            }));
        }
        Some(folder) => {
            let unreadable = |path: &Path| {
                let path = path.display().to_string();
                move |source| RouteError::Folder { path, source }
            };
            for entry in std::fs::read_dir(folder).map_err(unreadable(folder))? {
                let path = entry.map_err(unreadable(folder))?.path();
                if is_route_file(&path) {
                    let text = std::fs::read_to_string(&path).map_err(unreadable(&path))?;
                    files.push((path.display().to_string(), text));
                }
            }
        }
    }
    files.sort();
    Ok(files)
}

fn is_route_file(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "toml")
}

impl DatabaseRoutes {
    fn lookups_are_usable(&self, registry: &Registry) -> Result<(), String> {
        for (index, lookup) in self.lookups.iter().enumerate() {
            let name = &lookup.name;
            if !is_name(name) || name == "event" || self.lookups[..index].iter().any(|other| other.name == *name) {
                return Err(format!("look-up {name}: a name of its own has 1 to 63 of a-z, 0-9 and _"));
            }
            let database = registry.get(&lookup.database).map_err(|error| format!("look-up {name}: {error}"))?;
            if database.engine != Engine::Postgresql || self.database.engine == Engine::Mongodb {
                return Err(format!("look-up {name}: it asks a PostgreSQL database, for one with SQL"));
            }
            if lookup.columns.is_empty() || !lookup.columns.keys().all(|column| is_name(column)) {
                return Err(format!(
                    "look-up {name}: columns are named like a-z, 0-9 and _, and there is one at least"
                ));
            }
        }
        Ok(())
    }

    fn check(&self, file: &str) -> Result<(), RouteError> {
        let model = Model::of(&self.database).map_err(|cause| RouteError::File { file: file.to_owned(), cause })?;
        for (index, route) in self.routes.iter().enumerate() {
            let wrong = |cause: String| RouteError::Route { file: file.to_owned(), route: route.name.clone(), cause };
            if self.routes[..index].iter().any(|other| other.name == route.name) {
                return Err(wrong("another route has this name; names tell routes apart".to_owned()));
            }
            words(route, self.database.engine, &self.lookups).map_err(wrong)?;
            check::against_schema(&self.database, &model, route, &self.lookups).map_err(wrong)?;
        }
        Ok(())
    }
}

fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=63).contains(&text.len()) && text.bytes().all(plain)
}

/// Whether the route is complete and names what there is.
fn words(route: &Route, engine: Engine, lookups: &[Lookup]) -> Result<(), String> {
    if !is_name(&route.name) {
        return Err("a name has 1 to 63 of a-z, 0-9 and _".to_owned());
    }
    if route.events.is_empty() {
        return Err(format!("events is empty; name some of {}", KINDS.join(", ")));
    }
    if let Some(unknown) = route.events.iter().find(|event| !KINDS.contains(&event.as_str())) {
        return Err(format!("there is no event {unknown}; there are {}", KINDS.join(", ")));
    }
    let known = |name: &String| FIELDS.iter().any(|field| field.name == name.as_str());
    if let Some(name) = route.requires.iter().find(|name| !known(name)) {
        return Err(no_field(name));
    }
    if route.columns.is_empty() {
        return Err("columns is empty; say what is written".to_owned());
    }
    let keyed = route.operation != Operation::Insert;
    if keyed && route.key.is_empty() {
        return Err("upsert and update need a key: the columns by which a row is found again".to_owned());
    }
    if let Some(column) = route.key.iter().find(|column| !route.columns.contains_key(*column)) {
        return Err(format!("key names {column}, which is not among the columns"));
    }
    if engine == Engine::Mongodb {
        return document::check(route);
    }
    if let Some((column, _)) = route.columns.iter().find(|(_, value)| !value.is_str()) {
        return Err(format!("{column}: write the SQL expression as a string"));
    }
    let expressions = route.columns.values().filter_map(toml::Value::as_str);
    let parts = [&route.when, &route.from].into_iter().flatten().map(String::as_str);
    for expression in expressions.chain(parts).chain(route.group_by.iter().map(String::as_str)) {
        for name in names_after(expression, "event") {
            if !FIELDS.iter().any(|field| field.name == name) {
                return Err(no_field(&name));
            }
        }
    }
    for name in route.from.iter().flat_map(|from| placeholders(from)) {
        if !lookups.iter().any(|lookup| lookup.name == name) {
            let known: Vec<&str> = lookups.iter().map(|lookup| lookup.name.as_str()).collect();
            return Err(format!("from names the look-up {{{name}}}; the file has: {}", known.join(", ")));
        }
    }
    let after = route.set.values().chain(&route.only);
    if let Some(name) =
        after.flat_map(|text| names_after(text, "change")).find(|name| !route.columns.contains_key(name))
    {
        return Err(format!("change.{name}: {name} is not among the columns"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry() -> Registry {
        Registry::load(None).expect("the embedded registry")
    }

    fn parse(text: &str) -> Result<Routes, String> {
        let files = [("test.toml".to_owned(), text.to_owned())];
        Routes::parse(&registry(), &files).map_err(|error| error.to_string())
    }

    const GOOD: &str = r#"
        database = "genims_manufacturing_db"
        [[route]]
        name = "stop"
        about = "a stop of the machine"
        events = ["fault_opened"]
        table = "downtime_events"
        key = ["downtime_id"]
        [route.columns]
        downtime_id = "event.uid"
        factory_id = "event.factory_id"
        downtime_start = "event.started_at"
        downtime_category = "'unplanned'"
    "#;

    #[test]
    fn the_shipped_routes_fit_the_shipped_schema() {
        let routes = Routes::load(&registry(), None).expect("the shipped routes");
        assert!(routes.databases().len() >= 2);
    }

    #[test]
    fn what_is_wrong_with_a_route_is_named() {
        assert!(parse(GOOD).is_ok());
        for (from, to, expected) in [
            ("genims_manufacturing_db", "genims_factory_db", "genims_factory_db is not in the registry"),
            ("fault_opened", "fault_open", "there is no event fault_open; there are fault_opened"),
            ("event.uid", "event.id", "events have no field id; they have uid"),
            ("key = [\"downtime_id\"]", "key = [\"id\"]", "key names id, which is not among the columns"),
            ("downtime_start =", "downtime_begin =", "downtime_events has no column downtime_begin"),
            ("downtime_events", "downtimes", "there is no table downtimes"),
            ("factory_id = \"event.factory_id\"", "", "factory_id must have a value"),
            ("'unplanned'", "coalesce(", "is no SQL"),
            ("events =", "event =", "unknown field `event`"),
            ("key =", "operation = \"update\"\nonly = \"change.x = 1\"\nkey =", "change.x: x is not among the columns"),
        ] {
            let error = parse(&GOOD.replacen(from, to, 1)).expect_err(to);
            assert!(error.contains(expected) && error.contains("test.toml"), "{to}: {error}");
        }
    }
}
