//! What a crawl found, in the forms that other programs read.

use serde_json::{Value, json};

use crate::control::views::CrawlResultView;

/// As a NetworkGraph of NetJSON (<https://netjson.org/rfc.html>, section 4). An arc says that
/// its source has its target in its routing table; every arc costs 1.
pub(super) fn netjson(crawl: &CrawlResultView, protocol: &str) -> Value {
    let nodes: Vec<Value> = crawl
        .nodes
        .iter()
        .map(|node| {
            json!({
                "id": node.peer,
                "properties": { "answered": node.answered, "addresses": node.addresses },
            })
        })
        .collect();
    let links: Vec<Value> = arcs(crawl)
        .map(|(source, target)| json!({ "source": source, "target": target, "cost": 1.0 }))
        .collect();
    json!({
        "type": "NetworkGraph",
        "protocol": protocol,
        "version": env!("CARGO_PKG_VERSION"),
        "metric": null,
        "nodes": nodes,
        "links": links,
    })
}

/// As a directed graph for Graphviz.
pub(super) fn dot(crawl: &CrawlResultView) -> String {
    let mut text = String::from("digraph dht {\n");
    for node in &crawl.nodes {
        let style = if node.answered { "solid" } else { "dashed" };
        text.push_str(&format!("  \"{}\" [style={style}];\n", node.peer));
    }
    for (source, target) in arcs(crawl) {
        text.push_str(&format!("  \"{source}\" -> \"{target}\";\n"));
    }
    text.push_str("}\n");
    text
}

/// Who has whom in its routing table.
fn arcs(crawl: &CrawlResultView) -> impl Iterator<Item = (&str, &str)> {
    crawl.nodes.iter().flat_map(|node| {
        let targets = node.table.iter().filter_map(|&place| crawl.nodes.get(place));
        targets.map(|target| (node.peer.as_str(), target.peer.as_str()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::views::CrawledNodeView;

    fn node(peer: &str, answered: bool, table: &[usize]) -> CrawledNodeView {
        let (peer, table) = (peer.to_owned(), table.to_vec());
        CrawledNodeView { peer, addresses: vec!["/ip4/192.0.2.1/tcp/1".into()], answered, table }
    }

    /// `a` knows `b`, which does not answer.
    fn crawl() -> CrawlResultView {
        CrawlResultView {
            nodes: vec![node("a", true, &[1, 9]), node("b", false, &[])],
            partial: false,
        }
    }

    #[test]
    fn a_network_graph_has_all_nodes_and_an_arc_for_each_entry_of_a_table() {
        let graph = netjson(&crawl(), "/pointsman/kad");
        assert_eq!(graph["nodes"].as_array().map(Vec::len), Some(2));
        assert_eq!(graph["links"], json!([{ "source": "a", "target": "b", "cost": 1.0 }]));
        assert_eq!(graph["nodes"][1]["properties"]["answered"], json!(false));
    }

    #[test]
    fn a_dot_graph_shows_who_is_silent() {
        let dot = dot(&crawl());
        assert!(dot.contains("\"b\" [style=dashed]") && dot.contains("\"a\" -> \"b\";"), "{dot}");
    }
}
