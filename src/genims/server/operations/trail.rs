//! The audit chains: where they end by their last seals, and what is kept of them elsewhere, with the breaks that the delivery found.

use super::super::ServerError;
use crate::settings::Settings;
use genims_api::operations::report::{BreakView, ChainView, HeadView, TrailAnswer};
use genims_api::plants::report::Proven;
use genims_api::proof::Proof;
use genims_changes::heads::{self, Head, HeadsByDatabase, Kept};
use genims_changes::standing::{LAST_SEALS, LastSeal, last_seals};
use genims_databases::configured::if_configured;
use genims_databases::{Engine, Environment, MongoSettings, MysqlSettings, Registry};
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::timeout;

const AUDIT: &str = "genims_audit_db";
const MIRROR: &str = "genims_production";
/// Of each of the two that are asked.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) struct TrailReader {
    mysql: Option<MysqlSettings>,
    mongo: Option<MongoSettings>,
    data_dir: PathBuf,
    /// Those with an outbox of changes.
    databases: Vec<String>,
}

impl TrailReader {
    pub(super) fn new(
        settings: &Settings,
        registry: &Registry,
        environment: &Environment,
    ) -> Result<Self, ServerError> {
        let postgres = registry.all().iter().filter(|database| database.engine == Engine::Postgresql);
        Ok(Self {
            mysql: if_configured(MysqlSettings::from_environment(registry.get(AUDIT)?, environment))?,
            mongo: if_configured(MongoSettings::from_environment(registry.get(MIRROR)?, environment))?,
            data_dir: settings.data_dir.clone(),
            databases: postgres.map(|database| database.name.clone()).collect(),
        })
    }

    pub(super) async fn trail(&self) -> Result<Proven<TrailAnswer>, String> {
        let missing = || format!("no connection to {AUDIT} is configured, which holds the audit trail");
        let mysql = self.mysql.as_ref().ok_or_else(missing)?;
        // Before the trail: what is delivered meanwhile is behind them.
        let mut places =
            vec![("the data folder", heads::from_file(Kept::Heads, &self.data_dir).map_err(|e| e.to_string())?)];
        let remark = match self.of_mongo().await {
            Ok(kept) => {
                places.extend(kept.map(|kept| ("MongoDB", kept)));
                None
            }
            Err(cause) => Some(format!("The heads in MongoDB are not known: {cause}")),
        };
        let seals = match timeout(PATIENCE, last_seals(mysql)).await {
            Ok(seals) => seals.map_err(|error| error.to_string())?,
            Err(_) => return Err(format!("{}: no answer within {} s", mysql.place(), PATIENCE.as_secs())),
        };
        let proof = Proof {
            name: "seals".into(),
            database: AUDIT.into(),
            sql: format!("{LAST_SEALS};"),
            expected: None,
            note: "The last seal of each database, written in the transaction of the entries that it covers.".into(),
        };
        let value = TrailAnswer { chains: chains(&self.databases, &seals, &places), remark };
        Ok(Proven { value, proofs: vec![proof] })
    }

    async fn of_mongo(&self) -> Result<Option<HeadsByDatabase>, String> {
        let Some(mongo) = &self.mongo else { return Ok(None) };
        match timeout(PATIENCE, heads::from_mongo(Kept::Heads, mongo)).await {
            Ok(kept) => kept.map(Some).map_err(|error| error.to_string()),
            Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
        }
    }
}

/// Of these databases, and of whichever else has seals.
fn chains(databases: &[String], seals: &[LastSeal], places: &[(&str, HeadsByDatabase)]) -> Vec<ChainView> {
    let others = seals.iter().map(|seal| &seal.database).filter(|name| !databases.contains(name));
    let chain = |name: &String| {
        let mut chain = ChainView { database: name.clone(), ..ChainView::default() };
        if let Some(last) = seals.iter().find(|seal| seal.database == *name) {
            (chain.seal, chain.writes, chain.changes) = (last.seal, last.writes, last.changes);
            chain.sealed_ms = Some(last.sealed_at.and_utc().timestamp_millis());
        }
        for (place, kept) in places {
            let Some(Head { ends, at, breaks }) = kept.get(name) else { continue };
            chain.heads.push(HeadView {
                place: (*place).to_owned(),
                kept_at: at.clone(),
                writes: ends.write.position,
                changes: ends.change.position,
                seal: ends.seal.position,
            });
            for found in breaks {
                let (expected, is) = (found.expected.write.position, found.found.write.position);
                let seen = BreakView { found_at: found.found_at.clone(), expected, found: is };
                // Both places have it.
                if !chain.breaks.contains(&seen) {
                    chain.breaks.push(seen);
                }
            }
        }
        chain
    };
    databases.iter().chain(others).map(chain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use genims_changes::entry::{End, Ends};
    use genims_changes::heads::Break;

    fn ends(position: i64) -> Ends {
        let end = || End { position, ..End::default() };
        Ends { write: end(), change: end(), seal: end() }
    }

    #[test]
    fn a_chain_has_its_last_seal_the_heads_of_each_place_and_each_break_once() {
        let found = Break { found_at: "then".to_owned(), expected: ends(9), found: ends(7) };
        let head = Head { ends: ends(7), at: "now".to_owned(), breaks: vec![found] };
        let kept = HeadsByDatabase::from([("genims_erp_db".to_owned(), head)]);
        let sealed_at = chrono::DateTime::from_timestamp_millis(5_000).expect("a moment").naive_utc();
        let seal = |database: &str| {
            let database = database.to_owned();
            LastSeal { database, seal: 4, sealed_at, writes: 8, changes: 3 }
        };
        let names = ["genims_erp_db", "genims_hr_db"].map(str::to_owned);
        let places = [("the data folder", kept.clone()), ("MongoDB", kept)];
        let chains = chains(&names, &[seal("genims_erp_db"), seal("gone_db")], &places);
        let told: Vec<_> = chains.iter().map(|chain| (chain.database.as_str(), chain.seal, chain.sealed_ms)).collect();
        assert_eq!(told, [("genims_erp_db", 4, Some(5_000)), ("genims_hr_db", 0, None), ("gone_db", 4, Some(5_000))]);
        let places: Vec<_> = chains[0].heads.iter().map(|head| (head.place.as_str(), head.seal)).collect();
        assert_eq!(places, [("the data folder", 7), ("MongoDB", 7)]);
        assert_eq!(chains[0].breaks.len(), 1);
        assert_eq!((chains[0].breaks[0].expected, chains[0].breaks[0].found), (9, 7));
        assert!(chains[1].heads.is_empty() && chains[1].breaks.is_empty());
    }
}
