//! The score of a campaign brief, by the rules that Scope3's tool server uses without an AI service
//! (`src/services/brief-validation-service.ts` of `scope3data/activation-api`). These rules recognize few place names.
//! With an AI service, Scope3 recognizes all of them; the sandbox recognizes many.

use serde::Serialize;

use crate::places;

/// The default threshold.
pub(crate) const DEFAULT_THRESHOLD: f64 = 70.0;

/// The result of scoring a brief.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BriefValidation {
    /// 0 to 100.
    pub(crate) score: u32,
    pub(crate) threshold: f64,
    pub(crate) meets_threshold: bool,
    pub(crate) feedback: String,
    pub(crate) missing_elements: Vec<&'static str>,
    pub(crate) suggestions: Vec<&'static str>,
    pub(crate) quality_level: &'static str,
}

/// Something that a brief should contain, and the words that indicate it.
struct Element {
    words: &'static str,
    missing: &'static str,
    suggestion: &'static str,
}

/// Publishers cannot match a campaign without these.
const CRITICAL: [Element; 6] = [
    Element {
        words: "goal objective aim target increase improve drive boost awareness conversion engagement",
        missing: "Business objectives not clearly defined",
        suggestion: "Name a measurable goal, such as 'increase brand awareness by 30%'",
    },
    Element {
        words: "metric kpi measure track roi ctr impression click conversion lift reach frequency",
        missing: "Success metrics not defined",
        suggestion: "Name KPIs with targets, such as '2.5% CTR'",
    },
    Element {
        words: "audience demographic customer user people age gender millennial adult consumer target",
        missing: "Target audience not specified",
        suggestion: "Describe the audience, such as 'urban people of age 25-35 who care for sustainability'",
    },
    Element {
        words: "geographic location city state country region market usa uk nyc la chicago tier metro national local",
        missing: "Geographic targeting not defined",
        suggestion: "Name the places, with a word such as market, country, region or city before them: 'market: Switzerland', \
                     'in the city of Bern'",
    },
    Element {
        words: "date timeline flight week month start end duration campaign january february march april may june \
                july august september october november december q1 q2 q3 q4",
        missing: "Campaign flight dates not specified",
        suggestion: "Name the flight, such as '1 March to 15 April'",
    },
    Element {
        words: "creative video banner display ad content format size messaging 15s 30s 728x90 300x250 native html5 \
                image",
        missing: "Creative format requirements not defined",
        suggestion: "Name the formats, such as '15s video and 728x90 display'",
    },
];

/// The index of the geography, which place names also indicate.
const GEOGRAPHY: usize = 3;

const BUDGET: Element = Element {
    words: "budget spend cost dollar million thousand cap daily",
    missing: "Budget information not provided",
    suggestion: "Name the total budget and the daily cap",
};

/// Scores a brief. If `as_published`, only the words of the fallback rules count.
pub(crate) fn validate(brief: &str, threshold: f64, as_published: bool) -> BriefValidation {
    let words = words_of(brief);
    let has =
        |element: &Element| element.words.split_whitespace().any(|word| words.iter().any(|w| w == word));
    let geography = || united_states(brief) || !as_published && places::has_place(brief);
    let found: Vec<bool> = CRITICAL
        .iter()
        .enumerate()
        .map(|(at, element)| has(element) || at == GEOGRAPHY && geography())
        .collect();
    let has_budget = has(&BUDGET) || dollar_sign(brief);
    let absent: Vec<&Element> = CRITICAL
        .iter()
        .zip(&found)
        .filter(|(_, found)| !**found)
        .map(|(element, _)| element)
        .chain((!has_budget).then_some(&BUDGET))
        .collect();
    let critical = found.iter().filter(|found| **found).count();
    let score = score(word_count(brief), critical, has_budget);
    let outlook = if score >= 70 {
        "Publishers can match this campaign to inventory."
    } else {
        "Publishers cannot easily match this campaign to inventory without the missing elements."
    };
    BriefValidation {
        score,
        threshold,
        meets_threshold: f64::from(score) >= threshold,
        feedback: format!("The brief names {critical} of the 6 critical elements. {outlook}"),
        missing_elements: absent.iter().map(|element| element.missing).collect(),
        suggestions: absent.iter().map(|element| element.suggestion).collect(),
        quality_level: quality_level(score),
    }
}

/// The number of words in a brief, separated by white space.
pub(crate) fn word_count(brief: &str) -> usize {
    brief.split_whitespace().count()
}

fn score(word_count: usize, critical: usize, has_budget: bool) -> u32 {
    let missing = CRITICAL.len() - critical;
    let mut score = word_count.min(20) + critical * 15 + if has_budget { 10 } else { 0 };
    if missing >= 3 {
        score = score.saturating_sub(20).max(score.min(30));
    }
    if missing >= 2 {
        score = score.saturating_sub(10).max(score.min(40));
    }
    if missing >= 1 {
        score = score.min(60);
    }
    u32::try_from(score.min(100)).unwrap_or(100)
}

fn quality_level(score: u32) -> &'static str {
    match score {
        80.. => "Comprehensive Brief",
        60..80 => "Standard Brief",
        30..60 => "Minimal Brief",
        0..30 => "No Brief",
    }
}

/// The words as the regular expression `\b` separates them: ASCII letters, digits and underscores.
fn words_of(text: &str) -> Vec<String> {
    text.split(|c: char| !is_word(c)).filter(|word| !word.is_empty()).map(str::to_ascii_lowercase).collect()
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn united_states(text: &str) -> bool {
    const NAME: &str = "united states";
    let text = text.to_ascii_lowercase();
    text.match_indices(NAME)
        .any(|(at, _)| !text[..at].ends_with(is_word) && !text[at + NAME.len()..].starts_with(is_word))
}

/// Scope3's pattern requires a word character on both sides of the sign: `US$50` matches, `$50` does not.
fn dollar_sign(text: &str) -> bool {
    text.match_indices('$')
        .any(|(at, _)| text[..at].ends_with(is_word) && text[at + 1..].starts_with(is_word))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: &str = "Increase KPI audience USA June banner";

    fn score_of(brief: &str) -> u32 {
        validate(brief, DEFAULT_THRESHOLD, true).score
    }

    #[test]
    fn a_brief_with_six_elements_passes_the_default_threshold() {
        let validation = validate(FULL, DEFAULT_THRESHOLD, true);
        assert_eq!(validation.score, 6 + 90);
        assert!(validation.meets_threshold);
        assert_eq!(validation.quality_level, "Comprehensive Brief");
        assert_eq!(validation.missing_elements, ["Budget information not provided"]);
        assert_eq!(score_of(&format!("{FULL} budget")), 100);
    }

    #[test]
    fn missing_elements_cap_the_score() {
        let missing = |words: &[&str]| {
            let kept = FULL.split(' ').filter(|word| !words.contains(word)).collect::<Vec<_>>().join(" ");
            score_of(&kept)
        };
        assert_eq!(missing(&["USA"]), 60);
        assert_eq!(missing(&["USA", "June"]), 54);
        assert_eq!(missing(&["USA", "June", "banner"]), 30);
        assert_eq!(score_of("hello"), 1);
    }

    #[test]
    fn a_score_equal_to_the_threshold_passes() {
        assert!(validate(FULL, 96.0, true).meets_threshold);
        assert!(!validate(FULL, 96.5, true).meets_threshold);
    }

    #[test]
    fn place_names_count_unless_as_published() {
        let swiss = FULL.replace("USA", "Switzerland");
        assert_eq!(validate(&swiss, DEFAULT_THRESHOLD, false).score, 96);
        let published = validate(&swiss, DEFAULT_THRESHOLD, true);
        assert_eq!(
            (published.score, published.missing_elements[0]),
            (60, "Geographic targeting not defined")
        );
        // The suggested wording is enough in both modes.
        let market = FULL.replace("USA", "market: Switzerland");
        assert_eq!(validate(&market, DEFAULT_THRESHOLD, true).score, 97);
        assert!(published.suggestions[0].contains("market: Switzerland"));
    }

    #[test]
    fn only_whole_words_match() {
        let banners = validate("banners markets", 70.0, true);
        assert_eq!(banners.missing_elements.len(), 7);
        assert_eq!(validate("the United States", 70.0, true).missing_elements.len(), 6);
        assert_eq!(validate("US$50", 70.0, true).missing_elements.len(), 6);
        assert_eq!(validate("$50", 70.0, true).missing_elements.len(), 7);
    }
}
