//! The connection guide: a page for each team, of what the registry, the schema, the routes and the jobs say of its databases.
//! Needs no server and holds no secret: `HOST` stands for where a database is, which its variable says.

use genims_databases::{Database, Engine, Registry};
use genims_etl::job;
use genims_platform::dictionary::{DatabaseEntry, Dictionary};
use genims_platform::provision::roles::{self, RoleName};
use genims_routes::Routes;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::time::Duration;

/// What a team owns.
#[derive(Clone, Debug, Serialize)]
pub struct TeamPage {
    pub team: String,
    pub databases: Vec<DatabaseGuide>,
}

/// One database, for those who work with it.
#[derive(Clone, Debug, Serialize)]
pub struct DatabaseGuide {
    #[serde(flatten)]
    pub database: Database,
    /// By name, in the order of the schema.
    pub contents: Vec<String>,
    pub roles: Vec<RoleName>,
    /// A command line of the engine's own client, as the reader.
    pub connect: String,
    pub backup: String,
    pub restore: [String; 2],
    /// What its rows refer to, and what is read to fill it; by the other database's name, with how.
    pub depends_on: BTreeMap<String, BTreeSet<Dependency>>,
    /// The same, seen from the other side.
    pub serves: BTreeMap<String, BTreeSet<Dependency>>,
}

/// How one database needs another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Dependency {
    /// Its rows name rows of the other.
    References,
    /// Its routes look rows of the other up.
    Routes,
    /// A job of `genims etl` computes it from the other.
    Jobs,
}

type Needs = BTreeMap<(String, String), BTreeSet<Dependency>>;

/// All teams, in the order in which their first database is loaded.
pub fn guide() -> anyhow::Result<Vec<TeamPage>> {
    let registry = Registry::load(None)?;
    let dictionary = Dictionary::of(&registry)?;
    let needs = needs(&registry, &dictionary)?;
    let mut pages: Vec<TeamPage> = Vec::new();
    for entry in &dictionary.databases {
        let guide = DatabaseGuide::of(entry, &needs);
        match pages.iter_mut().find(|page| page.team == guide.database.team) {
            Some(page) => page.databases.push(guide),
            None => pages.push(TeamPage { team: guide.database.team.clone(), databases: vec![guide] }),
        }
    }
    Ok(pages)
}

fn needs(registry: &Registry, dictionary: &Dictionary) -> anyhow::Result<Needs> {
    let mut needs = Needs::new();
    let mut add = |from: &str, to: &str, how| {
        if from != to {
            needs.entry((from.to_owned(), to.to_owned())).or_default().insert(how);
        }
    };
    for entry in &dictionary.databases {
        let columns = entry.contents.iter().flat_map(|table| &table.columns);
        for target in columns.flat_map(|column| &column.references) {
            let other = target.split('.').next().and_then(|name| registry.get(name).ok());
            if let Some(other) = other {
                add(&entry.database.name, &other.name, Dependency::References);
            }
        }
    }
    for routes in Routes::load(registry, None)?.databases() {
        for lookup in &routes.lookups {
            add(&routes.database.name, &registry.get(&lookup.database)?.name, Dependency::Routes);
        }
    }
    for job in job::load(registry, None)? {
        for source in job.sources() {
            add(&registry.get(&job.target)?.name, &registry.get(source)?.name, Dependency::Jobs);
        }
    }
    Ok(needs)
}

impl DatabaseGuide {
    fn of(entry: &DatabaseEntry, needs: &Needs) -> Self {
        let database = &entry.database;
        let module = &database.module;
        let of = |others: &dyn Fn(&(String, String)) -> Option<String>| {
            needs.iter().filter_map(|(pair, hows)| Some((others(pair)?, hows.clone()))).collect()
        };
        Self {
            contents: entry.contents.iter().map(|table| table.name.clone()).collect(),
            roles: roles::of(database),
            connect: connect(database),
            backup: format!("genims backup {module} --to /backups"),
            restore: [
                format!("genims restore {module} --from /backups --as {module}_copy"),
                format!("genims restore {module} --from /backups --replace"),
            ],
            depends_on: of(&|(from, to)| (*from == database.name).then(|| to.clone())),
            serves: of(&|(from, to)| (*to == database.name).then(|| from.clone())),
            database: database.clone(),
        }
    }
}

fn connect(database: &Database) -> String {
    let (name, module) = (&database.name, &database.module);
    match database.engine {
        Engine::Postgresql => format!(
            "psql 'host=HOST port=5432 dbname={name} user=genims_{module}_reader sslmode=verify-full sslrootcert=/etc/genims/ca.pem'"
        ),
        Engine::Mysql => format!(
            "mariadb --host=HOST --port=3306 --user=genims_{module}_reader --password --ssl-ca=/etc/genims/ca.pem \
             --ssl-verify-server-cert {name}"
        ),
        Engine::Mongodb => {
            format!("mongosh 'mongodb://USER@HOST:27017/{name}?authSource=admin&tls=true&tlsCAFile=/etc/genims/ca.pem'")
        }
    }
}

const OPENING: &str = "# The teams and their databases

Generated by `genims connections`; `--json` gives the same as data. One section is the page of one team. `HOST` stands for where
a server is: the variable of the database says it to GenIMS, in `.env` ([.env.example](../.env.example) explains the forms). The lines
hold no password: `psql` and `mongosh` ask for it, and so does `mariadb` because of `--password` (the client `mysql` of MySQL 8 has
`--ssl-mode=VERIFY_IDENTITY` in place of `--ssl-verify-server-cert`).

`genims provision` makes the roles; one can log in once the variable beside it is set in `.env` and `genims provision` ran again. An
*owner* changes the schema and is whom backup, restore and retention log in as, a *writer* reads and writes rows, a *reader* reads
them; of the audit trail the writer inserts alone. In MongoDB there are no roles of GenIMS: its administrator makes logins. `genims
dictionary` says what tables and columns mean, `genims doctor` whether all connections are as they should be, and
[RUNBOOK.md](../RUNBOOK.md) what to do when they are not.
";

/// The same as a page.
pub fn markdown(guide: &[TeamPage]) -> String {
    let mut page = String::from(OPENING);
    page.push_str("\n| database | engine | team | tables | kept | variable |\n|---|---|---|---|---|---|\n");
    let of_team = |team: &TeamPage| team.databases.clone();
    let mut all: Vec<DatabaseGuide> = guide.iter().flat_map(of_team).collect();
    all.sort_by_key(|entry| entry.database.load_order);
    for DatabaseGuide { database, .. } in &all {
        // Writing to a String cannot fail.
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {} | {} | `{}` |",
            database.name,
            database.engine,
            database.team,
            database.tables,
            kept(database),
            database.connection
        );
    }
    for team in guide {
        let _ = writeln!(page, "\n## {}", team.team);
        team.databases.iter().for_each(|database| section(&mut page, database));
    }
    page
}

fn section(page: &mut String, guide: &DatabaseGuide) {
    let database = &guide.database;
    let what = if database.engine == Engine::Mongodb { "collections" } else { "tables" };
    let _ = writeln!(
        page,
        "\n### {}\n\n{}.\n\n| | |\n|---|---|\n| engine | {} |\n| {what} | {}: {} |\n| rows are kept | {} |\n| backups | {} |\n| maintenance | {} |\n| variable | `{}` |",
        database.name,
        database.purpose,
        database.engine,
        database.tables,
        guide.contents.join(", "),
        kept(database),
        backups(database),
        database.maintenance,
        database.connection
    );
    for role in &guide.roles {
        let _ = writeln!(page, "| {} | `{}`, logs in with `{}` |", role.right, role.name, role.password);
    }
    let _ = writeln!(page, "| depends on | {} |\n| serves | {} |", told(&guide.depends_on), told(&guide.serves));
    let _ = writeln!(page, "\n```sh\n{}\n{}\n{}\n```", guide.connect, guide.backup, guide.restore.join("\n"));
}

fn told(others: &BTreeMap<String, BTreeSet<Dependency>>) -> String {
    if others.is_empty() {
        return "none".to_owned();
    }
    let hows = |hows: &BTreeSet<Dependency>| {
        let words = hows.iter().map(|how| match how {
            Dependency::References => "references",
            Dependency::Routes => "routes",
            Dependency::Jobs => "jobs",
        });
        words.collect::<Vec<_>>().join(", ")
    };
    others.iter().map(|(name, how)| format!("{name} ({})", hows(how))).collect::<Vec<_>>().join(", ")
}

fn kept(database: &Database) -> String {
    database.retention.map_or_else(|| "for good".to_owned(), span)
}

fn backups(database: &Database) -> String {
    format!("every {} h, kept for {}", database.backup_every.as_secs() / 3_600, span(database.backups_kept))
}

/// In the largest unit that leaves nothing over: of as many seconds as the registry's own words say.
fn span(span: Duration) -> String {
    const UNITS: [(u64, &str); 3] = [(31_557_600, "years"), (2_630_016, "months"), (86_400, "days")];
    let seconds = span.as_secs();
    let whole = UNITS.iter().find(|(unit, _)| seconds.is_multiple_of(*unit));
    whole.map_or_else(|| format!("{seconds} seconds"), |(unit, name)| format!("{} {name}", seconds / unit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_shipped_guide_is_what_the_code_says() {
        let page = markdown(&guide().expect("the embedded files"));
        let shipped = include_str!("../../config/connections.md");
        assert_eq!(page, shipped, "write it anew: genims connections > config/connections.md");
    }

    #[test]
    fn every_database_stands_on_the_page_of_its_team_with_all_that_is_asked_for() {
        let guide = guide().expect("the embedded files");
        let registry = Registry::load(None).expect("the embedded registry");
        let teams: HashSet<&str> = registry.all().iter().map(|database| database.team.as_str()).collect();
        assert_eq!(guide.iter().map(|page| page.team.as_str()).collect::<HashSet<_>>(), teams);
        assert_eq!(guide.len(), teams.len(), "a page each");
        let mut seen = 0;
        for (team, entry) in guide.iter().flat_map(|page| page.databases.iter().map(move |entry| (&page.team, entry))) {
            seen += 1;
            let database = &entry.database;
            assert_eq!(database.team, *team);
            assert_eq!(entry.contents.len(), database.tables as usize, "{}", database.name);
            assert!(
                entry.connect.contains(&database.name) && !entry.connect.contains("://genims:"),
                "{}",
                entry.connect
            );
            assert_eq!(entry.roles.is_empty(), database.engine == Engine::Mongodb, "{}", database.name);
        }
        assert_eq!(seen, 17);
    }

    #[test]
    fn spans_are_told_in_the_words_of_the_registry() {
        let registry = Registry::load(None).expect("the embedded registry");
        let of = |name: &str| kept(registry.get(name).expect("in the registry"));
        let told = ["master", "operations", "hr", "reporting", "production"].map(of);
        assert_eq!(told, ["for good", "1098 days", "10 years", "12 months", "90 days"]);
    }

    #[test]
    fn who_depends_on_whom_is_told_from_both_sides() {
        let guide = guide().expect("the embedded files");
        let of = |name: &str| {
            let mut all = guide.iter().flat_map(|page| &page.databases);
            all.find(|entry| entry.database.module == name).expect("in the registry")
        };
        let is_said = |from: &str, to: &str, how| {
            let (from, to) = (of(from), of(to));
            let sides = [from.depends_on.get(&to.database.name), to.serves.get(&from.database.name)];
            assert_eq!(sides[0], sides[1]);
            sides[0].is_some_and(|hows| hows.contains(&how))
        };
        assert!(is_said("manufacturing", "master", Dependency::References));
        assert!(is_said("crm", "manufacturing", Dependency::Routes));
        assert!(is_said("analytics", "financial", Dependency::Jobs));
        assert!(!is_said("master", "crm", Dependency::References));
        assert!(
            guide
                .iter()
                .flat_map(|page| &page.databases)
                .all(|entry| !entry.depends_on.contains_key(&entry.database.name))
        );
    }
}
