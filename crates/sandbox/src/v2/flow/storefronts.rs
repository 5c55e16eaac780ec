//! Storefronts.

use serde_json::{Value, json};

use super::{
    super::market::{STOREFRONTS, Storefront},
    Answer, Call, Handler, Refusal, Reply,
};

pub(super) fn handler(operation: &str) -> Option<Handler> {
    match operation {
        "listStorefronts" => Some(list),
        "getStorefront" => Some(get),
        "getStorefrontCapabilities" => Some(capabilities),
        "listBuyerStorefrontPublishers" => Some(publishers),
        _ => None,
    }
}

fn found(call: &Call<'_>) -> Answer<&'static Storefront> {
    let id = call.id("storefrontId")?;
    Storefront::by_id(&id).ok_or_else(|| Refusal::not_found("Storefront", &id))
}

/// What buyers see of a storefront.
pub(in crate::v2) fn card(storefront: &Storefront) -> Value {
    json!({
        "storefrontId": storefront.id.to_string(),
        "platformId": storefront.platform,
        "storefrontKind": "managed",
        "displayName": storefront.name,
        "description": storefront.description,
        "website": format!("https://{}/", storefront.domain()),
        "channels": storefront.channels,
        "countries": storefront.countries,
        "acceptsAllCountries": false,
        "coverage": { "channels": "declared", "countries": "declared" },
        "logoUrl": null,
        "logoBackground": null,
        "brandColors": null,
        "coverageDeclarations": [
            { "channels": storefront.channels, "countries": storefront.countries, "acceptsAllCountries": false },
        ],
        "provenance": {
            "identity": {
                "displayName": "operator", "logoUrl": "unknown", "description": "operator", "website": "operator",
                "brandColors": "unknown",
            },
            "coverage": { "channels": "operator", "countries": "operator" },
            "advertisingPolicies": "unknown",
        },
    })
}

/// What a list and a single storefront have in common.
fn common(storefront: &Storefront) -> Value {
    let is_connected = storefront.is_connected;
    let blockers: &[&str] = if is_connected { &[] } else { &["connection"] };
    json!({
        "id": storefront.id,
        "platformId": storefront.platform,
        "name": storefront.name,
        "publisherDomain": storefront.domain(),
        "brandName": storefront.name,
        "description": storefront.description,
        "website": format!("https://{}/", storefront.domain()),
        "displayStatus": "transacting",
        "readiness": {
            "canTransact": is_connected, "effectiveStatus": if is_connected { "live" } else { "blocked" },
            "blockerIds": blockers,
        },
        "supportedBilling": ["operator"],
        "supportedRoutingTypes": ["ROUTED"],
        "logoUrl": null,
        "logoBackground": null,
        "brandColors": null,
        "adapterProviderType": null,
        "adapterSourceKind": "sales",
        "creativeCapabilities": null,
        "adapterConnection": null,
        "discoveryPerformance": {
            "sampleCount": 20, "successCount": 20, "timeoutCount": 0, "avgResponseTimeMs": 900,
            "maxResponseTimeMs": 2_000, "lastResponseTimeMs": 800, "lastDiscoveryAt": null,
        },
        "discoveryCard": card(storefront),
        "channels": storefront.channels,
        "regions": storefront.countries,
    })
}

fn list(call: &mut Call<'_>) -> Answer {
    let arguments = &call.arguments;
    let name = arguments.text("name").unwrap_or_default().to_lowercase();
    let domain = arguments.text("publisherDomain");
    let fits = |storefront: &&Storefront| {
        storefront.name.to_lowercase().contains(&name)
            && arguments.text("channel").is_none_or(|channel| storefront.channels.contains(&channel))
            && arguments.text("region").is_none_or(|region| storefront.countries.contains(&region))
            && domain.is_none_or(|domain| domain == storefront.domain())
            && arguments.text("visibility") != Some("private")
            && arguments.text("status").is_none_or(|status| status == "transacting")
    };
    let row = |storefront: &Storefront| {
        let mut row = common(storefront);
        row["discoveryCard"]["hasAdvertisingPolicies"] = false.into();
        row["discoveryCard"]["advertisingPoliciesExcerpt"] = Value::Null;
        row["sourceCount"] = 1.into();
        row["connectedSourceCount"] = u8::from(storefront.is_connected).into();
        row
    };
    Ok(call.list("items", STOREFRONTS.iter().filter(fits).map(row).collect()))
}

fn get(call: &mut Call<'_>) -> Answer {
    let storefront = found(call)?;
    let mut answer = common(storefront);
    answer["discoveryCard"]["advertisingPolicies"] = Value::Null;
    answer["customerAccounts"] = json!([]);
    answer["publishers"] = json!({ "total": 1, "verified": 1, "sample": [storefront.domain()] });
    answer["connected"] = storefront.is_connected.into();
    answer["requiresCredentials"] = (!storefront.is_connected).into();
    answer["adcpCapabilities"] = json!({
        "supportsUpdateMediaBuy": true, "supportsCreateMediaBuy": true, "supportsGetReporting": true,
        "supportsSandbox": true, "protocols": ["adcp"], "channels": storefront.channels,
        "countries": storefront.countries, "countriesComplete": true, "channelsComplete": true, "extensions": [],
        "version": "3", "reportingDeliveryMethods": null, "offlineDeliveryProtocols": null,
        "capabilitiesCachedAt": null,
    });
    Ok(Reply::of(answer))
}

fn capabilities(call: &mut Call<'_>) -> Answer {
    let storefront = found(call)?;
    Ok(Reply::of(json!({
        "storefrontId": storefront.id,
        "agents": [{
            "sourceId": storefront.id.to_string(), "sourceName": storefront.name, "executionType": "adcp",
            "agentName": storefront.sales_agent(), "requiresCredentials": !storefront.is_connected,
            "probeable": true, "probeStatus": "reachable", "message": null,
            "capabilities": {
                "version": "3", "tools": ["get_products", "create_media_buy"], "protocols": ["adcp"], "features": {},
                "channels": storefront.channels, "countries": storefront.countries, "requireOperatorAuth": false,
                "accountResolution": null, "defaultBilling": "operator", "reportingDeliveryMethods": null,
                "supportedBillings": ["operator"], "sandboxSupported": true, "synthetic": true,
            },
        }],
    })))
}

fn publishers(call: &mut Call<'_>) -> Answer {
    let domain = found(call)?.domain();
    let is_wanted = call.arguments.text("q").is_none_or(|part| domain.contains(part));
    let row = json!({ "domain": domain, "verification": "verified", "propertyCount": 3 });
    let rows: Vec<Value> = is_wanted.then_some(row).into_iter().collect();
    let mut reply = call.list("publishers", rows);
    reply.data["verifiedCount"] = reply.data["total"].clone();
    Ok(reply)
}
