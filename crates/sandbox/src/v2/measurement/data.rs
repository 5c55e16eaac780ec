//! Segments of inventory, and uploaded data.

use serde_json::{Map, Value, json};

use super::{Answer, Call, Handler, Refusal, Reply};

pub(super) fn handler(operation: &str) -> Option<Handler> {
    match operation {
        "getOrganizationSegmentList" => Some(segments),
        "getOrganizationSegmentDataBySegmentId" => Some(content),
        "postDataUpload" => Some(upload),
        "getDataUploadId" => Some(uploaded),
        _ => None,
    }
}

/// A segment: its ids, its name, what its properties are for, and these properties with their countries.
struct Segment {
    id: u32,
    key: &'static str,
    name: &'static str,
    is_inclusion: bool,
    properties: &'static [(&'static str, &'static str)],
    is_deactivated: bool,
}

const SEGMENTS: [Segment; 3] = [
    Segment {
        id: 901,
        key: "low-carbon-news",
        name: "Low-carbon news",
        is_inclusion: true,
        properties: &[("news.example", "US"), ("weather.example", "US"), ("city-herald.example", "GB")],
        is_deactivated: false,
    },
    Segment {
        id: 902,
        key: "no-made-for-advertising",
        name: "No made-for-advertising sites",
        is_inclusion: false,
        properties: &[("quiz-a-day.example", "US"), ("free-wallpapers.example", "US")],
        is_deactivated: false,
    },
    Segment {
        id: 903,
        key: "old-shield",
        name: "Old climate shield",
        is_inclusion: false,
        properties: &[("gossip.example", "US")],
        is_deactivated: true,
    },
];

/// The segments on a page.
const PAGE: usize = 50;

fn segments(call: &mut Call<'_>) -> Answer {
    let (created, ended) = (call.account.clock.day(-90), call.account.clock.day(-10));
    let part = call.arguments.text("segmentId").unwrap_or_default();
    let with_all = call.arguments.is_true("includeDeactivated");
    let fits = |one: &&Segment| one.key.contains(part) && (with_all || !one.is_deactivated);
    let row = |one: &Segment| {
        let mut countries: Vec<&str> = one.properties.iter().map(|(_, country)| *country).collect();
        countries.dedup();
        let mut row = json!({
            "id": one.id, "name": one.name, "segmentId": one.key, "partners": null,
            "distributionMethod": "API_PULL", "updateFrequency": "DAILY", "channels": ["web"],
            "propertyLists": [{ "name": one.name, "countries": countries, "isInclusion": one.is_inclusion }],
            "placementLists": [], "createdAt": created,
        });
        if one.is_deactivated {
            row["deactivatedAt"] = json!(ended);
        }
        row
    };
    let rows: Vec<Value> = SEGMENTS.iter().filter(fits).map(row).collect();
    let before = call.arguments.count("page").unwrap_or(1).saturating_sub(1).saturating_mul(PAGE);
    let paging = json!({ "totalRecords": rows.len() });
    let shown: Vec<Value> = rows.into_iter().skip(before).take(PAGE).collect();
    Ok(Reply::of(json!({ "segments": shown, "paging": paging })))
}

fn content(call: &mut Call<'_>) -> Answer {
    let (key, id) = (call.arguments.id("segmentId"), call.arguments.id("id"));
    if key.is_none() && id.is_none() {
        return Err(Refusal::invalid_value("segmentId", "or id is required"));
    }
    let is_it = |one: &&Segment| {
        key.as_ref().is_none_or(|key| one.key == *key)
            && id.as_ref().is_none_or(|id| one.id.to_string() == *id)
    };
    let found = SEGMENTS.iter().find(is_it);
    let row = |one: &Segment, position: u32, (property, country): &(&str, &str)| {
        json!({
            "id": one.id * 100 + position, "segmentId": one.key,
            "type": if one.is_inclusion { "INCLUDED_PROPERTY" } else { "EXCLUDED_PROPERTY" },
            "property": property, "channel": "web", "country": country, "inventoryId": property,
        })
    };
    let rows: Vec<Value> = found
        .into_iter()
        .flat_map(|one| (1..).zip(one.properties).map(move |(at, property)| row(one, at, property)))
        .collect();
    let paging = json!({ "totalRecords": rows.len() });
    Ok(Reply::of(json!({ "data": rows, "paging": paging })))
}

/// Where the uploads are kept.
const UPLOADS: &str = "measurement/uploads";

/// Takes a file of comma-separated values. It is processed while its state is read.
fn upload(call: &mut Call<'_>) -> Answer {
    let file = call.text("file")?;
    let kind = call.text("type")?;
    let mut lines = file.lines().filter(|line| !line.trim().is_empty());
    let columns = |line: &str| line.split(',').count();
    let expected = lines.next().map(columns);
    let (mut total, mut failed) = (0_u64, 0_u64);
    for line in lines {
        total += 1;
        failed += u64::from(Some(columns(line)) != expected);
    }
    call.account.tick();
    let id = call.account.ids.number();
    let number: u64 = id.parse().unwrap_or_default();
    let stored = json!({ "id": number, "type": kind, "total": total, "failed": failed, "reads": 0 });
    call.account.things.put(UPLOADS, &id, stored.as_object().cloned().unwrap_or_default());
    Ok(Reply::of(json!({ "id": number, "status": "PENDING" })))
}

fn uploaded(call: &mut Call<'_>) -> Answer {
    let id = call.id("uploadId")?;
    let stored = call.account.things.get_mut(UPLOADS, &id);
    let stored: &mut Map<String, Value> = stored.ok_or_else(|| Refusal::not_found("Upload", &id))?;
    let number = |name: &str| stored.get(name).and_then(Value::as_u64).unwrap_or_default();
    let (own, total, failed, reads) = (number("id"), number("total"), number("failed"), number("reads"));
    stored.insert("reads".to_owned(), (reads + 1).into());
    if reads == 0 {
        return Ok(Reply::of(json!({ "id": own, "status": "PROCESSING" })));
    }
    let mut answer = json!({ "id": own, "status": "SUCCESS", "rowsTotal": total, "rowsFailed": failed });
    if total == 0 || total == failed {
        answer["status"] = "FAILED".into();
        answer["error"] = "The file has no row with a value for each column of its first line.".into();
    }
    Ok(Reply::of(answer))
}
