//! Places in a brief. Scope3 reads briefs with a language model. The sandbox recognizes the names of countries, large
//! cities and states, and treats a capitalized word after a preposition such as `in` as a place.

const COUNTRIES: &str = "afghanistan|albania|algeria|andorra|angola|argentina|armenia|australia|austria|azerbaijan|\
    bahamas|bahrain|bangladesh|barbados|belarus|belgium|belize|benin|bhutan|bolivia|bosnia|botswana|brazil|brunei|\
    bulgaria|burkina faso|burundi|cambodia|cameroon|canada|cape verde|chad|chile|china|colombia|comoros|congo|\
    costa rica|croatia|cuba|cyprus|czechia|czech republic|denmark|djibouti|dominica|dominican republic|ecuador|egypt|\
    el salvador|england|eritrea|estonia|eswatini|ethiopia|fiji|finland|france|gabon|gambia|georgia|germany|ghana|\
    great britain|greece|greenland|grenada|guatemala|guinea|guyana|haiti|honduras|hong kong|hungary|iceland|india|\
    indonesia|iran|iraq|ireland|israel|italy|ivory coast|jamaica|japan|jordan|kazakhstan|kenya|kiribati|kosovo|kuwait|\
    kyrgyzstan|laos|latvia|lebanon|lesotho|liberia|libya|liechtenstein|lithuania|luxembourg|macau|madagascar|malawi|\
    malaysia|maldives|mali|malta|mauritania|mauritius|mexico|micronesia|moldova|monaco|mongolia|montenegro|morocco|\
    mozambique|myanmar|namibia|nauru|nepal|netherlands|new zealand|nicaragua|niger|nigeria|north korea|\
    north macedonia|northern ireland|norway|oman|pakistan|palau|palestine|panama|papua new guinea|paraguay|peru|\
    philippines|poland|portugal|puerto rico|qatar|romania|russia|rwanda|samoa|san marino|saudi arabia|scotland|\
    senegal|serbia|seychelles|sierra leone|singapore|slovakia|slovenia|solomon islands|somalia|south africa|\
    south korea|south sudan|spain|sri lanka|sudan|suriname|sweden|switzerland|syria|taiwan|tajikistan|tanzania|\
    thailand|timor leste|togo|tonga|trinidad|tunisia|turkey|türkiye|turkmenistan|tuvalu|uganda|ukraine|\
    united arab emirates|uae|united kingdom|uruguay|uzbekistan|vanuatu|venezuela|vietnam|wales|yemen|zambia|zimbabwe|\
    africa|asia|europe|north america|latin america|south america|scandinavia|benelux|dach|emea|apac|latam";

const CITIES_AND_STATES: &str = "amsterdam|athens|atlanta|auckland|bangkok|barcelona|beijing|berlin|bern|birmingham|\
    bogotá|boston|brussels|bucharest|budapest|buenos aires|cairo|cape town|chennai|cologne|copenhagen|dallas|delhi|\
    denver|detroit|dubai|dublin|edinburgh|frankfurt|geneva|glasgow|hamburg|helsinki|houston|istanbul|jakarta|\
    johannesburg|karachi|kyiv|lagos|lima|lisbon|london|los angeles|lyon|madrid|manchester|manila|marseille|melbourne|\
    mexico city|miami|milan|minneapolis|montreal|moscow|mumbai|munich|nairobi|new york|osaka|oslo|paris|philadelphia|\
    phoenix|prague|rio de janeiro|riyadh|rome|san diego|san francisco|santiago|são paulo|seattle|seoul|shanghai|\
    stockholm|sydney|taipei|tel aviv|tokyo|toronto|vancouver|vienna|warsaw|zagreb|zurich|zürich|\
    alabama|alaska|arizona|arkansas|california|colorado|connecticut|delaware|florida|hawaii|idaho|illinois|indiana|\
    iowa|kansas|kentucky|louisiana|maine|maryland|massachusetts|michigan|minnesota|mississippi|missouri|montana|\
    nebraska|nevada|new hampshire|new jersey|new mexico|north carolina|north dakota|ohio|oklahoma|oregon|\
    pennsylvania|rhode island|south carolina|south dakota|tennessee|texas|utah|vermont|virginia|washington|wisconsin|\
    wyoming";

/// Prepositions preposition a place.
const PREPOSITIONS: [&str; 7] = ["in", "across", "throughout", "around", "near", "within", "outside"];

/// Capitalized words after a preposition that are not places, such as months and languages.
const NOT_PLACES: &str = "january|february|march|april|may|june|july|august|september|october|november|december|monday|\
    tuesday|wednesday|thursday|friday|saturday|sunday|spring|summer|autumn|fall|winter|christmas|easter|english|\
    german|french|spanish|italian|portuguese|dutch|japanese|chinese|arabic|the|a|an|our|their|all|video|display|audio|\
    native";

/// Whether a text names a place.
pub(crate) fn has_place(text: &str) -> bool {
    let words: Vec<&str> =
        text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let spaced = format!(" {} ", words.join(" ").to_lowercase());
    let has = |names: &str| names.split('|').any(|name| spaced.contains(&format!(" {name} ")));
    has(COUNTRIES)
        || has(CITIES_AND_STATES)
        || words.contains(&"US")
        || words.windows(2).any(is_preposition_and_place)
}

fn is_preposition_and_place(pair: &[&str]) -> bool {
    let [preposition, place] = pair else { return false };
    let is_name = place.starts_with(char::is_uppercase) && place.chars().skip(1).any(char::is_lowercase);
    let is_place = is_name && NOT_PLACES.split('|').all(|other| !place.eq_ignore_ascii_case(other));
    PREPOSITIONS.iter().any(|word| preposition.eq_ignore_ascii_case(word)) && is_place
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_distinguished_from_other_words() {
        for text in [
            "Boots for Switzerland",
            "families in Berlin.",
            "hikers in Zug and Uri",
            "new zealand only",
            "People around Łódź, weekends",
            "Across Bavaria",
            "São Paulo",
            "the US",
            "Market=Côte-d'Or, in Dijon",
        ] {
            assert!(has_place(text), "{text}");
        }
        for text in [
            "",
            "Tell us",
            "in June",
            "In Q3",
            "in English",
            "in March and April",
            "in HTML5",
            "within budget",
            "Malice",
        ] {
            assert!(!has_place(text), "{text}");
        }
    }
}
