//! Words, and what people mean by them: stop words, phrases, stems, synonyms, typing errors.

use std::collections::{HashMap, HashSet};

use rust_stemmers::{Algorithm, Stemmer};

/// The factors for a synonym, and for a word that is probably mistyped.
const SYNONYM_FACTOR: f64 = 0.5;
const MISTYPED_FACTOR: f64 = 0.9;

/// The most words that may stand before a word of a phrase that is marked with `+`.
const MAX_GAP_WORDS: usize = 4;

/// A query of fewer words, such as `budget`, neither asks nor commands.
const MIN_SENTENCE_WORDS: usize = 3;

/// How questions begin.
const QUESTIONS: &str = "which what how who whom whose when where why is are was were do does did has have had can could \
                         will would should may any";

/// How commands begin that only want to see something.
const SHOWING: &str = "show list see view find look tell check browse search explain describe display fetch read get give \
                       compare count";

/// What may stand before a command.
const POLITE: &str = "please and now then so hi hello";

/// Past tenses after `who` that do not end with `ed`: `who made this change?`
const IRREGULAR: &str = "did made put set took sent";

/// What a question of who did something is about.
const AUDIT: &str = "audit log history";

/// A stem that the tools or the synonyms have.
pub(super) type Stem = usize;

/// The stems that stand for a word of a query, each with a factor.
pub(super) type Term = Vec<(Stem, f64)>;

/// What a query wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Intent {
    Read,
    Change,
    Unknown,
}

pub(super) struct Query {
    pub(super) terms: Vec<Term>,
    pub(super) intent: Intent,
}

/// Several words, and what the search uses instead of them.
struct Phrase {
    /// Each word, and how many others may stand before it.
    words: Vec<(&'static str, usize)>,
    meaning: Vec<&'static str>,
}

pub(super) struct Language {
    stemmer: Stemmer,
    stop_words: HashSet<&'static str>,
    phrases: Vec<Phrase>,
    stems: HashMap<String, Stem>,
    /// All known words: those of the tools, the synonyms and the stop words. What people mistype is one of them.
    words: HashMap<String, Stem>,
    synonyms: HashMap<Stem, Vec<Stem>>,
}

impl Language {
    pub(super) fn new() -> Self {
        let mut language = Self {
            stemmer: Stemmer::create(Algorithm::English),
            stop_words: lines(include_str!("stop-words.txt")).flat_map(str::split_whitespace).collect(),
            phrases: lines(include_str!("phrases.txt")).filter_map(Phrase::parse).collect(),
            stems: HashMap::new(),
            words: HashMap::new(),
            synonyms: HashMap::new(),
        };
        for word in language.stop_words.clone() {
            language.learn(word);
        }
        for line in lines(include_str!("synonyms.txt")) {
            let group: Vec<Stem> = line.split_whitespace().map(|word| language.learn(word)).collect();
            for &stem in &group {
                let others = group.iter().filter(|other| **other != stem);
                language.synonyms.entry(stem).or_default().extend(others);
            }
        }
        language
    }

    /// How many stems are known.
    pub(super) fn stems(&self) -> usize {
        self.stems.len()
    }

    pub(super) fn is_stop_word(&self, word: &str) -> bool {
        self.stop_words.contains(word)
    }

    /// The stem of a word, which is known from now on.
    pub(super) fn learn(&mut self, word: &str) -> Stem {
        if let Some(&stem) = self.words.get(word) {
            return stem;
        }
        let next = self.stems.len();
        let stem = *self.stems.entry(self.stemmer.stem(word).into_owned()).or_insert(next);
        self.words.insert(word.to_owned(), stem);
        stem
    }

    pub(super) fn read(&self, text: &str) -> Query {
        let mut words: Vec<String> = words(text).collect();
        let (is_question, asks_who) = (begins(&words, QUESTIONS), asks_who(&words));
        for phrase in &self.phrases {
            phrase.replace(&mut words);
        }
        if asks_who {
            words.extend(AUDIT.split(' ').map(str::to_owned));
        }
        // Stop words count only if there are no others, such as in `who am I?`.
        let has_only_stop_words = words.iter().all(|word| self.is_stop_word(word));
        let is_counted = |word: &&String| {
            (has_only_stop_words || !self.is_stop_word(word)) && !word.chars().all(char::is_numeric)
        };
        let mut seen = HashSet::new();
        let terms = words
            .iter()
            .filter(is_counted)
            .filter(|word| seen.insert(self.stemmer.stem(word).into_owned()))
            .map(|word| self.term(word))
            .collect();
        // A phrase can be a command of its own: `get rid of` shows nothing.
        let intent = match words.len() {
            0..MIN_SENTENCE_WORDS => Intent::Unknown,
            _ if is_question || begins(&words, SHOWING) => Intent::Read,
            _ => Intent::Change,
        };
        Query { terms, intent }
    }

    /// The stems that stand for a word: its own or those of similar words, and their synonyms.
    fn term(&self, word: &str) -> Term {
        let own = self.stems.get(&*self.stemmer.stem(word));
        let meant: Term = match own {
            Some(&stem) => vec![(stem, 1.0)],
            None => self.similar(word).into_iter().map(|stem| (stem, MISTYPED_FACTOR)).collect(),
        };
        let synonyms = meant.iter().flat_map(|&(stem, factor)| {
            let others = self.synonyms.get(&stem).into_iter().flatten();
            others.map(move |&other| (other, SYNONYM_FACTOR * factor))
        });
        meant.iter().copied().chain(synonyms).collect()
    }

    /// The stems of the known words that an unfinished or mistyped word probably is. None, if it is a stop word.
    fn similar(&self, word: &str) -> Vec<Stem> {
        let length = word.chars().count();
        let max_typos = match length {
            0..3 => return Vec::new(),
            3 => 0,
            4..8 => 1,
            _ => 2,
        };
        let begun = self.words.iter().filter(|(known, _)| known.starts_with(word));
        let begun: Vec<Stem> = begun.map(|(_, stem)| *stem).collect();
        if !begun.is_empty() {
            return begun;
        }
        // People rarely mistype the first letter.
        let is_near = |known: &str| {
            known.chars().next() == word.chars().next()
                && known.len() >= 3
                && known.chars().count().abs_diff(length) <= max_typos
        };
        let near = self.words.iter().filter(|(known, _)| is_near(known));
        let near = near.map(|(known, stem)| (strsim::osa_distance(known, word), &**known, *stem));
        let near: Vec<(usize, &str, Stem)> = near.filter(|(typos, ..)| *typos <= max_typos).collect();
        let fewest = near.iter().map(|(typos, ..)| *typos).min();
        let nearest = || near.iter().filter(|(typos, ..)| Some(*typos) == fewest);
        if nearest().any(|(_, known, _)| self.is_stop_word(known)) {
            return Vec::new();
        }
        nearest().map(|(.., stem)| *stem).collect()
    }
}

impl Phrase {
    /// Reads a line such as `turn +down: reject decline`.
    fn parse(line: &'static str) -> Option<Self> {
        let (words, meaning) = line.split_once(':')?;
        let word = |word: &'static str| match word.strip_prefix('+') {
            Some(word) => (word, MAX_GAP_WORDS),
            None => (word, 0),
        };
        Some(Self {
            words: words.split_whitespace().map(word).collect(),
            meaning: meaning.split_whitespace().collect(),
        })
    }

    /// Replaces the first occurrence of the phrase.
    fn replace(&self, words: &mut Vec<String>) {
        let Some((first, _)) = self.words.first() else { return };
        let Some(start) = words.iter().position(|word| word == first) else { return };
        let mut places = vec![start];
        let mut next = start + 1;
        for &(word, gap) in &self.words[1..] {
            let reachable = words.iter().enumerate().skip(next).take(gap + 1);
            let Some((place, _)) = reachable.into_iter().find(|(_, known)| *known == word) else { return };
            places.push(place);
            next = place + 1;
        }
        for place in places.into_iter().rev() {
            words.remove(place);
        }
        words.splice(start..start, self.meaning.iter().map(|&word| word.to_owned()));
    }
}

/// Whether a query asks who did something: `who changed the budget?`
fn asks_who(words: &[String]) -> bool {
    matches!(words, [who, verb, ..] if who == "who" && (verb.ends_with("ed") || has(IRREGULAR, verb)))
}

/// Whether a sentence begins with one of these words.
fn begins(words: &[String], list: &str) -> bool {
    words.iter().find(|word| !has(POLITE, word)).is_some_and(|first| has(list, first))
}

/// Whether a list of words, separated by spaces, has a word.
fn has(list: &str, word: &str) -> bool {
    list.split_whitespace().any(|known| known == word)
}

/// The lines of a list, without comments.
fn lines(list: &'static str) -> impl Iterator<Item = &'static str> {
    list.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// The words of a text in lower case. The part of a word after an apostrophe is dropped: `tool's` becomes `tool`.
pub(super) fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(|c: char| !c.is_alphanumeric() && !matches!(c, '\'' | '’'))
        .map(|word| word.split(['\'', '’']).next().unwrap_or_default().to_lowercase())
        .filter(|word| !word.is_empty())
}

/// The words of a name such as `flightDates`, separated by spaces.
pub(super) fn separated(name: &str) -> String {
    let mut words = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        if c.is_uppercase() {
            words.push(' ');
        }
        words.push(c);
    }
    words
}
