//! In which order tables are loaded: what a table refers to goes before it; tables that refer to each other go together.

use crate::world::{TableId, World};
use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use std::collections::HashMap;

/// The described tables of a database, parents first. More than one in a group: they refer to each other in a circle.
pub(super) fn groups(world: &World, database: &str) -> Vec<Vec<TableId>> {
    let tables: Vec<TableId> = world.tables_of(database).into_iter().filter(|table| world.is_written(*table)).collect();
    let mut graph: DiGraph<TableId, ()> = DiGraph::new();
    let nodes: HashMap<String, NodeIndex> =
        tables.iter().map(|table| (world.short_name(*table).to_owned(), graph.add_node(*table))).collect();
    for table in &tables {
        let Some(model) = world.model(*table) else { continue };
        for target in model.columns.iter().flat_map(|column| &column.references) {
            let mut parts = target.split('.');
            if parts.next() == Some(database)
                && let Some(parent) = parts.next().and_then(|name| nodes.get(name))
            {
                graph.add_edge(nodes[world.short_name(*table)], *parent, ());
            }
        }
    }
    // Tarjan's order is children last when the arrows point at the parents.
    tarjan_scc(&graph).into_iter().map(|group| group.into_iter().map(|node| graph[node]).collect()).collect()
}
