//! `genims verify`: whether the 17 databases hold what they should, together.
//!
//! - [`counts`]: tables against the contract, and none of them empty
//! - [`references`], [`keys`]: every reference inside and across databases
//! - [`rules`], [`coherence`]: the rules of config/verify, read and run; [`moment`]: the days that they speak of
//! - [`downstream`]: what is left undone behind the stream: events refused, gaps of routed databases, jobs that failed
//! - [`mirror`]: the stream's ledger against PostgreSQL, MongoDB, and both against each other
//! - [`readings`]: each sensor's readings in PostgreSQL against those in the mirror; [`surplus`]: what the mirror may have more
//! - [`rollups`]: roll-ups of the document store against their sources
//! - [`source`]: the databases that are read; [`report`]: what was found
//!
//! Everything that has to be looked at is begun at once; [`source`] bounds what a server sees of it. A database that is
//! down is reported, what needs it is skipped, and everything else is looked at.

mod coherence;
mod counts;
mod downstream;
mod keys;
mod mirror;
mod moment;
mod readings;
mod references;
pub mod report;
mod rollups;
mod rules;
mod source;
mod surplus;

use super::errors::PlatformError;
use chrono::NaiveDate;
use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesUnordered;
use genims_databases::{Database, Engine, Environment, Model, Registry};
use references::Batch;
pub use report::{Example, Finding, RuleOutcome, Verdict};
use rules::Rule;
use source::Sources;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Instant;
use tokio::sync::Semaphore;

/// Sets of keys, and right sides of rules, that are in memory at the same time.
const IN_MEMORY_MAX: usize = 4;

/// The stream's ledger can be verified alone, as if it were a module.
pub const LEDGER_MODULE: &str = "ledger";

/// The two databases that hold the same readings.
const OPERATIONS: &str = "genims_operations_db";
const PRODUCTION: &str = "genims_production";
/// Whose books the document store sums up.
const FINANCIAL: &str = "genims_financial_db";

#[derive(Clone, Debug, Default)]
pub struct VerifyOptions {
    /// Only what belongs to this module: a module or database of the registry, a rule file, or `ledger`.
    pub module: Option<String>,
    /// Rules of this folder instead of the embedded ones.
    pub rules: Option<PathBuf>,
    /// The first moment of this day is taken for now; else the servers' clocks.
    pub as_of: Option<NaiveDate>,
}

/// Something to show while it runs.
#[derive(Clone, Copy, Debug)]
pub enum Progress<'a> {
    /// So many pieces of work in all.
    Planned(usize),
    /// One of them is done.
    Done(&'a str),
}

/// What is to be looked at.
struct Plan<'a> {
    counts: Vec<&'a Database>,
    references: Vec<Batch>,
    rules: Vec<Rule>,
    ledger: bool,
}

/// Verifies. An error means that nothing was begun; what goes wrong later is in the verdict.
pub async fn run(
    registry: &Registry,
    environment: &Environment,
    options: &VerifyOptions,
    progress: &dyn Fn(Progress<'_>),
) -> Result<Verdict, PlatformError> {
    let started = Instant::now();
    // The ledger is compared by the names of its own tables: the migrations of all others need not be read.
    let models = if options.module.as_deref() == Some(LEDGER_MODULE) { Vec::new() } else { models(registry)? };
    let rules = rules::load(options.rules.as_deref(), registry)?;
    let plan = plan(registry, &models, rules, options.module.as_deref())?;
    let needed = plan.databases();
    let databases: Vec<&Database> =
        registry.all().iter().filter(|database| needed.contains(database.name.as_str())).collect();
    let sources = Sources::open(&databases, environment, options.as_of).await;
    let mut findings = look(&plan, &models, &sources, progress).await;
    findings.sort_by_key(|(order, _)| *order);
    let findings = findings.into_iter().flat_map(|(_, findings)| findings).collect();
    Ok(Verdict::new(sources.reached().to_vec(), findings, started.elapsed().as_secs_f64()))
}

fn models(registry: &Registry) -> Result<Vec<(Engine, Model)>, PlatformError> {
    let model = |database: &Database| Ok((database.engine, Model::of(database)?));
    let models: Result<Vec<_>, String> = registry.all().iter().map(model).collect();
    models.map_err(|cause| PlatformError::Model { cause })
}

fn plan<'a>(
    registry: &'a Registry,
    models: &[(Engine, Model)],
    mut rules: Vec<Rule>,
    module: Option<&str>,
) -> Result<Plan<'a>, PlatformError> {
    let Some(module) = module else {
        let references = references::batches(references::of(models, None));
        return Ok(Plan { counts: registry.all().iter().collect(), references, rules, ledger: true });
    };
    if module == LEDGER_MODULE {
        return Ok(Plan { counts: Vec::new(), references: Vec::new(), rules: Vec::new(), ledger: true });
    }
    let Ok(database) = registry.get(module) else {
        rules.retain(|rule| rule.file == module);
        if rules.is_empty() {
            let mut known: Vec<&str> = registry.all().iter().map(|database| database.module.as_str()).collect();
            known.push(LEDGER_MODULE);
            return Err(PlatformError::UnknownModule { module: module.to_owned(), known: known.join(", ") });
        }
        return Ok(Plan { counts: Vec::new(), references: Vec::new(), rules, ledger: false });
    };
    rules.retain(|rule| rule.file == database.module || rule.databases().first() == Some(&database.name.as_str()));
    let references = references::batches(references::of(models, Some(&database.name)));
    let ledger = [OPERATIONS, PRODUCTION].contains(&database.name.as_str());
    Ok(Plan { counts: vec![database], references, rules, ledger })
}

impl Plan<'_> {
    /// The names of all databases that have to answer.
    fn databases(&self) -> BTreeSet<&str> {
        let mut names: BTreeSet<&str> = self.counts.iter().map(|database| database.name.as_str()).collect();
        for batch in &self.references {
            names.extend(batch.databases());
        }
        names.extend(self.rules.iter().flat_map(Rule::databases));
        if self.ledger {
            names.extend([OPERATIONS, PRODUCTION]);
        }
        if self.counts_documents() {
            names.extend([OPERATIONS, FINANCIAL]);
        }
        names
    }

    fn counts_documents(&self) -> bool {
        self.counts.iter().any(|database| database.name == PRODUCTION)
    }
}

type Work<'a> = LocalBoxFuture<'a, (usize, String, Vec<Finding>)>;

/// The findings of every piece of work, with its place in the report.
async fn look(
    plan: &Plan<'_>,
    models: &[(Engine, Model)],
    sources: &Sources,
    progress: &dyn Fn(Progress<'_>),
) -> Vec<(usize, Vec<Finding>)> {
    let memory = &Semaphore::new(IN_MEMORY_MAX);
    let mut work: Vec<Work<'_>> = Vec::new();
    for database in &plan.counts {
        let Some((_, model)) = models.iter().find(|(_, model)| model.database == database.name) else { continue };
        let (order, name) = (work.len(), format!("counts of {}", database.name));
        work.push(Box::pin(async move { (order, name, counts::check(sources, database, model).await) }));
    }
    for batch in &plan.references {
        let order = work.len();
        work.push(Box::pin(async move {
            let _room = match batch {
                Batch::Across(_) => memory.acquire().await.ok(),
                Batch::Inside(_) => None,
            };
            (order, batch.name(), batch.check(sources).await)
        }));
    }
    for rule in &plan.rules {
        let order = work.len();
        work.push(Box::pin(async move {
            let _room = match rule.check {
                rules::RuleCheck::Agreement { .. } => memory.acquire().await.ok(),
                rules::RuleCheck::Violations { .. } => None,
            };
            (order, rule.name.clone(), vec![coherence::check(sources, rule).await])
        }));
    }
    for database in &plan.counts {
        let (order, name) = (work.len(), format!("what reached {}", database.name));
        work.push(Box::pin(async move { (order, name, downstream::check(sources, database).await) }));
    }
    if plan.counts_documents() {
        let order = work.len();
        work.push(Box::pin(async move { (order, "roll-ups".to_owned(), rollups::check(sources).await) }));
    }
    if plan.ledger {
        let order = work.len();
        work.push(Box::pin(async move { (order, "the ledger".to_owned(), mirror::check(sources).await) }));
    }
    progress(Progress::Planned(work.len()));
    let mut running: FuturesUnordered<Work<'_>> = work.into_iter().collect();
    let mut findings = Vec::new();
    while let Some((order, name, found)) = running.next().await {
        progress(Progress::Done(&name));
        findings.push((order, found));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(module: Option<&str>) -> Result<BTreeSet<String>, PlatformError> {
        let registry = Registry::load(None).expect("the embedded registry");
        let models = models(&registry)?;
        let rules = rules::load(None, &registry)?;
        let plan = plan(&registry, &models, rules, module)?;
        Ok(plan.databases().into_iter().map(str::to_owned).collect())
    }

    #[test]
    fn all_of_it_needs_all_databases() {
        assert_eq!(planned(None).expect("a plan").len(), 17);
    }

    #[test]
    fn a_module_needs_its_database_and_those_that_it_refers_to() {
        let erp = planned(Some("erp")).expect("a plan");
        assert!(erp.contains("genims_erp_db") && erp.contains("genims_master_db") && erp.len() < 17, "{erp:?}");
        assert!(
            planned(Some("production")).expect("a plan").contains("genims_financial_db"),
            "roll-ups are of its books"
        );
        let ledger = planned(Some(LEDGER_MODULE)).expect("a plan");
        assert_eq!(ledger.into_iter().collect::<Vec<_>>(), ["genims_operations_db", "genims_production"]);
    }

    #[test]
    fn an_unknown_module_is_refused_with_those_that_are_known() {
        let error = planned(Some("nothing")).expect_err("unknown").to_string();
        assert!(error.contains("nothing") && error.contains("erp") && error.contains(LEDGER_MODULE), "{error}");
    }
}
