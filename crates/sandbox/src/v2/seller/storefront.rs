//! The caller's storefront, its settings and its sources.

use serde_json::{Map, Value, json};

use super::{
    super::{account::Account, flow::storefront_card, market::Storefront},
    Answer, Call, Handler, Refusal, Reply, own,
};

pub(super) fn handler(operation: &str) -> Option<Handler> {
    match operation {
        // Each customer has a storefront already, and creating it again returns it.
        "getStorefront" | "createStorefront" => Some(get),
        "updateStorefront" => Some(update),
        _ => None,
    }
}

fn shown(call: &Call<'_>, storefront: &Storefront) -> Value {
    let settings = call.account.market.settings(storefront);
    let domain = call.account.customer.email.split_once('@').map(|(_, domain)| domain);
    let is_paused = settings.get("isPaused").is_some_and(|paused| *paused == true);
    let (created, updated) = (call.account.clock.day(-200), call.account.clock.day(-1));
    let mut card = storefront_card(storefront);
    card["advertisingPolicies"] = Value::Null;
    let capabilities = json!({ "offersCreativeReview": true, "offersCampaignApproval": true, "offersProductComposition": false });
    let mut shown = json!({
        "storefrontId": storefront.id.to_string(),
        "platformId": storefront.platform,
        "name": storefront.name,
        "publisherDomain": storefront.domain(),
        "operatorDomain": domain,
        "brandName": storefront.name,
        "logoUrl": null,
        "membershipStatus": null,
        "regions": storefront.countries,
        "acceptedCountries": storefront.countries,
        "acceptsAllCountries": false,
        "advertisingPolicyDisclosure": [],
        "advertisedCountries": storefront.countries,
        "advertisedChannels": storefront.channels,
        "description": storefront.description,
        "channels": storefront.channels,
        "website": format!("https://{}/", storefront.domain()),
        "discoveryCard": card,
        "demandContactName": call.account.customer.name,
        "demandContactEmail": call.account.customer.email,
        "operatorDomainVerified": true,
        "routingMode": "CHEF",
        "adapterProviderType": null,
        "adapterSourceKind": null,
        "adapterCredentialMode": null,
        "plan": "basic",
        "transacting": !is_paused,
        "isPaused": is_paused,
        "archivedAt": null,
        "displayStatus": if is_paused { "paused" } else { "transacting" },
        "capabilities": capabilities,
        "configuredCapabilities": capabilities,
        "compositionPricing": { "targetPercentile": "p50", "rateCard": { "facts": [] } },
        "capabilitiesLocked": false,
        "advertiseAsAgent": true,
        "createdAt": created,
        "updatedAt": updated,
        "businessProfile": null,
        "defaultCurrency": storefront.currencies.first(),
        "paymentCurrencies": storefront.currencies,
    });
    if let Value::Object(members) = &mut shown {
        members.extend(settings);
    }
    shown
}

fn get(call: &mut Call<'_>) -> Answer {
    let storefront = own(call)?;
    Ok(Reply::of(shown(call, storefront)))
}

/// Changes settings. To approve without a person has to be acknowledged.
fn update(call: &mut Call<'_>) -> Answer {
    let storefront = own(call)?;
    let old = call.account.market.settings(storefront);
    let mut change: Map<String, Value> = call.arguments.body();
    for name in ["mediaBuyApproval", "creativeApproval"] {
        let becomes_auto = change.get(name).is_some_and(|value| value == "auto")
            && old.get(name).is_some_and(|value| value != "auto");
        if becomes_auto && !call.arguments.is_agreed("acknowledgeNoHumanReview") {
            let message = "must be true, because orders and creatives then run without a person's review";
            return Err(Refusal::invalid_value("acknowledgeNoHumanReview", message));
        }
    }
    if let Some(transacting) = change.shift_remove("transacting").and_then(|value| value.as_bool()) {
        change.entry("isPaused").or_insert_with(|| (!transacting).into());
    }
    let mut settings = old;
    settings.extend(change);
    settings.insert("updatedAt".to_owned(), json!(call.account.tick()));
    call.account.market.set(storefront, settings);
    Ok(Reply::of(shown(call, storefront)))
}

/// Where the ad servers are kept, and where the sources.
pub(super) const AD_SERVERS: &str = "api/v2/storefront/esa";
const SOURCES: &str = "api/v2/storefront/inventory-sources";

/// Connects the ad server of a customer's storefront, and makes it a source.
pub(in crate::v2) fn connect(account: &mut Account) {
    let Some(storefront) = Storefront::of_operator(account.customer.id) else { return };
    let (created, checked) = (account.clock.day(-200), account.clock.day(-1));
    let id = storefront.ad_server().to_string();
    let state = json!({
        "tenantId": storefront.platform,
        "adServer": { "type": "google_ad_manager", "networkCode": id },
        "lastError": null,
        "lastErrorCode": null,
        "lastTestedAt": checked,
        "provisionedAt": created,
        "deactivatedAt": null,
    });
    let mut server = json!({
        "id": id,
        "customerId": account.customer.id,
        "mcpUrl": null,
        "a2aUrl": null,
        "serviceAccountEmail": null,
        "createdAt": created,
        "updatedAt": checked,
        "inventorySync": {
            "status": "success", "lastRunAt": checked, "completedAt": checked,
            "itemCount": account.market.products(storefront).len(), "error": null, "updatedAt": checked,
        },
    });
    let mut source = json!({
        "id": id,
        "sourceId": storefront.id.to_string(),
        "name": format!("Ad server of {}", storefront.name),
        "executionType": "MANAGED_SALES_AGENT",
        "connectionType": "AD_SERVER",
        "status": "ACTIVE",
        "agentId": null,
        "type": "SALES",
        "authConfigured": true,
        "createdAt": created,
        "updatedAt": checked,
    });
    source["managedSa"] = state.clone();
    source["managedSa"]["connectionId"] = id.clone().into();
    if let (Value::Object(server), Value::Object(state)) = (&mut server, state) {
        server.extend(state);
    }
    for (collection, key, object) in [(AD_SERVERS, id, server), (SOURCES, storefront.id.to_string(), source)]
    {
        account.things.put(collection, &key, object.as_object().cloned().unwrap_or_default());
    }
}
