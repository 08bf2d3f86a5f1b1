//! All route files together: read from the folder or from this program, and checked before anything runs.

use crate::file::{File, Lookup, Operation, Route};
use crate::sql::{BATCH, Statement, names_after, placeholders, statement};
use crate::vocabulary::{FIELDS, FieldType, KINDS, no_field};
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
    /// One for each route, in their order; none for MongoDB.
    statements: Vec<Statement>,
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
            let routes = DatabaseRoutes::new(database.clone(), file.route, file.lookup);
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
    fn new(database: Database, routes: Vec<Route>, lookups: Vec<Lookup>) -> Self {
        let statements = match database.engine {
            Engine::Mongodb => Vec::new(),
            engine => routes.iter().map(|route| statement(engine, route, &lookups)).collect(),
        };
        Self { database, routes, lookups, statements }
    }

    /// No routes into a database that is followed for its rows alone.
    pub fn none(database: Database) -> Self {
        Self::new(database, Vec::new(), Vec::new())
    }

    /// The routes that may take events of a kind.
    pub fn of_kind(&self, kind: &str) -> impl Iterator<Item = &Route> {
        self.routes.iter().filter(move |route| route.events.iter().any(|taken| taken == kind))
    }

    /// Each route with the statement that writes its rows; nothing for MongoDB.
    pub fn statements(&self) -> impl Iterator<Item = (&Route, &Statement)> {
        self.routes.iter().zip(&self.statements)
    }

    fn lookups_are_usable(&self, registry: &Registry) -> Result<(), String> {
        for (index, lookup) in self.lookups.iter().enumerate() {
            let name = &lookup.name;
            if !is_name(name)
                || name == "event"
                || name == BATCH
                || self.lookups[..index].iter().any(|other| other.name == *name)
            {
                return Err(format!("look-up {name}: a name of its own has 1 to 63 of a-z, 0-9 and _"));
            }
            let database = registry.get(&lookup.database).map_err(|error| format!("look-up {name}: {error}"))?;
            if database.engine != Engine::Postgresql {
                return Err(format!("look-up {name}: it asks a PostgreSQL database"));
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
    if let Some(name) = route.requires.iter().chain(route.among.keys()).find(|name| !known(name)) {
        return Err(no_field(name));
    }
    let is_text = |name: &str| FIELDS.iter().any(|field| field.name == name && field.field_type == FieldType::Text);
    if let Some(name) = route.among.keys().find(|name| !is_text(name)) {
        return Err(format!("among: {name} is no text; say it in `when`"));
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
        return document::check(route, lookups);
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
        let is_batch = name == BATCH && engine == Engine::Postgresql;
        if !is_batch && !lookups.iter().any(|lookup| lookup.name == name) {
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
    use crate::event::RoutedEvent;
    use serde_json::Value;
    use std::collections::{BTreeMap, BTreeSet};

    static SCHEMAS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../../config/schema/mongodb/genims_production");

    /// Kinds that only the log of the plant has a use for.
    const NOT_ROUTED: [&str; 2] = ["client_lost", "limit_left"];

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
        let found: BTreeSet<&str> = routes.databases().iter().map(|routes| routes.database.module.as_str()).collect();
        let expected =
            ["audit", "crm", "erp", "financial", "hr", "maintenance", "manufacturing", "production", "quality"];
        assert_eq!(found, expected.into_iter().chain(["service", "supplier", "tms", "wms"]).collect::<BTreeSet<_>>());
        // Every kind of event is of use, and every route keeps what it prepared.
        let all: Vec<&Route> = routes.databases().iter().flat_map(|routes| &routes.routes).collect();
        for kind in KINDS.iter().filter(|kind| !NOT_ROUTED.contains(kind)) {
            assert!(all.iter().any(|route| route.events.iter().any(|event| event == kind)), "{kind}");
        }
        for routes in routes.databases().iter().filter(|routes| routes.database.engine != Engine::Mongodb) {
            for (route, prepared) in routes.statements() {
                assert_eq!(*prepared, statement(routes.database.engine, route, &routes.lookups), "{}", route.name);
            }
            assert_eq!(routes.statements().count(), routes.routes.len());
        }
    }

    /// A document of the shipped routes has what its collection requires, for an event that says everything.
    #[test]
    fn the_shipped_documents_have_what_their_collections_require() {
        let routes = Routes::load(&registry(), None).expect("the shipped routes");
        let routes = routes.of("genims_production").expect("the documents");
        for route in routes.routes.iter().filter(|route| route.operation == Operation::Insert) {
            let text = SCHEMAS.get_file(format!("{}.json", route.table)).and_then(|file| file.contents_utf8());
            let schema: Value = serde_json::from_str(text.expect(&route.table)).expect("a schema");
            let fields = schema.pointer("/validator/$jsonSchema").unwrap_or(&schema["fields"]);
            has_required(fields, &route.columns, &route.name);
        }
    }

    fn has_required<'a>(schema: &Value, columns: impl IntoIterator<Item = (&'a String, &'a toml::Value)>, name: &str) {
        let columns: BTreeMap<_, _> = columns.into_iter().collect();
        for required in schema["required"].as_array().expect("required fields") {
            let required = required.as_str().expect("a name");
            let value = columns.get(&required.to_owned());
            assert!(value.is_some(), "{name}: {required} is missing");
            if let Some(toml::Value::Table(nested)) = value {
                has_required(&schema["properties"][required], nested, name);
            }
        }
        for (column, value) in columns {
            let property = &schema["properties"][column.as_str()];
            assert!(!property.is_null(), "{name}: no field {column}");
            let constant = value.as_str().filter(|text| !text.contains('.') && *text != "null");
            if let Some((constant, words)) = constant.zip(property["enum"].as_array()) {
                assert!(words.iter().any(|word| word == constant), "{name}: {column} is never {constant}");
            }
        }
    }

    #[test]
    fn a_document_takes_what_a_look_up_says_and_names_what_is_wrong_with_it() {
        const NOTICE: &str = r#"
            database = "genims_production"
            [[lookup]]
            name = "leader"
            database = "genims_master_db"
            sql = "SELECT 1"
            columns = { line_id = "text", employee_id = "text" }
            [[route]]
            name = "notice"
            about = "tells it"
            events = ["fault_opened"]
            among = { severity = ["high"] }
            from = "{leader}"
            table = "notifications"
            columns = { user_id = "leader.employee_id", title = "A fault. leader.x" }
        "#;
        assert!(parse(NOTICE).is_ok());
        for (from, to, expected) in [
            ("leader.employee_id", "leader.person", "the look-up leader has no column person"),
            ("{leader}", "{chief}", "from names"),
            ("line_id = \"text\", ", "", "a column must bear the name of a field"),
            ("employee_id = \"text\"", "employee_id = \"timestamp\"", "employee_id is a time"),
            ("severity = [", "score = [", "among: score is no text"),
            ("severity = [", "grade = [", "events have no field grade"),
        ] {
            let error = parse(&NOTICE.replacen(from, to, 1)).expect_err(to);
            assert!(error.contains(expected), "{to}: {error}");
        }
        let routes = parse(NOTICE).expect("well");
        let route = &routes.databases()[0].routes[0];
        let event = |severity: &str| {
            let text = format!(r#"{{"kind": "fault_opened", "severity": "{severity}"}}"#);
            RoutedEvent::parse(&text).expect("an event")
        };
        assert!(route.takes(&event("high")) && !route.takes(&event("low")));
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
