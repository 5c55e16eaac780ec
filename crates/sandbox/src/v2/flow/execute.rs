//! From a cart to media buys.

use serde_json::{Map, Value, json};

use crate::clock::Moment;

use super::{
    super::{
        account::Account,
        market::{Offer, Storefront},
        objects::{
            campaign::{Campaign, Phase},
            ledger::Ledger,
            media_buy::{BuyStatus, MediaBuy, Package},
            search::Line,
            units,
        },
    },
    Answer, Call, Handler, Refusal, Reply, campaigns, discovery,
};

pub(super) fn handler(operation: &str) -> Option<Handler> {
    match operation {
        "executeCampaign" => Some(execute),
        "createMediaBuysBatch" => Some(batch),
        "autoSelectProducts" => Some(auto_select),
        _ => None,
    }
}

fn execute(call: &mut Call<'_>) -> Answer {
    let id = call.id("campaignId")?;
    let now = call.account.tick();
    launch(call.account, &id, now).map(Reply::of)
}

/// Makes a media buy for each seller in the cart, and sends those that are still drafts. What one seller rejects does not
/// keep the others from starting.
pub(in crate::v2) fn launch(account: &mut Account, id: &str, now: Moment) -> Answer<Value> {
    let previous = account.campaign(id)?.status(now);
    stage(account, id, now)?;
    let around = account.around(account.campaign(id)?);
    let formats: Vec<(String, String)> =
        account.creatives.iter().map(|creative| (creative.id.clone(), creative.format.clone())).collect();
    let (market, buyer) = (account.market.clone(), account.customer.id);
    let campaign = account.campaign_mut(id)?;
    let mut errors = Vec::new();
    let mut sent = 0;
    for buy in campaign.buys.iter_mut().filter(|buy| buy.status == BuyStatus::Draft) {
        let own: Option<Vec<String>> = buy.creatives.as_ref().map(|ids| {
            formats.iter().filter(|(id, _)| ids.contains(id)).map(|(_, format)| format.clone()).collect()
        });
        buy.failure = rejection(buy, own.as_ref().unwrap_or(&around.covered));
        let is_gone = |package: &&Package| market.offer(&package.offer.id()).is_none();
        if let Some(gone) = buy.packages.iter().find(is_gone) {
            let name = &gone.offer.product.name;
            buy.failure.get_or_insert_with(|| format!("{} no longer sells {name}", buy.storefront.name));
        }
        if let Some(message) = &buy.failure {
            errors.push(json!({
                "mediaBuyId": buy.id, "salesAgentId": buy.storefront.sales_agent(), "message": message,
            }));
        } else {
            buy.send(market.needs_review(buy.storefront, buyer, now), now);
            sent += 1;
        }
        buy.touch(now);
    }
    if sent > 0 {
        campaign.phase = Phase::Active;
        campaign.touch(now);
    }
    let mut answer = json!({
        "campaignId": id,
        "previousStatus": previous,
        "newStatus": campaign.status(now),
        "success": errors.is_empty(),
        "mediaBuysExecuted": sent,
    });
    if sent == 0 && errors.is_empty() {
        answer["reason"] = "no_media_buys_to_execute".into();
    }
    if !errors.is_empty() {
        answer["errors"] = errors.into();
    }
    Ok(answer)
}

/// Why a seller does not take a media buy.
fn rejection(buy: &MediaBuy, covered: &[String]) -> Option<String> {
    if !buy.storefront.is_connected {
        return Some(format!("{} is not connected to this account", buy.storefront.name));
    }
    let lacks = |package: &&Package| !covered.contains(&package.offer.product.format);
    if let Some(package) = buy.packages.iter().find(lacks) {
        let Offer { product, .. } = &package.offer;
        return Some(format!("{} needs a creative of the format {}", product.name, product.format));
    }
    let small =
        buy.packages.iter().find(|package| package.budget_cents < package.offer.product.minimum_cents);
    small.map(|package| {
        let Offer { product, .. } = &package.offer;
        format!(
            "{} needs a budget of at least {} {}, not {}",
            product.name,
            units(product.minimum_cents),
            buy.currency,
            units(package.budget_cents)
        )
    })
}

/// Makes drafts of media buys for the lines of the cart that are in none. Lines without a budget share what is left.
fn stage(account: &mut Account, id: &str, now: Moment) -> Answer<usize> {
    let campaign = account.campaign(id)?;
    if !campaign.is_open(now) {
        return Err(Refusal::invalid_state(format!("Campaign {id} is {}", campaign.status(now))));
    }
    if campaign.end <= now {
        return Err(Refusal::invalid_state(format!("The flight of campaign {id} is over")));
    }
    let currency = campaign.currency.clone();
    let bought: Vec<&str> = campaign
        .buys
        .iter()
        .flat_map(|buy| &buy.packages)
        .map(|package| package.selection.as_str())
        .collect();
    let search = campaign.discovery.as_deref().and_then(|id| account.search(id).ok());
    let is_new = |line: &&Line| !bought.contains(&line.selection.as_str());
    let lines: Vec<Line> =
        search.into_iter().flat_map(|search| &search.cart).filter(is_new).cloned().collect();
    let fixed: u64 = lines.iter().filter_map(|line| line.budget_cents).sum();
    let open = lines.iter().filter(|line| line.budget_cents.is_none()).count() as u64;
    let left = campaign.total_cents.saturating_sub(campaign.allocated(now));
    if fixed > left {
        return Err(Refusal::insufficient_budget(format!(
            "The products need {} {currency}, and the campaign has {} left",
            units(fixed),
            units(left)
        )));
    }
    let share = (left - fixed).checked_div(open).unwrap_or_default();
    let mut packages = Vec::new();
    for line in &lines {
        let cpm = line.offer.cpm_cents(&currency);
        let cpm = cpm.ok_or_else(|| Refusal::no_price(&line.offer.product.name, &currency))?;
        packages.push(Package {
            id: account.ids.short("pkg"),
            offer: line.offer.clone(),
            selection: line.selection.clone(),
            budget_cents: line.budget_cents.unwrap_or(share),
            cpm_cents: line.bid_cents.unwrap_or(cpm).max(1),
            is_canceled: false,
            start: None,
            end: None,
            pacing: None,
            ledger: Ledger::default(),
        });
    }
    let staged = packages.len();
    for package in packages {
        let storefront = package.offer.storefront;
        let is_its = |buy: &&mut MediaBuy| buy.storefront == storefront && buy.status == BuyStatus::Draft;
        if let Some(buy) = account.campaign_mut(id)?.buys.iter_mut().find(is_its) {
            buy.packages.push(package);
            continue;
        }
        let buy_id = account.ids.short("mb");
        let campaign = account.campaign_mut(id)?;
        campaign.buys.push(media_buy(campaign, buy_id, storefront, package, now));
    }
    Ok(staged)
}

fn media_buy(
    campaign: &Campaign,
    id: String,
    storefront: &'static Storefront,
    package: Package,
    now: Moment,
) -> MediaBuy {
    MediaBuy {
        id,
        name: format!("{} at {}", campaign.name, storefront.name),
        storefront,
        status: BuyStatus::Draft,
        packages: vec![package],
        currency: campaign.currency.clone(),
        start: campaign.start,
        end: campaign.end,
        goals: None,
        creatives: None,
        failure: None,
        approval: None,
        forwarded: None,
        created: now,
        updated: now,
        revision: 1,
    }
}

/// Chooses products, stages their media buys and, if told so, sends them.
fn batch(call: &mut Call<'_>) -> Answer {
    let query = call.id("productQueryId")?;
    call.account.search(&query)?;
    let existing = call.arguments.id("campaign/campaignId");
    let id = match &existing {
        Some(id) => call.account.campaign(id)?.id.clone(),
        None => campaigns::draft(call, "campaign/create/")?,
    };
    let currency = call.account.campaign(&id)?.currency.clone();
    let now = call.account.tick();
    if call.arguments.is_true("replace") {
        call.account.search_mut(&query)?.cart.clear();
    }
    let mut proposals = 0;
    for selection in call.arguments.list("selections") {
        if let Some(proposal) = selection["proposalId"].as_str() {
            discovery::apply(
                call.account,
                &query,
                proposal,
                super::super::arguments::cents(&selection["totalBudget"]),
            )?;
            proposals += 1;
        } else {
            discovery::select(call.account, &query, &selection, &currency, now)?;
        }
    }
    call.account.campaign_mut(&id)?.discovery = Some(query.clone());
    let staged = stage(call.account, &id, now)?;
    let mode = call.text("mode")?;
    let mut result = Map::new();
    if mode == "execute" {
        result = launch(call.account, &id, now)?.as_object().cloned().unwrap_or_default();
    }
    let campaign = call.account.campaign(&id)?;
    let executed = result.get("mediaBuysExecuted").and_then(Value::as_u64).unwrap_or_default();
    let mut answer = json!({
        "productQueryId": query,
        "campaignId": id,
        "campaignCreated": existing.is_none(),
        "mode": mode,
        "campaignStatus": campaign.status(now),
        "queryProductsSelected": call.account.search(&query)?.cart.len(),
        "proposalsApplied": proposals,
        "mediaBuysStaged": campaign.buys.iter().filter(|buy| buy.status == BuyStatus::Draft).count(),
        "mediaBuysExecuted": executed,
        "mediaBuyRefs": campaign.buys.iter().map(|buy| buy.reference(now)).collect::<Vec<_>>(),
        "mediaBuyRefsTruncated": false,
        "success": !result.contains_key("errors"),
        "noOp": staged == 0 && executed == 0,
    });
    if let Some(errors) = result.shift_remove("errors") {
        answer["errors"] = errors;
    }
    Ok(Reply::of(answer))
}

/// Fills the cart of a draft with the products that fit its brief best.
fn auto_select(call: &mut Call<'_>) -> Answer {
    let id = call.id("campaignId")?;
    let now = call.account.tick();
    let campaign = call.account.campaign(&id)?;
    if campaign.status(now) != "DRAFT" {
        return Err(Refusal::invalid_state(format!("Campaign {id} is {}", campaign.status(now))));
    }
    let (total, known) = (campaign.total_cents, campaign.discovery.clone());
    let wanted = discovery::wanted_by(call.account, &id)?;
    let search = match known {
        Some(search) => search,
        None => discovery::open(call.account, wanted.clone()),
    };
    call.account.campaign_mut(&id)?.discovery = Some(search.clone());
    let found: Vec<Offer> = wanted.found(&call.account.market).into_iter().take(3).collect();
    let share = total.checked_div(found.len() as u64).unwrap_or_default();
    let search = call.account.search_mut(&search)?;
    let before = search.cart.len();
    search.cart.clear();
    for offer in found {
        search.cart.push(Line {
            selection: offer.id(),
            offer,
            budget_cents: Some(share),
            bid_cents: None,
            others: Map::new(),
            selected: now,
        });
    }
    let cart = search.cart(Some(&id));
    Ok(Reply::of(json!({
        "campaignId": id,
        "discoveryId": search.id,
        "selectedProducts": cart["products"],
        "budgetContext": { "campaignBudget": units(total), "totalAllocated": cart["budgetContext"]["allocatedBudget"] },
        "productCount": search.cart.len(),
        "previouslySelectedCount": before,
    })))
}
