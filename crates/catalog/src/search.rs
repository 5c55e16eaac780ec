//! Finds tools by people's words.
//!
//! Each word of the query counts by itself: how much depends on where it is found, and a word of few tools counts more than
//! a word of many. Words are compared by their stems. A word that no tool has counts as the most similar word.

use std::collections::HashMap;

use rust_stemmers::{Algorithm, Stemmer};

use super::Entry;

/// The part of a query that is read.
const MAX_QUERY_BYTES: usize = 256;

/// The weights of a word in a tool's name or keywords, in its title, and in its description.
const IN_NAME: f64 = 1.0;
const IN_TITLE: f64 = 0.8;
const IN_DESCRIPTION: f64 = 0.25;

/// The factors for a word with the same meaning, and for a word with a similar spelling.
const SAME_MEANING: f64 = 0.6;
const SIMILAR_SPELLING: f64 = 0.8;

/// The factor for tools of the default set, which most people want.
const DEFAULT_SET_FACTOR: f64 = 1.15;

/// The lowest score of a result, as a share of the best score.
const MIN_SCORE_SHARE: f64 = 0.3;

/// Stop words.
const STOP_WORDS: &str = "a am an and any anything are as at be been but by can could did do does down for from gets give \
                          got had has have how i if in into is it its let like me much my need of on or our out please \
                          so some something than that the their them then there these they this to up us want was we \
                          were what when where which who why will with would you your";

/// Synonyms.
const MEANINGS: [&str; 14] = [
    "delete remove drop cancel stop end kill terminate unregister disconnect archive",
    "stop pause suspend halt hold freeze kill disable off shut",
    "resume restart continue reactivate",
    "create new add make launch start build register upload",
    "update change edit modify adjust rename raise lower increase decrease reduce replace swap",
    "list show see view find browse search all",
    "creative ad banner video",
    "campaign flight order",
    "advertiser client brand",
    "audience persona segment",
    "spend spent cost money",
    "export report download csv spreadsheet excel",
    "seller publisher vendor supplier",
    "live running active current",
];

/// The entries that match a query, best first. Equal ones keep the order of the catalog.
pub fn search<'a>(entries: impl Iterator<Item = &'a Entry>, query: &str) -> Vec<&'a Entry> {
    let language = Language::new();
    let entries: Vec<(&Entry, Weights)> = entries.map(|entry| (entry, language.weights(entry))).collect();
    let mut scores = vec![0.0; entries.len()];
    for word in language.query(query) {
        let mut found: Vec<f64> = entries.iter().map(|(_, weights)| language.meant(weights, &word)).collect();
        if found.iter().all(|&score| score == 0.0) {
            found = entries.iter().map(|(_, weights)| similarly_spelled(weights, &word)).collect();
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

/// How much each word of an entry counts, by its stem.
type Weights = HashMap<String, f64>;

/// The weight of a word for an entry that has a word with a similar spelling, or one that begins with it.
fn similarly_spelled(weights: &Weights, word: &str) -> f64 {
    let mistakes = match word.chars().count() {
        0..3 => return 0.0,
        3..5 => 0,
        5..9 => 1,
        _ => 2,
    };
    // Hardly anyone mistypes the first letter.
    let is_alike = |known: &str| {
        known.starts_with(word)
            || (known.chars().next() == word.chars().next()
                && known.len().abs_diff(word.len()) <= mistakes
                && strsim::osa_distance(known, word) <= mistakes)
    };
    weights.iter().filter(|(known, _)| is_alike(known)).map(|(_, weight)| SIMILAR_SPELLING * weight).sum()
}

/// What is known of English.
struct Language {
    stemmer: Stemmer,
    /// The stems of the words of one meaning.
    meanings: Vec<Vec<String>>,
}

impl Language {
    fn new() -> Self {
        let mut language = Self { stemmer: Stemmer::create(Algorithm::English), meanings: Vec::new() };
        let stems = |group: &&str| words(group).map(|word| language.stem(&word)).collect();
        language.meanings = MEANINGS.iter().map(stems).collect();
        language
    }

    fn stem(&self, word: &str) -> String {
        self.stemmer.stem(word).into_owned()
    }

    /// The stems of a query's words. Where there are stop words alone, as in `who am I?`, they count after all.
    fn query(&self, text: &str) -> Vec<String> {
        let text = &text[..text.floor_char_boundary(MAX_QUERY_BYTES)];
        let all_stop = words(text).all(|word| is_stop_word(&word));
        let mut stems: Vec<String> =
            words(text).filter(|word| all_stop || !is_stop_word(word)).map(|word| self.stem(&word)).collect();
        stems.sort_unstable();
        stems.dedup();
        stems
    }

    fn weights(&self, entry: &Entry) -> Weights {
        let tool = &entry.tool;
        let keywords = tool.keywords.iter().map(|keyword| (&**keyword, IN_NAME));
        let fields = [
            (&*tool.name, IN_NAME),
            (&*tool.title, IN_TITLE),
            (&*tool.description, IN_DESCRIPTION),
            (&*entry.toolset, IN_DESCRIPTION),
        ];
        let mut weights = Weights::new();
        for (text, weight) in fields.into_iter().chain(keywords) {
            // A description has every stop word sooner or later.
            let counts = |word: &String| weight > IN_DESCRIPTION || !is_stop_word(word);
            for stem in words(text).filter(counts).map(|word| self.stem(&word)) {
                let known = weights.entry(stem).or_insert(weight);
                *known = weight.max(*known);
            }
        }
        weights
    }

    /// What a word, or one that people take for it, counts for an entry.
    fn meant(&self, weights: &Weights, word: &str) -> f64 {
        let weight = |word: &str| weights.get(word).copied().unwrap_or_default();
        let others = self.meanings.iter().filter(|words| words.iter().any(|known| known == word)).flatten();
        others.map(|other| SAME_MEANING * weight(other)).fold(weight(word), f64::max)
    }
}

fn is_stop_word(word: &str) -> bool {
    STOP_WORDS.split(' ').any(|stop| stop == word)
}

/// The words of a text in lower case. What follows an apostrophe is no word of its own.
fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(|c: char| !c.is_alphanumeric() && !matches!(c, '\'' | '’'))
        .map(|word| word.split(['\'', '’']).next().unwrap_or_default().to_lowercase())
        .filter(|word| !word.is_empty())
}
