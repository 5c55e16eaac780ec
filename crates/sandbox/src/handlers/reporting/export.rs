//! Exports rows.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Period;
use crate::{
    call::Call,
    clock::Moment,
    objects::{Campaign, Tactic, delivery::currency_units},
    response::{ApiResponse, ApiResult},
    store::Account,
};

/// Longer exports have a download URL instead of data.
const MAX_INLINE_ROWS: usize = 10_000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Export {
    #[serde(default)]
    campaign_ids: Vec<String>,
    brand_agent_id: Option<String>,
    datasets: Vec<Dataset>,
    date_range: Period,
    group_by: Vec<String>,
    #[serde(default)]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Dataset {
    Delivery,
    Outcomes,
    Tactics,
    Allocations,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    #[default]
    Json,
    Csv,
    Parquet,
}

/// The campaigns, the period and the grouping of an export.
struct Query<'a> {
    account: &'a Account,
    campaigns: Vec<&'a Campaign>,
    from: Moment,
    to: Moment,
    group_by: &'a [String],
}

/// Returns the whole export as `data`, whereas Scope3 returns only a few rows in the message. With the format `csv`,
/// the rows are in the text member `csv`. The published code can export only tactics, and not a single day.
pub(super) fn export(call: &mut Call<'_>) -> ApiResult {
    let input: Export = call.input()?;
    let (from, to) = input.date_range.read(!call.account.as_published)?;
    if call.account.as_published && input.datasets.iter().any(|dataset| *dataset != Dataset::Tactics) {
        return Err(ApiResponse::bad_request("Failed to export data: the dataset is not available"));
    }
    let id = format!("exp_{}_{}", call.account.clock.now().as_millisecond(), call.account.ids.base36(9));
    let account = &*call.account;
    let campaigns = campaigns(account, &input)?;
    let query = Query { account, campaigns, from, to, group_by: &input.group_by };
    let rows: Vec<Map<String, Value>> =
        input.datasets.iter().flat_map(|dataset| query.rows(*dataset)).collect();
    let schema = schema(&input.datasets, &input.group_by);
    let now = account.clock.now();
    let mut export = json!({
        "exportId": id, "timestamp": now, "rowCount": rows.len(), "schema": schema, "query": call.arguments(),
    });
    if rows.len() > MAX_INLINE_ROWS {
        export["downloadUrl"] = json!(format!("https://api.scope3.com/exports/{id}"));
        export["expiresAt"] = json!(now.plus_hours(24));
    } else if input.format == Format::Csv {
        export["csv"] =
            json!(to_csv(&schema, &rows).map_err(|error| ApiResponse::bad_request(error.to_string()))?);
    } else {
        export["data"] = json!(rows);
    }
    let mut message = format!("## 📊 Data export\n\n**Export ID**: {id}\n**Total rows**: {}\n", rows.len());
    for row in rows.iter().take(5) {
        message.push_str("- ");
        message.push_str(&row.values().map(cell_text).collect::<Vec<_>>().join(" | "));
        message.push('\n');
    }
    Ok(ApiResponse::success(message, export))
}

fn campaigns<'a>(account: &'a Account, input: &Export) -> ApiResult<Vec<&'a Campaign>> {
    if !input.campaign_ids.is_empty() {
        return input.campaign_ids.iter().map(|id| account.campaign(id)).collect();
    }
    let mut campaigns = Vec::new();
    if let Some(agent) = &input.brand_agent_id {
        account.brand_agent(agent)?;
        campaigns.extend(account.campaigns.iter().filter(|campaign| campaign.brand_agent_id == *agent));
    }
    if campaigns.is_empty() {
        return Err(ApiResponse::bad_request("No campaigns found for the specified criteria"));
    }
    Ok(campaigns)
}

/// The fields of each dataset, and their types.
fn schema(datasets: &[Dataset], group_by: &[String]) -> Map<String, Value> {
    let grouped = |name: &str| group_by.iter().any(|by| by == name);
    let mut fields: Vec<&str> = Vec::new();
    for dataset in datasets {
        fields.extend(match dataset {
            Dataset::Delivery => [
                "campaign_id campaign_name date tactic_id spend currency current_price units_delivered delivery_unit",
                // Scope3 splits only by the first of these.
                ["signal", "story", "publisher_product"].into_iter().find(|by| grouped(by)).unwrap_or_default(),
            ],
            Dataset::Outcomes => [
                "outcome_id campaign_id tactic_id creative_id performance_index exposure_start exposure_end source \
                 timestamp",
                match (grouped("signal"), grouped("story")) {
                    (true, true) => "signals stories",
                    (true, false) => "signals",
                    (false, true) => "stories",
                    (false, false) => "",
                },
            ],
            Dataset::Tactics => [
                "tactic_id tactic_name campaign_id status daily_budget target_price start_date end_date",
                "publisher_products signals stories",
            ],
            Dataset::Allocations => {
                ["campaign_id tactic_id date allocated_budget utilized_budget utilization_rate", ""]
            }
        }
        .into_iter()
        .flat_map(str::split_whitespace));
    }
    fields.into_iter().map(|field| (field.to_owned(), kind(field).into())).collect()
}

fn kind(field: &str) -> &'static str {
    match field {
        "spend" | "current_price" | "units_delivered" | "performance_index" | "daily_budget"
        | "target_price" | "allocated_budget" | "utilized_budget" | "utilization_rate" => "number",
        _ => "string",
    }
}

impl Query<'_> {
    fn rows(&self, dataset: Dataset) -> Vec<Map<String, Value>> {
        let rows: Vec<Value> = match dataset {
            Dataset::Delivery => self.delivery(),
            Dataset::Outcomes => self.outcomes(),
            Dataset::Tactics => self.tactics(),
            Dataset::Allocations => self.allocations(),
        };
        rows.into_iter()
            .filter_map(|row| if let Value::Object(row) = row { Some(row) } else { None })
            .collect()
    }

    fn is_grouped(&self, name: &str) -> bool {
        self.group_by.iter().any(|by| by == name)
    }

    /// One row for each day of each tactic. The period includes both ends.
    fn delivered(&self) -> impl Iterator<Item = (&Campaign, Option<&Tactic>, &crate::objects::Delivery)> {
        self.campaigns.iter().flat_map(move |campaign| {
            self.account
                .delivery
                .iter()
                .filter(|row| row.campaign_id == campaign.id)
                .filter(|row| self.from.date() <= row.date && row.date <= self.to.date())
                .map(|row| {
                    let tactic = self.account.tactics.iter().find(|tactic| tactic.id == row.tactic_id);
                    (*campaign, tactic, row)
                })
        })
    }

    fn delivery(&self) -> Vec<Value> {
        self.delivered()
            .map(|(campaign, tactic, row)| {
                let mut shown = json!({
                    "campaign_id": campaign.id, "campaign_name": campaign.name, "date": row.date.to_string(),
                    "tactic_id": row.tactic_id, "spend": currency_units(row.spend_cents),
                    "currency": campaign.budget.currency, "current_price": tactic.map(Tactic::total_cpm),
                    "units_delivered": row.impressions, "delivery_unit": "impressions",
                });
                // A tactic has at most one signal, one story and one product, so a split has one part.
                if self.is_grouped("signal") {
                    shown["signal"] = json!(tactic.and_then(|tactic| tactic.signal_id.as_ref()));
                } else if self.is_grouped("story") {
                    shown["story"] = json!(tactic.map(|tactic| &tactic.brand_story_id));
                } else if self.is_grouped("publisher_product") {
                    shown["publisher_product"] = json!(tactic.map(|tactic| &tactic.product.id));
                }
                shown
            })
            .collect()
    }

    fn outcomes(&self) -> Vec<Value> {
        let outcomes = self.account.outcomes.iter().filter(|outcome| {
            self.campaigns.iter().any(|campaign| campaign.id == outcome.campaign_id)
                && outcome.exposure_range.start.date() <= self.to.date()
                && self.from.date() <= outcome.exposure_range.end.date()
        });
        outcomes
            .map(|outcome| {
                let mut shown = json!({
                    "outcome_id": outcome.id, "campaign_id": outcome.campaign_id,
                    "tactic_id": outcome.tactic_id, "creative_id": outcome.creative_id,
                    "performance_index": outcome.performance_index,
                    "exposure_start": outcome.exposure_range.start, "exposure_end": outcome.exposure_range.end,
                    "source": outcome.source, "timestamp": outcome.timestamp,
                });
                for (by, member) in [("signal", "signals"), ("story", "stories")] {
                    if self.is_grouped(by) {
                        shown[member] = Value::Null;
                    }
                }
                shown
            })
            .collect()
    }

    fn tactics(&self) -> Vec<Value> {
        let tactics = self.campaigns.iter().flat_map(|campaign| self.account.tactics_of(&campaign.id));
        tactics
            .map(|tactic| {
                json!({
                    "tactic_id": tactic.id, "tactic_name": tactic.name, "campaign_id": tactic.campaign_id,
                    "status": tactic.status, "daily_budget": tactic.allocation.daily_cap,
                    "target_price": tactic.total_cpm(), "start_date": null, "end_date": null,
                    "publisher_products": tactic.product.id, "signals": tactic.signal_id,
                    "stories": tactic.brand_story_id,
                })
            })
            .collect()
    }

    /// The allocated and the spent budget per day. The allocation is the tactic's amount, spread evenly over the
    /// flight.
    fn allocations(&self) -> Vec<Value> {
        self.delivered()
            .map(|(campaign, tactic, row)| {
                let amount = tactic.map_or(0.0, |tactic| tactic.allocation.amount);
                let allocated = (amount / days(campaign) * 100.0).round() / 100.0;
                let utilized = currency_units(row.spend_cents);
                json!({
                    "campaign_id": campaign.id, "tactic_id": row.tactic_id, "date": row.date.to_string(),
                    "allocated_budget": allocated, "utilized_budget": utilized,
                    "utilization_rate": if allocated > 0.0 { utilized / allocated } else { 0.0 },
                })
            })
            .collect()
    }
}

fn days(campaign: &Campaign) -> f64 {
    let start = campaign.start_date.unwrap_or(campaign.created_at).date();
    let end = campaign.end_date.map_or(start, Moment::date);
    f64::from((end - start).get_days().max(0) + 1)
}

/// The rows as CSV (RFC 4180), with a header.
fn to_csv(schema: &Map<String, Value>, rows: &[Map<String, Value>]) -> csv::Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(schema.keys())?;
    for row in rows {
        writer.write_record(schema.keys().map(|field| row.get(field).map(cell_text).unwrap_or_default()))?;
    }
    let bytes = writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn cell_text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_quotes_commas_quotation_marks_and_line_breaks() {
        let object = |value: Value| value.as_object().unwrap().clone();
        let schema = object(json!({"name": "string", "spend": "number", "note": "string"}));
        let rows =
            [object(json!({"name": "a, \"b\"\nc", "spend": 1.5, "note": null})), object(json!({"spend": 2}))];
        assert_eq!(to_csv(&schema, &rows).unwrap(), "name,spend,note\n\"a, \"\"b\"\"\nc\",1.5,\n,2,\n");
    }
}
