//! Emissions of media and creatives, and benchmarks for them.

use jiff::civil::Date;
use serde_json::{Value, json};

use super::{
    Answer, Call, Handler, Refusal, Reply,
    model::{Emissions, Setting, grams, rank},
};

pub(super) fn handler(operation: &str) -> Option<Handler> {
    match operation {
        "measure" => Some(measure),
        "creative" => Some(creative),
        "benchmarks" => Some(benchmarks),
        _ => None,
    }
}

/// The percentiles of a benchmark.
const PERCENTILES: [u64; 5] = [10, 25, 50, 75, 90];

/// What a row means, and what is wrong with it.
struct Read {
    impressions: u64,
    channel: String,
    outcome: Result<Emissions, String>,
    /// Whether the property is known: `modeled`, `missing` or `unknown`.
    coverage: &'static str,
}

/// The day of a time in one of the documented formats.
fn day(text: &str) -> Option<Date> {
    let plain = text.replace('/', "-");
    let day: String = plain.chars().take_while(|c| *c != 'T').collect();
    let digits: String = day.chars().filter(char::is_ascii_digit).collect();
    let is_plain = digits.len() == 8 && (day.len() == 8 || day.len() == 10);
    is_plain.then(|| format!("{}-{}-{}", &digits[..4], &digits[4..6], &digits[6..]).parse().ok()).flatten()
}

/// How often the ads of a row were shown.
fn shown(row: &Value) -> Option<u64> {
    ["impressions", "plays", "printCirculations"].iter().find_map(|name| row[*name].as_u64())
}

/// The channel of a property that names none.
fn channel(row: &Value, property: &str) -> String {
    let is_app =
        row["appStore"].is_string() || row["isApp"] == true || property.chars().all(|c| c.is_ascii_digit());
    row["channel"].as_str().unwrap_or(if is_app { "app" } else { "web" }).to_owned()
}

/// Checks what all rows need: a day before today, impressions and a country that is known.
fn setting(row: &Value, channel: &str, today: Date) -> Result<(Setting, u64), String> {
    let day = row["utcDatetime"].as_str().and_then(day);
    let day = day.ok_or("utcDatetime must be a day such as 2026-01-31")?;
    if day >= today {
        return Err("utcDatetime must be before today (UTC)".to_owned());
    }
    let impressions = shown(row).filter(|count| *count > 0).ok_or("impressions must be above 0")?;
    let country = row["country"].as_str();
    let setting = Setting::of(channel, country)
        .ok_or_else(|| format!("country {} is unknown", country.unwrap_or_default()))?;
    Ok((setting, impressions))
}

/// The emissions of delivered media.
fn media(row: &Value, today: Date) -> Read {
    let property = row["inventoryId"].as_str().or_else(|| row["mediaOwner"].as_str()).unwrap_or_default();
    let channel = channel(row, property);
    let is_known = property.contains('.')
        || property.chars().all(|c| c.is_ascii_digit())
        || !matches!(channel.as_str(), "web" | "app");
    let coverage = match property {
        "" => "missing",
        _ if is_known => "modeled",
        _ => "unknown",
    };
    let outcome = setting(row, &channel, today).and_then(|(setting, impressions)| {
        match coverage {
            "missing" => return Err("inventoryId is required".to_owned()),
            "unknown" => return Err("inventoryId is neither a domain nor the id of an app".to_owned()),
            _ => {}
        }
        let (selection, distribution) = setting.property(rank(property), impressions);
        let (transfer, device) = setting.creative(row, impressions);
        Ok(Emissions { selection, distribution, transfer, device })
    });
    Read { impressions: shown(row).unwrap_or_default(), channel, outcome, coverage }
}

/// The emissions of delivering creatives alone.
fn ads(row: &Value, today: Date) -> Read {
    let channel = row["channel"].as_str().unwrap_or("web").to_owned();
    let outcome = setting(row, &channel, today).map(|(setting, impressions)| {
        let (transfer, device) = setting.creative(row, impressions);
        Emissions { transfer, device, ..Emissions::default() }
    });
    Read { impressions: shown(row).unwrap_or_default(), channel, outcome, coverage: "modeled" }
}

fn measure(call: &mut Call<'_>) -> Answer {
    answer(call, true)
}

fn creative(call: &mut Call<'_>) -> Answer {
    answer(call, false)
}

/// The sum of all rows that could be measured, with the rows if they are asked for.
fn answer(call: &mut Call<'_>, is_whole: bool) -> Answer {
    let today = call.account.now().date();
    let framework = call.arguments.text("framework").unwrap_or("scope3").to_owned();
    let rows = call.arguments.list("rows");
    let (mut sum, mut counted, mut skipped) = (Emissions::default(), (0_u64, 0_u64), (0_u64, 0_u64));
    let mut channels: Vec<String> = Vec::new();
    let mut properties: Vec<(String, bool)> = Vec::new();
    let mut shown = Vec::new();
    for row in &rows {
        let mut read = if is_whole { media(row, today) } else { ads(row, today) };
        read.outcome = read.outcome.map(|emissions| emissions.counted(&framework));
        match &read.outcome {
            Ok(emissions) => {
                sum += *emissions;
                counted = (counted.0 + 1, counted.1.saturating_add(read.impressions));
            }
            Err(_) => skipped = (skipped.0 + 1, skipped.1.saturating_add(read.impressions)),
        }
        if !channels.contains(&read.channel) {
            channels.push(read.channel.clone());
        }
        let property = row["inventoryId"].as_str().unwrap_or_default().to_lowercase();
        if properties.iter().all(|(known, _)| *known != property) {
            properties.push((property, read.coverage == "modeled"));
        }
        shown.push(of_row(call, row, &read, &framework, is_whole));
    }
    let summary = |metric: &str, modeled: u64, skipped: u64| json!({ "metric": metric, "modeled": modeled, "skipped": skipped });
    let modeled = properties.iter().filter(|(_, is_modeled)| *is_modeled).count();
    let mut coverage = json!({
        "totalImpressions": summary("impressions", counted.1, skipped.1),
        "totalRows": summary("rows", counted.0, skipped.0),
        "channels": { "metric": "uniqueCount", "modeled": channels.len(), "unknown": 0, "deprecated": 0 },
    });
    if is_whole {
        coverage["properties"] =
            json!({ "metric": "uniqueCount", "modeled": modeled, "unknown": properties.len() - modeled });
    } else {
        let named = rows.iter().filter(|row| row["creative"]["adFormat"].is_string()).count();
        coverage["adFormats"] =
            json!({ "metric": "rows", "vendorSpecific": 0, "generic": named, "unknown": rows.len() - named });
    }
    let mut answer = json!({
        "requestId": call.account.ids.uuid(),
        "totalEmissions": grams(sum.total()),
        "totalEmissionsBreakdown": sum.totals(&framework, is_whole),
        "coverage": coverage,
    });
    if call.arguments.is_true("includeRows") {
        answer["rows"] = shown.into();
    }
    Ok(Reply::of(answer))
}

fn of_row(call: &Call<'_>, row: &Value, read: &Read, framework: &str, is_whole: bool) -> Value {
    let fields: Vec<&str> = call.arguments.text("fields").unwrap_or_default().split(',').collect();
    let has = |name: &str| fields.iter().any(|field| *field == name || *field == "all");
    let mut shown = json!({});
    if let Some(own) = row["rowIdentifier"].as_str() {
        shown["rowIdentifier"] = own.into();
    }
    if is_whole {
        shown["inventoryCoverage"] = read.coverage.into();
    }
    match &read.outcome {
        Err(message) if is_whole => shown["error"] = json!({ "message": message }),
        Err(message) => shown["error"] = message.as_str().into(),
        Ok(emissions) => {
            shown["totalEmissions"] = grams(emissions.total());
            // Creatives have no argument for it, and always show it.
            if !is_whole || has("emissionsBreakdown") {
                shown["emissionsBreakdown"] = emissions.breakdown(framework, is_whole);
            }
        }
    }
    if is_whole && has("coverage") {
        let (modeled, skipped) =
            if read.outcome.is_ok() { (read.impressions, 0) } else { (0, read.impressions) };
        shown["coverage"] = json!({
            "impressions": { "modeled": modeled, "skipped": skipped, "processed": read.impressions },
            "channel": { "value": read.channel, "verified": true },
        });
    }
    if is_whole && has("policies") {
        shown["policies"] = json!([]);
    }
    shown
}

/// Emissions of an impression at some percentiles of all properties. They are those that `measure` computes.
fn benchmarks(call: &mut Call<'_>) -> Answer {
    let (country, channel) = (call.text("country")?, call.text("channel")?);
    let setting = Setting::of(&channel, Some(&country));
    let setting = setting.ok_or_else(|| Refusal::invalid_value("country", "is unknown"))?;
    let is_future = match call.arguments.text("month") {
        None => false,
        Some(month) => {
            let first: Option<Date> = format!("{month}-01").parse().ok();
            let first = first.filter(|_| month.len() == 7);
            first.ok_or_else(|| Refusal::invalid_value("month", "must be a month such as 2026-01"))?
                > call.account.now().date()
        }
    };
    let row = |percentile: &u64| {
        let (selection, distribution) = setting.property(percentile * 10, 1);
        json!({
            "percentile": percentile,
            "adSelectionAndMediaDistributionEmissionsPerImpression": grams(selection + distribution),
            "adSelectionEmissionsPerImpression": grams(selection),
        })
    };
    let rows: Vec<Value> = PERCENTILES.iter().filter(|_| !is_future).map(row).collect();
    Ok(Reply::of(json!({ "requestId": call.account.ids.uuid(), "benchmarks": rows })))
}
