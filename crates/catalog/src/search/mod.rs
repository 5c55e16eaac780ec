//! Finds tools by the words of a query. `docs/adr/0012-search.md` says why this is our own code, and what was measured.
//!
//! `language` turns a query into terms: phrases, typing errors, stop words, stems, synonyms. The score of a tool is the sum
//! of the scores of the terms. The score of a term depends on where the tool has it, such as in its name or its description,
//! and a term that few tools have scores more. Then tools are preferred whose names the query covers, that have more of the
//! terms, that do what the query asks for (read or change), and that are in the default set.

mod language;
#[cfg(test)]
mod tests;

use std::{collections::HashMap, fmt};

use self::language::{Intent, Language, Stem, Term};
use super::{Effect, Entry, EntryRef};

/// The maximum length of a query. The rest is ignored.
const MAX_QUERY_BYTES: usize = 256;

/// The weights of a word, by where a tool has it.
const NAME_WEIGHT: f64 = 1.0;
const KEYWORD_WEIGHT: f64 = 1.0;
const TITLE_WEIGHT: f64 = 0.8;
const DESCRIPTION_WEIGHT: f64 = 0.35;
const TOOLSET_WEIGHT: f64 = 0.25;
const ARGUMENT_WEIGHT: f64 = 0.15;

/// The part of the other weights that is added, at most once, to the highest, if a tool has a word in several places.
const REPETITION_SHARE: f64 = 0.25;

/// The most that is added to the score of a tool: if the query has all words of its name, and if it has all terms.
const NAME_BONUS: f64 = 0.2;
const COVERAGE_BONUS: f64 = 0.3;

/// The factors for tools that read, if the query asks, and for those that change something, if it commands.
const READ_FACTOR: f64 = 1.3;
const CHANGE_FACTOR: f64 = 1.15;

/// The factor for tools of the default set, which most people want.
const DEFAULT_SET_FACTOR: f64 = 1.1;

/// The lowest score of a result, as a share of the best score.
const MIN_SCORE_SHARE: f64 = 0.3;

/// The words of the tools of a catalog.
pub(super) struct Index {
    language: Language,
    /// By stem: the positions of the tools that have it, with its weight.
    postings: Vec<Vec<(usize, f64)>>,
    /// By position: the stems of the tool's name.
    names: Vec<Vec<Stem>>,
}

impl fmt::Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Index").field("tools", &self.names.len()).finish_non_exhaustive()
    }
}

impl Index {
    pub(super) fn new<'e>(entries: impl Iterator<Item = &'e Entry>) -> Self {
        let mut index = Self { language: Language::new(), postings: Vec::new(), names: Vec::new() };
        for entry in entries {
            index.add(entry);
        }
        index.postings.resize_with(index.language.stems(), Vec::new);
        index
    }

    fn add(&mut self, entry: &Entry) {
        let tool = &entry.tool;
        let properties = tool.input.object().get("properties").and_then(|members| members.as_object());
        let arguments = properties.into_iter().flat_map(|members| members.keys());
        let fields = [
            (&*tool.name, NAME_WEIGHT),
            (&*tool.title, TITLE_WEIGHT),
            (&*tool.description, DESCRIPTION_WEIGHT),
            (&*entry.toolset, TOOLSET_WEIGHT),
        ];
        let fields = fields
            .into_iter()
            .map(|(text, weight)| (text.to_owned(), weight))
            .chain(tool.keywords.iter().map(|keyword| (keyword.to_string(), KEYWORD_WEIGHT)))
            .chain(arguments.map(|name| (language::separated(name), ARGUMENT_WEIGHT)));
        // The highest weight of a stem, and the sum of all.
        let mut weights: HashMap<Stem, (f64, f64)> = HashMap::new();
        for (text, weight) in fields {
            for word in language::words(&text) {
                // Stop words in a description say nothing about a tool.
                if weight < TITLE_WEIGHT && self.language.is_stop_word(&word) {
                    continue;
                }
                let (highest, sum) = weights.entry(self.language.learn(&word)).or_default();
                *highest = highest.max(weight);
                *sum += weight;
            }
        }
        let position = self.names.len();
        self.postings.resize_with(self.language.stems(), Vec::new);
        for (stem, (highest, sum)) in weights {
            let weight = highest + REPETITION_SHARE * (sum - highest).min(1.0);
            self.postings[stem].push((position, weight));
        }
        self.names.push(language::words(&tool.name).map(|word| self.language.learn(&word)).collect());
    }

    /// The positions of the tools that match a query, best first, among those that are offered. Tools with the same score
    /// keep the order of the catalog.
    pub(super) fn search(
        &self,
        entries: &[EntryRef],
        query: &str,
        is_offered: impl Fn(&Entry) -> bool,
    ) -> Vec<usize> {
        let offered: Vec<bool> = entries.iter().map(|entry| is_offered(entry)).collect();
        let text = &query[..query.floor_char_boundary(MAX_QUERY_BYTES)];
        let query = self.language.read(text);
        let mut scores = self.scores(&query.terms, &offered);
        for (score, entry) in scores.iter_mut().zip(entries) {
            *score *= match (query.intent, entry.tool.effect) {
                (Intent::Read, Effect::Read) => READ_FACTOR,
                (Intent::Change, Effect::Write | Effect::Spend | Effect::Delete) => CHANGE_FACTOR,
                _ => 1.0,
            };
            *score *= if entry.tool.default { DEFAULT_SET_FACTOR } else { 1.0 };
        }
        let best = scores.iter().copied().fold(0.0, f64::max);
        // Whoever knows the name wants that tool.
        let is_named = |entry: &EntryRef| language::words(text).eq(language::words(&entry.tool.name));
        if let Some(named) = entries.iter().position(is_named).filter(|&named| offered[named]) {
            scores[named] = best + 1.0;
        }
        let is_found = |position: &usize| {
            let score = scores[*position];
            score > 0.0 && score >= best * MIN_SCORE_SHARE
        };
        let mut found: Vec<usize> = (0..scores.len()).filter(is_found).collect();
        found.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
        found
    }

    /// The score of each tool by the words alone.
    #[expect(clippy::cast_precision_loss, reason = "there are fewer tools than a float can count")]
    fn scores(&self, terms: &[Term], offered: &[bool]) -> Vec<f64> {
        let count = offered.iter().filter(|&&is_offered| is_offered).count() as f64;
        let mut scores = vec![0.0; offered.len()];
        let mut covered = vec![0.0; offered.len()];
        let mut most_covered = 0.0;
        for term in terms {
            let found = self.score_term(term, offered);
            let frequency: f64 = found.iter().sum();
            if frequency == 0.0 {
                continue;
            }
            let rarity = (1.0 + count / frequency).ln();
            most_covered += rarity;
            for (position, weight) in found.into_iter().enumerate().filter(|&(_, weight)| weight > 0.0) {
                scores[position] += rarity * weight;
                covered[position] += rarity;
            }
        }
        for (position, score) in scores.iter_mut().enumerate().filter(|(_, score)| **score > 0.0) {
            let name = &self.names[position];
            let is_asked = |stem: &&Stem| terms.iter().flatten().any(|(asked, _)| asked == *stem);
            let named = name.iter().filter(is_asked).count() as f64 / name.len() as f64;
            *score *= 1.0 + NAME_BONUS * named;
            *score *= 1.0 + COVERAGE_BONUS * covered[position] / most_covered;
        }
        scores
    }

    /// The score of a term for each tool: the highest of its stems.
    fn score_term(&self, term: &Term, offered: &[bool]) -> Vec<f64> {
        let mut found = vec![0.0_f64; offered.len()];
        for &(stem, factor) in term {
            for &(position, weight) in self.postings[stem].iter().filter(|(position, _)| offered[*position]) {
                found[position] = found[position].max(factor * weight);
            }
        }
        found
    }
}
