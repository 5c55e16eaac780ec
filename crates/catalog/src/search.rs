//! Finds tools by the words of a query.
//!
//! The score of a tool is the sum of the scores of the query's words. The score of a word depends on where the tool has it:
//! in its name, its title or its description. A word that few tools have scores more than a word that many tools have. Words
//! are compared by their stems. If no tool has a word, words with a similar spelling are used instead.

use std::collections::HashMap;

use rust_stemmers::{Algorithm, Stemmer};

use super::Entry;

/// The maximum length of a query. The rest is ignored.
const MAX_QUERY_BYTES: usize = 256;

/// The weights of a word in a tool's name or keywords, in its title, and in its description.
const NAME_WEIGHT: f64 = 1.0;
const TITLE_WEIGHT: f64 = 0.8;
const DESCRIPTION_WEIGHT: f64 = 0.25;

/// The factors for a synonym, and for a word with a similar spelling.
const SYNONYM_FACTOR: f64 = 0.6;
const SIMILAR_SPELLING_FACTOR: f64 = 0.8;

/// The factor for tools of the default set, which most people want.
const DEFAULT_SET_FACTOR: f64 = 1.15;

/// The lowest score of a result, as a share of the best score.
const MIN_SCORE_SHARE: f64 = 0.3;

/// Words that are ignored in queries, separated by spaces.
const STOP_WORDS: &str = "a am an and any anything are as at be been but by can could did do does down for from gets give \
                          got had has have how i if in into is it its let like me much my need of on or our out please \
                          so some something than that the their them then there these they this to up us want was we \
                          were what when where which who why will with would you your";

/// Groups of synonyms, separated by spaces.
const SYNONYMS: [&str; 21] = [
    "delete remove drop cancel stop end kill terminate unregister disconnect archive",
    "stop pause suspend halt hold freeze kill disable off shut",
    "resume restart continue reactivate",
    "create new add make launch start build register upload",
    "update change edit modify adjust rename raise lower increase decrease reduce replace swap",
    "list show see view find browse search all",
    "creative ad banner video",
    "campaign flight",
    "order buy media",
    "shop storefront store seller",
    "charge bill billing invoice pay",
    "company entity business",
    "site domain property website",
    "aim target targeting",
    "format size template",
    "advertiser client brand",
    "audience persona segment",
    "spend spent cost money",
    "export report download csv spreadsheet excel",
    "seller publisher vendor supplier",
    "live running active current",
];

/// Finds the entries that match a query, best first. Entries with the same score keep the order of the catalog.
pub fn search<'a>(entries: impl Iterator<Item = &'a Entry>, query: &str) -> Vec<&'a Entry> {
    let vocabulary = Vocabulary::new();
    let entries: Vec<(&Entry, Weights)> = entries.map(|entry| (entry, vocabulary.weigh(entry))).collect();
    let mut scores = vec![0.0; entries.len()];
    for stem in vocabulary.query_stems(query) {
        let mut found: Vec<f64> =
            entries.iter().map(|(_, weights)| vocabulary.score(weights, &stem)).collect();
        if found.iter().all(|&score| score == 0.0) {
            found = entries.iter().map(|(_, weights)| score_similar_spelling(weights, &stem)).collect();
        }
        let frequency: f64 = found.iter().sum();
        if frequency > 0.0 {
            #[expect(clippy::cast_precision_loss, reason = "there are fewer tools than a float can count")]
            let rarity = (1.0 + entries.len() as f64 / frequency).ln();
            scores.iter_mut().zip(&found).for_each(|(score, found)| *score += rarity * found);
        }
    }
    for (score, (entry, _)) in scores.iter_mut().zip(&entries) {
        *score *= if entry.tool.default { DEFAULT_SET_FACTOR } else { 1.0 };
    }
    let best = scores.iter().copied().fold(0.0, f64::max);
    let mut found: Vec<(f64, &Entry)> = scores
        .into_iter()
        .zip(entries)
        .filter(|&(score, _)| score > 0.0 && score >= best * MIN_SCORE_SHARE)
        .map(|(score, (entry, _))| (score, entry))
        .collect();
    found.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    found.into_iter().map(|(_, entry)| entry).collect()
}

/// The weights of the words of an entry, by stem.
type Weights = HashMap<String, f64>;

/// The score of a stem for an entry that has stems with a similar spelling, or stems that begin with it.
fn score_similar_spelling(weights: &Weights, stem: &str) -> f64 {
    let max_typos = match stem.chars().count() {
        0..3 => return 0.0,
        3..5 => 0,
        5..9 => 1,
        _ => 2,
    };
    // People rarely mistype the first letter.
    let is_similar = |known: &str| {
        known.starts_with(stem)
            || (known.chars().next() == stem.chars().next()
                && known.len().abs_diff(stem.len()) <= max_typos
                && strsim::osa_distance(known, stem) <= max_typos)
    };
    weights
        .iter()
        .filter(|(known, _)| is_similar(known))
        .map(|(_, weight)| SIMILAR_SPELLING_FACTOR * weight)
        .sum()
}

/// The stems and synonyms of English words.
struct Vocabulary {
    stemmer: Stemmer,
    /// The stems of each group of synonyms.
    synonyms: Vec<Vec<String>>,
}

impl Vocabulary {
    fn new() -> Self {
        let mut vocabulary = Self { stemmer: Stemmer::create(Algorithm::English), synonyms: Vec::new() };
        let stems = |group: &&str| words(group).map(|word| vocabulary.stem(&word)).collect();
        vocabulary.synonyms = SYNONYMS.iter().map(stems).collect();
        vocabulary
    }

    fn stem(&self, word: &str) -> String {
        self.stemmer.stem(word).into_owned()
    }

    /// The stems of a query's words. Stop words count only if the query has no other words, such as `who am I?`.
    fn query_stems(&self, text: &str) -> Vec<String> {
        let text = &text[..text.floor_char_boundary(MAX_QUERY_BYTES)];
        let has_only_stop_words = words(text).all(|word| is_stop_word(&word));
        let mut stems: Vec<String> = words(text)
            .filter(|word| has_only_stop_words || !is_stop_word(word))
            .map(|word| self.stem(&word))
            .collect();
        stems.sort_unstable();
        stems.dedup();
        stems
    }

    fn weigh(&self, entry: &Entry) -> Weights {
        let tool = &entry.tool;
        let keywords = tool.keywords.iter().map(|keyword| (&**keyword, NAME_WEIGHT));
        let fields = [
            (&*tool.name, NAME_WEIGHT),
            (&*tool.title, TITLE_WEIGHT),
            (&*tool.description, DESCRIPTION_WEIGHT),
            (&*entry.toolset, DESCRIPTION_WEIGHT),
        ];
        let mut weights = Weights::new();
        for (text, weight) in fields.into_iter().chain(keywords) {
            // Stop words in a description say nothing about a tool.
            let is_counted = |word: &String| weight > DESCRIPTION_WEIGHT || !is_stop_word(word);
            for stem in words(text).filter(is_counted).map(|word| self.stem(&word)) {
                let known = weights.entry(stem).or_insert(weight);
                *known = weight.max(*known);
            }
        }
        weights
    }

    /// The score of a stem for an entry: the highest of its own and those of its synonyms.
    fn score(&self, weights: &Weights, stem: &str) -> f64 {
        let weight = |stem: &str| weights.get(stem).copied().unwrap_or_default();
        let groups = self.synonyms.iter().filter(|group| group.iter().any(|known| known == stem));
        groups.flatten().map(|synonym| SYNONYM_FACTOR * weight(synonym)).fold(weight(stem), f64::max)
    }
}

fn is_stop_word(word: &str) -> bool {
    STOP_WORDS.split(' ').any(|stop| stop == word)
}

/// The words of a text in lower case. The part of a word after an apostrophe is dropped: `tool's` becomes `tool`.
fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(|c: char| !c.is_alphanumeric() && !matches!(c, '\'' | '’'))
        .map(|word| word.split(['\'', '’']).next().unwrap_or_default().to_lowercase())
        .filter(|word| !word.is_empty())
}
