//! Finding a tool by what people say.

use super::Entry;

/// The entries that fit a query, best first. Every word must be found in the name, the title, the keywords or the
/// description; where it is found decides the rank.
pub fn search<'a>(entries: impl Iterator<Item = &'a Entry>, query: &str) -> Vec<&'a Entry> {
    let words: Vec<String> = query.split_whitespace().map(str::to_lowercase).collect();
    let mut found: Vec<(usize, &Entry)> = entries
        .filter_map(|entry| {
            let scores: Option<Vec<usize>> = words.iter().map(|word| score(entry, word)).collect();
            Some((scores?.into_iter().sum(), entry))
        })
        .collect();
    // The sort is stable: equals stay in the order of the catalogue.
    found.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    found.into_iter().map(|(_, entry)| entry).collect()
}

fn score(entry: &Entry, word: &str) -> Option<usize> {
    let tool = &entry.tool;
    let singular = word.strip_suffix('s').filter(|stem| stem.len() > 2).unwrap_or(word);
    let has = |text: &str| text.to_lowercase().contains(singular);
    if tool.name.split('_').any(|part| part == word || part == singular) {
        Some(8)
    } else if tool.keywords.iter().any(|keyword| has(keyword)) {
        Some(6)
    } else if has(&tool.name) || has(&tool.title) {
        Some(4)
    } else if has(&tool.description) || has(&entry.toolset) {
        Some(1)
    } else {
        None
    }
}
